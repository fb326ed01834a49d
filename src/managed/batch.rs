//! Changes that are applied together: the sources are read one after the other, then each change is
//! checked and installed in its turn, and the caller learns of all of them at once.

use super::check::{Check, CheckResult};
use super::debounce::{Debounce, DueChanges, Trigger};
use super::exclusion::Exclusion;
use super::reading::SourceReading;
use super::remover::Remover;
use super::replace::Candidate;
use super::source::{ConfigSource, SourceChange};
use super::tree::TreeFingerprint;
use super::update::ManagedUpdate;
use super::watcher::Watcher;
use crate::error::describe;
use crate::exit::ExitStatus;
use crate::sys::signals::Signals;
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Pause before a process is started again that could not be started.
pub(super) const FORK_RETRY: Duration = Duration::from_secs(1);

pub(super) struct Batch {
    due: DueChanges,
    /// Index of the source that is read now or next.
    next: usize,
    queue: VecDeque<QueuedChange>,
    /// What is done with a source now.
    step: BatchStep,
    /// A worker that was killed, and has not ended yet: the kernel may hold it. No other process is
    /// started before that, so that they do not become many.
    ending: Option<Pid>,
    /// No process is started before this.
    rest_until: Option<Instant>,
    /// How long its sources were read.
    reading_time: Duration,
    has_installed: bool,
}

/// The helper process that runs.
enum BatchStep {
    None,
    /// The next source is read.
    Reading(SourceReading),
    /// The first change in the queue is checked.
    Check(Check),
    /// The check has answered, and the source is read again because it was touched meanwhile.
    Comparison(SourceReading, CheckResult),
}

/// New content of one source.
struct QueuedChange {
    /// Index of the source.
    source: usize,
    fingerprint: TreeFingerprint,
    candidate: Option<Candidate>,
}

/// What a batch works with.
pub(super) struct BatchContext<'c, 'p> {
    pub(super) sources: &'c mut [ConfigSource<'p>],
    pub(super) watcher: &'c mut Watcher,
    pub(super) debounce: &'c mut Debounce,
    pub(super) remover: &'c mut Remover,
    /// The check program.
    pub(super) command: Option<&'c [String]>,
    pub(super) exclusion: Exclusion<'c>,
    pub(super) signals: &'c Signals,
    pub(super) update: &'c mut ManagedUpdate,
}

impl Batch {
    pub(super) fn new(due: DueChanges) -> Batch {
        Batch {
            due,
            next: 0,
            queue: VecDeque::new(),
            step: BatchStep::None,
            ending: None,
            rest_until: None,
            reading_time: Duration::ZERO,
            has_installed: false,
        }
    }

    /// When the first of its changes was found.
    pub(super) fn since(&self) -> Option<Instant> {
        self.due.since
    }

    pub(super) fn reading_time(&self) -> Duration {
        self.reading_time
    }

