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

use crate::exit::ExitStatus;
use crate::readiness::spec::ReadyOn;
use crate::store::exit_dir::ExitDir;
use crate::sys::poll;
use crate::sys::signals::Signals;
use rustix::event::PollFd;
use rustix::io::Errno;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Instant;

/// What one look found.
#[derive(Debug, Default)]
pub(crate) struct ReadinessUpdate {
    pub(crate) ready: bool,
    /// The newest that the command says about itself.
    pub(crate) status: Option<String>,
    pub(crate) complaint: Option<String>,
    /// There may be more at once.
    pub(crate) is_cut_short: bool,
}

/// A source in use.
pub(crate) enum Readiness {
    Notify(notify::Socket),
    Pipe(pipe::Pipe),
    File(file::FileWatch),
    Probe(probe::Probe),
}

impl Readiness {
    /// Makes what the command is to be started with; `None` where nothing has to be found out. `is_shown` is
    /// whether anybody can see the answer: nobody is asked for nothing, but what a command was promised it gets.
    ///
    /// # Errors
    /// Why it cannot be made: there is no descriptor left, mostly.
    pub(crate) fn prepare(on: &ReadyOn, is_shown: bool) -> Result<Option<Readiness>, Errno> {
        Ok(Some(match on {
            ReadyOn::Start | ReadyOn::Signal => return Ok(None),
            ReadyOn::File(_) | ReadyOn::Tcp(_) | ReadyOn::Http(_) | ReadyOn::Exec(_)
                if !is_shown =>
            {
                return Ok(None);
            }
            ReadyOn::Notify => Readiness::Notify(notify::Socket::open()?),
            ReadyOn::Descriptor(number) => Readiness::Pipe(pipe::Pipe::open(*number)?),
            ReadyOn::File(path) => Readiness::File(file::FileWatch::new(path)),
            ReadyOn::Tcp(address) => Readiness::Probe(probe::Probe::tcp(*address)),
            ReadyOn::Http(resource) => Readiness::Probe(probe::Probe::http(resource)),
            ReadyOn::Exec(words) => Readiness::Probe(probe::Probe::exec(words)?),
        }))
    }

    /// A descriptor for the command, and the number under which it gets it.
    pub(crate) fn descriptor(&self) -> Option<(BorrowedFd<'_>, RawFd)> {
        match self {
            Readiness::Pipe(pipe) => pipe.for_the_command(),
            Readiness::Notify(_) | Readiness::File(_) | Readiness::Probe(_) => None,
        }
    }

    /// A variable for the command.
    pub(crate) fn variable(&self) -> Option<(&'static str, &str)> {
        match self {
            Readiness::Notify(socket) => Some((notify::VARIABLE, socket.address())),
            Readiness::Pipe(_) | Readiness::File(_) | Readiness::Probe(_) => None,
        }
    }

    /// The command has what was made for it.
    pub(crate) fn started(&mut self) {
        match self {
            Readiness::Pipe(pipe) => pipe.started(),
            Readiness::Notify(_) | Readiness::File(_) | Readiness::Probe(_) => {}
        }
    }

    /// What to wait for.
    pub(crate) fn wanted(&self) -> Option<PollFd<'_>> {
        match self {
            Readiness::Notify(socket) => socket.descriptor().map(poll::readable),
            Readiness::Pipe(pipe) => pipe.descriptor().map(poll::readable),
            Readiness::File(file) => file.descriptor().map(poll::readable),
            Readiness::Probe(probe) => probe.wanted(),
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
    pub(crate) fn look(
        &mut self,
        command: Option<i32>,
        dir: Option<&ExitDir>,
        signals: &Signals,
    ) -> ReadinessUpdate {
        match self {
            Readiness::Notify(socket) => socket.look(command, dir),
            Readiness::Pipe(pipe) => pipe.look(),
            Readiness::File(file) => file.look(),
            Readiness::Probe(probe) => probe.look(signals),
        }
    }

    /// A child that is not the command has ended: perhaps a probe.
    pub(crate) fn reaped(&mut self, pid: i32, ending: Option<ExitStatus>) {
        match self {
            Readiness::Probe(probe) => probe.reaped(pid, ending),
            Readiness::Notify(_) | Readiness::Pipe(_) | Readiness::File(_) => {}
        }
    }

    /// The process of a probe that runs.
    pub(crate) fn helper(&self) -> Option<i32> {
        match self {
            Readiness::Probe(probe) => probe.helper(),
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
