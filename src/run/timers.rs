//! When what runs out: the dates that the state machine has asked for.

use crate::duration::Limit;
use crate::supervisor::timer::Timer;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A timer that nobody waits for may be this late, so that it shares a wake-up with another.
const SLACK: Duration = Duration::from_secs(1);

/// When what runs out.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    dates: BTreeMap<Timer, Instant>,
    /// What has run out and was not taken yet.
    over: BTreeSet<Timer>,
}

impl Timers {
    pub(crate) fn arm(&mut self, timer: Timer, limit: Limit) {
        self.over.remove(&timer);
        match limit.deadline(Instant::now()) {
            Some(date) => self.dates.insert(timer, date),
            None => self.dates.remove(&timer),
        };
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.dates.remove(&timer);
        self.over.remove(&timer);
    }

    /// Whether this timer has run out. It stays so, and wakes nobody any more, until it is taken or armed anew.
    pub(crate) fn is_over(&mut self, timer: Timer) -> bool {
        if self
            .dates
            .get(&timer)
            .is_some_and(|date| *date <= Instant::now())
        {
            self.dates.remove(&timer);
            self.over.insert(timer);
        }
        self.over.contains(&timer)
    }

    /// Whether this timer has run out, which is forgotten with that.
    pub(crate) fn take(&mut self, timer: Timer) -> bool {
        self.is_over(timer) && self.over.remove(&timer)
    }

    /// A timer that has run out, which is forgotten with that; but not what depends on whether there is to be a
    /// start: the back-off, and the time for the birth dependencies.
    pub(crate) fn take_due(&mut self) -> Option<Timer> {
        if self.dates.is_empty() {
            return None;
        }
        let now = Instant::now();
        let slack = |timer: &Timer| {
            if *timer == Timer::WaitNotice {
                SLACK
            } else {
                Duration::ZERO
            }
        };
        let is_due = |(timer, date): &(&Timer, &Instant)| {
            !matches!(timer, Timer::Backoff | Timer::BirthTimeout) && **date <= now + slack(timer)
        };
        let (timer, _) = self.dates.iter().find(is_due)?;
        let timer = *timer;
        self.dates.remove(&timer);
        Some(timer)
    }

    /// When to wake up, if `other` is a date too. A notice waits for another date that is close.
    pub(crate) fn next(&self, other: Option<Instant>) -> Option<Instant> {
        if self.dates.is_empty() {
            return other;
        }
        let strict = self
            .dates
            .iter()
            .filter(|(timer, _)| **timer != Timer::WaitNotice)
            .map(|(_, date)| *date);
        let strict = strict.chain(other).min();
        match (strict, self.dates.get(&Timer::WaitNotice)) {
            (Some(strict), Some(notice)) if *notice + SLACK >= strict => Some(strict),
            (_, Some(notice)) => Some(*notice),
            (strict, None) => strict,
        }
    }
}
