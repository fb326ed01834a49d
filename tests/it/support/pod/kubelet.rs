//! A small loop that plays the kubelet and its node: it runs the init containers, starts the
//! containers again after a fixed back-off as the restart policy says, and stops, kills and
//! replaces all of them at once.
//!
//! One thread looks after a pod, as in a real kubelet: so ends are seen in the order in which they
//! happened, and containers are started in the order in which they are due. In Kubernetes the
//! back-off grows, so no container overtakes another even if a start takes longer than the
//! back-off. Here it is fixed, so a container waits for those that were due a whole back-off before
//! it.

use crate::support::pod::container::ContainerState;
use crate::support::pod::spec::{BACK_OFF, ContainerSpec, PodSpec, Policy};
use crate::support::pod::users::Volume;
use crate::support::sandbox::Sandbox;
use crate::support::signals::{KILL, STOP};
use std::io::PipeReader;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two checks of the kubelet on its processes.
pub const TICK: Duration = Duration::from_millis(5);

/// How the containers of a pod end together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// With their preStop hooks and TERM, and KILL after the grace period.
    Terminated,
    /// With KILL, one after the other.
    Killed,
    /// With KILL, in one moment: none of them sees the end of another.
    Crashed,
}

/// What follows when all containers have ended together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A new sandbox: init containers, and those containers that the restart policy wants.
    Sandbox,
    /// A new sandbox, and what was in this volume is lost.
    SandboxWithout(Volume),
    /// Init containers and all containers, also those that had ended with 0 (KEP-5532).
    AllInPlace,
    /// Nothing: the pod was deleted.
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// This init container is to run, or runs.
    Init(usize),
    Serving,
    Stopping(Next),
    Over,
}

/// How a Job sees its pod when that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Complete,
    Failed,
}

/// A pod on its node.
pub struct Kubelet {
    sandbox: Arc<Sandbox>,
    stdin: PipeReader,
    pub policy: Policy,
    grace: Duration,
    backoff_limit: Option<usize>,
    has_namespaces: bool,
    pub init: Vec<ContainerState>,
    pub containers: Vec<ContainerState>,
    phase: Phase,
    /// It has not only ended, but was ended: by its deletion, or under the policy Never.
    was_ended: bool,
    /// The node saw another end of a container than its tombstone says.
    pub disagrees: bool,
    /// What befell it, and when.
    pub history: Vec<(Instant, String)>,
}

impl Kubelet {
    pub fn new(pod: PodSpec, sandbox: Arc<Sandbox>, stdin: PipeReader) -> Kubelet {
        let now = Instant::now();
        let states = |containers: Vec<ContainerSpec>| {
            let state = |container| ContainerState::new(container, now);
            containers.into_iter().map(state).collect()
        };
        let phase = match pod.init.is_empty() {
            true => Phase::Serving,
            false => Phase::Init(0),
        };
        Kubelet {
            sandbox,
            stdin,
            policy: pod.policy,
            grace: pod.grace,
            backoff_limit: pod.backoff_limit,
            has_namespaces: pod.has_namespaces,
            init: states(pod.init),
            containers: states(pod.containers),
            phase,
            was_ended: false,
            disagrees: false,
            history: Vec::new(),
        }
    }

    /// One round: reaps what has ended, and starts what is due.
    pub fn tick(&mut self) {
        let now = Instant::now();
        let init_policy = match self.policy {
            Policy::Never => Policy::Never,
            Policy::OnFailure | Policy::Always => Policy::OnFailure,
        };
        for state in &mut self.init {
            state.reap(init_policy, now);
            state.attend(&self.sandbox, now);
        }
        for state in &mut self.containers {
            state.reap(self.policy, now);
            state.attend(&self.sandbox, now);
        }
        match self.phase {
            Phase::Init(at) => self.initialize(at, now),
            Phase::Serving => self.serve(now),
            Phase::Stopping(next) => self.await_all(next, now),
            Phase::Over => {}
        }
    }

    fn initialize(&mut self, at: usize, now: Instant) {
        let Some(state) = self.init.get_mut(at) else {
            for state in self.containers.iter_mut().filter(|state| state.pending) {
                state.due = now + state.container.delay;
            }
            self.phase = Phase::Serving;
            return;
        };
        if state.is_running() {
            return;
        }
        if state.pending {
            if state.due <= now {
                state.start(&self.sandbox, &self.stdin, self.has_namespaces);
            }
        } else if state.last_status() == Some(0) {
            self.begin_init(at + 1, now);
        } else {
            self.end();
        }
    }

    fn begin_init(&mut self, at: usize, now: Instant) {
        if let Some(state) = self.init.get_mut(at) {
            state.pending = true;
            state.due = now;
        }
        self.phase = Phase::Init(at);
    }