    /// When to call [`Batch::advance`] again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.step {
            BatchStep::None => self.rest_until,
            BatchStep::Check(check) => Some(check.deadline()),
            BatchStep::Reading(reading) | BatchStep::Comparison(reading, _) => reading.deadline(),
        }
    }

    /// Readable when a worker has written something.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.step {
            BatchStep::None | BatchStep::Check(_) => None,
            BatchStep::Reading(reading) | BatchStep::Comparison(reading, _) => reading.descriptor(),
        }
    }

    pub(super) fn helper(&self) -> Option<Pid> {
        match &self.step {
            BatchStep::None => self.ending,
            BatchStep::Check(check) => Some(check.pid()),
            BatchStep::Reading(reading) | BatchStep::Comparison(reading, _) => Some(reading.pid()),
        }
    }

    /// Whether a source is being read. That ends soon, or after a time limit.
    pub(super) fn is_reading(&self) -> bool {
        matches!(self.step, BatchStep::Reading(_))
    }

    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        match &mut self.step {
            BatchStep::None => {
                self.ending.take_if(|ending| *ending == pid);
            }
            BatchStep::Check(check) => check.reaped(pid, status),
            BatchStep::Reading(reading) | BatchStep::Comparison(reading, _) => {
                reading.reaped(pid, status)
            }
        }
    }

    /// Kills the helper process that runs; the next [`Batch::advance`] starts it again.
    pub(super) fn interrupt(&mut self, sources: &mut [ConfigSource<'_>], remover: &mut Remover) {
        let step = std::mem::replace(&mut self.step, BatchStep::None);
        if let BatchStep::Reading(_) = step
            && let Some(source) = sources.get_mut(self.next)
        {
            source.mark_dirty();
        }
        if let BatchStep::Reading(reading) | BatchStep::Comparison(reading, _) = step {
            self.ending = reading.running();
            let staging = reading.abandon();
            staging.into_iter().for_each(|one| remover.remove(one));
        }
    }

    /// Goes on as far as possible without waiting. Returns whether the batch is complete.
    pub(super) fn advance(&mut self, context: &mut BatchContext<'_, '_>) -> bool {
        let rests = self.rest_until.is_some_and(|until| Instant::now() < until);
        if rests || self.ending.is_some() {
            return false;
        }
        self.rest_until = None;
        let is_complete = self
            .read_sources(context)
            .and_then(|()| self.apply_changes(context));
        match is_complete {
            Ok(()) => {
                context.update.reconfigured = self.has_installed;
                true
            }
            Err(Unfinished::Waiting) => false,
            Err(Unfinished::NoProcess(errno)) => {
                self.rest_until = Some(Instant::now() + FORK_RETRY);
                context.update.warnings_once.push(no_process(errno));
                false
            }
        }
    }

    /// Reads the sources that have changed, and collects what is new in the queue.
    fn read_sources(&mut self, context: &mut BatchContext<'_, '_>) -> Result<(), Unfinished> {
        while self.next < context.sources.len() {
            if matches!(self.step, BatchStep::None) {
                self.begin_reading(context)?;
            }
            if let BatchStep::Reading(reading) = &mut self.step
                && let Some(source) = context.sources.get_mut(self.next)
                && !source.advance_reading(reading, context.exclusion, self.due.trigger)
            {
                return Err(Unfinished::Waiting);
            }
            self.finish_reading(context);
            self.next += 1;
            self.await_end()?;
        }
        Ok(())
    }

    fn await_end(&self) -> Result<(), Unfinished> {
        match self.ending {
            None => Ok(()),
            Some(_) => Err(Unfinished::Waiting),
        }
    }

    fn begin_reading(&mut self, context: &mut BatchContext<'_, '_>) -> Result<(), Errno> {
        // Writers may have begun while the sources before this one were read.
        if let Some(hint) = context.watcher.read_events() {
            context.debounce.note_events(hint);
        }
        if self.due.trigger != Trigger::Expired && context.watcher.is_being_written() {
            context.debounce.note_change(Instant::now());
            return Ok(());
        }
        let source = context.sources.get_mut(self.next);
        if let Some(source) = source.filter(|source| source.is_dirty()) {
            let reading = source.begin_reading(context.exclusion)?;
            self.step = BatchStep::Reading(reading);
        }
        Ok(())
    }

    fn finish_reading(&mut self, context: &mut BatchContext<'_, '_>) {
        let BatchStep::Reading(reading) = std::mem::replace(&mut self.step, BatchStep::None) else {
            return;
        };
        let Some(source) = context.sources.get_mut(self.next) else {
            return;
        };
        self.ending = reading.running();
        self.reading_time += reading.elapsed();
        let (exclusion, trigger) = (context.exclusion, self.due.trigger);
        let change = source.finish_reading(reading, exclusion, trigger, context.remover);
        if source.is_dirty() {
            context.debounce.note_change(Instant::now());
        }
        match change {
            SourceChange::None => {}
            SourceChange::New(fingerprint, candidate) => self.queue.push_back(QueuedChange {
                source: self.next,
                fingerprint,
                candidate,
            }),
            SourceChange::Warning(sentence) => context.update.warnings.push(sentence),
            SourceChange::WarningOnce(sentence) => context.update.warnings_once.push(sentence),
        }
    }

    /// Checks and installs what is in the queue.
    fn apply_changes(&mut self, context: &mut BatchContext<'_, '_>) -> Result<(), Unfinished> {
        while !self.queue.is_empty() {
            let result = match std::mem::replace(&mut self.step, BatchStep::None) {
                BatchStep::Comparison(reading, result) => self.compare(reading, result, context)?,
                step => {
                    self.step = step;
                    Some(self.check(context)?)
                }
            };
            let change = self.queue.pop_front();
            if let (Some(result), Some(change)) = (result, change) {
                self.apply(change, result, context);
            }
            self.await_end()?;
        }
        Ok(())
    }

    /// The result of the check for the first in the queue, unless other content may have been
    /// checked. Then the source is read again.
    fn compare(
        &mut self,
        mut reading: SourceReading,
        result: CheckResult,
        context: &mut BatchContext<'_, '_>,
    ) -> Result<Option<CheckResult>, Unfinished> {
        if !reading.poll() {
            self.step = BatchStep::Comparison(reading, result);
            return Err(Unfinished::Waiting);
        }
        self.ending = reading.running();
        if let Some(change) = self.queue.front()
            && let Some(source) = context.sources.get_mut(change.source)
            && source.may_have_changed(change.fingerprint, reading)
        {
            source.mark_dirty();
            return Ok(None);
        }
        Ok(Some(result))
    }

    /// The result of the check for the first in the queue.
    fn check(&mut self, context: &mut BatchContext<'_, '_>) -> Result<CheckResult, Unfinished> {
        let (Some(change), Some(command)) = (self.queue.front(), context.command) else {
            return Ok(CheckResult::Accepted);
        };
        let Some(source) = context.sources.get(change.source) else {
            return Ok(CheckResult::Accepted);
        };
        let path = source.path_to_check(change.candidate.as_ref());
        // The command and the check read the source itself.
        let compares = change.candidate.is_none() && self.due.trigger != Trigger::Expired;
        let result = self.run_check(command, path, context.signals)?;
        // Soon after a change, the next one may leave no other trace than an event.
        let is_touched = source.is_racy() && context.debounce.is_touched();
        if compares && (is_touched || source.was_touched(context.exclusion)) {
            let reading = source.begin_comparison(context.exclusion)?;
            self.step = BatchStep::Comparison(reading, result);
            return Err(Unfinished::Waiting);
        }
        Ok(result)
    }

    /// The result of the check for this path, which is started first.
    fn run_check(
        &mut self,
        command: &[String],
        path: PathBuf,
        signals: &Signals,
    ) -> Result<CheckResult, Unfinished> {
        if let BatchStep::Check(check) = &self.step {
            let result = check.result().ok_or(Unfinished::Waiting)?;
            self.step = BatchStep::None;
            return Ok(result);
        }
        match Check::start(command, path, signals) {
            Ok(check) => {
                self.step = BatchStep::Check(check);
                Err(Unfinished::Waiting)
            }
            Err(result) => Ok(result),
        }
    }

    fn apply(
        &mut self,
        change: QueuedChange,
        result: CheckResult,
        context: &mut BatchContext<'_, '_>,
    ) {
        let Some(source) = context.sources.get_mut(change.source) else {
            return;
        };
        let (fingerprint, candidate) = (change.fingerprint, change.candidate);
        if let CheckResult::Accepted = result {
            let (remover, update) = (&mut *context.remover, &mut *context.update);
            self.has_installed |= source.accept(fingerprint, candidate, remover, update);
            return;
        }
        if let Some(candidate) = candidate {
            context.remover.remove(candidate.into_staging());
        }
        match result {
            CheckResult::Accepted => {}
            CheckResult::Rejected(why) => {
                let sentence = source.reject(fingerprint, &why);
                context.update.warnings.push(sentence);
            }
            CheckResult::Deferred(program) => {
                let notice = source.defer(fingerprint, &program);
                context.update.notices.extend(notice);
            }
            CheckResult::NotRun(sentence) => {
                source.mark_failed();
                context.update.warnings_once.push(sentence);
            }
        }
    }
}

/// Why a batch does not go on now.
enum Unfinished {
    /// A helper process runs.
    Waiting,
    /// A worker cannot be started.
    NoProcess(Errno),
}

impl From<Errno> for Unfinished {
    fn from(errno: Errno) -> Unfinished {
        Unfinished::NoProcess(errno)
    }
}

/// The sentence where a worker cannot be started.
pub(super) fn no_process(errno: Errno) -> String {
    format!(
        "cannot start a process that reads configuration: {}; trying again every second",
        describe(&errno.into())
    )
}
