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
//!
//! A group (`A+B`) and a source count at the present moment: an [`Evaluator`] finds when all parts
//! hold at once. It sees a dead life only if its death counts by these rules.

use crate::exit;
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::{Evaluator, Mode, Terms, describe};
use crate::protocol::evidence::Evidence;
use crate::protocol::item::{Item, Part, parts};
use crate::protocol::life::{Death, Life, Observation};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::peer_history::{History, LifeKey};
use crate::protocol::source::Source;
use crate::protocol::standing::{SourceDeath, SourceDeaths};
use crate::protocol::state::State;
use crate::sorted::{SortedMap, SortedSet};

/// How this life depends on the one that stops it. It decides whether this life's own end is clean.
/// The greatest of several counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    items: Vec<Item>,
    /// The items that count at the present moment, and their places in `items`.
    momentary: Evaluator,
    momentary_places: Vec<usize>,
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

impl DeathDeps {
    pub(crate) fn new(
        items: &[Item],
        births: &[Item],
        own: Option<&Name>,
        fell: &[Cause],
    ) -> DeathDeps {
        let is_momentary = |(_, item): &(usize, &Item)| item.single_life().is_none();
        let momentary = items.iter().enumerate().filter(is_momentary);
        let (momentary_places, momentary): (Vec<usize>, Vec<&Item>) = momentary.unzip();
        let momentary: Vec<Item> = momentary.into_iter().cloned().collect();
        let terms = Terms {
            mode: Mode::Any,
            keep_waiting: true,
            need_code: true,
        };
        DeathDeps {
            items: items.to_vec(),
            momentary: Evaluator::new(&momentary, terms, own),
            momentary_places,
            births: parts(births)
                .filter_map(|part| Some(part.life()?.name.clone()))
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
        source_deaths: SourceDeaths<'_>,
    ) {
        for observation in observations {
            self.take(observation, is_still_dead);
        }
        self.end_scan(unread, source_deaths);
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
        self.take_present(observation, is_still_dead);
        // Of a name that no condition names, nothing is kept once it is gone.
        if observation.current.is_none() && !self.is_named(name) {
            self.histories.remove(name);
        }
    }

    /// All of a scan was taken, except the names that could not be read: what they are now is not
    /// known.
    pub(crate) fn end_scan(&mut self, unread: &[Name], source_deaths: SourceDeaths<'_>) {
        if !self.momentary_places.is_empty() {
            for name in unread {
                self.momentary.take(&present(name, None));
            }
            self.momentary
                .take_sources(&|source| source_deaths(source).is_some());
            self.momentary.end_scan();
            self.decide_momentary(source_deaths);
        }
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
        let mut deaths = parts(&self.items).filter_map(Part::life);
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
        let conditions = self.items.iter().enumerate();
        let mut conditions = conditions.filter_map(|(at, item)| Some((at, item.single_life()?)));
        let found = conditions.find(|(_, condition)| {
            condition.is_about(name)
                && life.has_state(condition.state)
                && self.counts(condition, name, life, is_still_dead)
        });
        if let Some((at, condition)) = found.filter(|(at, _)| self.comes_first(*at)) {
            self.decided = Some((at, self.cause_of(condition, name, life)));
        }
    }

    /// Whether the item comes before the one that was found to hold.
    fn comes_first(&self, at: usize) -> bool {
        self.decided.as_ref().is_none_or(|(before, _)| at < *before)
    }

    /// Hands the evaluator what is there under a name now, unless its death does not count.
    fn take_present(&mut self, observation: &Observation, is_still_dead: &dyn Fn(&Cause) -> bool) {
        let name = &observation.name;
        let momentary = self.momentary_places.iter();
        let items = momentary.filter_map(|at| self.items.get(*at));
        let conditions = items.flat_map(|item| &item.parts).filter_map(Part::life);
        let about = conditions.filter(|condition| condition.is_about(name));
        // One that names it comes first.
        let Some(condition) = about.max_by_key(|condition| condition.name.is_some()) else {
            return;
        };
        let current = observation.current.as_ref();
        let current = current.filter(|life| self.counts(condition, name, life, is_still_dead));
        self.momentary.take(&present(name, current));
    }

    fn decide_momentary(&mut self, source_deaths: SourceDeaths<'_>) {
        let Some(decision) = self.momentary.first_held() else {
            return;
        };
        let place = self.momentary_places.get(decision.item);
        let item = place.and_then(|at| Some((*at, self.items.get(*at)?)));
        if let Some((at, item)) = item.filter(|(at, _)| self.comes_first(*at))
            && let Some(cause) = self.cause_of_all(item, &decision.evidence, source_deaths)
        {
            self.decided = Some((at, cause));
        }
    }

    /// The stop for an item whose parts hold all: its cause is the part that completed it.
    fn cause_of_all(
        &self,
        item: &Item,
        evidence: &[Evidence],
        source_deaths: SourceDeaths<'_>,
    ) -> Option<StopCause> {
        let causes = item.parts.iter().zip(evidence);
        let causes = causes.map(|(part, evidence)| match (part, evidence) {
            (Part::Life(condition), Evidence::Life(it)) => {
                let mut cause = self.cause_of(condition, &it.name, &it.life);
                if item.is_group() && !it.life.has_state(State::Ok) {
                    cause.dependence = Dependence::Required;
                }
                Some(cause)
            }
            (_, Evidence::Source(source, _)) => cause_of_source(source, source_deaths(source)?),
            (Part::Source(_), Evidence::Life(_)) => None,
        });
        let causes = causes.collect::<Option<Vec<StopCause>>>()?;
        let words: Vec<&str> = causes.iter().map(|it| it.description.as_str()).collect();
        let description = words.join(", ");
        let dependence = causes.iter().map(|it| it.dependence).max()?;
        let at = Evidence::last_place(evidence)?;
        let completing = causes.into_iter().nth(at)?;
        Some(StopCause {
            cause: completing.cause,
            code: completing.code,
            dependence,
            description,
        })
    }

    /// The stop for one life that satisfies a condition.
    fn cause_of(&self, condition: &Condition, name: &Name, life: &Life) -> StopCause {
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
        cause
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

fn cause_of_source(source: &Source, death: SourceDeath) -> Option<StopCause> {
    Some(StopCause {
        cause: Cause {
            name: Name::from_cause(source.as_str())?,
            life: Some(death.at),
        },
        dependence: Dependence::Required,
        code: None,
        description: format!("{source} no longer answers ({})", death.why),
    })
}

/// What is there under a name at the present moment, and nothing else.
fn present(name: &Name, current: Option<&Life>) -> Observation {
    Observation {
        name: name.clone(),
        ended: Vec::new(),
        current: current.cloned(),
    }
}

#[cfg(test)]
mod tests;
