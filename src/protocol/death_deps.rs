//! Death dependencies: which death counts, and how the life that depends on it ends. Pure:
//! observations in, stop cause out.
//!
//! "This life" is the life of the process that has the dependencies. Two rules keep lives that
//! depend on each other from stopping each other for ever:
//!
//! - A death that names this life as its cause does not count: this life stopped it.
//! - A life that had a cause already when this life began to watch was stopped by the same accident
//!   as this life's predecessor. Its death no longer counts once the cause lives again.
//!
//! A name that is also a birth dependency is expected to start again, so its deaths do not count
//! before it was born.

use crate::exit;
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::describe;
use crate::protocol::life::{Death, Life, Observation};
use crate::protocol::name::Name;
use crate::protocol::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// How this life depends on the one that stops it. It decides whether this life's own end is clean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dependence {
    /// The peer has finished with code 0, or lives, and is only a death dependency: this life
    /// served it.
    Auxiliary,
    /// The peer has failed, or is also a birth dependency: this life cannot do without it.
    Required,
}

/// A death dependency that holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StopCause {
    /// The name to record as the cause of this life's end.
    pub(crate) cause: Name,
    pub(crate) dependence: Dependence,
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
    histories: BTreeMap<Name, History>,
    /// The first condition that was found to hold, in the order of the options, with its place.
    decided: Option<(usize, StopCause)>,
    has_begun: bool,
    /// Names unreadable at the first scan; their first successful read counts as initial state.
    unread: BTreeSet<Name>,
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
    /// The cause that the life had already.
    inherited: Option<InheritedCause>,
}

#[derive(Debug)]
struct InheritedCause {
    life: LifeKey,
    cause: Name,
    /// The cause has lived since this life began to watch.
    is_over: bool,
}

impl DeathDeps {
    pub(crate) fn new(
        conditions: &[Condition],
        births: &[Condition],
        own: Option<&Name>,
    ) -> DeathDeps {
        DeathDeps {
            conditions: conditions.to_vec(),
            births: births
                .iter()
                .map(|condition| condition.name.clone())
                .collect(),
            own: own.cloned(),
            histories: BTreeMap::new(),
            decided: None,
            has_begun: false,
            unread: BTreeSet::new(),
        }
    }

    /// Names to watch besides the dependencies, because a death names them as its cause.
    pub(crate) fn causes(&self) -> impl Iterator<Item = &Name> {
        let inherited = self
            .histories
            .values()
            .filter_map(|history| history.inherited.as_ref());
        inherited.map(|inherited| &inherited.cause)
    }

    /// Takes what one scan found. The causes that it adds must be observed too before
    /// [`DeathDeps::evaluate`].
    pub(crate) fn observe(&mut self, observations: &[Observation]) {
        for observation in observations {
            let name = &observation.name;
            let is_first = !self.has_begun || self.unread.remove(name);
            let history = self.histories.entry(name.clone()).or_default();
            if let (true, Some(life)) = (is_first, &observation.current) {
                history.begin(life);
            }
            history.observe(observation);
        }
        for observation in observations {
            if observation.current.as_ref().is_some_and(Life::is_alive) {
                self.end_inherited(&observation.name);
            }
        }
    }

    /// Decides by what was observed. `unread` are the names that could not be read.
    pub(crate) fn evaluate(&mut self, observations: &[Observation], unread: &[Name]) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.unread.extend(unread.iter().cloned());
        }
        for observation in observations {
            let lives = [observation.ended.as_ref(), observation.current.as_ref()];
            for life in lives.into_iter().flatten() {
                self.evaluate_life(&observation.name, life);
            }
        }
    }

    /// The dependency that stops this life, if one does.
    pub(crate) fn stop_cause(&self) -> Option<&StopCause> {
        self.decided.as_ref().map(|(_, cause)| cause)
    }

    /// Why this life ends for a birth dependency that has died.
    pub(crate) fn birth_failure(&self, name: &Name, life: &Life) -> StopCause {
        let cause = life.tombstone.cause.as_ref();
        let foreign = cause.filter(|cause| Some(*cause) != self.own.as_ref());
        StopCause {
            cause: foreign.unwrap_or(name).clone(),
            dependence: Dependence::Required,
            description: describe(name, life),
        }
    }

    fn evaluate_life(&mut self, name: &Name, life: &Life) {
        let found = self.conditions.iter().position(|condition| {
            condition.is_about(name)
                && life.has_state(condition.state)
                && self.counts(condition, name, life)
        });
        let Some((at, condition)) = found.and_then(|at| Some((at, self.conditions.get(at)?)))
        else {
            return;
        };
        if self.decided.as_ref().is_none_or(|(before, _)| at < *before) {
            let cause = StopCause {
                cause: life.tombstone.cause.clone().unwrap_or_else(|| name.clone()),
                dependence: self.dependence(condition, name, life),
                description: describe(name, life),
            };
            self.decided = Some((at, cause));
        }
    }

    fn dependence(&self, condition: &Condition, name: &Name, life: &Life) -> Dependence {
        let is_needed = self.is_birth_dep(condition, name);
        match life.death().map(Death::code) {
            None | Some(Some(exit::SUCCESS)) if !is_needed => Dependence::Auxiliary,
            None | Some(_) => Dependence::Required,
        }
    }

    /// Whether the name is a birth dependency. A condition without a name compares as such.
    fn is_birth_dep(&self, condition: &Condition, name: &Name) -> bool {
        self.births
            .iter()
            .any(|birth| birth.as_ref() == Some(name) || *birth == condition.name)
    }

    fn counts(&self, condition: &Condition, name: &Name, life: &Life) -> bool {
        let Some(death) = life.death() else {
            return true;
        };
        // This life's own end depends on the code, which the writer is about to add.
        if death.code().is_none() {
            return false;
        }
        let history = self.histories.get(name);
        // A birth dependency is expected to start again.
        if self.is_birth_dep(condition, name) && !history.is_some_and(|history| history.born) {
            return false;
        }
        match &life.tombstone.cause {
            None => true,
            Some(cause) if Some(cause) == self.own.as_ref() => false,
            Some(_) => !history.is_some_and(|history| history.is_over(life)),
        }
    }

    /// Notes for all lives that `cause` stopped that it lives again.
    fn end_inherited(&mut self, cause: &Name) {
        for history in self.histories.values_mut() {
            if let Some(inherited) = &mut history.inherited
                && inherited.cause == *cause
            {
                inherited.is_over = true;
            }
        }
    }
}

impl History {
    /// Takes the initial state of the name.
    fn begin(&mut self, life: &Life) {
        if life.death().is_some() {
            self.initial_death = Some(LifeKey::of(life));
        }
        self.inherited = life.tombstone.cause.as_ref().map(|cause| InheritedCause {
            life: LifeKey::of(life),
            cause: cause.clone(),
            is_over: false,
        });
    }

    fn observe(&mut self, observation: &Observation) {
        let lives = [observation.ended.as_ref(), observation.current.as_ref()];
        for life in lives.into_iter().flatten() {
            let is_initial_death = self.initial_death == Some(LifeKey::of(life));
            // Born again: a living life, or the death of a life that began and ended since.
            if life.tombstone.born.is_some() && !is_initial_death {
                self.born = true;
            }
        }
    }

    /// Whether this is the life that had a cause at the beginning, and the cause lives again.
    fn is_over(&self, life: &Life) -> bool {
        self.inherited
            .as_ref()
            .is_some_and(|inherited| inherited.is_over && inherited.life == LifeKey::of(life))
    }
}

#[cfg(test)]
mod tests;
