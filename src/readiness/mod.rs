//! Finding out when a command is ready: one source for each way of [`ReadyOn`]. Decides nothing about it.
//!
//! A source lives as long as one run of the command. Where something tells of readiness it is heard at
//! once; tcp, http and exec are tried every second, with a second to answer. Descriptors that a command sends
//! are closed, but never one of our own tombstone: closing that would drop the lock.

mod connection;
mod file;
mod notify;
mod pipe;
mod probe;
pub(crate) mod spec;
pub(crate) mod update;

use crate::exit::ExitStatus;
use crate::readiness::spec::ReadyOn;
use crate::readiness::update::ReadinessUpdate;
use crate::store::exit_dir::ExitDir;
use crate::sys::poll;
use crate::sys::signals::Signals;
use rustix::event::PollFd;
use rustix::io::Errno;
use rustix::process::Pid;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Instant;

/// A source in use.
pub(crate) enum Readiness {
    Notify(notify::NotifySocket),
    Pipe(pipe::ReadinessPipe),
    File(file::FileWatch),
    Probe(probe::Probe),
}

impl Readiness {
    /// Makes what the command is to be started with; `None` where nothing has to be found out. `has_tombstone` is
    /// whether anybody can see the answer: nobody is asked for nothing, but what a command was promised it gets.
    ///
    /// # Errors
    /// Why it cannot be made: there is no descriptor left, mostly.
    pub(crate) fn prepare(on: &ReadyOn, has_tombstone: bool) -> Result<Option<Readiness>, Errno> {
        Ok(Some(match on {
            ReadyOn::Start | ReadyOn::Signal => return Ok(None),
            ReadyOn::File(_) | ReadyOn::Tcp(_) | ReadyOn::Http(_) | ReadyOn::Exec(_)
                if !has_tombstone =>
            {
                return Ok(None);
            }
            ReadyOn::Notify => Readiness::Notify(notify::NotifySocket::open()?),
            ReadyOn::Descriptor(number) => Readiness::Pipe(pipe::ReadinessPipe::open(*number)?),
            ReadyOn::File(path) => Readiness::File(file::FileWatch::new(path)),
            ReadyOn::Tcp(address) => Readiness::Probe(probe::Probe::tcp(*address)),
            ReadyOn::Http(target) => Readiness::Probe(probe::Probe::http(target)),
            ReadyOn::Exec(words) => Readiness::Probe(probe::Probe::exec(words)?),
        }))
    }

    /// A descriptor for the command, and the number under which it gets it.
    pub(crate) fn command_descriptor(&self) -> Option<(BorrowedFd<'_>, RawFd)> {
        match self {
            Readiness::Pipe(pipe) => pipe.command_descriptor(),
            Readiness::Notify(_) | Readiness::File(_) | Readiness::Probe(_) => None,
        }
    }

    /// A variable for the command.
    pub(crate) fn command_variable(&self) -> Option<(&'static str, &str)> {
        match self {
            Readiness::Notify(socket) => Some((notify::VARIABLE, socket.address())),
            Readiness::Pipe(_) | Readiness::File(_) | Readiness::Probe(_) => None,
        }
    }

    /// The command has what was made for it.
    pub(crate) fn command_started(&mut self) {
        match self {
            Readiness::Pipe(pipe) => pipe.command_started(),
            Readiness::Notify(_) | Readiness::File(_) | Readiness::Probe(_) => {}
        }
    }

    /// What to wait for.
    pub(crate) fn interest(&self) -> Option<PollFd<'_>> {
        match self {
            Readiness::Notify(socket) => socket.descriptor().map(poll::readable),
            Readiness::Pipe(pipe) => pipe.descriptor().map(poll::readable),
            Readiness::File(file) => file.descriptor().map(poll::readable),
            Readiness::Probe(probe) => probe.interest(),
        }
    }

    /// When to look even if nothing comes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Readiness::Notify(_) => None,
            Readiness::Pipe(pipe) => pipe.deadline(),
            Readiness::File(file) => Some(file.deadline()),
            Readiness::Probe(probe) => Some(probe.deadline()),
        }
    }

    /// Looks whether the command is ready. `command` is its process id, `dir` the directory of our own tombstone.
    pub(crate) fn poll(
        &mut self,
        command: Option<Pid>,
        dir: Option<&ExitDir>,
        signals: &Signals,
    ) -> ReadinessUpdate {
        match self {
            Readiness::Notify(socket) => socket.poll(command, dir),
            Readiness::Pipe(pipe) => pipe.poll(),
            Readiness::File(file) => file.poll(),
            Readiness::Probe(probe) => probe.poll(signals),
        }
    }

    /// A child that is not the command has ended: perhaps a probe.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        match self {
            Readiness::Probe(probe) => probe.reaped(pid, status),
            Readiness::Notify(_) | Readiness::Pipe(_) | Readiness::File(_) => {}
        }
    }

    /// The process of a probe that runs.
    pub(crate) fn helper_pid(&self) -> Option<Pid> {
        match self {
            Readiness::Probe(probe) => probe.helper_pid(),
            Readiness::Notify(_) | Readiness::Pipe(_) | Readiness::File(_) => None,
        }
    }

    /// Whether there is anything to look for once the command is ready.
    pub(crate) fn outlives_readiness(&self) -> bool {
        match self {
            Readiness::Notify(_) | Readiness::Pipe(_) => true,
            Readiness::File(_) | Readiness::Probe(_) => false,
        }
    }
}
