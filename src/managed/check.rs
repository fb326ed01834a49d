//! The program that accepts or rejects new configuration (`--config-check`): one run of it.

use crate::duration::Limit;
use crate::exit::{self, ExitStatus};
use crate::process::helper::{Helper, HelperOutcome, HelperOutput};
use crate::sys::command_line::CommandLine;
use crate::sys::signals::Signals;
use rustix::process::Pid;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A check that takes longer than this counts as a rejection.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// What a check says.
pub(super) enum CheckResult {
    Accepted,
    /// Why not.
    Rejected(String),
    /// Not now: it is asked again. Who says so.
    Deferred(String),
    /// Why it could not say anything, which is not the configuration's fault.
    NotRun(String),
}

/// A check that runs, or has ended and was not evaluated yet. Dropping the value kills it.
pub(super) struct Check {
    program: String,
    helper: Helper,
    deadline: Instant,
}

impl Check {
    /// Starts the check program with its arguments and, as last argument, the path to check.
    ///
    /// # Errors
    /// [`CheckResult::NotRun`].
    pub(super) fn start(
        command: &[String],
        path: PathBuf,
        signals: &Signals,
    ) -> Result<Check, CheckResult> {
        let program = command.first().cloned().unwrap_or_default();
        let not_run =
            |because: String| CheckResult::NotRun(format!("cannot run {program}: {because}"));
        let words = command.iter().map(OsString::from);
        let words: Vec<OsString> = words.chain([path.into_os_string()]).collect();
        let line = CommandLine::new(&words);
        let line = line.ok_or_else(|| not_run("an argument contains a NUL byte".to_owned()))?;
        let helper = Helper::start(&line, signals, HelperOutput::Stderr).map_err(not_run)?;
        Ok(Check {
            program,
            helper,
            deadline: Instant::now() + CHECK_TIMEOUT,
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.helper.pid()
    }

    /// When to ask for its result; at once if it has ended.
    pub(super) fn deadline(&self) -> Instant {
        match self.helper.outcome() {
            Some(_) => Instant::now(),
            None => self.deadline,
        }
    }

    /// A child that is not the command was reaped: perhaps this one.
    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.helper.reaped(pid, status);
    }

    /// `None` while it runs and has time left.
    pub(super) fn result(&self) -> Option<CheckResult> {
        let program = &self.program;
        match self.helper.outcome() {
            Some(HelperOutcome::Succeeded) => Some(CheckResult::Accepted),
            Some(HelperOutcome::Failed)
                if self.helper.status() == Some(Some(ExitStatus::Exited(exit::NOT_NOW))) =>
            {
                Some(CheckResult::Deferred(program.clone()))
            }
            Some(HelperOutcome::Failed) => {
                Some(CheckResult::Rejected(format!("{program} rejected it")))
            }
            Some(HelperOutcome::Killed(signal)) => Some(CheckResult::NotRun(format!(
                "{program} was ended by {signal}"
            ))),
            None if self.deadline <= Instant::now() => {
                let limit = Limit::After(CHECK_TIMEOUT);
                Some(CheckResult::Rejected(format!(
                    "{program} did not answer within {limit}"
                )))
            }
            None => None,
        }
    }
}
