//! Trying sources: connections, HTTP requests, files, and the names of hosts.
//!
//! A [`Prober`] tries each of its sources once a second, however many conditions name it, and never
//! blocks. Nothing here decides what follows from an answer: see [`SourceStanding`].

mod attempt;
mod connection;
mod resolver;
mod response;

use crate::duration::Limit;
use crate::error::describe;
use crate::exit::ExitStatus;
use crate::protocol::source::{Endpoint, Host, Source, SourceKind};
use crate::protocol::standing::{Silence, SourceStanding, TryResult};
use crate::sys::clock::timestamp_now;
use crate::sys::poll;
use crate::sys::process::wait_child;
use attempt::{Attempt, TRY_TIMEOUT, timeout_of};
use connection::ClosingConnection;
use rustix::event::PollFd;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, WaitOptions, getrlimit};
use std::io;
use std::time::{Duration, Instant};

/// The time from the start of one try to the start of the next.
const TRY_INTERVAL: Duration = Duration::from_secs(1);

/// A quarter of the descriptors is for tries. The others are for what this process is for.
const DESCRIPTOR_SHARE: u64 = 4;

/// The distinct sources of one process.
pub(crate) struct Prober {
    probes: Vec<TriedSource>,
    /// How many tries there may be at one moment, each with its connections.
    limit: usize,
    /// Workers that have ended, or were killed, and were not reaped yet.
    ended_workers: Vec<Pid>,
}

struct TriedSource {
    source: Source,
    standing: SourceStanding,
    attempt: Option<Attempt>,
    /// When the next try starts. `None` if none does.
    next: Option<Instant>,
    /// Connections of the last try. They are read once more before the next one starts, which
    /// costs no wake-up of its own.
    closing: Vec<ClosingConnection>,
    /// When the last of these are closed, if no try starts before.
    close_at: Instant,
    has_warned: bool,
}

