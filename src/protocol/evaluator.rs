//! Whether a set of conditions holds, can still hold, or never will. Pure: observations in, verdict
//! out.
//!
//! A death that was observed once satisfies its condition for good, even after the next life has
//! begun. The states of living lives count at the present moment only, so `a:ready b:ready` means
//! both at the same time.

use crate::protocol::condition::Condition;
use crate::protocol::life::{Death, Life, Liveness, Observation, Remnant};
use crate::protocol::name::Name;
use crate::protocol::timestamp::Timestamp;
use crate::sorted::SortedMap;

/// How many of the conditions must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All of them.
    All,
    /// One is enough.
    Any,
}

/// What a wait requires, besides its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) mode: Mode,
    /// A condition that can no longer hold may hold in a later life, so nothing is impossible.
    pub(crate) keep_waiting: bool,
    /// A death counts only when its exit code is known.
    pub(crate) need_code: bool,
}

/// A tombstone that satisfied a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The name of the tombstone.
    pub name: Name,
    /// What the tombstone said when it satisfied the condition.
    pub life: Life,
    /// The scan that first found a match, counted from 1.
    scan_no: u64,
}

/// Where a wait stands. There is no fourth possibility, so a match can be complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The conditions do not hold yet.
    Open,
    /// The conditions hold. The tombstones that satisfied them, in the order of the conditions.
    Holds(Vec<Match>),
    /// The conditions can no longer hold: a life has ended in another way than they ask for.
    Impossible,
}

/// The conditions of one wait, and what is known about each.
#[derive(Debug)]
pub(crate) struct Evaluator {
    terms: Terms,
    conditions: Vec<ConditionState>,
    /// The lives of the names that conditions name.
    lives: SortedMap<Name, Life>,
    /// What is kept of all others.
    others: SortedMap<Name, Remnant>,
    /// The number of the scan whose observations come now, counted from 1.
    scan_no: u64,
    /// The name that a condition without a name does not cover.
    own: Option<Name>,
}

#[derive(Debug)]
struct ConditionState {
    condition: Condition,
    matched: Option<Match>,
    /// The match no longer holds: the end of the scan puts another one in its place.
    has_lost_match: bool,
    /// A death that was there at the first scan, or a file without a state. It does not make the
    /// condition impossible: the container may be restarted.
    excluded: Option<ExcludedDeath>,
    impossible: bool,
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

impl Evaluator {
    pub(crate) fn new(conditions: &[Condition], terms: Terms, own: Option<&Name>) -> Evaluator {
        let state = |condition: &Condition| ConditionState {
            condition: condition.clone(),
            matched: None,
            has_lost_match: false,
            excluded: None,
            impossible: false,
        };
        Evaluator {
            terms,
            conditions: conditions.iter().map(state).collect(),
            lives: SortedMap::default(),
            others: SortedMap::default(),
            scan_no: 1,
            own: own.cloned(),
        }
    }

    /// Takes what one scan found.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn observe(&mut self, observations: &[Observation]) {
        for observation in observations {
            self.take(observation);
        }
        self.end_scan();
    }

    /// Takes what a scan found under one name.
    pub(crate) fn take(&mut self, observation: &Observation) {
        self.keep(observation);
        let name = &observation.name;
        for state in &mut self.conditions {
            if !state.covers(name, self.own.as_ref()) {
                continue;
            }
            if state.condition.state.is_death() {
                state.observe_for_death(observation, self.terms.need_code, self.scan_no);
            } else {
                state.observe_for_life(observation, self.scan_no);
                state.note_lost_match(observation);
            }
        }
    }

    /// What is taken from now on comes from the next scan. Other lives take the place of those that
    /// matched: only now, because to find one takes time.
    pub(crate) fn end_scan(&mut self) {
        for state in &mut self.conditions {
            if std::mem::take(&mut state.has_lost_match) {
                state.replace_match(&self.lives, &self.others, self.own.as_ref());
            }
            state.impossible &= state.matched.is_none();
        }
        self.scan_no += 1;
    }

