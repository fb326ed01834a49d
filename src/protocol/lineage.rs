//! The lives of one name, one after the other: what a new life takes over from the one that it
//! replaces, so that readers can order them and miss none. Pure.
//!
//! [`crate::protocol::death_deps`] says which deaths count. `docs/tombstone.md` specifies the rule.

use crate::protocol::compose::Line;
use crate::protocol::life::{Death, Life, Liveness};
use crate::protocol::past_life::{Cause, PastLife, fitting};
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Tombstone;
use std::time::{Duration, SystemTime};

/// How many earlier lives of its name a tombstone lists.
const PAST_LIVES: usize = 4;
/// The longest list of earlier lives. In bytes.
const PAST_LIMIT: usize = 640;
/// For how many names a tombstone lists the death that ended an earlier life.
const FELL_CAUSES: usize = 16;
/// The longest list of these. In bytes.
const FELL_LIMIT: usize = 800;
/// A predecessor's id that is further ahead of the clock than this is ignored: the clock was wrong
/// then, and the ids of new lives would be wrong until it gets there.
const CLOCK_LEAD_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it can take from the id of a life to the publication of its tombstone.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(5);

/// What a new life takes over from the one that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lineage {
    /// The id of the new life.
    pub(crate) life: Timestamp,
    /// The lives before it, the newest first.
    pub(crate) past: Vec<PastLife>,
    /// For each other name the latest death that ended one of them, the newest first.
    pub(crate) fell: Vec<Cause>,
}

impl Lineage {
    /// The lineage of a life that begins at `now` and replaces `predecessor`.
    pub(crate) fn after(predecessor: Option<&Life>, now: SystemTime) -> Lineage {
        let Some(predecessor) = predecessor else {
            return Lineage {
                life: Timestamp::from_system_time(now),
                past: Vec::new(),
                fell: Vec::new(),
            };
        };
        let tombstone = &predecessor.tombstone;
        let mut past: Vec<PastLife> = PastLife::of(predecessor).into_iter().collect();
        past.extend(tombstone.past.iter().cloned());
        past.truncate(PAST_LIVES);
        Lineage {
            life: next_id(tombstone.life(), now),
            past: fitting(past, PAST_LIMIT),
            fell: fell_after(tombstone, now),
        }
    }

    /// The first lines of a tombstone without a lock.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let mut lines = vec![Line::Waiting(&self.life)];
        lines.extend(self.past_lines());
        lines
    }

    /// The lines about earlier lives.
    pub(crate) fn past_lines(&self) -> Vec<Line<'_>> {
        lines(&self.past, &self.fell)
    }
}

impl Tombstone {
    /// The lives that came and went since a reader saw the life `newest`, the oldest first. If it
    /// saw none, those count that began after its first scan, or so shortly before it that their
    /// tombstone was published later. What the first scan itself finds is the initial state, and
    /// `first_scan` is `None` then.
    pub(crate) fn missed(
        &self,
        newest: Option<&Timestamp>,
        first_scan: Option<SystemTime>,
    ) -> Vec<Life> {
        let own = self.life();
        if own.is_none() || own == newest {
            return Vec::new();
        }
        let is_newer = |past: &PastLife| match (newest, first_scan) {
            (Some(newest), _) => !newest.has_reached(&past.life),
            (None, None) => false,
            (None, Some(scan)) => {
                let began = past.life.to_system_time();
                let published = began.and_then(|began| began.checked_add(PUBLISH_TIMEOUT));
                published.is_some_and(|published| published > scan)
            }
        };
        // A life is older than the one that lists it, or its clock was wrong.
        let is_before_own = |past: &PastLife| own.is_some_and(|own| own.has_reached(&past.life));
        let seen = self.past.iter().position(|past| Some(&past.life) == newest);
        let unseen = self.past.get(..seen.unwrap_or(self.past.len()));
        let missed = unseen.unwrap_or_default().iter();
        let missed =
            missed.filter(|past| is_before_own(past) && (seen.is_some() || is_newer(past)));
        let mut lives: Vec<Life> = missed.map(PastLife::to_life).collect();
        lives.reverse();
        lives
    }

    /// How the life with this id ended, before a later life got this tombstone. `held` is what a
    /// reader found in the file in which it last saw the earlier one. `None` if neither says it.
    pub(crate) fn end_of(&self, id: Option<&Timestamp>, held: Option<Life>) -> Option<Life> {
        let says_end = |life: &Life| life.death().is_some_and(|death| death.code().is_some());
        let is_it = |past: &&PastLife| Some(&past.life) == id;
        let held = held.filter(says_end);
        // What was appended to a replaced file too late to be carried over was recorded again, or
        // not at all.
        let is_last_file = |life: &Life| life.tombstone.replaced.is_none();
        if held.as_ref().is_some_and(is_last_file) {
            return held;
        }
        let remembered = self.past.iter().find(is_it).map(PastLife::to_life);
        remembered.or(held)
    }

