//! What people are told about a life: the sentences of `exitdir-run`. Pure.

use crate::duration::Limit;
use crate::error::describe;
use crate::exit::{ExitStatus, StartFailure};
use crate::signal::Signal;
use crate::supervisor::outcome::{EndReason, FinalStatus, StopReason};
use crate::supervisor::report::Report;
use crate::supervisor::rules::Rules;
use std::io;

/// What the sentences are about.
#[derive(Debug)]
pub(crate) struct Messages<'a> {
    pub(crate) command: String,
    pub(crate) rules: &'a Rules,
    /// The file while which it runs; empty if it does not matter.
    pub(crate) active_while: String,
}

impl Messages<'_> {
    /// Something that is done or seen on the way. `waiting` says what is waited for.
    pub(crate) fn report(&self, report: &Report, waiting: impl FnOnce() -> String) -> String {
        let command = &self.command;
        match report {
            Report::StillWaiting => format!("still waiting: {}", waiting()),
            Report::Stopping(reason, signal) => self.stop(reason, *signal),
            Report::Killing => format!(
                "{command} did not stop within {}: killing it",
                self.rules.grace_period
            ),
            Report::Draining(signal) => {
                format!("stopping what {command} left behind with {signal}")
            }
            Report::StillDraining => {
                format!("still waiting for what {command} left behind: once more and it is killed")
            }
            Report::KillingDescendants => format!("killing what {command} left behind"),
            Report::Restarting(last, delay) => {
                format!("{}: restarting it in {delay}", self.down(last))
            }
            Report::Reloading(signal) => {
                format!("a new configuration: sending {signal} to {command}")
            }
            Report::Inactive => format!("{}: {command} stays down", self.deactivated()),
            Report::Activated => format!("{} exists: starting {command}", self.active_while),
            Report::Delaying(signal) => {
                let when = match self.rules.stop_delay {
                    Limit::Never => "when told again".to_owned(),
                    delay => format!("in {delay}"),
                };
                format!("told to stop: passing {signal} on to {command} {when}")
            }
            Report::Forwarded(signal) => format!("passed {signal} on to {command}"),
            Report::Dropped(signal) => format!("dropped {signal}: {command} does not get it"),
        }
    }

    fn stop(&self, reason: &StopReason, signal: Option<Signal>) -> String {
        let command = &self.command;
        let how = signal.map_or("as it was told to before".to_owned(), |signal| {
            format!("with {signal}")
        });
        match reason {
            StopReason::Dependency(fate) => {
                format!("{}: stopping {command} {how}", fate.description)
            }
            StopReason::RunTimeout => format!(
                "{command} has run for {}: stopping it {how}",
                self.rules.run_timeout
            ),
            StopReason::Deactivated => {
                let file = self.deactivated();
                format!("{file}: stopping {command} {how}")
            }
            StopReason::Reconfigured => {
                format!("a new configuration: restarting {command}, which is stopped {how}")
            }
        }
    }

    fn deactivated(&self) -> String {
        format!("{} does not exist", self.active_while)
    }

    /// Why the command is down and will be back.
    fn down(&self, last: &FinalStatus) -> String {
        let command = &self.command;
        match &last.end_reason {
            EndReason::CommandEnded(ExitStatus::Exited(code)) => {
                format!("{command} exited with {code}")
            }
            EndReason::CommandEnded(ExitStatus::Signaled(signal)) => {
                format!("{command} was ended by {signal}")
            }
            EndReason::StartFailed(failure) => self.start(*failure),
            // None of these is followed by a restart.
            EndReason::Stopped(_)
            | EndReason::NotStarted(_)
            | EndReason::NotRestarted(_)
            | EndReason::BirthTimeout
            | EndReason::Interrupted(_) => format!("{command} is down"),
        }
    }

    fn start(&self, failure: StartFailure) -> String {
        let command = &self.command;
        let because = |errno| describe(&io::Error::from_raw_os_error(errno));
        match failure {
            StartFailure::NotFound(errno) | StartFailure::NotExecutable(errno) => {
                format!("cannot run {command}: {}", because(errno))
            }
            StartFailure::System(errno) => {
                format!("cannot start a process for {command}: {}", because(errno))
            }
        }
    }

    /// Why the life ends; `None` where the command's own end says it all, or it was said when a stop began.
    pub(crate) fn end(&self, why: &EndReason, waiting: impl FnOnce() -> String) -> Option<String> {
        let command = &self.command;
        match why {
            EndReason::CommandEnded(_) | EndReason::Stopped(_) => None,
            EndReason::NotStarted(fate) => {
                Some(format!("{}: not starting {command}", fate.description))
            }
            EndReason::NotRestarted(fate) => {
                Some(format!("{}: not restarting {command}", fate.description))
            }
            EndReason::BirthTimeout => Some(format!(
                "gave up after {}: {}",
                self.rules.birth_timeout,
                waiting()
            )),
            EndReason::Interrupted(signal) => {
                Some(format!("ended by {signal}: {command} was not running"))
            }
            EndReason::StartFailed(failure) => Some(self.start(*failure)),
        }
    }
}