    /// Keeps what the directory holds now. Of names that no condition names, only the minimum.
    fn keep(&mut self, observation: &Observation) {
        let name = &observation.name;
        let conditions = || self.conditions.iter().map(|state| &state.condition);
        let is_named = conditions().any(|condition| condition.name.as_ref() == Some(name));
        let mut unnamed = conditions().filter(|condition| condition.name.is_none());
        if !is_named && unnamed.clone().next().is_none() {
            return;
        }
        match (&observation.current, is_named) {
            (Some(life), true) => self.lives.insert(name.clone(), life.clone()),
            (None, true) => _ = self.lives.remove(name),
            (Some(life), false) => {
                let mut kept = Remnant::of(life);
                // Only a living life can take the place of one that matched.
                kept.id = kept
                    .id
                    .filter(|_| unnamed.any(|condition| !condition.state.is_death()));
                self.others.insert(name.clone(), kept);
            }
            (None, false) => _ = self.others.remove(name),
        }
    }

    /// Where the wait stands.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.terms.mode {
            Mode::All => self.verdict_for_all(),
            Mode::Any => self.verdict_for_any(),
        }
    }

    fn verdict_for_all(&self) -> Verdict {
        let matches = self
            .conditions
            .iter()
            .filter_map(|state| state.matched.clone());
        let matches: Vec<Match> = matches.collect();
        if matches.len() == self.conditions.len() {
            Verdict::Holds(matches)
        } else if self.conditions.iter().any(|state| self.is_lost(state)) {
            Verdict::Impossible
        } else {
            Verdict::Open
        }
    }

    fn verdict_for_any(&self) -> Verdict {
        let matches = self
            .conditions
            .iter()
            .filter_map(|state| state.matched.as_ref());
        match matches.min_by_key(|matched| matched.scan_no) {
            Some(first) => Verdict::Holds(vec![first.clone()]),
            None if self.conditions.iter().all(|state| self.is_lost(state)) => Verdict::Impossible,
            None => Verdict::Open,
        }
    }

    fn is_lost(&self, state: &ConditionState) -> bool {
        state.matched.is_none() && state.impossible && !self.terms.keep_waiting
    }

    /// The first name that is dead, so that a condition about it does not hold, and its life. A
    /// death from before the first scan counts too, and no death of a name that lives again.
    pub(crate) fn failure(&self) -> Option<(&Name, &Life)> {
        let unmet = self
            .conditions
            .iter()
            .filter(|state| state.matched.is_none());
        unmet
            .filter_map(|state| state.condition.name.as_ref())
            .filter_map(|name| Some((name, self.lives.get(name)?)))
            .find(|(_, life)| life.death().and_then(Death::code).is_some())
    }

    /// The conditions that do not hold, with what is there instead:
    /// `db:ready does not hold (db is waiting)`.
    pub(crate) fn explain(&self) -> String {
        let unmet = self
            .conditions
            .iter()
            .filter(|state| state.matched.is_none());
        let sentences: Vec<String> = unmet
            .map(|state| self.explain_one(&state.condition))
            .collect();
        sentences.join(", ")
    }

    fn explain_one(&self, condition: &Condition) -> String {
        let instead = match &condition.name {
            Some(name) => self.lives.get(name).map_or_else(
                || format!("there is no {name}"),
                |life| describe(name, life),
            ),
            None if self.lives.is_empty() && self.others.is_empty() => {
                "there is no tombstone".to_owned()
            }
            None => self.describe_some(),
        };
        format!("{condition} does not hold ({instead})")
    }

    /// Five lives: those that a condition names first, in the order of their names.
    fn describe_some(&self) -> String {
        const SHOWN: usize = 5;
        let named = self.lives.iter().map(|(name, life)| describe(name, life));
        let others = self.others.iter();
        let others = others.map(|(name, kept)| describe(name, &kept.to_life()));
        let mut words: Vec<String> = named.chain(others).take(SHOWN + 1).collect();
        let more = if words.len() > SHOWN { ", ..." } else { "" };
        words.truncate(SHOWN);
        format!("{}{more}", words.join(", "))
    }
}