    /// The lines about earlier lives.
    pub(crate) fn past_lines(&self) -> Vec<Line<'_>> {
        lines(&self.past, &self.fell)
    }
}

/// A line for each list that is not empty.
fn lines<'a>(past: &'a [PastLife], fell: &'a [Cause]) -> Vec<Line<'a>> {
    let mut lines = Vec::new();
    if !past.is_empty() {
        lines.push(Line::Past(past));
    }
    if !fell.is_empty() {
        lines.push(Line::Fell(fell));
    }
    lines
}

/// The id of a life that begins at `now`: later than that of the life that it replaces.
fn next_id(previous: Option<&Timestamp>, now: SystemTime) -> Timestamp {
    let least = previous
        .and_then(Timestamp::to_system_time)
        .and_then(|previous| previous.checked_add(Duration::from_nanos(1)))
        .filter(|least| !is_wrong(*least, now));
    Timestamp::from_system_time(least.map_or(now, |least| least.max(now)))
}

/// Whether an id can only come from a clock that was wrong.
fn is_wrong(id: SystemTime, now: SystemTime) -> bool {
    id.duration_since(now).unwrap_or_default() > CLOCK_LEAD_LIMIT
}

/// The deaths for which a name's lives have ended so far. Ids of a wrong clock are left out: they
/// would cover all deaths to come.
fn fell_after(tombstone: &Tombstone, now: SystemTime) -> Vec<Cause> {
    let is_plausible = |cause: &&Cause| {
        let id = cause.life.as_ref().and_then(Timestamp::to_system_time);
        id.is_none_or(|id| !is_wrong(id, now))
    };
    let mut fell: Vec<Cause> = Vec::new();
    let causes = tombstone.cause().map(listable);
    for cause in causes.iter().chain(&tombstone.fell).filter(is_plausible) {
        match fell.iter_mut().find(|known| known.name == cause.name) {
            Some(known) if !known.covers(cause) => known.life.clone_from(&cause.life),
            Some(_) => {}
            // The rule has no use for a cause without an id.
            None if cause.life.is_none() => {}
            None => fell.push(cause.clone()),
        }
    }
    fell.truncate(FELL_CAUSES);
    fitting(fell, FELL_LIMIT)
}

/// Whether an id can stand in a list: an id of another program can be any text.
fn is_listable(id: &Timestamp) -> bool {
    !id.as_str().contains([' ', ','])
}

/// The cause without an id that a list cannot hold: there only a time is not part of the name.
fn listable(cause: Cause) -> Cause {
    let is_time = |id: &Timestamp| is_listable(id) && id.to_system_time().is_some();
    Cause {
        life: cause.life.filter(is_time),
        ..cause
    }
}

impl Cause {
    /// Whether the life that died is still the last one of its name. `last` is the last one.
    pub(crate) fn is_last(&self, last: &Life) -> bool {
        last.death().is_some() && last.tombstone.life() == self.life.as_ref()
    }
}

impl PastLife {
    /// How a life that is over is remembered; `None` if it has no id, or one that a list cannot
    /// hold.
    fn of(life: &Life) -> Option<PastLife> {
        let id = life.tombstone.life().filter(|id| is_listable(id))?;
        Some(PastLife {
            life: id.clone(),
            born: life.tombstone.born.is_some(),
            exit_code: match life.death() {
                Some(Death::Lost) | None => None,
                Some(death) => Some(death.code().unwrap_or(u8::MAX)),
            },
            cause: life.tombstone.cause().map(listable),
        })
    }

    /// The dead life as a reader would have found it, as far as it is remembered.
    pub(crate) fn to_life(&self) -> Life {
        let cause = self.cause.as_ref();
        Life {
            tombstone: Tombstone {
                waiting: Some(self.life.clone()),
                born: self.born.then(|| self.life.clone()),
                exit_code: self.exit_code,
                cause: cause.map(|cause| cause.name.clone()),
                cause_life: cause.and_then(|cause| cause.life.clone()),
                has_line: true,
                ..Tombstone::default()
            },
            liveness: Liveness::Dead(self.exit_code.map_or(Death::Lost, Death::Recorded)),
        }
    }
}

#[cfg(test)]
mod tests;
