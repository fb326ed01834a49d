//! Sources that tell nothing by themselves: tcp, http and exec are tried every second.

use super::Finding;
use super::connection::{Connection, Progress};
use crate::Signal;
use crate::ready_on::Resource;
use crate::supervisor::Ending;
use crate::sys::{self, CommandLine, Gifts, Setup, Signals, SpawnError, Target};
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// From one try to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// What a try may take.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Probe {
    what: What,
    attempt: Option<Attempt>,
    /// When the next try begins.
    next: Instant,
}

enum What {
    Tcp(SocketAddr),
    Http(Resource),
    Exec(CommandLine),
}

/// A try under way.
struct Attempt {
    way: Way,
    deadline: Instant,
}

enum Way {
    Connection(Connection),
    Program(Program),
}

/// A program that leads a process group, which ends with the try.
struct Program {
    pid: i32,
    ended: Option<Progress>,
}

impl Probe {
    fn new(what: What) -> Probe {
        Probe {
            what,
            attempt: None,
            next: Instant::now(),
        }
    }

    pub(super) fn tcp(address: SocketAddr) -> Probe {
        Probe::new(What::Tcp(address))
    }

    pub(super) fn http(resource: &Resource) -> Probe {
        Probe::new(What::Http(resource.clone()))
    }

    pub(super) fn exec(words: &[String]) -> Result<Probe, Errno> {
        let command = CommandLine::new(words).ok_or(Errno::INVAL)?;
        Ok(Probe::new(What::Exec(command)))
    }

    pub(super) fn wanted(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.attempt.as_ref()?.way {
            Way::Connection(connection) => Some(connection.wanted()),
            // Its end comes as a signal.
            Way::Program(_) => None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.attempt
            .as_ref()
            .map_or(self.next, |attempt| attempt.deadline)
    }

    pub(super) fn reaped(&mut self, pid: i32, ending: Option<Ending>) {
        let Some(Attempt {
            way: Way::Program(program),
            ..
        }) = &mut self.attempt
        else {
            return;
        };
        if program.pid == pid {
            program.ended = Some(match ending {
                Some(Ending::Exited(0)) => Progress::Succeeded,
                _ => Progress::Failed,
            });
            // What it has started ends with it, at once, while no other group can have its number.
            program.kill_group();
        }
    }

    pub(super) fn look(&mut self, signals: &Signals) -> Finding {
        let mut finding = Finding::default();
        let now = Instant::now();
        if self.attempt.is_none() && self.next <= now {
            self.next = now + INTERVAL;
            match self.begin(signals) {
                Ok(way) => {
                    let deadline = now + TIMEOUT;
                    self.attempt = way.map(|way| Attempt { way, deadline });
                }
                Err(complaint) => finding.complaint = Some(complaint),
            }
        }
        let Some(attempt) = &mut self.attempt else {
            return finding;
        };
        let progress = match &mut attempt.way {
            Way::Connection(connection) => connection.go_on(),
            Way::Program(program) => program.ended.unwrap_or(Progress::Open),
        };
        finding.ready = progress == Progress::Succeeded;
        if progress != Progress::Open || attempt.deadline <= now {
            self.attempt = None;
        }
        finding
    }

    /// `None` if it has failed already.
    fn begin(&self, signals: &Signals) -> Result<Option<Way>, String> {
        Ok(match &self.what {
            What::Tcp(address) => Connection::tcp(*address).map(Way::Connection),
            What::Http(resource) => Connection::http(resource).map(Way::Connection),
            What::Exec(command) => Some(Way::Program(Program::start(command, signals)?)),
        })
    }
}

impl Program {
    /// Without any part in our standard streams: what a probe prints every second is not the command's.
    fn start(command: &CommandLine, signals: &Signals) -> Result<Program, String> {
        let failed = |error: std::io::Error| {
            let because = crate::error::describe(&error);
            format!("cannot run the probe {}: {because}", command.display())
        };
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failed(errno.into()))?;
        let streams = [0, 1, 2].map(|number| (null.as_fd(), number));
        let setup = Setup {
            inherited: signals.inherited(),
            own_group: true,
            terminal: None,
        };
        let gifts = Gifts {
            descriptors: &streams,
            variable: None,
        };
        match sys::spawn(command, setup, gifts) {
            Ok(pid) => Ok(Program { pid, ended: None }),
            Err(SpawnError::Fork(error) | SpawnError::Exec(error)) => Err(failed(error)),
        }
    }

    fn kill_group(&self) {
        // Nobody is left of most of them.
        let _ = sys::kill(self.pid, Target::Group, Signal::KILL);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill_group();
        }
    }
}
