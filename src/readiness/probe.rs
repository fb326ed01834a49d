//! Sources that tell nothing by themselves: tcp, http and exec are tried every second.

use super::Finding;
use super::connection::{Connection, Progress};
use crate::process::helper::{Outcome, Output, Program};
use crate::readiness::spec::Resource;
use crate::supervisor::Ending;
use crate::sys::{CommandLine, Signals};
use rustix::event::PollFlags;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
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

    pub(super) fn helper(&self) -> Option<i32> {
        match &self.attempt.as_ref()?.way {
            Way::Program(program) => Some(program.pid()),
            Way::Connection(_) => None,
        }
    }

    pub(super) fn reaped(&mut self, pid: i32, ending: Option<Ending>) {
        let Some(Attempt {
            way: Way::Program(program),
            ..
        }) = &mut self.attempt
        else {
            return;
        };
        program.reaped(pid, ending);
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
            Way::Program(program) => match program.outcome() {
                None => Progress::Open,
                Some(Outcome::Succeeded) => Progress::Succeeded,
                Some(Outcome::Failed | Outcome::Killed(_)) => Progress::Failed,
            },
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
            What::Exec(command) => {
                // What a probe prints every second is not the command's.
                let program = Program::start(command, signals, Output::Nowhere);
                let failed =
                    |because| format!("cannot run the probe {}: {because}", command.display());
                Some(Way::Program(program.map_err(failed)?))
            }
        })
    }
}
