//! The command as a process: starting it, signalling it, reaping it and all orphans. Decides nothing.

use crate::supervisor::{Ending, StartFailure};
use crate::sys::{self, CommandLine, Setup, Signals, SpawnError, Target};
use crate::{Signal, error};
use rustix::process::{WaitOptions, WaitStatus};
use std::io;
use std::os::fd::RawFd;

/// The command, from its start until it was reaped.
#[derive(Debug)]
pub(crate) struct Child {
    pid: i32,
    target: Target,
    /// The terminal whose foreground it was given.
    terminal: Option<RawFd>,
}

impl Child {
    /// Starts the command in a process group of its own, with signals as we found them, and in the
    /// foreground of the terminal if that was our place.
    pub(crate) fn start(
        command: &CommandLine,
        signals: &Signals,
        target: Target,
    ) -> Result<Child, StartFailure> {
        let terminal = sys::foreground_terminal();
        let setup = Setup {
            inherited: signals.inherited(),
            own_group: true,
            terminal,
        };
        match sys::spawn(command, setup) {
            Ok(pid) => Ok(Child {
                pid,
                target,
                terminal,
            }),
            Err(SpawnError::Fork(error)) => Err(StartFailure::Own(errno(&error))),
            Err(SpawnError::Exec(error)) => Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    StartFailure::NotFound(errno(&error))
                }
                _ => StartFailure::NotExecutable(errno(&error)),
            }),
        }
    }

    /// Sends a signal.
    pub(crate) fn send(&self, signal: Signal) -> Result<(), String> {
        let failed = |error| {
            format!(
                "cannot send {signal} to the command: {}",
                error::describe(&error)
            )
        };
        match sys::kill(self.pid, self.target, signal) {
            Err(error) if is_nobody(&error) && self.target == Target::Group => {
                // It has left its group.
                sys::kill(self.pid, Target::Process, signal)
                    .or_else(unless_nobody)
                    .map_err(failed)
            }
            result => result.or_else(unless_nobody).map_err(failed),
        }
    }

    /// Reaps everything that has ended. How the command ended, if it is among it.
    pub(crate) fn reap(child: &mut Option<Child>) -> Option<Ending> {
        let mut found = None;
        // Ends when nobody is left who has ended, or nobody at all.
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if child
                .as_ref()
                .is_some_and(|child| child.pid == pid.as_raw_nonzero().get())
            {
                found = ending(status);
            }
        }
        if found.is_some()
            && let Some(Child {
                pid,
                terminal: Some(terminal),
                ..
            }) = child.take()
        {
            sys::take_terminal_back(terminal, pid);
        }
        found
    }
}

fn is_nobody(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// A signal that finds nobody is no error: the end is on its way to us.
fn unless_nobody(error: io::Error) -> io::Result<()> {
    if is_nobody(&error) {
        Ok(())
    } else {
        Err(error)
    }
}

fn ending(status: WaitStatus) -> Option<Ending> {
    if let Some(code) = status.exit_status() {
        return u8::try_from(code).ok().map(Ending::Exited);
    }
    status
        .terminating_signal()
        .and_then(Signal::from_number)
        .map(Ending::Signaled)
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(0)
}
