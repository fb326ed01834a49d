//! The texts of the messages of `exitdir-run`. Pure.

use crate::duration::Limit;
use crate::error::describe;
use crate::exit::{ExitStatus, StartFailure};
use crate::signal::Signal;
use crate::supervisor::outcome::{EndReason, FinalStatus, StopReason};
use crate::supervisor::report::Report;
use crate::supervisor::rules::Rules;
use std::io;
use std::time::Duration;

/// Something that a message can ask about: what is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Missing {
    /// What CMD waits for.
    Awaited,
    /// The death dependencies that were never seen.
    Unseen,
    /// The processes that CMD has left behind, which are still there.
    Left,
}

/// What the messages are about.
#[derive(Debug)]
pub(crate) struct Messages<'a> {
    pub(crate) command: String,
    pub(crate) rules: &'a Rules,
    /// The `--active-while` file; empty without one.
    pub(crate) active_while: String,
}

impl Messages<'_> {
    /// A step that the machine has decided on. `missing` says what is not there.
    pub(crate) fn report(&self, report: &Report, missing: &dyn Fn(Missing) -> String) -> String {
        let command = &self.command;
        match report {
            Report::StillWaiting => format!("still waiting: {}", missing(Missing::Awaited)),
            Report::StartingAnyway => format!(
                "after {}, starting {command} anyway: {}",
                self.rules.birth_timeout,
                missing(Missing::Awaited)
            ),
            Report::Unseen => format!("death dependencies: {}", missing(Missing::Unseen)),
            Report::Stopping(reason, signal) => self.stop(reason, *signal, missing),
            Report::PreStopping { received, sent } => {
                format!("{} after --pre-stop", self.held_back(*received, *sent))
            }
            Report::PreStopLate => "--pre-stop takes too long: ending it".to_owned(),
            Report::Killing => format!(
                "{command} did not stop within {}: killing it",
                self.rules.grace_period
            ),
            Report::Draining(signal) => {
                format!("sending {signal} to the processes left by {command}")
            }
            Report::StillDraining => {
                format!(
                    "still waiting for processes left by {command}; the next stop signal kills them"
                )
            }
            Report::KillingDescendants => format!("killing the processes left by {command}"),
            Report::Abandoning(after) => format!(
                "{after} after KILL, exiting without waiting for processes left by {command}: {}",
                missing(Missing::Left)
            ),
            Report::Restarting(last, delay) => {
                let when = match delay {
                    Limit::After(Duration::ZERO) => String::new(),
                    delay => format!(" in {delay}"),
                };
                format!("{}: restarting it{when}", self.down(last))
            }
            Report::Reloading(signal) => {
                format!("a new configuration: sending {signal} to {command}")
            }
            Report::RunningOnConfig => "a new configuration: running --on-config".to_owned(),
            Report::Inactive => format!("{}: {command} stays down", self.deactivated()),
            Report::Activated => format!("{} exists: starting {command}", self.active_while),
            Report::Delaying { received, sent } => {
                let when = match self.rules.stop_delay {
                    Limit::Never => "at the next stop signal".to_owned(),
                    delay => format!("in {delay}"),
                };
                format!("{} {when}", self.held_back(*received, *sent))
            }
            Report::Forwarded(signal) => format!("forwarded {signal} to {command}"),
            Report::Dropped(signal) => format!("dropped {signal}: not forwarded to {command}"),
        }
    }

    fn held_back(&self, received: Signal, sent: Signal) -> String {
        let what = if sent == received {
            "it".to_owned()
        } else {
            sent.to_string()
        };
        format!("received {received}; forwarding {what} to {}", self.command)
    }

    fn stop(
        &self,
        reason: &StopReason,
        signal: Option<Signal>,
        missing: &dyn Fn(Missing) -> String,
    ) -> String {
        let command = &self.command;
        let how = signal.map_or(
            "with the signal that it received before".to_owned(),
            |signal| format!("with {signal}"),
        );
        match reason {
            StopReason::Dependency(cause) => {
                format!("{}: stopping {command} {how}", cause.description)
            }
            StopReason::RunTimeout => format!(
                "{command} has run for {}: stopping it {how}",
                self.rules.run_timeout
            ),
            StopReason::Missing => {
                format!("{}: stopping {command} {how}", self.never_seen(missing))
            }
            StopReason::Deactivated => {
                let file = self.deactivated();
                format!("{file}: stopping {command} {how}")
            }
            StopReason::Reconfigured => {
                format!("a new configuration: stopping {command} {how} to restart it")
            }
        }
    }

    fn never_seen(&self, missing: &dyn Fn(Missing) -> String) -> String {
        let timeout = self.rules.missing_timeout;
        format!("after {timeout}, {}", missing(Missing::Unseen))
    }

    fn deactivated(&self) -> String {
        format!("{} does not exist", self.active_while)
    }

    /// Why CMD is down until its restart.
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
            | EndReason::Missing
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
            StartFailure::NoNotifySocket(errno) => {
                format!(
                    "cannot create the notification socket of {command}: {}",
                    because(errno)
                )
            }
            StartFailure::NoReadinessPipe(errno) => {
                format!(
                    "cannot create the readiness pipe of {command}: {}",
                    because(errno)
                )
            }
        }
    }

    /// Why the life ends. `None` where CMD's own exit status says it, or a message was written when
    /// the stop began.
    pub(crate) fn end(
        &self,
        why: &EndReason,
        missing: &dyn Fn(Missing) -> String,
    ) -> Option<String> {
        let command = &self.command;
        match why {
            EndReason::CommandEnded(_) | EndReason::Stopped(_) => None,
            EndReason::NotStarted(cause) => {
                Some(format!("{}: not starting {command}", cause.description))
            }
            EndReason::NotRestarted(cause) => {
                Some(format!("{}: not restarting {command}", cause.description))
            }
            EndReason::BirthTimeout => Some(format!(
                "gave up after {}: {}",
                self.rules.birth_timeout,
                missing(Missing::Awaited)
            )),
            EndReason::Missing => Some(format!("gave up {}", self.never_seen(missing))),
            EndReason::Interrupted(signal) => Some(format!(
                "received {signal} while {command} was not running: exiting"
            )),
            EndReason::StartFailed(failure) => Some(self.start(*failure)),
        }
    }
}
