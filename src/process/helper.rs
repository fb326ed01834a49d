//! A program that helps us: a probe, a check. It leads a process group, has no part in our standard input,
//! and is gone with whoever asked, with all that it has started.

use crate::signal::Signal;
use crate::supervisor::Ending;
use crate::sys::{self, CommandLine, Gifts, Setup, Signals, SpawnError, Target};
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, BorrowedFd};

/// A program under way.
#[derive(Debug)]
pub(crate) struct Program {
    pid: i32,
    outcome: Option<Outcome>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It exited with 0.
    Succeeded,
    /// It did not.
    Failed,
    /// Somebody has ended it by a signal that no program sends to itself: it has said nothing.
    Killed(Signal),
}

impl Outcome {
    fn of(ending: Option<Ending>) -> Outcome {
        match ending {
            Some(Ending::Exited(0)) => Outcome::Succeeded,
            Some(Ending::Signaled(
                signal @ (Signal::KILL | Signal::TERM | Signal::INT | Signal::HUP),
            )) => Outcome::Killed(signal),
            Some(Ending::Exited(_) | Ending::Signaled(_)) | None => Outcome::Failed,
        }
    }
}

/// Where what it prints goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Nowhere,
    /// Our standard error.
    Shown,
}

impl Program {
    /// # Errors
    /// Why it cannot be executed, in words.
    pub(crate) fn start(
        command: &CommandLine,
        signals: &Signals,
        output: Output,
    ) -> Result<Program, String> {
        let failed = |error: std::io::Error| crate::error::describe(&error);
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failed(errno.into()))?;
        // A closed one is no place to write to.
        let stderr = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3).ok();
        let printed: BorrowedFd<'_> = match (output, &stderr) {
            (Output::Shown, Some(stderr)) => stderr.as_fd(),
            (Output::Shown, None) | (Output::Nowhere, _) => null.as_fd(),
        };
        let setup = Setup {
            inherited: signals.inherited(),
            own_group: true,
            terminal: None,
        };
        let gifts = Gifts {
            descriptors: &[(null.as_fd(), 0), (printed, 1), (printed, 2)],
            variable: None,
        };
        match sys::spawn(command, setup, gifts) {
            Ok(pid) => Ok(Program { pid, outcome: None }),
            Err(SpawnError::Fork(error) | SpawnError::Exec(error)) => Err(failed(error)),
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// A child of ours has ended: perhaps this one.
    pub(crate) fn reaped(&mut self, pid: i32, ending: Option<Ending>) {
        if self.pid == pid && self.outcome.is_none() {
            self.outcome = Some(Outcome::of(ending));
            // What it has started ends with it, at once, while no other group can have its number.
            self.kill_group();
        }
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    fn kill_group(&self) {
        // Nobody is left of most of them.
        let _ = sys::kill(self.pid, Target::Group, Signal::KILL);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.outcome.is_none() {
            self.kill_group();
        }
    }
}
