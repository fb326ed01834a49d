//! Death dependencies: which death counts, and how the life that depends on it ends. Pure:
//! observations in, stop cause out.
//!
//! "This life" is the life of the process that has the dependencies. Two rules keep lives that
//! depend on each other from stopping each other for ever:
//!
//! - A death that names this life as its cause does not count: this life, or an earlier one of its
//!   name, caused it.
//! - A death with a cause for which an earlier life of this name has ended already does not count:
//!   the same accident has ended both. The tombstone lists these causes as `Fell`. But it counts as
//!   long as the cause itself is dead and has no later life: it may never come back.
//!
//! A name that is also a birth dependency is expected to start again, so its deaths do not count
//! before it was born.

use crate::exit;
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::describe;
use crate::protocol::life::{Death, Life, Observation};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::timestamp::Timestamp;
use crate::sorted::{SortedMap, SortedSet};

/// How this life depends on the one that stops it. It decides whether this life's own end is clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dependence {
    /// The peer has finished with code 0, or lives, and is only a death dependency: this life
    /// served it.
    Auxiliary,
    /// The same, but the condition has no name. The peer may be one that this life has nothing to
    /// do with, such as an init container.
    Unnamed,
    /// The peer has failed, or is also a birth dependency: this life cannot do without it.
    Required,
}

/// A death dependency that holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StopCause {
    /// What to record as the cause of this life's end.
    pub(crate) cause: Cause,
    pub(crate) dependence: Dependence,
    /// The status with which the dependency died; `None` if it has not died or has no status.
    pub(crate) code: Option<u8>,
    /// In words: `main died with exit code 3`.
    pub(crate) description: String,
}

/// The death dependencies of one life.
#[derive(Debug)]
pub(crate) struct DeathDeps {
    conditions: Vec<Condition>,
    /// The names of the birth dependencies; `None` for a condition without a name.
    births: Vec<Option<Name>>,
    own: Option<Name>,
    /// The deaths for which earlier lives of this name have ended.
    fell: Vec<Cause>,
    histories: SortedMap<Name, History>,
    /// The first condition that was found to hold, in the order of the options, with its place.
    decided: Option<(usize, StopCause)>,
    has_begun: bool,
    /// Names unreadable at the first scan; their first successful read counts as initial state.
    unread: SortedSet<Name>,
}

/// Which life a tombstone describes. All tombstones without a time count as the same life.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LifeKey(Option<Timestamp>);

impl LifeKey {
    fn of(life: &Life) -> LifeKey {
        LifeKey(life.tombstone.life().cloned())
    }
}

/// What was observed under a name since this life began to watch.
#[derive(Debug, Default)]
struct History {
    /// The name was born since then.
    born: bool,
    /// The life that was dead already.
    initial_death: Option<LifeKey>,
}

impl DeathDeps {
    pub(crate) fn new(
        conditions: &[Condition],
        births: &[Condition],
        own: Option<&Name>,
        fell: &[Cause],
    ) -> DeathDeps {
        DeathDeps {
            conditions: conditions.to_vec(),
            births: births
                .iter()
                .map(|condition| condition.name.clone())
                .collect(),
            own: own.cloned(),
            fell: fell.to_vec(),
            histories: SortedMap::default(),
            decided: None,
            has_begun: false,
            unread: SortedSet::default(),
        }
    }

