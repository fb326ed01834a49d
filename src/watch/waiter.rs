//! Waits for conditions: a tracker, an evaluator, and a poll loop around them. `exitdir-wait` and
//! [`super::pollable::Watch`] use it.

use super::dir_watch::{self, WatchFault};
use super::tracker::{ScanResult, Tracker};
use crate::duration::Limit;
use crate::error::Error;
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::{Evaluator, Match, Mode, Terms, Verdict};
use crate::protocol::name::Name;
use crate::signal::Signal;
use crate::store::exit_dir::ExitDir;
use crate::sys::poll;
use crate::sys::signals::Signals;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Instant;

/// What to wait for.
#[derive(Clone, Debug)]
pub(crate) struct WaitRequest {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) mode: Mode,
    pub(crate) keep_waiting: bool,
    /// A death counts only once its exit code is known.
    pub(crate) need_code: bool,
    /// The name whose tombstone `:STATE` ignores.
    pub(crate) own: Option<Name>,
    pub(crate) poll: Option<Limit>,
}

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
    /// Reports a warning. It is not called if the wait ends at once.
    pub(crate) on_warning: fn(String),
    /// Whether a signal ends the wait.
    pub(crate) ends_wait: fn(Signal) -> bool,
}

/// One wait.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(super) tracker: Tracker,
    evaluator: Evaluator,
    /// Warnings that were not reported yet.
    warnings: Vec<String>,
    /// All warnings so far: each is reported once.
    warned: BTreeSet<String>,
}

impl Waiter {
    /// It can check at once. Arm it before sleeping.
    pub(crate) fn new(request: &WaitRequest) -> Waiter {
        let conditions = &request.conditions;
        let names: Vec<Name> = conditions
            .iter()
            .filter_map(|condition| condition.name.clone())
            .collect();
        let all_names = conditions.iter().any(|condition| condition.name.is_none());
        // A condition that names us is about our own tombstone, which must be read then.
        let own = request.own.as_ref().filter(|own| !names.contains(own));
        let terms = Terms {
            mode: request.mode,
            keep_waiting: request.keep_waiting,
            need_code: request.need_code,
        };
        Waiter {
            tracker: Tracker::new(&names, all_names, own, request.poll),
            evaluator: Evaluator::new(conditions, terms, request.own.as_ref()),
            warnings: Vec::new(),
            warned: BTreeSet::new(),
        }
    }

    /// Begins to watch. Check once more before sleeping.
    ///
    /// # Errors
    /// [`Error::DirectoryGone`].
    pub(super) fn arm(&mut self, dir: &ExitDir) -> Result<(), Error> {
        let fault = self.tracker.arm(dir);
        self.note_fault(dir, fault)
    }

    fn note_fault(&mut self, dir: &ExitDir, fault: Option<WatchFault>) -> Result<(), Error> {
        match fault {
            Some(WatchFault::DirectoryGone) => {
                return Err(Error::DirectoryGone(dir.path().to_owned()));
            }
            Some(WatchFault::NoInotify(errno)) => self.warn(dir_watch::no_inotify(errno)),
            Some(WatchFault::DirectoryBack) | None => {}
        }
        Ok(())
    }

    /// Keeps a warning to be reported, unless it was kept before.
    fn warn(&mut self, warning: String) {
        if self.warned.insert(warning.clone()) {
            self.warnings.push(warning);
        }
    }

    /// Scans what may have changed and evaluates the conditions.
    ///
    /// # Errors
    /// [`Error::DirectoryGone`], and [`Error::Io`] for a name that a condition names.
    pub(crate) fn check(&mut self, dir: &ExitDir) -> Result<Verdict, Error> {
        let ScanResult {
            observations,
            errors,
            other_errors,
            fault,
            unread: _, // each has an error
        } = self.tracker.scan(dir);
        self.note_fault(dir, fault)?;
        if let Some(error) = errors.into_iter().next() {
            return Err(error);
        }
        for error in other_errors {
            self.warn(error.to_string());
        }
        self.evaluator.observe(&observations);
        Ok(self.evaluator.verdict())
    }

    /// Which conditions do not hold, and what was found instead.
    pub(crate) fn explain(&self) -> String {
        self.evaluator.explain()
    }

    /// Blocks until the conditions hold or can no longer hold, the time is over, or a signal ends the
    /// wait.
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
        if let Some(outcome) = self.outcome(dir, deadline)? {
            return Ok(outcome);
        }
        self.arm(dir)?;
        loop {
            if let Some(outcome) = self.outcome(dir, deadline)? {
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
    ) -> Result<Option<WaitOutcome>, Error> {
        Ok(match self.check(dir)? {
            Verdict::Holds(matches) => Some(WaitOutcome::Holds(matches)),
            Verdict::Impossible => Some(WaitOutcome::Impossible),
            Verdict::Open => deadline
                .is_some_and(|at| at <= Instant::now())
                .then_some(WaitOutcome::TimedOut),
        })
    }

    fn sleep(&self, deadline: Option<Instant>, signals: Option<&Signals>) {
        let deadlines = [deadline, self.tracker.deadline()];
        let changes = self.tracker.descriptor();
        let signals = signals.map(|signals| signals.descriptor().as_fd());
        let descriptors = [changes, signals].into_iter().flatten();
        poll::sleep(
            descriptors.map(poll::readable),
            deadlines.into_iter().flatten().min(),
        );
    }
}

/// Reads the signals that have come. Returns one that ends the wait.
fn read_ending_signal(signals: Option<&Signals>, hooks: WaitHooks) -> Option<Signal> {
    let received = signals?.read();
    let mut signals = received.signals().iter().copied();
    signals.find(|signal| (hooks.ends_wait)(*signal))
}
