//! Steps that several states share: the next state, and the actions on the way to it.

use super::action::Action;
use super::outcome::FinalStatus;
use super::record::Record;
use super::report::Report;
use super::state::MachineState;
use super::timer::Timer;
use crate::duration::Limit;
use crate::protocol::death_deps::StopCause;
use crate::signal::Signal;
use std::time::Duration;

/// The next state, and what to do on the way to it.
pub(super) type MachineStep = (MachineState, Vec<Action>);

/// Ends the life.
pub(super) fn finish(mut actions: Vec<Action>, last: FinalStatus) -> MachineStep {
    actions.push(Action::Finish(last));
    (MachineState::Finished, actions)
}

/// Starts the command again, at the earliest this long after its last start.
pub(super) fn back_off(last: FinalStatus, delay: Limit) -> MachineStep {
    let mut actions = disarm_stop();
    actions.extend([
        Action::Record(Record::Down),
        Action::Report(Report::Restarting(last.clone(), delay)),
        Action::Arm(Timer::Backoff, delay),
    ]);
    (MachineState::BackingOff(last), actions)
}

/// Starts the command again at once. The delay of 0 lets the caller feed all other events first.
pub(super) fn start_again(mut actions: Vec<Action>, last: FinalStatus) -> MachineStep {
    actions.push(Action::Arm(Timer::Backoff, Limit::After(Duration::ZERO)));
    (MachineState::BackingOff(last), actions)
}

/// Starts no command until it is activated.
pub(super) fn deactivate(mut actions: Vec<Action>, last: Option<FinalStatus>) -> MachineStep {
    actions.push(Action::Record(Record::Inactive));
    (MachineState::Inactive(last), actions)
}

/// Records why exitdir-run stops the command or does not start it.
pub(super) fn record_cause(cause: &StopCause) -> Action {
    Action::Record(Record::Cause(cause.cause.clone()))
}

/// Every death dependency was seen, so none is missing.
pub(super) fn disarm_unseen() -> Vec<Action> {
    [Timer::UnseenNotice, Timer::MissingTimeout]
        .map(Action::Disarm)
        .to_vec()
}

/// What a signal does that does not end exitdir-run while there is no command to send it to.
pub(super) fn signal_while_down(signal: Signal) -> Vec<Action> {
    if signal == Signal::TSTP {
        vec![Action::Pause(signal)]
    } else {
        vec![Action::Report(Report::Dropped(signal))]
    }
}

/// Ends the actions of `--pre-stop`.
pub(super) fn end_pre_stop() -> Vec<Action> {
    vec![Action::Disarm(Timer::PreStop), Action::EndPreStop]
}

/// The same, because they have not ended in their time.
pub(super) fn end_late_pre_stop() -> Vec<Action> {
    vec![Action::Report(Report::PreStopLate), Action::EndPreStop]
}

/// A step with these actions before its own.
pub(super) fn after(mut actions: Vec<Action>, (state, more): MachineStep) -> MachineStep {
    actions.extend(more);
    (state, actions)
}

/// Disarms the timers of a command that runs.
pub(super) fn disarm_run() -> Vec<Action> {
    [Timer::RunTimeout, Timer::SteadyRun, Timer::StopDelay]
        .map(Action::Disarm)
        .to_vec()
}

/// Disarms the timers of a command that runs, and those of its stop.
pub(super) fn disarm_stop() -> Vec<Action> {
    let mut actions = disarm_run();
    actions.extend([Timer::GracePeriod, Timer::OrphanScan, Timer::KillWait].map(Action::Disarm));
    actions
}
