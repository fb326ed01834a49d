//! A helper process: a probe, a check, or the program of a hook. It leads a process group of its
//! own, and is killed with everything in its group when its owner drops it.

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
    /// How it ended; `None` while it runs.
    status: Option<Option<ExitStatus>>,
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

/// What a helper process gets besides its words.
#[derive(Debug, Default)]
pub(crate) struct HelperExtras<'a> {
    /// Its standard input, which is empty otherwise.
    pub(crate) input: Option<OwnedFd>,
    /// Variables and their values.
    pub(crate) variables: &'a [(&'a str, &'a str)],
}

impl Helper {
    /// # Errors
    /// The reason why it cannot be started, in words.
    pub(crate) fn start(
        command: &CommandLine,
        signals: &Signals,
        output: HelperOutput,
    ) -> Result<Helper, String> {
        Helper::start_with(command, signals, output, HelperExtras::default())
    }

    /// The same with more than its words.
    ///
    /// # Errors
    /// As [`Helper::start`].
    pub(crate) fn start_with(
        command: &CommandLine,
        signals: &Signals,
        output: HelperOutput,
        extras: HelperExtras<'_>,
    ) -> Result<Helper, String> {
        let HelperExtras { input, variables } = extras;
        let (empty, sink) = streams(output)
            .map_err(|errno| format!("cannot open /dev/null: {}", describe(&errno.into())))?;
        let input = input.unwrap_or(empty);
        let setup = SpawnSetup {
            inherited: signals.inherited(),
            own_group: true,
            terminal: None,
        };
        let extras = SpawnExtras {
            descriptors: &[(input.as_fd(), 0), (sink.as_fd(), 1), (sink.as_fd(), 2)],
            variables,
            takes_listen_fds: false,
        };
        match spawn(command, setup, extras) {
            Ok(started) => Ok(Helper {
                pid: started.pid,
                status: None,
            }),
            Err(SpawnError::Fork(error) | SpawnError::Exec(error)) => Err(describe(&error)),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Takes note of a child that has ended, which may be this helper or not.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        if self.pid == pid && self.status.is_none() {
            self.status = Some(status);
            // The processes that it has started end with it, before another group gets its number.
            self.kill_group();
        }
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn outcome(&self) -> Option<HelperOutcome> {
        self.status.map(HelperOutcome::of)
    }

    /// Its exit status, where it is known; `None` while it runs.
    pub(crate) fn status(&self) -> Option<Option<ExitStatus>> {
        self.status
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
        if self.status.is_none() {
            self.kill_group();
        }
    }
}
