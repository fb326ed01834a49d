//! Trying sources: connections, HTTP requests, files, and the names of hosts.
//!
//! A [`Prober`] tries each of its sources once a second, however many conditions name it, and never
//! blocks. Nothing here decides what follows from an answer: see [`Standing`].

use crate::exit::ExitStatus;
use crate::protocol::source::Source;
use crate::protocol::standing::{Standing, TryResult};
use rustix::event::PollFd;
use rustix::process::Pid;
use std::time::Instant;

/// The distinct sources of one process.
pub(crate) struct Prober {
    probes: Vec<TriedSource>,
}

struct TriedSource {
    source: Source,
    standing: Standing,
}

impl Prober {
    /// The first tries start with the first poll.
    pub(crate) fn new<'s>(sources: impl IntoIterator<Item = &'s Source>) -> Prober {
        let mut probes: Vec<TriedSource> = Vec::new();
        for source in sources {
            if probes.iter().all(|probe| probe.source != *source) {
                probes.push(TriedSource {
                    source: source.clone(),
                    standing: Standing::default(),
                });
            }
        }
        Prober { probes }
    }

    /// The descriptors to wait for.
    pub(crate) fn interests(&self) -> Vec<PollFd<'_>> {
        Vec::new()
    }

    /// When to poll even if no descriptor is ready. `None` without sources.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Goes on with the tries. Returns what people must know: each warning once.
    ///
    /// It may start a worker process, so it is not called while the processes that the command has
    /// left behind are being stopped.
    pub(crate) fn poll(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// A child that is not the command was reaped: perhaps a worker. A process that does not reap
    /// all children need not call it, because each poll reaps the workers that have ended.
    pub(crate) fn reaped(&mut self, _pid: Pid, _status: Option<ExitStatus>) {}

    /// The workers that were not reaped yet.
    pub(crate) fn helpers(&self) -> Vec<Pid> {
        Vec::new()
    }

    /// What is known about a source.
    pub(crate) fn standing(&self, source: &Source) -> Option<&Standing> {
        let mut probes = self.probes.iter();
        let probe = probes.find(|probe| probe.source == *source)?;
        Some(&probe.standing)
    }

    /// Whether every source was tried at least once.
    pub(crate) fn has_tried_all(&self) -> bool {
        let mut standings = self.probes.iter().map(|probe| &probe.standing);
        standings.all(|standing| standing.last().is_some())
    }

    /// Tries only these sources from now on. The rest of an answer is still read.
    pub(crate) fn keep_only(&mut self, is_needed: impl Fn(&Source) -> bool) {
        self.probes.retain(|probe| is_needed(&probe.source));
    }

    /// Ends all tries, and waits at most for a second: for workers to end, and for servers to send
    /// the rest of their answers. For a process that does nothing else afterwards.
    pub(crate) fn close(self) {}
}

/// Why a source does not hold, as the end of a sentence: `db does not resolve`.
pub(crate) fn reason(_source: &Source, result: TryResult) -> String {
    format!("{result:?}")
}
