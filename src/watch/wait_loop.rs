//! The blocking wait of `exitdir-wait`: a loop around [`Waiter::check`] that also reads signals.

use super::waiter::Waiter;
use crate::duration::Limit;
use crate::error::Error;
use crate::protocol::evaluator::{Match, Verdict};
use crate::signal::Signal;
use crate::store::exit_dir::ExitDir;
use crate::sys::poll;
use crate::sys::signals::Signals;
use std::time::Instant;

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome {
    Holds(Vec<Match>),
    Impossible,
    TimedOut,
    Signal(Signal),
}

/// Callbacks invoked during a wait.
#[derive(Clone, Copy)]
pub(crate) struct WaitHooks {
    /// Reports a warning. If the wait ends at once, it is called only for what decides a condition.
    pub(crate) on_warning: fn(String),
    /// Whether a signal ends the wait.
    pub(crate) ends_wait: fn(Signal) -> bool,
}

impl Waiter {
    /// Blocks until the conditions hold or can no longer hold, the time is over, or a signal ends
    /// the wait.
    ///
    /// # Errors
    /// As [`Waiter::check`].
    pub(crate) fn run(
        &mut self,
        dir: &ExitDir,
        timeout: Limit,
        signals: Option<&Signals>,
        hooks: WaitHooks,
    ) -> Result<WaitOutcome, Error> {
        let deadline = timeout.deadline(Instant::now());
        // A wait that ends with its first check needs no watch.
        if let Some(outcome) = self.outcome(dir, deadline, signals, hooks)? {
            return Ok(outcome);
        }
        self.arm(dir)?;
        loop {
            if let Some(outcome) = self.outcome(dir, deadline, signals, hooks)? {
                if outcome != WaitOutcome::TimedOut {
                    // A process may wait for the end of this wait.
                    self.tracker.close_later();
                }
                return Ok(outcome);
            }
            self.warnings.drain(..).for_each(hooks.on_warning);
            self.sleep(deadline, signals);
            if let Some(signal) = read_ending_signal(signals, hooks) {
                return Ok(WaitOutcome::Signal(signal));
            }
        }
    }

    /// The outcome of the wait, if it ends after one more check.
    fn outcome(
        &mut self,
        dir: &ExitDir,
        deadline: Option<Instant>,
        signals: Option<&Signals>,
        hooks: WaitHooks,
    ) -> Result<Option<WaitOutcome>, Error> {
        let mut ended = None;
        let verdict = self.check(dir, &mut || {
            ended = read_ending_signal(signals, hooks);
            ended.is_none()
        })?;
        if let Some(signal) = ended {
            return Ok(Some(WaitOutcome::Signal(signal)));
        }
        self.notices.drain(..).for_each(hooks.on_warning);
        Ok(match verdict {
            Verdict::Holds(matches) => Some(WaitOutcome::Holds(matches)),
            Verdict::Impossible => Some(WaitOutcome::Impossible),
            Verdict::Open => deadline
                .is_some_and(|at| at <= Instant::now())
                .then_some(WaitOutcome::TimedOut),
        })
    }

    fn sleep(&self, deadline: Option<Instant>, signals: Option<&Signals>) {
        let deadlines = [deadline, self.tracker.deadline()];
        let until = deadlines.into_iter().flatten().min();
        let changes = self.tracker.descriptor().map(poll::readable);
        match signals {
            Some(signals) => signals.sleep(changes, until),
            None => poll::sleep(changes, until),
        }
    }
}

/// Reads the signals that have come. Returns one that ends the wait.
fn read_ending_signal(signals: Option<&Signals>, hooks: WaitHooks) -> Option<Signal> {
    let received = signals?.read();
    let mut signals = received.signals().iter().copied();
    signals.find(|signal| (hooks.ends_wait)(*signal))
}
