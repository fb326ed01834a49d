//! The blocking wait of `exitdir-wait`: a loop around a [`Waiter`] and a [`Prober`] that also reads
//! signals.

use super::progress::Progress;
use super::scanning::Observer;
use super::waiter::{WaitRequest, Waiter};
use crate::duration::Limit;
use crate::error::Error;
use crate::log::Logger;
use crate::probe::Prober;
use crate::protocol::evaluator::Verdict;
use crate::protocol::evidence::Evidence;
use crate::protocol::item::parts;
use crate::protocol::life::Observation;
use crate::protocol::source::Source;
use crate::signal::Signal;
use crate::store::exit_dir::ExitDir;
use crate::sys::poll;
use crate::sys::signals::Signals;
use std::time::{Duration, Instant};

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WaitOutcome {
    Holds(Vec<Evidence>),
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

/// A wait for lives and sources.
pub(crate) struct Wait<'w> {
    /// `None` if no condition is about a life.
    dir: Option<&'w ExitDir>,
    waiter: Waiter,
    /// `None` if no condition is about a source.
    prober: Option<Prober>,
    signals: Option<&'w Signals>,
    hooks: WaitHooks,
    observer: Option<&'w mut dyn Observer>,
    /// Shows how a wait goes on.
    log: Option<Logger>,
    /// `None` before the first check has failed.
    progress: Option<Progress>,
    /// When the wait ends in any case.
    deadline: Option<Instant>,
    /// The wait ends as soon as each source was tried once.
    tries_once: bool,
}

