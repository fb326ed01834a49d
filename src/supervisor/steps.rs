//! Steps that several states share: the next state, and the actions on the way to it.

use super::action::Action;
use super::outcome::FinalStatus;
use super::record::Record;
use super::report::Report;
use super::state::MachineState;
use super::timer::Timer;
use crate::duration::Limit;
use crate::protocol::death_deps::StopCause;
use std::time::Duration;

/// A state, and what is to be done on the way to it.
pub(super) type MachineStep = (MachineState, Vec<Action>);

pub(super) fn record_cause(fate: &StopCause) -> Action {
    Action::Record(Record::Cause(fate.cause.clone()))
}

/// The timers of a command that runs.
pub(super) fn disarm_run() -> Vec<Action> {
    [Timer::RunTimeout, Timer::SteadyRun, Timer::StopDelay]
        .map(Action::Disarm)
        .to_vec()
}

pub(super) fn finish(mut actions: Vec<Action>, last: FinalStatus) -> MachineStep {
    actions.push(Action::Finish(last));
    (MachineState::Finished, actions)
}

pub(super) fn back_off(last: FinalStatus, delay: Limit) -> MachineStep {
    let mut actions = disarm_stop();
    actions.extend([
        Action::Record(Record::Down),
        Action::Report(Report::Restarting(last.clone(), delay)),
        Action::Arm(Timer::Backoff, delay),
    ]);
    (MachineState::BackingOff(last), actions)
}

/// A back-off of no time: whoever drives the machine looks at everything before it is over.
pub(super) fn start_again(mut actions: Vec<Action>, last: FinalStatus) -> MachineStep {
    actions.push(Action::Arm(Timer::Backoff, Limit::After(Duration::ZERO)));
    (MachineState::BackingOff(last), actions)
}

/// The same, and those of its stop.
pub(super) fn disarm_stop() -> Vec<Action> {
    let mut actions = disarm_run();
    actions.extend([Timer::GracePeriod, Timer::OrphanScan].map(Action::Disarm));
    actions
}

/// There will be no command before it is activated.
pub(super) fn deactivate(mut actions: Vec<Action>, last: Option<FinalStatus>) -> MachineStep {
    actions.push(Action::Record(Record::Inactive));
    (MachineState::Inactive(last), actions)
}
