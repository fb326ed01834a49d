//! What a leader can do next.

use super::kernel::Actor;
use super::process::{Caller, Execution, ProcState};
use super::setup::{Killable, Setup};
use super::steps::{Step, StepResult};
use super::world::{Successors, World};

impl World {
    pub(super) fn leader_steps(&self, at: usize, setup: &Setup, next: &mut Successors) {
        let (actor, leader) = (Actor::Leader(at), &self.leaders[at]);
        match leader.proc {
            ProcState::Running => {}
            ProcState::Ending | ProcState::HalfEnded => return self.end_step(actor, setup, next),
            ProcState::Ended => return,
        }
        let ends = at == 0 || setup.killable == Killable::LeadersAndSignaller;
        if ends {
            self.kill(actor, next);
        } else if leader.is_born {
            return;
        }
        match setup.program.step(leader.execution.position) {
            Some(step) => self.leader_step(at, step, setup, next),
            None => {
                let mut world = self.clone();
                world.leaders[at].proc = ProcState::Ending;
                next.push(((actor, "exits"), world));
            }
        }
    }

    fn leader_step(&self, at: usize, step: Step, setup: &Setup, next: &mut Successors) {
        let caller = Caller {
            actor: Actor::Leader(at),
            announcement: None,
            mutation: setup.mutation,
        };
        let mut world = self.clone();
        let mut execution = self.leaders[at].execution.clone();
        let position = execution.position;
        let program = &setup.program;
        match world.perform(caller, step, &mut execution) {
            StepResult::Blocked => return,
            StepResult::Half => {}
            StepResult::Done => world.leaders[at].is_born |= step == Step::CompareName,
            StepResult::Refused => {
                // It gives up now, or tries again before its timeout.
                let refused = world.leader_gives_up(at, &execution, setup);
                next.push(((caller.actor, "gives up"), refused));
                if step == Step::LockStaging {
                    world.close(&mut execution, caller.actor);
                }
                execution.position = program.last_before(position, retry_from(step));
            }
            StepResult::StartOver => {
                execution.position = program.last_before(position, Step::OpenStaging);
            }
            StepResult::Kept => keep(&mut execution, setup),
            StepResult::AlreadyDead => execution.position = program.len(),
            StepResult::Failed => world.leaders[at].proc = ProcState::Ending,
        }
        world.leaders[at].execution = execution;
        next.push(((caller.actor, step.description()), world));
    }

    /// A leader that is not born yet ends. One that is born keeps the tombstone that it has.
    fn leader_gives_up(&self, at: usize, execution: &Execution, setup: &Setup) -> World {
        let (mut world, mut execution) = (self.clone(), execution.clone());
        let actor = Actor::Leader(at);
        if execution.old.is_some() {
            world.close(&mut execution, actor);
            keep(&mut execution, setup);
        } else {
            world.remove_staging(&execution, actor);
            world.leaders[at].proc = ProcState::Ending;
        }
        world.leaders[at].execution = execution;
        world
    }
}

/// Where a leader goes on that was refused at `step`.
fn retry_from(step: Step) -> Step {
    if step == Step::QueryNameLock {
        Step::OpenName
    } else {
        Step::OpenStaging
    }
}

/// Ends the replacement of a tombstone, which stays.
fn keep(execution: &mut Execution, setup: &Setup) {
    execution.file = execution.old.take().map(|old| old.file).or(execution.file);
    execution.position = setup.program.after_replacement(execution.position);
}
