//! Changes that are applied together: each is checked and installed in its turn, and the caller
//! learns of all of them at once.

use super::check::{Check, CheckResult};
use super::debounce::{DueChanges, Trigger};
use super::exclusion::Exclusion;
use super::replace::Candidate;
use super::source::Source;
use super::tree::TreeFingerprint;
use super::update::ManagedUpdate;
use crate::exit::ExitStatus;
use crate::sys::signals::Signals;
use rustix::process::Pid;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Instant;

pub(super) struct Batch {
    due: DueChanges,
    queue: VecDeque<QueuedChange>,
    /// The check of the first in the queue, while it runs.
    check: Option<Check>,
    has_installed: bool,
}

/// New content of one source.
struct QueuedChange {
    /// Index of the source.
    source: usize,
    fingerprint: TreeFingerprint,
    candidate: Option<Candidate>,
}

impl Batch {
    pub(super) fn new(due: DueChanges) -> Batch {
        Batch {
            due,
            queue: VecDeque::new(),
            check: None,
            has_installed: false,
        }
    }

    pub(super) fn add(
        &mut self,
        source: usize,
        fingerprint: TreeFingerprint,
        candidate: Option<Candidate>,
    ) {
        self.queue.push_back(QueuedChange {
            source,
            fingerprint,
            candidate,
        });
    }

    /// When the first of its changes was found.
    pub(super) fn since(&self) -> Option<Instant> {
        self.due.since
    }

    /// When to call [`Batch::advance`] again, if a check runs.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.check.as_ref().map(Check::deadline)
    }

    pub(super) fn check_pid(&self) -> Option<Pid> {
        self.check.as_ref().map(Check::pid)
    }

    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        if let Some(check) = &mut self.check {
            check.reaped(pid, status);
        }
    }

    /// Kills a check that runs; the next [`Batch::advance`] starts it again.
    pub(super) fn interrupt(&mut self) {
        self.check = None;
    }

    /// Goes on as far as possible without waiting. `command` is the check program. Returns whether
    /// the batch is complete.
    pub(super) fn advance(
        &mut self,
        sources: &mut [Source<'_>],
        command: Option<&[String]>,
        exclusion: Exclusion<'_>,
        signals: &Signals,
        update: &mut ManagedUpdate,
    ) -> bool {
        while let Some(change) = self.queue.front() {
            let Some(source) = sources.get_mut(change.source) else {
                break;
            };
            let path = source.path_to_check(change.candidate.as_ref());
            let result = match command {
                None => Some(CheckResult::Accepted),
                Some(command) => self.check(command, path, signals),
            };
            let Some(result) = result else { return false };
            let Some(change) = self.queue.pop_front() else {
                break;
            };
            let reads_source = command.is_some() && change.candidate.is_none();
            if reads_source
                && self.due.trigger == Trigger::Quiet
                && source.may_have_changed(change.fingerprint, exclusion)
            {
                // It is unknown which content the check has read.
                source.mark_dirty();
                continue;
            }
            self.apply(source, change, result, update);
        }
        update.reconfigured = self.has_installed;
        true
    }

    /// The result of the check for this path, which is started first; `None` while it runs.
    fn check(
        &mut self,
        command: &[String],
        path: PathBuf,
        signals: &Signals,
    ) -> Option<CheckResult> {
        if let Some(check) = &self.check {
            let result = check.result()?;
            self.check = None;
            return Some(result);
        }
        match Check::start(command, path, signals) {
            Ok(check) => {
                self.check = Some(check);
                None
            }
            Err(result) => Some(result),
        }
    }

    fn apply(
        &mut self,
        source: &mut Source<'_>,
        change: QueuedChange,
        result: CheckResult,
        update: &mut ManagedUpdate,
    ) {
        match result {
            CheckResult::Accepted => {
                let is_installed = source.accept(change.fingerprint, change.candidate, update);
                self.has_installed |= is_installed;
            }
            CheckResult::Rejected(why) => {
                update
                    .warnings
                    .push(source.reject(change.fingerprint, &why));
            }
            CheckResult::NotRun(sentence) => {
                source.mark_failed();
                update.warnings_once.push(sentence);
            }
        }
    }
}
