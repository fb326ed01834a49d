//! Whether a set of conditions holds, can still hold, or never will. Pure: news in, verdict out.
//!
//! A death that was seen stays seen, even if the next life has begun; what the living are is judged
//! at the present moment, so `a:ready b:ready` means both at once.

use crate::protocol::condition::Condition;
use crate::protocol::life::{Death, Life, Liveness, Observation};
use crate::protocol::name::Name;
use crate::protocol::timestamp::Timestamp;
use std::collections::BTreeMap;

/// How many of the conditions must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All of them.
    All,
    /// One is enough.
    Any,
}

/// What is asked of the conditions, besides that they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) mode: Mode,
    /// What can no longer hold may hold in a later life.
    pub(crate) keep_waiting: bool,
    /// A death counts only when its exit code is known.
    pub(crate) need_code: bool,
}

/// A tombstone that decided a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Whose it is.
    pub name: Name,
    /// What it said at that moment.
    pub life: Life,
    /// The look at which that was found, counted from 1.
    scan_no: u64,
}

/// Where a wait stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet.
    Open,
    /// The conditions hold; one tombstone for each that was needed, in the order of the conditions.
    Holds(Vec<Match>),
    /// They can no longer hold.
    Impossible,
}

/// The conditions of one wait, and what is known about each.
#[derive(Debug)]
pub(crate) struct Evaluator {
    terms: Terms,
    items: Vec<ConditionState>,
    lives: BTreeMap<Name, Life>,
    scan_no: u64,
    /// Whom `:STATE` passes over.
    own: Option<Name>,
}

#[derive(Debug)]
struct ConditionState {
    condition: Condition,
    matched: Option<Match>,
    /// What was dead, or not to be told yet, when we began to look.
    corpse: Option<ExcludedDeath>,
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
        let item = |condition: &Condition| ConditionState {
            condition: condition.clone(),
            matched: None,
            corpse: None,
            impossible: false,
        };
        Evaluator {
            terms,
            items: conditions.iter().map(item).collect(),
            lives: BTreeMap::new(),
            scan_no: 0,
            own: own.cloned(),
        }
    }

    /// Takes the news of one look.
    pub(crate) fn observe(&mut self, news: &[Observation]) {
        self.scan_no += 1;
        for item in news {
            match &item.current {
                Some(life) => self.lives.insert(item.name.clone(), life.clone()),
                None => self.lives.remove(&item.name),
            };
            for vote in &mut self.items {
                let own = vote.condition.name.is_none() && self.own.as_ref() == Some(&item.name);
                if vote.condition.is_about(&item.name) && !own {
                    vote.observe(item, self.terms.need_code, self.scan_no, &self.lives);
                }
            }
        }
    }

    /// Where the wait stands.
    pub(crate) fn verdict(&self) -> Verdict {
        let lost = |item: &ConditionState| {
            item.matched.is_none() && item.impossible && !self.terms.keep_waiting
        };
        match self.terms.mode {
            Mode::All => {
                let matches: Vec<Match> = self
                    .items
                    .iter()
                    .filter_map(|item| item.matched.clone())
                    .collect();
                if matches.len() == self.items.len() {
                    Verdict::Holds(matches)
                } else if self.items.iter().any(lost) {
                    Verdict::Impossible
                } else {
                    Verdict::Open
                }
            }
            Mode::Any => {
                let first = self
                    .items
                    .iter()
                    .filter_map(|item| item.matched.as_ref())
                    .min_by_key(|matched| matched.scan_no);
                match first {
                    Some(decider) => Verdict::Holds(vec![decider.clone()]),
                    None if self.items.iter().all(lost) => Verdict::Impossible,
                    None => Verdict::Open,
                }
            }
        }
    }

    /// What does not hold, and what is there instead: `db:ready does not hold (db is waiting)`.
    pub(crate) fn explain(&self) -> String {
        let open = self.items.iter().filter(|item| item.matched.is_none());
        let sentences: Vec<String> = open.map(|item| self.explain_one(&item.condition)).collect();
        sentences.join(", ")
    }

    fn explain_one(&self, condition: &Condition) -> String {
        let instead = match &condition.name {
            Some(name) => self.lives.get(name).map_or_else(
                || format!("there is no {name}"),
                |life| describe(name, life),
            ),
            None if self.lives.is_empty() => "there is no tombstone".to_owned(),
            None => {
                let all: Vec<String> = self
                    .lives
                    .iter()
                    .take(5)
                    .map(|(name, life)| describe(name, life))
                    .collect();
                let more = if self.lives.len() > all.len() {
                    ", ..."
                } else {
                    ""
                };
                format!("{}{more}", all.join(", "))
            }
        };
        format!("{condition} does not hold ({instead})")
    }
}