impl ConditionState {
    /// Whether the condition is about this name. Without a name it covers all but the own one.
    fn covers(&self, name: &Name, own: Option<&Name>) -> bool {
        let is_excluded = self.condition.name.is_none() && own == Some(name);
        self.condition.is_about(name) && !is_excluded
    }

    /// For a condition that only a dead life can satisfy.
    fn observe_for_death(&mut self, observation: &Observation, need_code: bool, scan_no: u64) {
        for life in observation.lives() {
            let Some(death) = life.death() else {
                continue;
            };
            let is_known = death.code().is_some();
            if self.matched.is_some() {
                return;
            }
            if life.has_state(self.condition.state) && (is_known || !need_code) {
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

    /// For a condition that only a living life can satisfy.
    fn observe_for_life(&mut self, observation: &Observation, scan_no: u64) {
        let current = observation.current.as_ref();
        let not_alive = current.filter(|life| !life.is_alive());
        if let (1, Some(life)) = (scan_no, not_alive) {
            self.excluded = Some(ExcludedDeath::of(life));
        }
        // A name that was dead at the first scan may start again. One that died since then ends the
        // wait.
        let died = not_alive.is_some_and(|life| {
            life.death().is_some() && self.excluded.as_ref() != Some(&ExcludedDeath::of(life))
        });
        self.impossible |= self.condition.name.is_some() && (!observation.ended.is_empty() || died);
        let holds = current.filter(|life| life.has_state(self.condition.state));
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

    /// Notes whether the life that matched does so no longer.
    fn note_lost_match(&mut self, observation: &Observation) {
        let current = observation.current.as_ref();
        let holds = current.is_some_and(|life| life.has_state(self.condition.state));
        let matched = self.matched.as_ref();
        let is_it = matched.is_some_and(|matched| matched.name == observation.name);
        self.has_lost_match = (self.has_lost_match || is_it) && !holds;
    }

    /// Puts another life that matches in place of a match that no longer holds.
    fn replace_match(
        &mut self,
        lives: &SortedMap<Name, Life>,
        others: &SortedMap<Name, Remnant>,
        own: Option<&Name>,
    ) {
        let state = self.condition.state;
        let named = lives
            .iter()
            .find(|(name, life)| self.covers(name, own) && life.has_state(state))
            .map(|(name, life)| (name, life.clone()));
        let other = || {
            others
                .iter()
                .find(|(name, kept)| self.covers(name, own) && kept.standing.has_state(state))
                .map(|(name, kept)| (name, kept.to_life()))
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

impl Match {
    /// The exit code of the life: 0 if it is not dead or its code is not known yet, 137 if it was
    /// lost.
    pub fn exit_code(&self) -> u8 {
        self.life.death().and_then(Death::code).unwrap_or(0)
    }

    /// The match that came last. Of several that came at once, the last in the order of the
    /// conditions.
    pub fn last(matches: &[Match]) -> Option<&Match> {
        matches.iter().max_by_key(|matched| matched.scan_no)
    }
}

/// The state of a life in words: `db is waiting`, `main died with exit code 3`.
pub(crate) fn describe(name: &Name, life: &Life) -> String {
    match life.liveness {
        Liveness::Unsettled => format!("{name} is empty and may still be written"),
        Liveness::Alive(_) => match life.state() {
            Some(state) => format!("{name} is {state}"),
            None => format!("{name} is alive"),
        },
        Liveness::Dead(Death::Recorded(code)) => format!("{name} died with exit code {code}"),
        Liveness::Dead(Death::CodePending) => format!("{name} died"),
        Liveness::Dead(Death::Lost) => format!("{name} is lost"),
    }
}

#[cfg(test)]
mod tests;
