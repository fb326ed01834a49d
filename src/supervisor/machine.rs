//! The machine: its rules and its state, and what can be asked of it between two events.

use super::action::Action;
use super::report::Report;
use super::retries::Retries;
use super::rules::Rules;
use super::state::MachineState;
use super::timer::Timer;
use crate::duration::Limit;
use crate::signal::Signal;
use std::time::Duration;

/// After this long of waiting people are told what for, and then at every [`NEXT_NOTICE`].
const FIRST_NOTICE: Limit = Limit::After(Duration::from_secs(10));
pub(super) const NEXT_NOTICE: Limit = Limit::After(Duration::from_secs(60));

/// The machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(super) rules: Rules,
    pub(super) state: MachineState,
    pub(super) retries: Retries,
    /// Whether a command may run at all.
    pub(super) active: bool,
}

impl Machine {
    pub(crate) fn new(rules: Rules) -> Machine {
        Machine {
            retries: Retries::new(rules.restart_limit),
            rules,
            state: MachineState::Waiting,
            active: true,
        }
    }

    /// What to do before the first event.
    pub(crate) fn initial_actions(&self) -> Vec<Action> {
        self.start_birth_wait().to_vec()
    }

    pub(super) fn start_birth_wait(&self) -> [Action; 2] {
        [
            Action::Arm(Timer::BirthTimeout, self.rules.birth_timeout),
            Action::Arm(Timer::WaitNotice, FIRST_NOTICE),
        ]
    }

    /// Whether the birth dependencies still matter.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, MachineState::Waiting)
    }

    /// Whether they do, or will.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(
            self.state,
            MachineState::Waiting | MachineState::Inactive(None)
        )
    }

    /// What the command gets for a signal that is passed on at once and changes nothing else: the short way
    /// for the one event that can come a hundred thousand times. `None`: it is an event like others.
    pub(crate) fn forward_fast(&mut self, signal: Signal) -> Option<Signal> {
        let (MachineState::Running(run) | MachineState::Stopping(run, _)) = &mut self.state else {
            return None;
        };
        let sent = self.rules.forwarding.sent_if_plain(signal)?;
        run.sent = run.sent.with(sent);
        Some(sent)
    }

    /// Tells people whether a command that does not run may.
    pub(super) fn report_activity(&self) -> Vec<Action> {
        let report = if self.active {
            Report::Activated
        } else {
            Report::Inactive
        };
        vec![Action::Report(report)]
    }
}
