//! Finding out when a command is ready, with one source for each kind of [`ReadyOn`].
//!
//! A source lives as long as one run of the command. `notify`, `fd` and `file` notice readiness at
//! once; `tcp`, `http`, `unix` and `exec` are tried every second, with one second to answer.
//! Nothing here decides what follows from readiness.

mod discard;
mod file;
pub(crate) mod message;
mod notify;
mod pace;
mod pipe;
mod probe;
mod sender;
mod source_probe;
pub(crate) mod spec;
pub(crate) mod update;

use crate::exit::{ExitStatus, StartFailure};
use crate::protocol::source::SourceKind;
use crate::readiness::file::FileWatch;
use crate::readiness::notify::NotifySocket;
use crate::readiness::pipe::ReadinessPipe;
use crate::readiness::probe::Probe;
use crate::readiness::source_probe::SourceProbe;
use crate::readiness::spec::ReadyOn;
use crate::readiness::update::{CommandPhase, ReadinessUpdate};
use crate::sys::poll;
use crate::sys::signals::Signals;
use rustix::event::PollFd;
use rustix::io::Errno;
use rustix::process::Pid;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Instant;

/// A source in use.
pub(crate) enum Readiness {
    Notify(NotifySocket),
    Pipe(ReadinessPipe),
    File(FileWatch),
    Source(SourceProbe),
    Probe(Probe),
}

impl Readiness {
    /// Prepares the source for a command that is about to start. `None` if there is nothing to
    /// poll.
    ///
    /// A life without a tombstone cannot show that its command is ready, so nothing is probed for
    /// it. The command still gets the descriptor or the variable that its options promise.
    ///
    /// # Errors
    /// Usually that no descriptor is left.
    pub(crate) fn prepare(
        on: &ReadyOn,
        has_tombstone: bool,
    ) -> Result<Option<Readiness>, StartFailure> {
        let no_socket = |errno: Errno| StartFailure::NoNotifySocket(errno.raw_os_error());
        let no_pipe = |errno: Errno| StartFailure::NoReadinessPipe(errno.raw_os_error());
        let no_words = |errno: Errno| StartFailure::System(errno.raw_os_error());
        Ok(Some(match on {
            ReadyOn::Start | ReadyOn::Signal => return Ok(None),
            ReadyOn::Source(_) | ReadyOn::Exec(_) if !has_tombstone => return Ok(None),
            ReadyOn::Notify(access) => {
                Readiness::Notify(NotifySocket::open(*access).map_err(no_socket)?)
            }
            ReadyOn::Descriptor(number) => {
                Readiness::Pipe(ReadinessPipe::open(*number).map_err(no_pipe)?)
            }
            ReadyOn::Source(source) => match source.kind() {
                SourceKind::File(path) => Readiness::File(FileWatch::new(path)),
                SourceKind::Tcp(_) | SourceKind::Http(_) | SourceKind::Unix(_) => {
                    Readiness::Source(SourceProbe::new(source))
                }
            },
            ReadyOn::Exec(words) => Readiness::Probe(Probe::new(words).map_err(no_words)?),
        }))
    }

    /// A descriptor to pass to the command, and its number there.
    pub(crate) fn command_descriptor(&self) -> Option<(BorrowedFd<'_>, RawFd)> {
        match self {
            Readiness::Pipe(pipe) => pipe.command_descriptor(),
            Readiness::Notify(_)
            | Readiness::File(_)
            | Readiness::Source(_)
            | Readiness::Probe(_) => None,
        }
    }

    /// A variable to set for the command, and its value.
    pub(crate) fn command_variable(&self) -> Option<(&'static str, &str)> {
        match self {
            Readiness::Notify(socket) => Some((notify::VARIABLE, socket.address())),
            Readiness::Pipe(_)
            | Readiness::File(_)
            | Readiness::Source(_)
            | Readiness::Probe(_) => None,
        }
    }

    /// The command has started, with the descriptor and the variable above.
    pub(crate) fn command_started(&mut self) {
        match self {
            Readiness::Pipe(pipe) => pipe.command_started(),
            Readiness::Notify(_)
            | Readiness::File(_)
            | Readiness::Source(_)
            | Readiness::Probe(_) => {}
        }
    }

    /// The descriptors to wait for, and the events.
    pub(crate) fn interests(&self) -> Vec<PollFd<'_>> {
        let one = match self {
            Readiness::Notify(socket) => socket.descriptor().map(poll::readable),
            Readiness::Pipe(pipe) => pipe.interest(),
            Readiness::File(file) => file.descriptor().map(poll::readable),
            Readiness::Source(probe) => return probe.interests(),
            // Its end arrives as a signal.
            Readiness::Probe(_) => None,
        };
        one.into_iter().collect()
    }

    /// When to poll even if the descriptor is not ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Readiness::Notify(socket) => socket.deadline(),
            Readiness::Pipe(pipe) => pipe.deadline(),
            Readiness::File(file) => Some(file.deadline()),
            Readiness::Source(probe) => probe.deadline(),
            Readiness::Probe(probe) => Some(probe.deadline()),
        }
    }

    /// Finds out whether the command is ready. `command` is its process id.
    pub(crate) fn poll(
        &mut self,
        command: Option<Pid>,
        phase: CommandPhase,
        signals: &Signals,
    ) -> ReadinessUpdate {
        match self {
            Readiness::Notify(socket) => socket.poll(command, phase),
            Readiness::Pipe(pipe) => pipe.poll(phase),
            Readiness::File(file) => file.poll(),
            Readiness::Source(probe) => probe.poll(),
            Readiness::Probe(probe) => probe.poll(signals),
        }
    }

    /// Takes note of a child that has ended and is not the command. It may be a helper process.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        match self {
            Readiness::Notify(socket) => socket.reaped(pid),
            Readiness::Source(probe) => probe.reaped(pid, status),
            Readiness::Probe(probe) => probe.reaped(pid, status),
            Readiness::Pipe(_) | Readiness::File(_) => {}
        }
    }

    /// The helper processes that have not been reaped: a probe, or workers.
    pub(crate) fn helpers(&self) -> Vec<Pid> {
        match self {
            Readiness::Notify(socket) => socket.helpers().to_vec(),
            Readiness::Source(probe) => probe.helpers(),
            Readiness::Probe(probe) => probe.helper_pid().into_iter().collect(),
            Readiness::Pipe(_) | Readiness::File(_) => Vec::new(),
        }
    }

    /// Whether the source must be polled after the command has become ready: a command may send its
    /// status later, must not be killed by `PIPE` if it writes more, and must not find its
    /// connection reset while it answers.
    pub(crate) fn outlives_readiness(&self) -> bool {
        match self {
            Readiness::Notify(_) | Readiness::Pipe(_) | Readiness::Source(_) => true,
            Readiness::File(_) | Readiness::Probe(_) => false,
        }
    }
}
