//! The first world of a setup, and all worlds that one step of any process leads to.

use super::kernel::{Actor, Entry, FileEvent, Kernel};
use super::process::{Caller, Execution, Follower, FollowerState, Leader, ProcState, Signaller};
use super::setup::Setup;
use super::world::{Successors, World};

impl World {
    pub(super) fn new(setup: &Setup) -> World {
        let leader = Leader {
            proc: ProcState::Running,
            execution: Execution::default(),
            is_born: false,
        };
        let mut world = World {
            kernel: Kernel {
                queue_limit: setup.queue_limit,
                tear: setup.tear,
                ..Kernel::default()
            },
            leaders: vec![leader; setup.leaders],
            signaller: setup.signaller.map(|_| Signaller::new()),
            follower: setup.follower.then_some(Follower {
                state: FollowerState::first(setup),
                known: None,
            }),
            neighbour_writes: setup.neighbour_writes,
        };
        world.take_first_steps(setup);
        world
    }

    /// The steps of the first leader that come before everything else.
    fn take_first_steps(&mut self, setup: &Setup) {
        let caller = Caller {
            actor: Actor::Leader(0),
            announcement: None,
            mutation: None,
        };
        let mut execution = Execution::default();
        while execution.position < setup.steps_taken {
            let step = setup.program.steps()[execution.position];
            self.perform(caller, step, &mut execution);
        }
        self.leaders[0].is_born = setup.steps_taken > 0;
        self.leaders[0].execution = execution;
    }

    pub(super) fn successors(&self, setup: &Setup) -> Successors {
        let mut next = Vec::new();
        if self.follower_is_notified() {
            return next;
        }
        for at in 0..self.leaders.len() {
            self.leader_steps(at, setup, &mut next);
        }
        self.signaller_steps(setup, &mut next);
        self.follower_steps(setup, &mut next);
        self.neighbour_steps(&mut next);
        if setup.lossy_events {
            self.lose_events(&mut next);
        }
        next
    }

    pub(super) fn follower_is_notified(&self) -> bool {
        let state = self.follower.as_ref().map(|follower| &follower.state);
        matches!(state, Some(FollowerState::Notified(..)))
    }

    fn neighbour_steps(&self, next: &mut Successors) {
        if self.neighbour_writes > 0 {
            let mut world = self.clone();
            world.neighbour_writes -= 1;
            world.kernel.raise(FileEvent::Changed(Entry::Other));
            world.kernel.raise(FileEvent::Closed(Entry::Other));
            next.push(((Actor::Neighbour, "writes a file"), world));
        }
    }

    fn lose_events(&self, next: &mut Successors) {
        for event in &self.kernel.queue {
            let mut world = self.clone();
            world.kernel.queue.remove(event);
            next.push(((Actor::Kernel, "loses an event"), world));
        }
    }
}
