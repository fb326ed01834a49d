//! `--ready-on exec`: a program that is tried every second.

use super::update::ReadinessUpdate;
use crate::exit::ExitStatus;
use crate::process::helper::{Helper, HelperOutcome, HelperOutput};
use crate::sys::command_line::CommandLine;
use crate::sys::signals::Signals;
use rustix::io::Errno;
use rustix::process::Pid;
use std::time::{Duration, Instant};

/// The time from the start of one attempt to the start of the next.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Probe {
    command: CommandLine,
    /// The program that runs, and when it is killed.
    attempt: Option<(Helper, Instant)>,
    /// When the next attempt starts.
    next: Instant,
}

impl Probe {
    pub(super) fn new(words: &[String]) -> Result<Probe, Errno> {
        Ok(Probe {
            command: CommandLine::new(words).ok_or(Errno::INVAL)?,
            attempt: None,
            next: Instant::now(),
        })
    }

    pub(super) fn deadline(&self) -> Instant {
        self.attempt
            .as_ref()
            .map_or(self.next, |(_, deadline)| *deadline)
    }

    pub(super) fn helper_pid(&self) -> Option<Pid> {
        self.attempt.as_ref().map(|(helper, _)| helper.pid())
    }

    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        if let Some((helper, _)) = &mut self.attempt {
            helper.reaped(pid, status);
        }
    }

    pub(super) fn poll(&mut self, signals: &Signals) -> ReadinessUpdate {
        let mut update = ReadinessUpdate::default();
        let now = Instant::now();
        if self.attempt.is_none() && self.next <= now {
            self.next = now + ATTEMPT_INTERVAL;
            // Its output, every second, would drown that of the command.
            match Helper::start(&self.command, signals, HelperOutput::Discard) {
                Ok(helper) => self.attempt = Some((helper, now + ATTEMPT_TIMEOUT)),
                Err(why) => {
                    let program = self.command.display();
                    update.warning = Some(format!("cannot run the probe {program}: {why}"));
                }
            }
        }
        if let Some((helper, deadline)) = &self.attempt {
            let outcome = helper.outcome();
            update.is_ready = outcome == Some(HelperOutcome::Succeeded);
            if outcome.is_some() || *deadline <= now {
                self.attempt = None;
            }
        }
        update
    }
}