impl<'w> Wait<'w> {
    pub(crate) fn new(
        dir: Option<&'w ExitDir>,
        request: &WaitRequest,
        timeout: Limit,
        signals: Option<&'w Signals>,
        hooks: WaitHooks,
    ) -> Wait<'w> {
        let sources: Vec<&Source> = parts(&request.items).filter_map(|it| it.source()).collect();
        let tries_once = timeout == Limit::After(Duration::ZERO);
        let prober = (!sources.is_empty()).then(|| Prober::new(sources));
        let limit = match &prober {
            Some(prober) if tries_once => Limit::After(prober.round()),
            _ => timeout,
        };
        Wait {
            dir,
            waiter: Waiter::new(request),
            prober,
            signals,
            hooks,
            observer: None,
            log: None,
            progress: None,
            deadline: limit.deadline(Instant::now()),
            tries_once,
        }
    }

    /// Shows `observer` everything that is found.
    pub(crate) fn observed_by(self, observer: &'w mut dyn Observer) -> Wait<'w> {
        Wait {
            observer: Some(observer),
            ..self
        }
    }

    /// Shows what it waits for, if that takes long.
    pub(crate) fn shown_by(self, log: Logger) -> Wait<'w> {
        Wait {
            log: Some(log),
            ..self
        }
    }

    /// Blocks until the conditions hold or can no longer hold, the time is over, or a signal ends
    /// the wait. Creates the directory if it is missing.
    ///
    /// # Errors
    /// As [`ExitDir::create`] and [`Waiter::scan`], and those of the observer.
    pub(crate) fn run(&mut self) -> Result<WaitOutcome, Error> {
        // A wait that ends with its first check needs no watch.
        if let Some(outcome) = self.first_outcome()? {
            return Ok(outcome);
        }
        let has_signals = self.signals.is_some();
        self.progress = self.log.map(|log| Progress::begin(log, has_signals));
        if let Some(dir) = self.dir {
            self.waiter.arm(dir)?;
        }
        loop {
            if let Some(outcome) = self.outcome()? {
                if outcome != WaitOutcome::TimedOut {
                    // A process may wait for the end of this wait.
                    self.waiter.tracker.close_later();
                }
                return Ok(outcome);
            }
            self.report();
            self.sleep();
            if let Some(signal) = read_ending_signal(self.signals, &mut self.progress, self.hooks) {
                return Ok(WaitOutcome::Signal(signal));
            }
        }
    }

    /// Reports warnings, and what does not hold yet if it is time to.
    fn report(&mut self) {
        report_all(
            &mut self.waiter.warnings,
            self.progress.as_mut(),
            self.hooks,
        );
        if let Some(progress) = &mut self.progress {
            progress.show(&|| explain(&self.waiter, self.prober.as_ref()));
        }
    }

    /// Which conditions do not hold, and what was found instead.
    pub(crate) fn explain(&self) -> String {
        explain(&self.waiter, self.prober.as_ref())
    }

    /// Ends the tries of sources that go on.
    pub(crate) fn close(self) {
        if let Some(prober) = self.prober {
            prober.close();
        }
    }

    fn first_outcome(&mut self) -> Result<Option<WaitOutcome>, Error> {
        // Kept open, so that the path is resolved once.
        let _dir = self.dir.map(ExitDir::handle);
        self.dir.map_or(Ok(()), ExitDir::create)?;
        self.outcome()
    }

    /// The outcome of the wait, if it ends after one more check.
    fn outcome(&mut self) -> Result<Option<WaitOutcome>, Error> {
        let (signals, hooks) = (self.signals, self.hooks);
        if let Some(dir) = self.dir {
            let mut ended = None;
            let mut read_signals = || {
                ended = read_ending_signal(signals, &mut self.progress, hooks);
                ended.is_none()
            };
            let observer = &mut self.observer;
            let mut observe = |observation: &Observation| {
                if let Some(observer) = observer {
                    observer.take(observation);
                }
            };
            let scanned = self.waiter.scan(dir, &mut read_signals, &mut observe);
            if let Some(signal) = ended {
                return Ok(Some(WaitOutcome::Signal(signal)));
            }
            if let Some(observer) = observer {
                observer.end_scan()?;
            }
            scanned?;
            report_all(&mut self.waiter.notices, self.progress.as_mut(), hooks);
        }
        if let Some(prober) = &mut self.prober {
            let warnings = prober.poll();
            self.waiter.warnings.extend(warnings);
        }
        Ok(self.judge())
    }

    fn judge(&mut self) -> Option<WaitOutcome> {
        let (prober, now) = (self.prober.as_ref(), Instant::now());
        let standing = |source: &Source| prober.and_then(|prober| prober.standing(source));
        self.waiter
            .end_scan(&|source| standing(source).is_some_and(|it| it.holds_at(now)));
        if let Some(decision) = self.waiter.evaluator.decision() {
            return Some(WaitOutcome::Holds(decision.evidence));
        }
        match self.waiter.evaluator.verdict() {
            Verdict::Impossible => Some(WaitOutcome::Impossible),
            Verdict::Open | Verdict::Holds(_) => self.is_over().then_some(WaitOutcome::TimedOut),
        }
    }

    fn is_over(&self) -> bool {
        let was_tried = self.prober.as_ref().is_none_or(Prober::has_tried_all);
        self.tries_once && was_tried || self.deadline.is_some_and(|at| at <= Instant::now())
    }

    fn sleep(&self) {
        let prober = self.prober.as_ref();
        let tracker = &self.waiter.tracker;
        let observer = self.observer.as_deref();
        let deadlines = [
            self.deadline,
            observer.and_then(Observer::deadline),
            tracker.deadline(),
            prober.and_then(Prober::deadline),
        ];
        let until = deadlines.into_iter().flatten().min();
        let progress = self.progress.as_ref();
        let until = progress.map_or(until, |progress| progress.wake_up(until));
        let mut descriptors = prober.map(Prober::interests).unwrap_or_default();
        descriptors.extend(tracker.descriptor().map(poll::readable));
        descriptors.extend(observer.map(|it| poll::failing(it.descriptor())));
        match self.signals.or(progress.and_then(Progress::signals)) {
            Some(signals) => signals.sleep(descriptors, until),
            None => poll::sleep(descriptors, until),
        }
    }
}

fn explain(waiter: &Waiter, prober: Option<&Prober>) -> String {
    let why = |source: &Source| prober.map_or_else(String::new, |prober| prober.why(source));
    waiter.evaluator.explain(&why)
}

/// Reports all texts, and keeps none.
fn report_all(texts: &mut Vec<String>, progress: Option<&mut Progress>, hooks: WaitHooks) {
    if let Some(progress) = progress.filter(|_| !texts.is_empty()) {
        progress.erase();
    }
    texts.drain(..).for_each(hooks.on_warning);
}

/// Reads the signals that have come. Returns one that ends the wait.
fn read_ending_signal(
    signals: Option<&Signals>,
    progress: &mut Option<Progress>,
    hooks: WaitHooks,
) -> Option<Signal> {
    let own = progress.as_ref().and_then(Progress::signals);
    let received = signals.or(own)?.read();
    if let Some(progress) = progress {
        progress.stop(received.signals());
    }
    let mut signals = received.signals().iter().copied();
    signals.find(|signal| (hooks.ends_wait)(*signal))
}
