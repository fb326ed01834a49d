//! The deadlines of the machine's timers.

use crate::duration::Limit;
use crate::sorted::{SortedMap, SortedSet};
use crate::supervisor::timer::Timer;
use std::time::{Duration, Instant};

/// A notice may be this late, so that it shares a wake-up with another timer.
const SLACK: Duration = Duration::from_secs(1);

/// The deadlines of the machine's timers.
#[derive(Debug, Default)]
pub(super) struct Timers {
    deadlines: SortedMap<Timer, Instant>,
    /// When CMD was started, or was tried to be started, the last time.
    last_start: Option<Instant>,
    /// Timers that have expired and were not taken yet.
    expired: SortedSet<Timer>,
}

impl Timers {
    pub(super) fn arm(&mut self, timer: Timer, limit: Limit) {
        self.expired.remove(&timer);
        let now = Instant::now();
        let start = match timer {
            Timer::Backoff => self.last_start,
            _ => None,
        };
        match limit.deadline(start.unwrap_or(now)) {
            Some(deadline) => self.deadlines.insert(timer, deadline),
            None => {
                self.deadlines.remove(&timer);
            }
        }
    }

    /// Notes that CMD is started now.
    pub(super) fn note_start(&mut self) {
        self.last_start = Some(Instant::now());
    }

    /// How much is left of a delay that began with the last start, in whole seconds: a message
    /// needs no more.
    pub(super) fn left_since_start(&self, delay: Limit) -> Limit {
        let since = self.last_start.map_or(Duration::ZERO, |at| at.elapsed());
        match delay {
            Limit::After(delay) => {
                let left = delay.saturating_sub(since);
                let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                Limit::After(Duration::from_secs(seconds))
            }
            Limit::Never => Limit::Never,
        }
    }

    pub(super) fn disarm(&mut self, timer: Timer) {
        self.deadlines.remove(&timer);
        self.expired.remove(&timer);
    }

    /// Whether this timer has expired. It stays expired, and no longer wakes the loop, until it is
    /// taken or armed again.
    pub(super) fn has_expired(&mut self, timer: Timer) -> bool {
        if self
            .deadlines
            .get(&timer)
            .is_some_and(|deadline| *deadline <= Instant::now())
        {
            self.deadlines.remove(&timer);
            self.expired.insert(timer);
        }
        self.expired.contains(&timer)
    }

    /// Whether this timer has expired. Takes it: the next call returns false.
    pub(super) fn take(&mut self, timer: Timer) -> bool {
        self.has_expired(timer) && self.take_expired(timer)
    }

    /// Takes a timer that [`Timers::has_expired`] was true for.
    pub(super) fn take_expired(&mut self, timer: Timer) -> bool {
        self.expired.remove(&timer)
    }

    /// Takes a timer that has expired. The back-off, the birth timeout and the missing timeout are
    /// not taken here: each needs one more poll first.
    pub(super) fn take_due(&mut self) -> Option<Timer> {
        if self.deadlines.is_empty() {
            return None;
        }
        let now = Instant::now();
        let slack = |timer: &Timer| {
            if is_notice(*timer) {
                SLACK
            } else {
                Duration::ZERO
            }
        };
        let is_due = |(timer, deadline): &(&Timer, &Instant)| {
            !needs_poll(**timer) && **deadline <= now + slack(timer)
        };
        let (timer, _) = self.deadlines.iter().find(is_due)?;
        let timer = *timer;
        self.deadlines.remove(&timer);
        Some(timer)
    }

    /// When to wake up, if `other` is a deadline too. A notice waits for another deadline that is
    /// close. A steady run is no reason to wake up: it matters when CMD ends, and is taken then.
    pub(super) fn next(&self, other: Option<Instant>) -> Option<Instant> {
        if self.deadlines.is_empty() {
            return other;
        }
        let earliest = |notices: bool| {
            let deadlines = self.deadlines.iter();
            let chosen = deadlines.filter(move |(timer, _)| {
                is_notice(**timer) == notices && **timer != Timer::SteadyRun
            });
            chosen.map(|(_, deadline)| *deadline).min()
        };
        let strict = earliest(false).into_iter().chain(other).min();
        match (strict, earliest(true)) {
            (Some(strict), Some(notice)) if notice + SLACK >= strict => Some(strict),
            (strict, None) => strict,
            (_, notice) => notice,
        }
    }
}

fn is_notice(timer: Timer) -> bool {
    matches!(timer, Timer::WaitNotice | Timer::UnseenNotice)
}

/// Whether the caller polls once more before it takes the timer.
fn needs_poll(timer: Timer) -> bool {
    matches!(
        timer,
        Timer::Backoff | Timer::BirthTimeout | Timer::MissingTimeout
    )
}