impl Prober {
    /// The first tries start with the first poll.
    pub(crate) fn new<'s>(sources: impl IntoIterator<Item = &'s Source>) -> Prober {
        let mut probes: Vec<TriedSource> = Vec::new();
        for source in sources {
            if probes.iter().all(|probe| probe.source != *source) {
                probes.push(TriedSource::new(source));
            }
        }
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let limit = usize::try_from(descriptors / DESCRIPTOR_SHARE).unwrap_or(usize::MAX);
        Prober {
            probes,
            limit: limit.max(1),
            ended_workers: Vec::new(),
        }
    }

    /// The descriptors to wait for.
    pub(crate) fn interests(&self) -> Vec<PollFd<'_>> {
        let attempts = self
            .probes
            .iter()
            .filter_map(|probe| probe.attempt.as_ref());
        attempts.flat_map(Attempt::interests).collect()
    }

    /// When to poll even if no descriptor is ready. `None` without sources.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // A try that waits for its turn begins when another one is over.
        let is_full = self.attempts() >= self.limit;
        let deadlines = self.probes.iter();
        deadlines.filter_map(|probe| probe.deadline(is_full)).min()
    }

    /// The longest time that one try of each source takes.
    pub(crate) fn round(&self) -> Duration {
        let turns = self.probes.len().div_ceil(self.limit);
        TRY_TIMEOUT.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
    }

    fn attempts(&self) -> usize {
        let running = self.probes.iter().filter(|probe| probe.attempt.is_some());
        running.count()
    }

    /// Starts the tries that are due, as far as there is room. The one that has waited longest
    /// comes first. Returns warnings.
    fn start_due(&mut self, now: Instant) -> Vec<String> {
        let mut warnings = Vec::new();
        while let Some(at) = self.longest_due(now) {
            let closing: usize = self.probes.iter().map(|probe| probe.closing.len()).sum();
            if self.attempts() + closing >= self.limit {
                self.probes
                    .iter_mut()
                    .for_each(TriedSource::close_connections);
            }
            if self.attempts() >= self.limit {
                break;
            }
            if let Some(probe) = self.probes.get_mut(at) {
                warnings.extend(probe.start(now));
            }
        }
        warnings
    }

    /// The place of the source whose try has been due for the longest time.
    fn longest_due(&self, now: Instant) -> Option<usize> {
        let waiting = self.probes.iter().enumerate().filter_map(|(at, probe)| {
            let next = probe.next.filter(|_| probe.attempt.is_none())?;
            (next <= now).then_some((next, at))
        });
        waiting.min().map(|(_, at)| at)
    }

    /// Goes on with the tries. Returns what people must know: each warning once.
    ///
    /// It may start a worker process, so it is not called while the processes that the command has
    /// left behind are being stopped.
    pub(crate) fn poll(&mut self) -> Vec<String> {
        self.reap();
        let now = Instant::now();
        let mut warnings = Vec::new();
        for probe in &mut self.probes {
            let worker = probe.worker();
            warnings.extend(probe.poll(now));
            // A try that is over may have been waiting for its worker.
            self.ended_workers
                .extend(worker.filter(|_| probe.worker() != worker));
        }
        warnings.extend(self.start_due(now));
        self.probes.retain(|probe| !probe.is_retired());
        warnings
    }

    /// A child that is not the command was reaped: perhaps a worker. A process that does not reap
    /// all children need not call it, because each poll reaps the workers that have ended.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.ended_workers.retain(|worker| *worker != pid);
        for probe in &mut self.probes {
            if let Some(attempt) = &mut probe.attempt {
                attempt.reaped(pid, status);
            }
        }
    }

    /// Reaps the workers that have ended.
    fn reap(&mut self) {
        self.ended_workers.retain(|worker| {
            let waited = wait_child(Some(*worker), WaitOptions::NOHANG);
            matches!(waited, Ok(None))
        });
    }

    /// The workers that were not reaped yet.
    pub(crate) fn helpers(&self) -> Vec<Pid> {
        let running = self.probes.iter().filter_map(TriedSource::worker);
        running.chain(self.ended_workers.iter().copied()).collect()
    }

    /// What is known about a source.
    pub(crate) fn standing(&self, source: &Source) -> Option<&SourceStanding> {
        let mut probes = self.probes.iter();
        let probe = probes.find(|probe| probe.source == *source)?;
        Some(&probe.standing)
    }

    /// Why a source does not hold: `connection refused`.
    pub(crate) fn why(&self, source: &Source) -> String {
        let last = self.standing(source).and_then(SourceStanding::last);
        last.map_or_else(|| "no answer".to_owned(), |last| reason(source, last))
    }

    /// Whether every source was tried at least once.
    pub(crate) fn has_tried_all(&self) -> bool {
        let mut standings = self.probes.iter().map(|probe| &probe.standing);
        standings.all(|standing| standing.last().is_some())
    }

    /// Tries only these sources from now on. The rest of an answer is still read.
    pub(crate) fn keep_only(&mut self, is_needed: impl Fn(&Source) -> bool) {
        for probe in &mut self.probes {
            if !is_needed(&probe.source) {
                self.ended_workers.extend(probe.worker());
                probe.retire();
            }
        }
        self.probes.retain(|probe| !probe.is_retired());
    }

    /// Ends all tries, and waits at most for a second: for servers to send the rest of their
    /// answers, and for workers to end. For a process that does nothing else afterwards.
    pub(crate) fn close(mut self) {
        self.keep_only(|_| false);
        let mut closing: Vec<ClosingConnection> = Vec::new();
        for probe in self.probes {
            closing.extend(probe.closing);
        }
        let deadline = Instant::now() + TRY_TIMEOUT;
        loop {
            closing.retain_mut(|connection| !connection.drain() && connection.awaits_rest());
            if closing.is_empty() || deadline <= Instant::now() {
                break;
            }
            poll::sleep(
                closing.iter().map(ClosingConnection::interest),
                Some(deadline),
            );
        }
        for worker in self.ended_workers {
            // It was killed, and holds nothing for which the kernel would make it wait.
            let _ = wait_child(Some(worker), WaitOptions::empty());
        }
    }
}

impl TriedSource {
    fn new(source: &Source) -> TriedSource {
        let now = Instant::now();
        TriedSource {
            source: source.clone(),
            standing: SourceStanding::default(),
            attempt: None,
            next: Some(now),
            closing: Vec::new(),
            close_at: now,
            has_warned: false,
        }
    }