    fn serve(&mut self, now: Instant) {
        let restarts = self.restarts();
        if self.backoff_limit.is_some_and(|limit| limit < restarts) {
            self.note(format!("{restarts} restarts, the Job has failed"));
            self.end_all(Manner::Terminated, Next::Nothing);
            return;
        }
        let (states, sandbox) = (&mut self.containers, &self.sandbox);
        let mut due: Vec<usize> = (0..states.len())
            .filter(|at| states[*at].pending && states[*at].due <= now)
            .collect();
        due.sort_by_key(|at| states[*at].due);
        for at in due {
            let turn = states[at].due;
            let overtakes =
                |other: &ContainerState| other.due + BACK_OFF <= turn && other.is_starting(sandbox);
            if !states.iter().any(overtakes) {
                states[at].start(sandbox, &self.stdin, self.has_namespaces);
            }
        }
    }

    /// How often containers were started again.
    fn restarts(&self) -> usize {
        let states = self.init.iter().chain(&self.containers);
        states
            .map(|state| state.lives.len().saturating_sub(1))
            .sum()
    }

    fn await_all(&mut self, next: Next, now: Instant) {
        let mut states = self.init.iter().chain(&self.containers);
        if states.any(ContainerState::is_running) {
            return;
        }
        match next {
            Next::Nothing => return self.end(),
            Next::SandboxWithout(volume) => volume.lose(&self.sandbox),
            Next::Sandbox => {}
            Next::AllInPlace => {
                let all = self.containers.iter_mut();
                all.for_each(|state| state.pending = true);
            }
        }
        let is_new = next != Next::AllInPlace;
        self.disagrees |= is_new && self.is_contradicted();
        if is_new && self.policy == Policy::Never {
            self.end();
        } else if self.containers.iter().any(|state| state.pending) {
            self.begin_init(0, now);
        } else {
            self.phase = Phase::Serving;
        }
    }

    /// Whether the node saw another end of a container than its tombstone says.
    fn is_contradicted(&self) -> bool {
        self.containers.iter().any(|state| {
            let seen = state.last_status();
            seen.is_some_and(|status| (status == 0) != state.said_ok(&self.sandbox))
        })
    }

    fn end(&mut self) {
        let all = self.init.iter_mut().chain(&mut self.containers);
        all.for_each(|state| state.pending = false);
        self.was_ended = true;
        self.phase = Phase::Over;
    }

    /// Ends all containers together. It is too late if the pod is over. What began first decides
    /// what follows, except that a deletion wins, and what is lost is lost.
    pub fn end_all(&mut self, manner: Manner, next: Next) -> bool {
        if self.is_over() {
            return false;
        }
        self.note(format!("all are {manner:?}, next is {next:?}"));
        let next = match self.phase {
            Phase::Stopping(before) if !wins(next, before) => before,
            _ => next,
        };
        self.phase = Phase::Stopping(next);
        let signals: &[i32] = match manner {
            Manner::Terminated => &[],
            Manner::Killed => &[KILL],
            Manner::Crashed => &[STOP, KILL],
        };
        for signal in signals {
            let all = self.init.iter().chain(&self.containers);
            all.for_each(|state| {
                state.send(*signal);
            });
        }
        if manner == Manner::Terminated {
            for state in self.init.iter_mut().chain(&mut self.containers) {
                state.stop(&self.sandbox, self.grace);
            }
        }
        true
    }

    pub fn fail_liveness(&mut self, name: &str) -> bool {
        self.note(format!("the liveness probe of {name} fails"));
        let (sandbox, grace) = (self.sandbox.clone(), self.grace);
        self.phase == Phase::Serving && self.container_mut(name).fail_liveness(&sandbox, grace)
    }

    pub fn container(&self, name: &str) -> &ContainerState {
        let mut all = self.init.iter().chain(&self.containers);
        all.find(|state| state.container.name == name).unwrap()
    }

    fn container_mut(&mut self, name: &str) -> &mut ContainerState {
        let mut all = self.init.iter_mut().chain(&mut self.containers);
        all.find(|state| state.container.name == name).unwrap()
    }

    pub fn note(&mut self, what: String) {
        self.history.push((Instant::now(), what));
    }

    /// Whether the containers run, and not the init containers or a stop of all.
    pub fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// Whether nothing runs or will be started again.
    pub fn is_over(&self) -> bool {
        match self.phase {
            Phase::Serving => self.containers.iter().all(ContainerState::is_over),
            Phase::Over => true,
            Phase::Init(_) | Phase::Stopping(_) => false,
        }
    }

    pub fn verdict(&self) -> Option<Verdict> {
        let ended_well = |state: &ContainerState| state.last_status() == Some(0);
        let is_complete = !self.was_ended && self.containers.iter().all(ended_well);
        self.is_over().then_some(match is_complete {
            true => Verdict::Complete,
            false => Verdict::Failed,
        })
    }
}

fn wins(next: Next, before: Next) -> bool {
    match next {
        Next::Nothing => true,
        Next::SandboxWithout(_) => before != Next::Nothing,
        Next::Sandbox | Next::AllInPlace => false,
    }
}
