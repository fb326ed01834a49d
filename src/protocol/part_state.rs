//! What is known about one part of an item: whether it holds, and whether it still can. Pure.

use crate::protocol::condition::Condition;
use crate::protocol::evidence::{Evidence, Match};
use crate::protocol::item::Part;
use crate::protocol::life::{Death, Life, Observation, Remnant};
use crate::protocol::name::Name;
use crate::protocol::source::Source;
use crate::protocol::timestamp::Timestamp;
use crate::sorted::SortedMap;

/// A part, and the number of its item.
#[derive(Debug)]
pub(super) struct PartState {
    pub(super) item: usize,
    pub(super) subject: Subject,
}

#[derive(Debug)]
pub(super) enum Subject {
    Life(Box<ConditionState>),
    Source(SourceState),
}

#[derive(Debug)]
pub(super) struct SourceState {
    pub(super) source: Source,
    /// The scan that first found that it holds, while it does.
    pub(super) since: Option<u64>,
}

#[derive(Debug)]
pub(super) struct ConditionState {
    pub(super) condition: Condition,
    /// Only the present moment counts.
    pub(super) is_momentary: bool,
    /// A death counts only when its exit code is known.
    need_code: bool,
    pub(super) matched: Option<Match>,
    /// The match no longer holds: the end of the scan puts another one in its place.
    pub(super) has_lost_match: bool,
    /// A death that was there at the first scan, or a file without a state. It does not make the
    /// condition impossible: the container may be restarted.
    excluded: Option<ExcludedDeath>,
    pub(super) impossible: bool,
}

/// What tells one death from another.
#[derive(Debug, PartialEq, Eq)]
struct ExcludedDeath {
    life: Option<Timestamp>,
    died: Option<Timestamp>,
}

impl ExcludedDeath {
    fn of(life: &Life) -> ExcludedDeath {
        ExcludedDeath {
            life: life.tombstone.life().cloned(),
            died: life.tombstone.died.clone(),
        }
    }
}

impl PartState {
    pub(super) fn new(item: usize, part: &Part, is_group: bool, need_code: bool) -> PartState {
        let subject = match part {
            Part::Life(condition) => Subject::Life(Box::new(ConditionState {
                condition: condition.clone(),
                is_momentary: is_group || !condition.state.is_death(),
                need_code: need_code && condition.state.is_death(),
                matched: None,
                has_lost_match: false,
                excluded: None,
                impossible: false,
            })),
            Part::Source(source) => Subject::Source(SourceState {
                source: source.clone(),
                since: None,
            }),
        };
        PartState { item, subject }
    }

    pub(super) fn life(&self) -> Option<&ConditionState> {
        match &self.subject {
            Subject::Life(state) => Some(state),
            Subject::Source(_) => None,
        }
    }

    pub(super) fn life_mut(&mut self) -> Option<&mut ConditionState> {
        match &mut self.subject {
            Subject::Life(state) => Some(state),
            Subject::Source(_) => None,
        }
    }

    pub(super) fn evidence(&self) -> Option<Evidence> {
        match &self.subject {
            Subject::Life(state) => state.matched.clone().map(Box::new).map(Evidence::Life),
            Subject::Source(state) => Some(Evidence::Source(state.source.clone(), state.since?)),
        }
    }

    /// The condition can no longer hold.
    pub(super) fn is_impossible(&self) -> bool {
        self.life()
            .is_some_and(|state| state.matched.is_none() && state.impossible)
    }
}

impl ConditionState {
    /// Whether the condition is about this name. Without a name it covers all but the own one.
    pub(super) fn covers(&self, name: &Name, own: Option<&Name>) -> bool {
        let is_excluded = self.condition.name.is_none() && own == Some(name);
        self.condition.is_about(name) && !is_excluded
    }

