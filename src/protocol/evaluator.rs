//! Whether a set of conditions holds, can still hold, or never will. Pure: observations in, verdict
//! out.
//!
//! A death that was observed once satisfies its condition for good, even after the next life has
//! begun. The states of living lives count at the present moment only, so `a:ready b:ready` means
//! both at the same time. So do all parts of a group (`A+B`): there a new life withdraws the death
//! of the one before it. A source counts at the present moment too.

use crate::protocol::condition::Condition;
use crate::protocol::evidence::{Evidence, Match};
use crate::protocol::item::Item;
use crate::protocol::life::{Death, Life, Liveness, Observation, Remnant};
use crate::protocol::name::Name;
use crate::protocol::part_state::{PartState, SourceState, Subject};
use crate::protocol::source::Source;
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

/// What decided a wait: the parts that hold.
#[derive(Debug)]
pub(crate) struct HeldItem {
    /// Which item holds, with [`Mode::Any`].
    pub(crate) item: usize,
    /// In the order of the conditions.
    pub(crate) evidence: Vec<Evidence>,
}

/// The conditions of one wait, and what is known about each.
#[derive(Debug)]
pub(crate) struct Evaluator {
    terms: Terms,
    /// The parts of all items, in their order.
    parts: Vec<PartState>,
    /// The lives of the names that conditions name.
    lives: SortedMap<Name, Life>,
    /// What is kept of all others.
    others: SortedMap<Name, Remnant>,
    /// The number of the scan whose observations come now, counted from 1.
    scan_no: u64,
    /// The name that a condition without a name does not cover.
    own: Option<Name>,
}

impl Evaluator {
    pub(crate) fn new(items: &[Item], terms: Terms, own: Option<&Name>) -> Evaluator {
        let mut parts = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let states = item.parts.iter();
            parts.extend(
                states.map(|part| PartState::new(at, part, item.is_group(), terms.need_code)),
            );
        }
        Evaluator {
            terms,
            parts,
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
        for state in self.parts.iter_mut().filter_map(PartState::life_mut) {
            if !state.covers(name, self.own.as_ref()) {
                continue;
            }
            if state.is_momentary {
                state.observe_present(observation, self.scan_no);
                state.note_lost_match(observation);
            } else {
                state.observe_for_death(observation, self.scan_no);
            }
        }
    }

    /// Takes which sources hold at this moment.
    pub(crate) fn take_sources(&mut self, holds: &dyn Fn(&Source) -> bool) {
        for part in &mut self.parts {
            if let Subject::Source(state) = &mut part.subject {
                let first = state.since.unwrap_or(self.scan_no);
                state.since = holds(&state.source).then_some(first);
            }
        }
    }

    /// What is taken from now on comes from the next scan. Other lives take the place of those that
    /// matched: only now, because to find one takes time.
    pub(crate) fn end_scan(&mut self) {
        for state in self.parts.iter_mut().filter_map(PartState::life_mut) {
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
        let states = || self.parts.iter().filter_map(PartState::life);
        let is_named = states().any(|state| state.condition.name.as_ref() == Some(name));
        let mut unnamed = states().filter(|state| state.condition.name.is_none());
        if !is_named && unnamed.clone().next().is_none() {
            return;
        }
        match (&observation.current, is_named) {
            (Some(life), true) => self.lives.insert(name.clone(), life.clone()),
            (None, true) => _ = self.lives.remove(name),
            (Some(life), false) => {
                let mut kept = Remnant::of(life);
                // Only a death that is seen stays seen: another life takes the place of others.
                kept.id = kept.id.filter(|_| unnamed.any(|state| state.is_momentary));
                self.others.insert(name.clone(), kept);
            }
            (None, false) => _ = self.others.remove(name),
        }
    }

    /// Where the wait stands.
    pub(crate) fn verdict(&self) -> Verdict {
        if let Some(decision) = self.decision() {
            let matches = decision.evidence.into_iter().filter_map(|it| match it {
                Evidence::Life(matched) => Some(*matched),
                Evidence::Source(..) => None,
            });
            return Verdict::Holds(matches.collect());
        }
        let is_lost = |item| self.parts_of(item).any(PartState::is_impossible);
        let is_impossible = match self.terms.mode {
            Mode::All => self.parts.iter().any(PartState::is_impossible),
            Mode::Any => (0..self.item_count()).all(is_lost),
        };
        match is_impossible && !self.terms.keep_waiting {
            true => Verdict::Impossible,
            false => Verdict::Open,
        }
    }

    /// What holds, if the conditions do.
    pub(crate) fn decision(&self) -> Option<HeldItem> {
        if self.terms.mode == Mode::All {
            let evidence = self.parts.iter().map(PartState::evidence);
            let evidence = evidence.collect::<Option<Vec<Evidence>>>()?;
            return Some(HeldItem { item: 0, evidence });
        }
        let decisions = (0..self.item_count()).filter_map(|item| self.held(item));
        decisions.min_by_key(|decision| Evidence::last(&decision.evidence).map(Evidence::scan_no))
    }

    /// The first item that holds now, in the order of the conditions.
    #[cfg(feature = "cli")]
    pub(crate) fn first_held(&self) -> Option<HeldItem> {
        (0..self.item_count()).find_map(|item| self.held(item))
    }

    fn held(&self, item: usize) -> Option<HeldItem> {
        let evidence = self.parts_of(item).map(PartState::evidence);
        Some(HeldItem {
            item,
            evidence: evidence.collect::<Option<Vec<Evidence>>>()?,
        })
    }

    fn parts_of(&self, item: usize) -> impl Iterator<Item = &PartState> {
        self.parts.iter().filter(move |part| part.item == item)
    }

    fn item_count(&self) -> usize {
        self.parts.last().map_or(0, |part| part.item + 1)
    }

    /// The first name that is dead, so that a condition about it does not hold, and its life. A
    /// death from before the first scan counts too, and no death of a name that lives again.
    pub(crate) fn failure(&self) -> Option<(&Name, &Life)> {
        let states = self.parts.iter().filter_map(PartState::life);
        states
            .filter(|state| state.matched.is_none())
            .filter_map(|state| state.condition.name.as_ref())
            .filter_map(|name| Some((name, self.lives.get(name)?)))
            .find(|(_, life)| life.death().and_then(Death::code).is_some())
    }

    /// The conditions that do not hold, with what is there instead:
    /// `db:ready does not hold (db is waiting)`. `why` says it of a source.
    pub(crate) fn explain(&self, why: &dyn Fn(&Source) -> String) -> String {
        let unmet = self.parts.iter().filter(|part| part.evidence().is_none());
        let sentences: Vec<String> = unmet
            .map(|part| match &part.subject {
                Subject::Life(state) => self.explain_one(&state.condition),
                Subject::Source(SourceState { source, .. }) => {
                    format!("{source} does not hold ({})", why(source))
                }
            })
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