    /// When to poll. If there is no room for a try, none begins.
    fn deadline(&self, is_full: bool) -> Option<Instant> {
        let closing = Some(self.close_at).filter(|_| !self.closing.is_empty());
        let attempt = self.attempt.as_ref().map(Attempt::deadline);
        let next = self.next.filter(|_| !is_full);
        attempt.or(next).or(closing)
    }

    fn worker(&self) -> Option<Pid> {
        self.attempt.as_ref()?.worker()
    }

    /// Returns a warning.
    fn poll(&mut self, now: Instant) -> Option<String> {
        let warning = self.proceed(now);
        if self.close_at <= now {
            self.close_connections();
        }
        warning
    }

    /// Starts a try. Returns a warning.
    fn start(&mut self, now: Instant) -> Option<String> {
        self.close_connections();
        self.next = Some(now + TRY_INTERVAL);
        self.attempt = Some(Attempt::start(&self.source, now));
        self.proceed(now)
    }

    fn proceed(&mut self, now: Instant) -> Option<String> {
        let result = self.attempt.as_mut()?.proceed(now)?;
        self.end_attempt(now);
        self.standing.note(result, now, timestamp_now);
        match result {
            TryResult::Silent(Silence::System(errno)) if is_refused(errno) => {
                self.warn("connect to", errno)
            }
            TryResult::Untried(errno) => self.warn("try", errno),
            _ => None,
        }
    }

    /// What is said once.
    fn warn(&mut self, what: &str, errno: i32) -> Option<String> {
        if std::mem::replace(&mut self.has_warned, true) {
            return None;
        }
        let why = describe(&io::Error::from_raw_os_error(errno));
        Some(format!("cannot {what} {}: {why}", self.source))
    }

    fn end_attempt(&mut self, now: Instant) {
        self.close_at = now + TRY_TIMEOUT;
        let ended = self.attempt.take().map(Attempt::end);
        self.closing.extend(ended.into_iter().flatten());
    }

    /// Reads once more what has come, and closes.
    fn close_connections(&mut self) {
        for mut connection in self.closing.drain(..) {
            connection.drain();
        }
    }

    fn retire(&mut self) {
        self.next = None;
        if self.attempt.is_some() {
            self.end_attempt(Instant::now());
        }
    }

    fn is_retired(&self) -> bool {
        self.next.is_none() && self.attempt.is_none() && self.closing.is_empty()
    }
}

/// A seccomp profile or the mode of a socket refuses every try; a server that is not ready does
/// not.
fn is_refused(errno: i32) -> bool {
    let errno = Errno::from_raw_os_error(errno);
    matches!(errno, Errno::PERM | Errno::ACCESS | Errno::NOSYS)
}

/// Why a source does not hold, as the end of a sentence: `db does not resolve`.
pub(crate) fn reason(source: &Source, result: TryResult) -> String {
    let text = match (result, source.kind()) {
        (TryResult::Success, _) => "it answers",
        (TryResult::Status(status), _) => return format!("its status is {status}"),
        (TryResult::Refused, SourceKind::File(_)) => "it does not exist",
        (TryResult::Refused, SourceKind::Unix(_)) => "no process listens there",
        (TryResult::Refused, _) => "connection refused",
        (TryResult::Silent(Silence::TimedOut), _) => {
            return format!("no answer within {}", Limit::After(timeout_of(source)));
        }
        (TryResult::Silent(Silence::Closed), _) => "the connection was closed",
        (TryResult::Silent(Silence::NotHttp), _) => "the answer is not HTTP",
        (TryResult::Silent(Silence::NoName), kind) => {
            return format!("{} does not resolve", host_name(kind));
        }
        (TryResult::Silent(Silence::System(errno)) | TryResult::Untried(errno), _) => {
            return describe(&io::Error::from_raw_os_error(errno));
        }
    };
    text.to_owned()
}

fn host_name(kind: &SourceKind) -> &str {
    let endpoint = match kind {
        SourceKind::Tcp(endpoint) => endpoint,
        SourceKind::Http(target) => &target.endpoint,
        SourceKind::Unix(_) | SourceKind::File(_) => return "",
    };
    match endpoint {
        Endpoint {
            host: Host::Name(name),
            ..
        } => name,
        _ => "",
    }
}

#[cfg(test)]
mod tests;
