//! CMD as the event loop sees it: its process, the source of its readiness, what it says about
//! itself, and the processes that it leaves behind. Decides nothing.

use super::event_source::Helpers;
use super::plan::Plan;
use crate::exit::{Remaining, StartFailure};
use crate::process::child::{Child, Reaped};
use crate::process::descendants::Descendants;
use crate::readiness::Readiness;
use crate::readiness::update::CommandPhase;
use crate::signal::Signal;
use crate::sys::process::SignalTarget;
use crate::sys::signals::Signals;
use crate::sys::spawn::SpawnExtras;
use rustix::process::Pid;
use std::io;

/// CMD, from one start to the next.
#[derive(Default)]
pub(super) struct Command {
    child: Option<Child>,
    /// How exitdir-run learns that CMD is ready. `None` once nothing more is to be learned.
    pub(super) readiness: Option<Readiness>,
    /// The newest status text that CMD sent.
    pub(super) status_text: Option<String>,
    /// The processes that CMD left behind, while they are being stopped.
    descendants: Option<Descendants>,
}

/// What one poll of the readiness source found.
#[derive(Debug, Default)]
pub(super) struct ReadinessPoll {
    pub(super) ready: bool,
    pub(super) warning: Option<String>,
    /// There may be more to read at once.
    pub(super) has_more: bool,
}

impl Command {
    /// Starts CMD. `has_tombstone` is whether others can see that it becomes ready.
    /// Returns why CMD would outlive exitdir-run if that were killed.
    pub(super) fn start(
        &mut self,
        plan: &Plan,
        signals: &Signals,
        has_tombstone: bool,
    ) -> Result<Option<io::Error>, StartFailure> {
        // Without its source CMD would never become ready.
        let mut readiness = Readiness::prepare(&plan.ready_on, has_tombstone)?;
        let descriptor = readiness.as_ref().and_then(Readiness::command_descriptor);
        let variable = readiness.as_ref().and_then(Readiness::command_variable);
        let extras = SpawnExtras {
            descriptors: descriptor.as_slice(),
            variables: variable.as_slice(),
            takes_listen_fds: true,
        };
        let (child, unguarded) = Child::start(&plan.command, signals, plan.target, extras)?;
        self.child = Some(child);
        // An earlier run's status text says nothing about this run.
        self.status_text = None;
        readiness.iter_mut().for_each(Readiness::command_started);
        self.readiness = readiness;
        Ok(unguarded)
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        self.child.as_ref().map(Child::pid)
    }

    pub(super) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Sends the signal to CMD. Without CMD there is nothing to do.
    #[inline(always)]
    pub(super) fn send(&mut self, signal: Signal) -> io::Result<()> {
        match &mut self.child {
            Some(child) => child.send(signal),
            None => Ok(()),
        }
    }

    /// CMD was stopped by this signal: exitdir-run stops with it.
    pub(super) fn pause(&mut self, signal: Signal, signals: &Signals) {
        match &mut self.child {
            Some(child) => child.pause(signal, signals),
            // The terminal has signalled the rest of our group itself. Where the kernel does not
            // stop us nothing is lost.
            None => drop(signals.stop_self(SignalTarget::Process, signal)),
        }
    }

    /// Reaps every child that has ended.
    pub(super) fn reap(&mut self, signals: &Signals) -> Reaped {
        let reaped = Child::reap(&mut self.child, signals);
        if let Some(descendants) = &mut self.descendants {
            for (pid, _) in &reaped.others {
                descendants.forget(*pid);
            }
        }
        reaped
    }

    /// From now on [`Command::signal_descendants`] sends this signal to the processes that CMD left
    /// behind.
    pub(super) fn begin_stopping_descendants(&mut self, signal: Signal) {
        if self.descendants.as_ref().map(Descendants::signal) != Some(signal) {
            self.descendants = Some(Descendants::new(signal));
        }
    }

    pub(super) fn is_stopping_descendants(&self) -> bool {
        self.descendants.is_some()
    }

    /// Signals the descendants that have not been signalled yet.
    ///
    /// # Errors
    /// Why they cannot be found. Then they are not waited for any more.
    pub(super) fn signal_descendants(&mut self) -> Result<(), String> {
        let Some(descendants) = &mut self.descendants else {
            return Ok(());
        };
        descendants
            .signal_new()
            .inspect_err(|_| self.descendants = None)
    }

    /// Notes which children are left. Returns true if descendants were being stopped and none is
    /// left.
    pub(super) fn note_remaining(&mut self, remaining: Remaining) -> bool {
        remaining == Remaining::Nothing && self.descendants.take().is_some()
    }

    /// Whether a source may start a helper process now.
    pub(super) fn helpers(&self) -> Helpers {
        match self.descendants {
            None => Helpers::Allowed,
            Some(_) => Helpers::Forbidden,
        }
    }

    /// Whether the source may still have a status text of CMD.
    pub(super) fn may_send_status(&self) -> bool {
        let readiness = self.readiness.as_ref();
        readiness.is_some_and(Readiness::outlives_readiness)
    }

    /// Asks the source whether CMD, with this process id, is ready.
    pub(super) fn poll_readiness(
        &mut self,
        pid: Option<Pid>,
        phase: CommandPhase,
        signals: &Signals,
    ) -> ReadinessPoll {
        let Some(readiness) = &mut self.readiness else {
            return ReadinessPoll::default();
        };
        let update = readiness.poll(pid, phase, signals);
        if update.status.is_some() {
            self.status_text = update.status;
        }
        ReadinessPoll {
            ready: update.is_ready,
            warning: update.warning,
            has_more: update.has_more,
        }
    }
}
