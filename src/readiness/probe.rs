//! `--ready-on tcp`, `http` and `exec`: sources that report nothing by themselves and are tried
//! every second.

use super::connection::{Connection, Progress};
use super::update::ReadinessUpdate;
use crate::exit::ExitStatus;
use crate::process::helper::{Helper, HelperOutcome, HelperOutput};
use crate::readiness::spec::HttpTarget;
use crate::sys::command_line::CommandLine;
use crate::sys::signals::Signals;
use rustix::event::PollFd;
use rustix::io::Errno;
use rustix::process::Pid;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The time from the start of one attempt to the start of the next.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Probe {
    kind: ProbeKind,
    attempt: Option<ProbeAttempt>,
    /// When the next attempt starts.
    next: Instant,
}

enum ProbeKind {
    Tcp(SocketAddr),
    Http(HttpTarget),
    Exec(CommandLine),
}

struct ProbeAttempt {
    in_flight: InFlight,
    deadline: Instant,
}

enum InFlight {
    Connection(Connection),
    Helper(Helper),
}

impl Probe {
    fn new(kind: ProbeKind) -> Probe {
        Probe {
            kind,
            attempt: None,
            next: Instant::now(),
        }
    }

    pub(super) fn tcp(address: SocketAddr) -> Probe {
        Probe::new(ProbeKind::Tcp(address))
    }

    pub(super) fn http(target: &HttpTarget) -> Probe {
        Probe::new(ProbeKind::Http(target.clone()))
    }

    pub(super) fn exec(words: &[String]) -> Result<Probe, Errno> {
        let command = CommandLine::new(words).ok_or(Errno::INVAL)?;
        Ok(Probe::new(ProbeKind::Exec(command)))
    }

    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        match &self.attempt.as_ref()?.in_flight {
            InFlight::Connection(connection) => Some(connection.interest()),
            // Its end arrives as a signal.
            InFlight::Helper(_) => None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.attempt
            .as_ref()
            .map_or(self.next, |attempt| attempt.deadline)
    }

    pub(super) fn helper_pid(&self) -> Option<Pid> {
        match &self.attempt.as_ref()?.in_flight {
            InFlight::Helper(helper) => Some(helper.pid()),
            InFlight::Connection(_) => None,
        }
    }

    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        if let Some(attempt) = &mut self.attempt
            && let InFlight::Helper(helper) = &mut attempt.in_flight
        {
            helper.reaped(pid, status);
        }
    }

    pub(super) fn poll(&mut self, signals: &Signals) -> ReadinessUpdate {
        let mut update = ReadinessUpdate::default();
        let now = Instant::now();
        if self.attempt.is_none() && self.next <= now {
            self.next = now + ATTEMPT_INTERVAL;
            match self.start(signals) {
                Ok(in_flight) => {
                    let deadline = now + ATTEMPT_TIMEOUT;
                    self.attempt = Some(ProbeAttempt {
                        in_flight,
                        deadline,
                    });
                }
                Err(warning) => update.warning = warning,
            }
        }
        let Some(attempt) = &mut self.attempt else {
            return update;
        };
        let progress = attempt.in_flight.proceed();
        update.is_ready = progress == Progress::Succeeded;
        update.warning = progress.warning();
        if progress != Progress::Pending || attempt.deadline <= now {
            self.attempt = None;
        }
        update
    }

    /// # Errors
    /// A warning; `None` if only this attempt has failed.
    fn start(&self, signals: &Signals) -> Result<InFlight, Option<String>> {
        let connection = match &self.kind {
            ProbeKind::Tcp(address) => Connection::tcp(*address),
            ProbeKind::Http(target) => Connection::http(target),
            ProbeKind::Exec(command) => {
                // Its output, every second, would drown that of the command.
                let helper = Helper::start(command, signals, HelperOutput::Discard);
                let failed = |why| format!("cannot run the probe {}: {why}", command.display());
                return helper
                    .map(InFlight::Helper)
                    .map_err(|why| Some(failed(why)));
            }
        };
        connection
            .map(InFlight::Connection)
            .map_err(Progress::warning)
    }
}

impl InFlight {
    fn proceed(&mut self) -> Progress {
        match self {
            InFlight::Connection(connection) => connection.proceed(),
            InFlight::Helper(helper) => match helper.outcome() {
                None => Progress::Pending,
                Some(HelperOutcome::Succeeded) => Progress::Succeeded,
                Some(HelperOutcome::Failed | HelperOutcome::Killed(_)) => Progress::Failed,
            },
        }
    }
}
