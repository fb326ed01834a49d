//! What the event loop polls beside signals and timers.

use super::peers::Peers;
use crate::exit::ExitStatus;
use crate::managed::ManagedApp;
use crate::probe::Prober;
use crate::readiness::Readiness;
use crate::sys::poll::readable;
use rustix::event::PollFd;
use rustix::process::Pid;
use std::time::Instant;

/// Whether a source may start a helper process now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Helpers {
    Allowed,
    /// The processes that CMD left behind are being stopped, and a helper would be taken for one of
    /// them.
    Forbidden,
}

/// A source of events: it wakes the loop, and the loop then polls it.
pub(super) trait EventSource {
    /// The descriptors that wake the loop, and what it waits for there.
    fn interests(&self) -> Vec<PollFd<'_>>;

    /// When to poll the source even if its descriptor is silent.
    fn deadline(&self, helpers: Helpers) -> Option<Instant>;

    /// The process ids of the helper processes that run for this source.
    fn helpers(&self) -> Vec<Pid> {
        Vec::new()
    }

    /// A child that is not CMD was reaped. It may be the helper process.
    fn reaped(&mut self, _pid: Pid, _status: Option<ExitStatus>) {}
}

impl EventSource for Peers<'_> {
    fn interests(&self) -> Vec<PollFd<'_>> {
        let changes = self.tracker.descriptor().map(readable);
        changes.into_iter().collect()
    }

    fn deadline(&self, _: Helpers) -> Option<Instant> {
        self.tracker.deadline()
    }
}

impl EventSource for Prober {
    fn interests(&self) -> Vec<PollFd<'_>> {
        self.interests()
    }

    fn deadline(&self, helpers: Helpers) -> Option<Instant> {
        self.deadline().filter(|_| helpers == Helpers::Allowed)
    }

    fn helpers(&self) -> Vec<Pid> {
        self.helpers()
    }

    fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.reaped(pid, status);
    }
}

impl EventSource for Readiness {
    fn interests(&self) -> Vec<PollFd<'_>> {
        self.interests()
    }

    fn deadline(&self, _: Helpers) -> Option<Instant> {
        self.deadline()
    }

    fn helpers(&self) -> Vec<Pid> {
        self.helpers()
    }

    fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.reaped(pid, status);
    }
}

impl EventSource for ManagedApp<'_> {
    fn interests(&self) -> Vec<PollFd<'_>> {
        let descriptors = self.descriptors().into_iter().flatten();
        descriptors.map(readable).collect()
    }

    fn deadline(&self, helpers: Helpers) -> Option<Instant> {
        self.deadline(helpers == Helpers::Allowed)
    }

    fn helpers(&self) -> Vec<Pid> {
        self.helpers().into_iter().flatten().collect()
    }

    fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.reaped(pid, status);
    }
}
