//! Sources that tell nothing by themselves: tcp, http and exec are tried every second.

use super::ReadinessUpdate;
use super::connection::{Connection, Progress};
use crate::exit::ExitStatus;
use crate::process::helper::{Helper, HelperOutcome, HelperOutput};
use crate::readiness::spec::Resource;
use crate::sys::command_line::CommandLine;
use crate::sys::signals::Signals;
use rustix::event::PollFd;
use rustix::io::Errno;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// From one try to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// What a try may take.
const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Probe {
    what: ProbeKind,
    attempt: Option<ProbeAttempt>,
    /// When the next try begins.
    next: Instant,
}

enum ProbeKind {
    Tcp(SocketAddr),
    Http(Resource),
    Exec(CommandLine),
}

/// A try under way.
struct ProbeAttempt {
    way: InFlight,
    deadline: Instant,
}

enum InFlight {
    Connection(Connection),
    Helper(Helper),
}

impl Probe {
    fn new(what: ProbeKind) -> Probe {
        Probe {
            what,
            attempt: None,
            next: Instant::now(),
        }
    }

    pub(super) fn tcp(address: SocketAddr) -> Probe {
        Probe::new(ProbeKind::Tcp(address))
    }

    pub(super) fn http(resource: &Resource) -> Probe {
        Probe::new(ProbeKind::Http(resource.clone()))
    }

    pub(super) fn exec(words: &[String]) -> Result<Probe, Errno> {
        let command = CommandLine::new(words).ok_or(Errno::INVAL)?;
        Ok(Probe::new(ProbeKind::Exec(command)))
    }

    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        match &self.attempt.as_ref()?.way {
            InFlight::Connection(connection) => Some(connection.wanted()),
            // Its end comes as a signal.
            InFlight::Helper(_) => None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.attempt
            .as_ref()
            .map_or(self.next, |attempt| attempt.deadline)
    }

    pub(super) fn helper(&self) -> Option<i32> {
        match &self.attempt.as_ref()?.way {
            InFlight::Helper(program) => Some(program.pid()),
            InFlight::Connection(_) => None,
        }
    }

    pub(super) fn reaped(&mut self, pid: i32, ending: Option<ExitStatus>) {
        let Some(ProbeAttempt {
            way: InFlight::Helper(program),
            ..
        }) = &mut self.attempt
        else {
            return;
        };
        program.reaped(pid, ending);
    }

    pub(super) fn look(&mut self, signals: &Signals) -> ReadinessUpdate {
        let mut finding = ReadinessUpdate::default();
        let now = Instant::now();
        if self.attempt.is_none() && self.next <= now {
            self.next = now + INTERVAL;
            match self.begin(signals) {
                Ok(way) => {
                    let deadline = now + TIMEOUT;
                    self.attempt = way.map(|way| ProbeAttempt { way, deadline });
                }
                Err(complaint) => finding.complaint = Some(complaint),
            }
        }
        let Some(attempt) = &mut self.attempt else {
            return finding;
        };
        let progress = match &mut attempt.way {
            InFlight::Connection(connection) => connection.go_on(),
            InFlight::Helper(program) => match program.outcome() {
                None => Progress::Open,
                Some(HelperOutcome::Succeeded) => Progress::Succeeded,
                Some(HelperOutcome::Failed | HelperOutcome::Killed(_)) => Progress::Failed,
            },
        };
        finding.ready = progress == Progress::Succeeded;
        if progress != Progress::Open || attempt.deadline <= now {
            self.attempt = None;
        }
        finding
    }

    /// `None` if it has failed already.
    fn begin(&self, signals: &Signals) -> Result<Option<InFlight>, String> {
        Ok(match &self.what {
            ProbeKind::Tcp(address) => Connection::tcp(*address).map(InFlight::Connection),
            ProbeKind::Http(resource) => Connection::http(resource).map(InFlight::Connection),
            ProbeKind::Exec(command) => {
                // What a probe prints every second is not the command's.
                let program = Helper::start(command, signals, HelperOutput::Discard);
                let failed =
                    |because| format!("cannot run the probe {}: {because}", command.display());
                Some(InFlight::Helper(program.map_err(failed)?))
            }
        })
    }
}
