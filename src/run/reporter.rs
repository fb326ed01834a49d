//! What exitdir-run tells people: on standard error, and in Kubernetes' termination log.

use super::messages::{Messages, Missing};
use super::plan::Plan;
use super::termination_log;
use crate::error::describe;
use crate::signal::Signal;
use crate::sorted::SortedSet;
use crate::supervisor::outcome::{EndReason, FinalStatus, StopReason};
use crate::supervisor::report::Report;
use crate::watch::dir_watch::{self, WatchFault};
use crate::watch::scanning::ScanResult;
use std::fmt::Display;
use std::io;

/// Writes messages, each of some kinds once only.
pub(super) struct Reporter<'p> {
    plan: &'p Plan,
    /// The messages that are written once and were written.
    written: SortedSet<String>,
    /// The message about the stop of CMD, for the termination log.
    stop_message: Option<String>,
}

impl<'p> Reporter<'p> {
    pub(super) fn new(plan: &'p Plan) -> Reporter<'p> {
        Reporter {
            plan,
            written: SortedSet::default(),
            stop_message: None,
        }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.plan.logger.is_verbose()
    }

    pub(super) fn error(&self, text: impl Display) {
        self.plan.logger.error(text);
    }

    pub(super) fn info(&self, text: impl Display) {
        self.plan.logger.info(text);
    }

    pub(super) fn debug(&self, text: impl Display) {
        self.plan.logger.debug(text);
    }

    /// Reports an error, unless this very message was written before.
    pub(super) fn warn_once(&mut self, message: String) {
        if self.is_new(&message) {
            self.plan.logger.error(message);
        }
    }

    fn is_new(&mut self, message: &str) -> bool {
        self.written.insert(message.to_owned())
    }

    /// Reports a step that the machine has decided on. `missing` says what is not there.
    pub(super) fn report(&mut self, report: &Report, missing: &dyn Fn(Missing) -> String) {
        match report {
            Report::Forwarded(_) | Report::Dropped(_) => {
                if self.is_verbose() {
                    self.debug(self.messages().report(report, missing));
                }
            }
            Report::StillWaiting
            | Report::StartingAnyway
            | Report::Unseen
            | Report::Stopping(..)
            | Report::PreStopping { .. }
            | Report::PreStopLate
            | Report::Killing
            | Report::Draining(_)
            | Report::StillDraining
            | Report::KillingDescendants
            | Report::Abandoning(_)
            | Report::Restarting(..)
            | Report::Reloading(_)
            | Report::RunningOnConfig
            | Report::Inactive
            | Report::Activated
            | Report::Delaying { .. } => {
                let message = self.messages().report(report, missing);
                self.info(&message);
                if matches!(report, Report::Stopping(..)) {
                    self.stop_message = Some(message);
                }
            }
        }
    }

    #[cold]
    pub(super) fn report_unsent(&self, signal: Signal, error: &io::Error) {
        self.error(format!(
            "cannot send {signal} to the command: {}",
            describe(error)
        ));
    }

    /// Reports what went wrong in a poll of the peers.
    pub(super) fn report_faults(&mut self, scan: ScanResult) {
        for fault in scan.faults {
            self.report_watch_fault(fault);
        }
        scan.notices.iter().for_each(|notice| self.info(notice));
        for error in scan.errors.into_iter().chain(scan.other_errors) {
            self.warn_once(error.to_string());
        }
    }

    fn report_watch_fault(&mut self, fault: WatchFault) {
        let options = self.plan.exit_dir.as_ref();
        let path = options.map(|options| options.dir.path().display().to_string());
        let path = path.unwrap_or_default();
        match fault {
            WatchFault::DirectoryGone => self.error(format!(
                "{path} was removed, moved or unmounted: watching for its return"
            )),
            WatchFault::DirectoryBack => self.info(format!("{path} is back and watched again")),
            WatchFault::NoInotify(errno) => {
                let message = dir_watch::no_inotify(errno);
                if self.is_new(&message) {
                    self.info(message);
                }
            }
        }
    }

    /// Reports why the life ends. Returns the message for the death record, if it needs one.
    pub(super) fn report_end(
        &mut self,
        last: &FinalStatus,
        missing: &dyn Fn(Missing) -> String,
    ) -> EndMessages {
        let message = self.messages().end(&last.end_reason, missing);
        let mut end = EndMessages::default();
        match &last.end_reason {
            EndReason::CommandEnded(_) => {}
            EndReason::Stopped(reason) => {
                let message = self.stop_message.take();
                let names = message.clone().filter(|_| *reason == StopReason::Missing);
                end.tombstone = names;
                end.termination_log = message;
            }
            EndReason::NotStarted(_) | EndReason::NotRestarted(_) => {
                message.iter().for_each(|message| self.info(message));
                end.termination_log = message;
            }
            EndReason::Interrupted(_) => message.iter().for_each(|message| self.info(message)),
            EndReason::BirthTimeout | EndReason::Missing | EndReason::StartFailed(_) => {
                message.iter().for_each(|message| self.error(message));
                end.termination_log = message.clone();
                end.tombstone = message;
            }
        }
        end
    }

    /// Writes to the termination log, for `kubectl describe pod`.
    pub(super) fn log_termination(&self, message: &str) {
        let message = self.plan.logger.prefixed(message);
        termination_log::write(&self.plan.termination_log, &message);
    }

    fn messages(&self) -> Messages<'_> {
        let file = self.plan.management.active_while.as_ref();
        Messages {
            command: self.plan.command.display(),
            rules: &self.plan.rules,
            active_while: file.map_or(String::new(), |file| file.display().to_string()),
        }
    }
}

/// Where the message about the end goes.
#[derive(Debug, Default)]
pub(super) struct EndMessages {
    pub(super) termination_log: Option<String>,
    /// For the death record, where its other keys do not say why.
    pub(super) tombstone: Option<String>,
}
