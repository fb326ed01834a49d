//! Death dependencies: which death counts, and what it means for us. Pure: news in, fate out.
//!
//! Two rules keep lives that depend on each other from stopping each other for ever. A death that
//! names a cause never counts for that cause; and a life that was already going down for a cause
//! when we began to watch is over as soon as the cause lives again, because we were struck by the
//! same accident and are back already. A name that is a birth dependency too is expected to come
//! back, so its old death does not count.

use crate::exit;
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::describe;
use crate::protocol::life::{Death, Life, Observation};
use crate::protocol::name::Name;
use crate::protocol::timestamp::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Why a death dependency stops us: decides how clean our own end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dependence {
    /// It did what it was for, and we served it.
    Auxiliary,
    /// It failed, or we cannot do without it.
    Required,
}

/// A death dependency that holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StopCause {
    /// What a follower of ours is to take for the cause of our end.
    pub(crate) cause: Name,
    pub(crate) dependence: Dependence,
    /// For people: `main died with exit code 3`.
    pub(crate) description: String,
}

/// The death dependencies of one life.
#[derive(Debug)]
pub(crate) struct DeathDeps {
    conditions: Vec<Condition>,
    births: Vec<Option<Name>>,
    own: Option<Name>,
    histories: BTreeMap<Name, History>,
    /// The first condition, in the order of the options, that was found to hold.
    decided: Option<(usize, StopCause)>,
    began: bool,
    /// Who could not be read when we began: what is found of him first is what was there.
    unread: BTreeSet<Name>,
}

/// What was seen under a name since we began to watch.
#[derive(Debug, Default)]
struct History {
    /// It lived, or was born, since we began.
    born: bool,
    /// The corpse that we found when we began.
    corpse: Option<Option<Timestamp>>,
    /// The life that was going down already when we began.
    struck: Option<InheritedCause>,
}

#[derive(Debug)]
struct InheritedCause {
    life: Option<Timestamp>,
    cause: Name,
    /// The cause has lived again since.
    over: bool,
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
            began: false,
            unread: BTreeSet::new(),
        }
    }

    /// Names that must be followed too, because a death that was seen names them as its cause.
    pub(crate) fn causes(&self) -> impl Iterator<Item = &Name> {
        self.histories
            .values()
            .filter_map(|history| history.struck.as_ref().map(|struck| &struck.cause))
    }

    /// Takes the news of one look. The causes that it brings up must be looked at before [`DeathDeps::stop_cause`] is asked.
    pub(crate) fn observe(&mut self, news: &[Observation]) {
        for item in news {
            let first = !self.began || self.unread.remove(&item.name);
            let history = self.histories.entry(item.name.clone()).or_default();
            history.observe(item, first);
        }
        for item in news
            .iter()
            .filter(|item| item.current.as_ref().is_some_and(Life::is_alive))
        {
            self.revive(&item.name);
        }
    }

    /// Decides by the news that were heard, once the causes in it are known. `unread` could not be looked at.
    pub(crate) fn evaluate(&mut self, news: &[Observation], unread: &[Name]) {
        if !std::mem::replace(&mut self.began, true) {
            self.unread.extend(unread.iter().cloned());
        }
        for item in news {
            let lives = [item.ended.as_ref(), item.current.as_ref()];
            for life in lives.into_iter().flatten() {
                self.evaluate_one(&item.name, life);
            }
        }
    }

    /// The dependency that decides.
    pub(crate) fn stop_cause(&self) -> Option<&StopCause> {
        self.decided.as_ref().map(|(_, fate)| fate)
    }

    fn evaluate_one(&mut self, name: &Name, life: &Life) {
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
            let needed = self.is_birth_dep(condition, name);
            let dependence = match life.death().map(Death::code) {
                None | Some(Some(exit::SUCCESS)) if !needed => Dependence::Auxiliary,
                None | Some(_) => Dependence::Required,
            };
            let cause = life.tombstone.cause.clone().unwrap_or_else(|| name.clone());
            self.decided = Some((
                at,
                StopCause {
                    cause,
                    dependence,
                    description: describe(name, life),
                },
            ));
        }
    }

    /// Whether the name, or the condition's missing name, is among the birth dependencies.
    fn is_birth_dep(&self, condition: &Condition, name: &Name) -> bool {
        self.births
            .iter()
            .any(|birth| birth.as_ref() == Some(name) || *birth == condition.name)
    }

    fn counts(&self, condition: &Condition, name: &Name, life: &Life) -> bool {
        let Some(death) = life.death() else {
            return true;
        };
        // How we end depends on the code; its writer is about to add it.
        if death.code().is_none() {
            return false;
        }
        let history = self.histories.get(name);
        // A birth dependency is expected to come back.
        if self.is_birth_dep(condition, name) && !history.is_some_and(|history| history.born) {
            return false;
        }
        match &life.tombstone.cause {
            None => true,
            Some(cause) if Some(cause) == self.own.as_ref() => false,
            Some(_) => !history.is_some_and(|history| history.is_over(life)),
        }
    }

    fn revive(&mut self, cause: &Name) {
        for history in self.histories.values_mut() {
            if let Some(struck) = history
                .struck
                .as_mut()
                .filter(|struck| struck.cause == *cause)
            {
                struck.over = true;
            }
        }
    }
}

impl History {
    fn observe(&mut self, news: &Observation, first: bool) {
        if let (true, Some(life)) = (first, &news.current) {
            self.begin(life);
        }
        let lives = [news.ended.as_ref(), news.current.as_ref()];
        for life in lives.into_iter().flatten() {
            let corpse = self
                .corpse
                .as_ref()
                .is_some_and(|corpse| corpse.as_ref() == life.tombstone.life());
            // Born again: a living life, or the corpse of one that came and went since.
            if life.tombstone.born.is_some() && !corpse {
                self.born = true;
            }
        }
    }

    fn begin(&mut self, life: &Life) {
        let key = life.tombstone.life().cloned();
        if life.death().is_some() {
            self.corpse = Some(key.clone());
        }
        let struck = |cause: &Name| InheritedCause {
            life: key.clone(),
            cause: cause.clone(),
            over: false,
        };
        self.struck = life.tombstone.cause.as_ref().map(struck);
    }

    /// Whether this is the life that was going down already, for a cause that is back.
    fn is_over(&self, life: &Life) -> bool {
        self.struck
            .as_ref()
            .is_some_and(|struck| struck.over && struck.life.as_ref() == life.tombstone.life())
    }
}

#[cfg(test)]
mod tests;