    /// Takes what one scan found, and decides.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn observe(
        &mut self,
        observations: &[Observation],
        unread: &[Name],
        is_still_dead: &dyn Fn(&Cause) -> bool,
    ) {
        for observation in observations {
            self.take(observation, is_still_dead);
        }
        self.end_scan(unread);
    }

    /// Takes what a scan found under one name, and decides. `is_still_dead` says whether the life
    /// of a cause is dead and has no later one.
    pub(crate) fn take(
        &mut self,
        observation: &Observation,
        is_still_dead: &dyn Fn(&Cause) -> bool,
    ) {
        let name = &observation.name;
        self.begin(observation);
        for life in observation.lives() {
            self.note_birth(name, life);
            self.evaluate(name, life, is_still_dead);
        }
        // Of a name that no condition names, nothing is kept once it is gone.
        if observation.current.is_none() && !self.is_named(name) {
            self.histories.remove(name);
        }
    }

    /// All of a scan was taken, except the names that could not be read.
    pub(crate) fn end_scan(&mut self, unread: &[Name]) {
        if !std::mem::replace(&mut self.has_begun, true) {
            for name in unread {
                self.unread.insert(name.clone());
            }
        }
    }

    /// The dependency that stops this life, if one does.
    pub(crate) fn stop_cause(&self) -> Option<&StopCause> {
        self.decided.as_ref().map(|(_, cause)| cause)
    }

    /// Why this life ends for a birth dependency that has died.
    pub(crate) fn birth_failure(&self, name: &Name, life: &Life) -> StopCause {
        let cause = life.tombstone.cause();
        let foreign = cause.filter(|cause| Some(&cause.name) != self.own.as_ref());
        StopCause {
            cause: foreign.unwrap_or_else(|| own_accident(name, life)),
            dependence: Dependence::Required,
            code: death_code(life),
            description: describe(name, life),
        }
    }

    /// Takes the initial state of a name.
    fn begin(&mut self, observation: &Observation) {
        let is_first = !self.has_begun || self.unread.remove(&observation.name);
        let initial = observation.current.as_ref().filter(|_| is_first);
        if let Some(life) = initial.filter(|life| life.death().is_some())
            && let Some(history) = self.histories.get_or_add(&observation.name)
        {
            history.initial_death = Some(LifeKey::of(life));
        }
    }

    /// Whether a dependency names this name.
    fn is_named(&self, name: &Name) -> bool {
        let mut deaths = self.conditions.iter();
        self.births.iter().any(|birth| birth.as_ref() == Some(name))
            || deaths.any(|condition| condition.name.as_ref() == Some(name))
    }

    /// Notes that the name was born: it lives, or it began and ended since. It matters only for
    /// birth dependencies.
    fn note_birth(&mut self, name: &Name, life: &Life) {
        let mut births = self.births.iter();
        let matters = births.any(|birth| birth.as_ref().is_none_or(|birth| birth == name));
        if matters
            && life.tombstone.born.is_some()
            && !self.was_dead_before(name, life)
            && let Some(history) = self.histories.get_or_add(name)
        {
            history.born = true;
        }
    }

    /// Whether the life was dead when this life began to watch.
    fn was_dead_before(&self, name: &Name, life: &Life) -> bool {
        let history = self.histories.get(name);
        history.is_some_and(|history| history.initial_death == Some(LifeKey::of(life)))
    }

    fn evaluate(&mut self, name: &Name, life: &Life, is_still_dead: &dyn Fn(&Cause) -> bool) {
        let found = self.conditions.iter().position(|condition| {
            condition.is_about(name)
                && life.has_state(condition.state)
                && self.counts(condition, name, life, is_still_dead)
        });
        let Some((at, condition)) = found.and_then(|at| Some((at, self.conditions.get(at)?)))
        else {
            return;
        };
        if self.decided.as_ref().is_none_or(|(before, _)| at < *before) {
            let mut cause = StopCause {
                cause: life
                    .tombstone
                    .cause()
                    .unwrap_or_else(|| own_accident(name, life)),
                dependence: self.dependence(condition, name, life),
                code: death_code(life),
                description: describe(name, life),
            };
            if condition.name.is_none() && self.was_dead_before(name, life) {
                cause.description.push_str(" before exitdir-run began");
            }
            self.decided = Some((at, cause));
        }
    }

    fn dependence(&self, condition: &Condition, name: &Name, life: &Life) -> Dependence {
        let is_needed = self.is_birth_dep(condition, name);
        match life.death().map(Death::code) {
            Some(None | Some(1..)) => Dependence::Required,
            None | Some(Some(exit::SUCCESS)) if is_needed => Dependence::Required,
            None | Some(Some(exit::SUCCESS)) if condition.name.is_none() => Dependence::Unnamed,
            None | Some(Some(exit::SUCCESS)) => Dependence::Auxiliary,
        }
    }

    /// Whether the name is a birth dependency. A condition without a name compares as such.
    fn is_birth_dep(&self, condition: &Condition, name: &Name) -> bool {
        self.births
            .iter()
            .any(|birth| birth.as_ref() == Some(name) || *birth == condition.name)
    }

    fn counts(
        &self,
        condition: &Condition,
        name: &Name,
        life: &Life,
        is_still_dead: &dyn Fn(&Cause) -> bool,
    ) -> bool {
        let Some(death) = life.death() else {
            return true;
        };
        // This life's own end depends on the code, which the writer is about to add.
        if death.code().is_none() {
            return false;
        }
        let is_born = self.histories.get(name).is_some_and(|history| history.born);
        // A birth dependency is expected to start again.
        if self.is_birth_dep(condition, name) && !is_born {
            return false;
        }
        life.tombstone.cause().is_none_or(|cause| {
            let is_own = Some(&cause.name) == self.own.as_ref();
            let is_covered = self.fell.iter().any(|known| known.covers(&cause));
            !is_own && (!is_covered || is_still_dead(&cause))
        })
    }
}

/// The status that the death of a life has, if it is dead.
fn death_code(life: &Life) -> Option<u8> {
    life.death().and_then(Death::code)
}

/// The cause that a death without a cause is for others. The state of a living life is no accident:
/// it must not be taken for the death to come.
fn own_accident(name: &Name, life: &Life) -> Cause {
    let id = life.tombstone.life().filter(|_| life.death().is_some());
    Cause {
        name: name.clone(),
        life: id.cloned(),
    }
}

#[cfg(test)]
mod tests;
