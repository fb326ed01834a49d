//! A helper process: a probe or a check. It leads a process group of its own, its standard input is
//! empty, and it is killed with everything in its group when its owner drops it.

use crate::error::describe;
use crate::exit::ExitStatus;
use crate::signal::Signal;
use crate::sys::command_line::CommandLine;
use crate::sys::process::{SignalTarget, kill};
use crate::sys::signals::Signals;
use crate::sys::spawn::{SpawnError, SpawnExtras, SpawnSetup, spawn};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::Pid;
use std::os::fd::{AsFd, OwnedFd};

/// A helper process, running or ended.
#[derive(Debug)]
pub(crate) struct Helper {
    pid: Pid,
    /// `None` while it runs.
    outcome: Option<HelperOutcome>,
}

/// How a helper process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelperOutcome {
    /// It exited with 0.
    Succeeded,
    /// It exited with another status, or crashed.
    Failed,
    /// A signal ended it that another process must have sent, so it has given no answer.
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

/// Where the output of a helper process goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelperOutput {
    /// Nowhere, or to the standard error if there is no /dev/null.
    Discard,
    /// The standard error of this process, or nowhere without one.
    Stderr,
}

impl Helper {
    /// # Errors
    /// The reason why it cannot be started, in words.
    pub(crate) fn start(
        command: &CommandLine,
        signals: &Signals,
        output: HelperOutput,
    ) -> Result<Helper, String> {
        let (input, sink) = streams(output)
            .map_err(|errno| format!("cannot open /dev/null: {}", describe(&errno.into())))?;
        let setup = SpawnSetup {
            inherited: signals.inherited(),
            own_group: true,
            terminal: None,
        };
        let extras = SpawnExtras {
            descriptors: &[(input.as_fd(), 0), (sink.as_fd(), 1), (sink.as_fd(), 2)],
            variable: None,
        };
        match spawn(command, setup, extras) {
            Ok(started) => Ok(Helper {
                pid: started.pid,
                outcome: None,
            }),
            Err(SpawnError::Fork(error) | SpawnError::Exec(error)) => Err(describe(&error)),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Takes note of a child that has ended, which may be this helper or not.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        if self.pid == pid && self.outcome.is_none() {
            self.outcome = Some(HelperOutcome::of(status));
            // The processes that it has started end with it, before another group gets its number.
            self.kill_group();
        }
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn outcome(&self) -> Option<HelperOutcome> {
        self.outcome
    }

    fn kill_group(&self) {
        // Most groups are empty when the helper has ended, and then there is nothing to kill.
        let _ = kill(self.pid, SignalTarget::Group, Signal::KILL);
    }
}

/// An empty standard input, and where the output goes.
fn streams(output: HelperOutput) -> Result<(OwnedFd, OwnedFd), Errno> {
    let null = || {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        rustix::fs::open("/dev/null", flags, Mode::empty())
    };
    let stderr = || rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3);
    // An image may have no /dev/null. A pipe without a writer is as empty.
    let input = null().or_else(|_| {
        let (reader, _) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        Ok(reader)
    });
    let sink = match output {
        HelperOutput::Stderr => stderr().or_else(|_| null()),
        HelperOutput::Discard => null().or_else(|errno| stderr().map_err(|_| errno)),
    };
    Ok((input?, sink?))
}

impl Drop for Helper {
    fn drop(&mut self) {
        if self.outcome.is_none() {
            self.kill_group();
        }
    }
}
