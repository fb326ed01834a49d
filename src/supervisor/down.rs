//! What each event does while no command runs: it was not started yet, is being started, will be
//! started again, or must not run. What happens while its descendants are stopped is in
//! `draining.rs`.

use super::action::Action;
use super::event::Event;
use super::exit_table;
use super::machine::{Machine, WAIT_NOTICE_INTERVAL};
use super::outcome::FinalStatus;
use super::record::Record;
use super::report::Report;
use super::retries::STEADY_RUN;
use super::rules::Restart;
use super::state::{MachineState, Run, StartAttempt};
use super::steps::{
    MachineStep, back_off, deactivate, disarm_unseen, finish, record_cause, signal_while_down,
    start_again,
};
use super::timer::Timer;
use crate::exit::StartFailure;

impl Machine {
    pub(super) fn waiting(&mut self, event: Event) -> MachineStep {
        match event {
            Event::BirthDepsHold => start_first(Vec::new()),
            Event::StartAnyway => start_first(vec![Action::Report(Report::StartingAnyway)]),
            Event::Deactivated => {
                let actions = vec![
                    Action::Disarm(Timer::BirthTimeout),
                    Action::Disarm(Timer::WaitNotice),
                    self.report_activity(),
                ];
                deactivate(actions, None)
            }
            Event::DeathDepHolds(cause) | Event::BirthDepFailed(cause) => {
                let actions = vec![record_cause(&cause)];
                finish(actions, exit_table::not_started(&self.rules, cause))
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (MachineState::Waiting, signal_while_down(signal)),
            Event::Expired(Timer::BirthTimeout) => finish(Vec::new(), exit_table::birth_timeout()),
            Event::Expired(Timer::MissingTimeout) => {
                finish(Vec::new(), exit_table::missing(&self.rules, None))
            }
            Event::Expired(Timer::WaitNotice) => (
                MachineState::Waiting,
                vec![
                    Action::Report(Report::StillWaiting),
                    Action::Arm(Timer::WaitNotice, WAIT_NOTICE_INTERVAL),
                ],
            ),
            Event::DeathDepsSeen => (MachineState::Waiting, disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => (MachineState::Waiting, self.report_unseen()),
            // It is active already. The configuration that is in place at the start is used.
            Event::Activated | Event::Reconfigured => (MachineState::Waiting, Vec::new()),
            // There is no command yet.
            Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::PreStopOver
            | Event::NoDescendants => (MachineState::Waiting, Vec::new()),
            // Timers of a command.
            Event::Expired(
                Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::PreStop
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::KillWait
                | Timer::Backoff,
            ) => (MachineState::Waiting, Vec::new()),
        }
    }

    /// The caller waits for the answer to the start, so no other event arrives here.
    pub(super) fn starting(&mut self, attempt: StartAttempt, event: Event) -> MachineStep {
        match event {
            Event::Started => (
                MachineState::Running(Run::default()),
                self.actions_after_start(attempt),
            ),
            Event::StartFailed(failure) => self.start_failed(attempt, failure),
            Event::BirthDepsHold
            | Event::StartAnyway
            | Event::BirthDepFailed(_)
            | Event::DeathDepHolds(_)
            | Event::DeathDepsSeen
            | Event::Signal(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::PreStopOver
            | Event::NoDescendants
            | Event::Activated
            | Event::Deactivated
            | Event::Reconfigured
            | Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::UnseenNotice
                | Timer::MissingTimeout
                | Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::PreStop
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::KillWait
                | Timer::Backoff,
            ) => (MachineState::Starting(attempt), Vec::new()),
        }
    }

    pub(super) fn backing_off(&mut self, last: FinalStatus, event: Event) -> MachineStep {
        match event {
            Event::Expired(Timer::Backoff) => (
                MachineState::Starting(StartAttempt::Again),
                vec![Action::Start],
            ),
            Event::DeathDepHolds(cause) => {
                let actions = vec![record_cause(&cause)];
                let last = exit_table::not_restarted(&self.rules, cause, &last);
                finish(actions, last)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (MachineState::BackingOff(last), signal_while_down(signal)),
            Event::Deactivated => {
                let actions = vec![Action::Disarm(Timer::Backoff), self.report_activity()];
                deactivate(actions, Some(last))
            }
            Event::Expired(Timer::MissingTimeout) => {
                finish(Vec::new(), exit_table::missing(&self.rules, Some(&last)))
            }
            Event::DeathDepsSeen => (MachineState::BackingOff(last), disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => {
                (MachineState::BackingOff(last), self.report_unseen())
            }
            // It is active already. The configuration that is in place at the start is used.
            Event::Activated | Event::Reconfigured => (MachineState::BackingOff(last), Vec::new()),
            // There is no command now.
            Event::BirthDepsHold
            | Event::StartAnyway
            | Event::BirthDepFailed(_)
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::PreStopOver
            | Event::NoDescendants => (MachineState::BackingOff(last), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::PreStop
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::KillWait,
            ) => (MachineState::BackingOff(last), Vec::new()),
        }
    }

    pub(super) fn inactive(&mut self, last: Option<FinalStatus>, event: Event) -> MachineStep {
        match event {
            Event::Activated => {
                let mut actions = vec![Action::Record(Record::Down), self.report_activity()];
                if let Some(last) = last {
                    start_again(actions, last)
                } else {
                    // The birth dependencies have not held yet, or may not hold any more.
                    actions.extend(self.start_birth_wait());
                    (MachineState::Waiting, actions)
                }
            }
            Event::DeathDepHolds(cause) => {
                let actions = vec![record_cause(&cause)];
                let last = match last {
                    Some(last) => exit_table::not_restarted(&self.rules, cause, &last),
                    None => exit_table::not_started(&self.rules, cause),
                };
                finish(actions, last)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (MachineState::Inactive(last), signal_while_down(signal)),
            Event::Expired(Timer::MissingTimeout) => {
                finish(Vec::new(), exit_table::missing(&self.rules, last.as_ref()))
            }
            Event::DeathDepsSeen => (MachineState::Inactive(last), disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => {
                (MachineState::Inactive(last), self.report_unseen())
            }
            // It is inactive already. The configuration that is in place at the start is used.
            Event::Deactivated | Event::Reconfigured => (MachineState::Inactive(last), Vec::new()),
            // There is no command now.
            Event::BirthDepsHold
            | Event::StartAnyway
            | Event::BirthDepFailed(_)
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::PreStopOver
            | Event::NoDescendants => (MachineState::Inactive(last), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::PreStop
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::KillWait
                | Timer::Backoff,
            ) => (MachineState::Inactive(last), Vec::new()),
        }
    }

    fn actions_after_start(&self, attempt: StartAttempt) -> Vec<Action> {
        let mut actions = vec![Action::Arm(Timer::RunTimeout, self.rules.run_timeout)];
        if self.rules.restart != Restart::Never {
            actions.push(Action::Arm(Timer::SteadyRun, STEADY_RUN));
        }
        match attempt {
            StartAttempt::First => actions.push(Action::Record(Record::Born {
                ready: self.rules.ready_on_start,
            })),
            StartAttempt::Again => {
                if self.rules.ready_on_start {
                    actions.push(Action::Record(Record::Ready));
                }
            }
        }
        actions
    }

    /// A command that could be started before may be in the middle of an update, so a failed start
    /// of it counts like a failed run.
    fn start_failed(&mut self, attempt: StartAttempt, failure: StartFailure) -> MachineStep {
        let last = exit_table::start_failed(failure);
        let delay = match attempt {
            StartAttempt::Again if self.rules.restarts_after(last.code) => self.retries.take(false),
            StartAttempt::First | StartAttempt::Again => None,
        };
        match delay {
            Some(delay) => back_off(last, delay),
            None => finish(Vec::new(), last),
        }
    }
}

/// Starts the command for the first time.
fn start_first(mut actions: Vec<Action>) -> MachineStep {
    actions.extend([
        Action::Disarm(Timer::BirthTimeout),
        Action::Disarm(Timer::WaitNotice),
        Action::Start,
    ]);
    (MachineState::Starting(StartAttempt::First), actions)
}
