//! The end of a process: the kill, and what the kernel does then.

use super::kernel::Actor;
use super::process::{Execution, ProcState};
use super::setup::{Mutation, Setup};
use super::world::{Successors, World};

impl World {
    /// The state of a process that can be killed.
    fn mortal(&mut self, actor: Actor) -> Option<(&mut ProcState, &mut Execution)> {
        match actor {
            Actor::Leader(at) => self
                .leaders
                .get_mut(at)
                .map(|leader| (&mut leader.proc, &mut leader.execution)),
            Actor::Signaller => self
                .signaller
                .as_mut()
                .map(|signaller| (&mut signaller.proc, &mut signaller.execution)),
            Actor::Follower | Actor::Neighbour | Actor::Kernel => None,
        }
    }

    pub(super) fn kill(&self, actor: Actor, next: &mut Successors) {
        let mut killed = self.clone();
        let Some((proc, execution)) = killed.mortal(actor) else {
            return;
        };
        *proc = ProcState::Ending;
        let old = execution.old.as_ref().map(|old| old.file);
        for file in old.into_iter().chain(execution.file) {
            killed.kernel.cut_write(file, actor);
        }
        next.push(((actor, "is killed"), killed));
    }

    /// What the kernel does for a process that is ending.
    pub(super) fn end_step(&self, actor: Actor, setup: &Setup, next: &mut Successors) {
        let mut world = self.clone();
        let Some((proc, execution)) = world.mortal(actor) else {
            return;
        };
        let first_half = *proc == ProcState::Ending;
        // Descriptors are closed in the order of their numbers: the older file is closed first.
        let old = execution.old.as_ref().map(|old| old.file);
        let file = old.or(execution.file);
        let last_file = old.is_none() || execution.file.is_none();
        *proc = match (first_half, last_file) {
            (true, _) => ProcState::HalfEnded,
            (false, true) => ProcState::Ended,
            (false, false) => ProcState::Ending,
        };
        if !first_half {
            *execution = Execution {
                file: execution.file.filter(|_| !last_file),
                ..Execution::default()
            };
        }
        let unlocks = first_half != setup.has(Mutation::UnlockAfterEvent);
        match file {
            Some(file) if unlocks => world.kernel.unlock(file, actor),
            Some(file) => world.kernel.notify_close(file),
            None => {}
        }
        let description = if unlocks {
            "lock is released"
        } else {
            "close is notified"
        };
        next.push(((actor, description), world));
    }
}