    /// Whether this life satisfies the condition.
    fn is_met_by(&self, life: &Life) -> bool {
        let is_known = || life.death().and_then(Death::code).is_some();
        life.has_state(self.condition.state) && (!self.need_code || is_known())
    }

    /// For a condition that only a dead life can satisfy.
    pub(super) fn observe_for_death(&mut self, observation: &Observation, scan_no: u64) {
        for life in observation.lives() {
            let Some(death) = life.death() else {
                continue;
            };
            let is_known = death.code().is_some();
            if self.matched.is_some() {
                return;
            }
            if self.is_met_by(life) {
                self.matched = Some(Match {
                    name: observation.name.clone(),
                    life: life.clone(),
                    scan_no,
                });
            } else if is_known && self.condition.name.is_some() {
                self.impossible = true;
            }
        }
    }

    /// For a condition of which only the present moment counts.
    pub(super) fn observe_present(&mut self, observation: &Observation, scan_no: u64) {
        let is_named = self.condition.name.is_some();
        self.impossible |= is_named
            && match self.condition.state.is_death() {
                true => self.has_other_death(observation),
                false => self.has_died(observation, scan_no),
            };
        let current = observation.current.as_ref();
        let holds = current.filter(|life| self.is_met_by(life));
        self.matched = match (self.matched.take(), holds) {
            // The first of several matches stays as long as it holds.
            (Some(old), Some(_)) if old.name != observation.name && !self.has_lost_match => {
                Some(old)
            }
            (old, Some(life)) => Some(Match {
                name: observation.name.clone(),
                life: life.clone(),
                scan_no: old.map_or(scan_no, |old| old.scan_no),
            }),
            (old, None) => old,
        };
    }

    /// Whether a life has died in another way than the condition asks for.
    fn has_other_death(&self, observation: &Observation) -> bool {
        let is_other = |life: &Life| {
            life.death().and_then(Death::code).is_some() && !life.has_state(self.condition.state)
        };
        observation.lives().any(is_other)
    }

    /// Whether a life has died since the first scan. A name that was dead then may start again.
    fn has_died(&mut self, observation: &Observation, scan_no: u64) -> bool {
        let current = observation.current.as_ref();
        let not_alive = current.filter(|life| !life.is_alive());
        if let (1, Some(life)) = (scan_no, not_alive) {
            self.excluded = Some(ExcludedDeath::of(life));
        }
        let died = not_alive.is_some_and(|life| {
            life.death().is_some() && self.excluded.as_ref() != Some(&ExcludedDeath::of(life))
        });
        !observation.ended.is_empty() || died
    }

    /// Notes whether the life that matched does so no longer.
    pub(super) fn note_lost_match(&mut self, observation: &Observation) {
        let current = observation.current.as_ref();
        let holds = current.is_some_and(|life| self.is_met_by(life));
        let matched = self.matched.as_ref();
        let is_it = matched.is_some_and(|matched| matched.name == observation.name);
        self.has_lost_match = (self.has_lost_match || is_it) && !holds;
    }

    /// Puts another life that matches in place of a match that no longer holds.
    pub(super) fn replace_match(
        &mut self,
        lives: &SortedMap<Name, Life>,
        others: &SortedMap<Name, Remnant>,
        own: Option<&Name>,
    ) {
        let state = self.condition.state;
        let named = lives
            .iter()
            .find(|(name, life)| self.covers(name, own) && self.is_met_by(life))
            .map(|(name, life)| (name, life.clone()));
        let other = || {
            others
                .iter()
                .filter(|(name, kept)| self.covers(name, own) && kept.standing.has_state(state))
                .map(|(name, kept)| (name, kept.to_life()))
                .find(|(_, life)| self.is_met_by(life))
        };
        let found = named.or_else(other);
        self.matched = self.matched.as_ref().and_then(|old| {
            let (name, life) = found?;
            Some(Match {
                name: name.clone(),
                life,
                scan_no: old.scan_no,
            })
        });
    }
}
