//! A program that helps us: a probe, a check. It leads a process group, has no part in our standard input,
//! and is gone with whoever asked, with all that it has started.

use crate::exit::ExitStatus;
use crate::signal::Signal;
use crate::sys::command_line::CommandLine;
use crate::sys::process::{SignalTarget, kill};
use crate::sys::signals::Signals;
use crate::sys::spawn::{SpawnError, SpawnExtras, SpawnSetup, spawn};
use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use std::os::fd::{AsFd, BorrowedFd};

/// A program under way.
#[derive(Debug)]
pub(crate) struct Helper {
    pid: Pid,
    outcome: Option<HelperOutcome>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelperOutcome {
    /// It exited with 0.
    Succeeded,
    /// It did not.
    Failed,
    /// Somebody has ended it by a signal that no program sends to itself: it has said nothing.
    Killed(Signal),
}

impl HelperOutcome {
    fn of(status: Option<ExitStatus>) -> HelperOutcome {
        match status {
            Some(ExitStatus::Exited(0)) => HelperOutcome::Succeeded,
            Some(ExitStatus::Signaled(
                signal @ (Signal::KILL | Signal::TERM | Signal::INT | Signal::HUP),
            )) => HelperOutcome::Killed(signal),
            Some(ExitStatus::Exited(_) | ExitStatus::Signaled(_)) | None => HelperOutcome::Failed,
        }
    }
}

/// Where what it prints goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelperOutput {
    Discard,
    /// Our standard error.
    Stderr,
}

impl Helper {
    /// # Errors
    /// Why it cannot be executed, in words.
    pub(crate) fn start(
        command: &CommandLine,
        signals: &Signals,
        output: HelperOutput,
    ) -> Result<Helper, String> {
        let failed = |error: std::io::Error| crate::error::describe(&error);
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failed(errno.into()))?;
        // A closed one is no place to write to.
        let stderr = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).ok();
        let printed: BorrowedFd<'_> = match (output, &stderr) {
            (HelperOutput::Stderr, Some(stderr)) => stderr.as_fd(),
            (HelperOutput::Stderr, None) | (HelperOutput::Discard, _) => null.as_fd(),
        };
        let setup = SpawnSetup {
            inherited: signals.inherited(),
            own_group: true,
            terminal: None,
        };
        let extras = SpawnExtras {
            descriptors: &[(null.as_fd(), 0), (printed, 1), (printed, 2)],
            variable: None,
        };
        match spawn(command, setup, extras) {
            Ok(pid) => Ok(Helper { pid, outcome: None }),
            Err(SpawnError::Fork(error) | SpawnError::Exec(error)) => Err(failed(error)),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// A child of ours has ended: perhaps this one.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        if self.pid == pid && self.outcome.is_none() {
            self.outcome = Some(HelperOutcome::of(status));
            // What it has started ends with it, at once, while no other group can have its number.
            self.kill_group();
        }
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn outcome(&self) -> Option<HelperOutcome> {
        self.outcome
    }

    fn kill_group(&self) {
        // Nobody is left of most of them.
        let _ = kill(self.pid, SignalTarget::Group, Signal::KILL);
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if self.outcome.is_none() {
            self.kill_group();
        }
    }
}