impl ConditionState {
    fn observe(
        &mut self,
        news: &Observation,
        need_code: bool,
        scan_no: u64,
        lives: &BTreeMap<Name, Life>,
    ) {
        if self.condition.state.is_death() {
            self.observe_for_death(news, need_code, scan_no);
        } else {
            self.observe_for_life(news, scan_no, lives);
        }
    }

    fn observe_for_death(&mut self, news: &Observation, need_code: bool, scan_no: u64) {
        let both = [news.ended.as_ref(), news.current.as_ref()];
        for life in both
            .into_iter()
            .flatten()
            .filter(|life| life.death().is_some())
        {
            let known = life.death().and_then(Death::code).is_some();
            if self.matched.is_some() {
                return;
            }
            if life.has_state(self.condition.state) && (known || !need_code) {
                self.matched = Some(Match {
                    name: news.name.clone(),
                    life: life.clone(),
                    scan_no,
                });
            } else if known && self.condition.name.is_some() {
                self.impossible = true;
            }
        }
    }

    fn observe_for_life(&mut self, news: &Observation, scan_no: u64, lives: &BTreeMap<Name, Life>) {
        let other = news.current.as_ref().filter(|life| !life.is_alive());
        if let (1, Some(life)) = (scan_no, other) {
            self.corpse = Some(ExcludedDeath::of(life));
        }
        // An older corpse may come back; one that died since we began does not.
        let died = other.filter(|life| {
            life.death().is_some() && self.corpse.as_ref() != Some(&ExcludedDeath::of(life))
        });
        self.impossible |=
            self.condition.name.is_some() && (news.ended.is_some() || died.is_some());
        let holds = news
            .current
            .as_ref()
            .filter(|life| life.has_state(self.condition.state));
        self.matched = match (self.matched.take(), holds) {
            // Of several, the first goes on to decide as long as it holds.
            (Some(old), Some(_)) if old.name != news.name => Some(old),
            (old, Some(life)) => {
                let since = old.map_or(scan_no, |old| old.scan_no);
                Some(Match {
                    name: news.name.clone(),
                    life: life.clone(),
                    scan_no: since,
                })
            }
            (old, None) => old.and_then(|old| self.other_than(&news.name, old, lives)),
        };
        self.impossible &= self.matched.is_none();
    }

    /// The decider if it is not the one that has just stopped to hold, else another that does.
    fn other_than(&self, name: &Name, old: Match, lives: &BTreeMap<Name, Life>) -> Option<Match> {
        if old.name != *name {
            return Some(old);
        }
        if self.condition.name.is_some() {
            return None;
        }
        let (name, life) = lives
            .iter()
            .find(|(_, life)| life.has_state(self.condition.state))?;
        Some(Match {
            name: name.clone(),
            life: life.clone(),
            scan_no: old.scan_no,
        })
    }
}

impl Match {
    /// The exit code of its life: 0 if it is not dead, 137 if it was lost.
    pub fn exit_code(&self) -> u8 {
        self.life.death().and_then(Death::code).unwrap_or(0)
    }

    /// Of several, the one that came last; at one look, the last in the order of the conditions.
    pub fn last(matches: &[Match]) -> Option<&Match> {
        matches.iter().max_by_key(|matched| matched.scan_no)
    }
}

/// What a life is, for people: `db is waiting`, `main died with exit code 3`.
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
