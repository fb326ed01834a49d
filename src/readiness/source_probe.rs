//! `--ready-on tcp`, `http` and `unix`: a source that is tried every second until it answers.

use super::update::ReadinessUpdate;
use crate::exit::ExitStatus;
use crate::probe::Prober;
use crate::protocol::source::Source;
use crate::protocol::standing::SourceStanding;
use rustix::event::PollFd;
use rustix::process::Pid;
use std::time::Instant;

pub(crate) struct SourceProbe {
    source: Source,
    prober: Prober,
    /// It has answered. Only the rest of the answer is still read.
    has_answered: bool,
}

impl SourceProbe {
    pub(super) fn new(source: &Source) -> SourceProbe {
        SourceProbe {
            source: source.clone(),
            prober: Prober::new([source]),
            has_answered: false,
        }
    }

    pub(super) fn interests(&self) -> Vec<PollFd<'_>> {
        self.prober.interests()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.prober.deadline()
    }

    pub(super) fn helpers(&self) -> Vec<Pid> {
        self.prober.helpers()
    }

    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.prober.reaped(pid, status);
    }

    pub(super) fn poll(&mut self) -> ReadinessUpdate {
        let warning = self.prober.poll().pop();
        let standing = self.prober.standing(&self.source);
        let is_ready = standing.is_some_and(SourceStanding::holds) && !self.has_answered;
        if is_ready {
            self.has_answered = true;
            self.prober.keep_only(|_| false);
        }
        ReadinessUpdate {
            is_ready,
            warning,
            ..ReadinessUpdate::default()
        }
    }
}
