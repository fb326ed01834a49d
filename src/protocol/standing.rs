//! What the tries of a source have shown so far: whether it answers, and whether it has died. Pure:
//! the results and their times come in.
//!
//! A source is dead once it has answered and then no longer does: it refuses three tries in a row,
//! or has been silent for ten seconds. Tries are counted too, because the machine or this process
//! may have been stopped for longer than that. A later answer revives the source.

use crate::protocol::source::Source;
use crate::protocol::timestamp::Timestamp;
use std::time::{Duration, Instant};

/// Refusals in a row that show a death.
const REFUSALS: u32 = 3;
/// The silence that shows a death.
const SILENCE: Duration = Duration::from_secs(10);
/// The tries that such a silence contains: one less than its seconds, because the last try may
/// have been short.
const SILENT_TRIES: u32 = 9;

/// The result of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TryResult {
    /// A connection was accepted, a file exists, the status of an HTTP response is 2xx or 3xx.
    Success,
    /// An HTTP response has another status. For a death this is an answer too.
    Status(u16),
    /// Nothing listens.
    Refused,
    Silent(Silence),
    /// There was no try: this process has met a limit of its own, by this error number. It says
    /// nothing about the source.
    Untried(i32),
}

/// Why a try had no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The time of the try was over.
    TimedOut,
    /// The host name does not resolve.
    NoName,
    /// The connection ended before an answer.
    Closed,
    /// What came is not HTTP.
    NotHttp,
    /// A system call has failed with this error number.
    System(i32),
}

/// How long a result counts. The next one comes after two seconds at most.
const LONGEST_AGE: Duration = Duration::from_secs(3);

/// What is known about one source.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceStanding {
    last: Option<TryResult>,
    last_answer: Option<Instant>,
    /// Tries since the last answer.
    silent_tries: u32,
    /// Refusals in a row.
    refusals: u32,
    dead_since: Option<Timestamp>,
}

/// A source that was judged dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceDeath {
    /// When it was. This is the id of the death.
    pub(crate) at: Timestamp,
    /// What the tries have shown: `connection refused`.
    pub(crate) why: String,
}

/// What is known of the death of a source; `None` if it is not dead.
pub(crate) type SourceDeaths<'a> = &'a dyn Fn(&Source) -> Option<SourceDeath>;

impl SourceStanding {
    /// The result of the last try that has finished.
    pub(crate) fn last(&self) -> Option<TryResult> {
        self.last
    }

    /// Whether the source answers, as a birth dependency and a wait ask.
    pub(crate) fn holds(&self) -> bool {
        self.last == Some(TryResult::Success)
    }

    /// The same, by a result that is still news: this process may have been stopped since the last
    /// try.
    pub(crate) fn holds_at(&self, now: Instant) -> bool {
        let age = self.last_answer.map(|at| now.saturating_duration_since(at));
        self.holds() && age.is_some_and(|age| age <= LONGEST_AGE)
    }

    /// Whether it has ever answered.
    pub(crate) fn has_answered(&self) -> bool {
        self.last_answer.is_some()
    }

    /// When it was judged dead. `None` if it was not, or has answered again since.
    pub(crate) fn dead_since(&self) -> Option<&Timestamp> {
        self.dead_since.as_ref()
    }

    /// Takes the result of a try that has finished now. `wall_clock` is asked for the time of a
    /// death.
    pub(crate) fn note(&mut self, result: TryResult, now: Instant, wall_clock: fn() -> Timestamp) {
        self.last = Some(result);
        match result {
            TryResult::Success | TryResult::Status(_) => {
                self.last_answer = Some(now);
                self.silent_tries = 0;
                self.refusals = 0;
                self.dead_since = None;
                return;
            }
            TryResult::Untried(_) => return,
            TryResult::Refused => self.refusals = self.refusals.saturating_add(1),
            TryResult::Silent(_) => self.refusals = 0,
        }
        self.silent_tries = self.silent_tries.saturating_add(1);
        if self.dead_since.is_none() && self.is_dead(now) {
            self.dead_since = Some(wall_clock());
        }
    }

    fn is_dead(&self, now: Instant) -> bool {
        let Some(last_answer) = self.last_answer else {
            return false;
        };
        let is_silent = now.saturating_duration_since(last_answer) >= SILENCE;
        self.refusals >= REFUSALS || is_silent && self.silent_tries >= SILENT_TRIES
    }
}

#[cfg(test)]
mod tests;
