//! The machine's data: its rules, its state, and what the caller can ask between two events.

use super::action::Action;
use super::report::Report;
use super::retries::Retries;
use super::rules::Rules;
use super::state::MachineState;
use super::timer::Timer;
use crate::duration::Limit;
use crate::signal::Signal;
use std::time::Duration;

/// After this long of waiting, the first notice says what exitdir-run waits for.
const FIRST_WAIT_NOTICE: Limit = Limit::After(Duration::from_secs(10));
/// The interval of the notices after the first.
pub(super) const WAIT_NOTICE_INTERVAL: Limit = Limit::After(Duration::from_secs(60));
/// After this long, a notice says which death dependencies were never seen.
const FIRST_UNSEEN_NOTICE: Limit = Limit::After(Duration::from_secs(10));
/// How long after the first notice the second and last one comes: 10 minutes after the start.
const SECOND_UNSEEN_NOTICE: Limit = Limit::After(Duration::from_secs(590));

/// The state machine of one life.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(super) rules: Rules,
    pub(super) state: MachineState,
    pub(super) retries: Retries,
    /// Whether a command may run at all.
    pub(super) active: bool,
    /// How long after a notice of unseen death dependencies the next one comes.
    pub(super) next_unseen_notice: Limit,
}

impl Machine {
    pub(crate) fn new(rules: Rules) -> Machine {
        Machine {
            retries: Retries::new(rules.restart_limit),
            rules,
            state: MachineState::Waiting,
            active: true,
            next_unseen_notice: SECOND_UNSEEN_NOTICE,
        }
    }

    /// What to do before the first event.
    pub(crate) fn initial_actions(&self) -> Vec<Action> {
        let mut actions = self.start_birth_wait().to_vec();
        if self.rules.names_death_deps {
            actions.push(Action::Arm(Timer::UnseenNotice, FIRST_UNSEEN_NOTICE));
            let timeout = self.rules.missing_timeout;
            actions.push(Action::Arm(Timer::MissingTimeout, timeout));
        }
        actions
    }

    pub(super) fn start_birth_wait(&self) -> [Action; 2] {
        [
            Action::Arm(Timer::BirthTimeout, self.rules.birth_timeout),
            Action::Arm(Timer::WaitNotice, FIRST_WAIT_NOTICE),
        ]
    }

    /// Whether the life waits for its birth dependencies.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, MachineState::Waiting)
    }

    /// Whether the life waits for its birth dependencies, or will when it is activated.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(
            self.state,
            MachineState::Waiting | MachineState::Inactive(None)
        )
    }

    /// What the command gets for a signal that is only forwarded. This is the fast path for the one
    /// event that can come a hundred thousand times. If it returns `None`, the signal goes to
    /// [`Machine::step`] like any other event.
    pub(crate) fn forward_fast(&mut self, signal: Signal) -> Option<Signal> {
        let (MachineState::Running(run) | MachineState::Stopping(run, _)) = &mut self.state else {
            return None;
        };
        let sent = self.rules.forwarding.sent_if_plain(signal)?;
        run.sent = run.sent.with(sent);
        Some(sent)
    }

    /// Says which death dependencies were never seen.
    pub(super) fn report_unseen(&mut self) -> Vec<Action> {
        let next = std::mem::replace(&mut self.next_unseen_notice, Limit::Never);
        vec![
            Action::Report(Report::Unseen),
            Action::Arm(Timer::UnseenNotice, next),
        ]
    }

    /// Reports whether a command that is down may be started.
    pub(super) fn report_activity(&self) -> Action {
        Action::Report(if self.active {
            Report::Activated
        } else {
            Report::Inactive
        })
    }
}
