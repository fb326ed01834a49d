//! The stages that a life has gone through, as far as its tombstone says. Pure.

use crate::protocol::life::{Life, Liveness, Phase};
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;

/// What a life does. Its [`State`] is what conditions ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Waiting,
    Starting,
    Ready,
    Inactive,
    /// A stop for a death dependency has begun.
    Stopping,
    Dead,
}

/// The beginning of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LifeStep {
    pub(crate) stage: Stage,
    pub(crate) state: State,
    /// When it began. A tombstone does not say when a stop began, or when a supervisor was killed.
    pub(crate) at: Option<Timestamp>,
}

impl LifeStep {
    /// Whether both are the same stage, and the same state.
    pub(crate) fn is_same(&self, other: &LifeStep) -> bool {
        (self.stage, self.state) == (other.stage, other.state)
    }
}

/// The stages of a life in their order. The last one is that of now. None for a file that is not
/// written yet.
pub(crate) fn steps(life: &Life) -> Vec<LifeStep> {
    let Some(state) = life.state() else {
        return Vec::new();
    };
    let mut steps = recorded(life);
    let stage = current_stage(life);
    let is_last = |step: &LifeStep| (step.stage, step.state) == (stage, state);
    if !steps.last().is_some_and(is_last) {
        let at = life.tombstone.died.clone().filter(|_| stage == Stage::Dead);
        steps.push(LifeStep { stage, state, at });
    }
    steps
}

/// The stages of a living life that its tombstone has a time for, and the stop.
fn recorded(life: &Life) -> Vec<LifeStep> {
    let tombstone = &life.tombstone;
    // Without a supervisor nothing has waited.
    let waiting = tombstone.waiting.as_ref();
    let waiting = waiting.filter(|_| tombstone.lock.is_some());
    let born = tombstone.born.as_ref();
    // Another program's has no readiness: born means ready.
    let ready = tombstone.ready.as_ref();
    let ready = ready.or(born.filter(|_| tombstone.lock.is_none()));
    let ready = ready.filter(|_| born.is_some());
    let starting = born.filter(|born| ready != Some(born));
    let step = |stage, state, at: Option<&Timestamp>| {
        let at = Some(at?.clone());
        Some(LifeStep { stage, state, at })
    };
    let is_stopped = tombstone.cause.is_some() && born.is_some() && tombstone.inactive.is_none();
    let stopping = is_stopped.then_some(LifeStep {
        stage: Stage::Stopping,
        state: State::Born,
        at: None,
    });
    let steps = [
        step(Stage::Waiting, State::Waiting, waiting),
        step(Stage::Starting, State::Born, starting),
        step(Stage::Ready, State::Ready, ready),
        step(
            Stage::Inactive,
            State::Inactive,
            tombstone.inactive.as_ref(),
        ),
        stopping,
    ];
    steps.into_iter().flatten().collect()
}

fn current_stage(life: &Life) -> Stage {
    match life.liveness {
        Liveness::Alive(Phase::Waiting) => Stage::Waiting,
        Liveness::Alive(Phase::Born) if life.tombstone.cause.is_some() => Stage::Stopping,
        Liveness::Alive(Phase::Born) => Stage::Starting,
        Liveness::Alive(Phase::Ready) => Stage::Ready,
        Liveness::Alive(Phase::Inactive) => Stage::Inactive,
        Liveness::Dead(_) | Liveness::Unsettled => Stage::Dead,
    }
}

#[cfg(test)]
mod tests;
