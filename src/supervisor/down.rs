//! What each event does while no command runs: it was not started yet, has ended and what it left behind is
//! being stopped, will be started again, or must not run.

use super::action::Action;
use super::event::Event;
use super::exit_table;
use super::machine::{Machine, NEXT_NOTICE};
use super::outcome::FinalStatus;
use super::record::Record;
use super::report::Report;
use super::retries::STEADY;
use super::rules::Restart;
use super::state::{Draining, MachineState, Next, Pace, Run, StartAttempt};
use super::steps::{
    MachineStep, back_off, deactivate, disarm_run, disarm_stop, finish, record_cause, start_again,
};
use super::timer::Timer;
use crate::duration::Limit;
use crate::exit::Remaining;
use crate::signal::Signal;
use std::time::Duration;

/// Orphans are handed to us without a word, so those that come late are looked for this often.
const ORPHAN_SCAN: Limit = Limit::After(Duration::from_millis(100));

impl Machine {
    /// Nothing but the answer comes here: whoever drives the machine waits for it.
    pub(super) fn starting(&mut self, attempt: StartAttempt, event: Event) -> MachineStep {
        match event {
            Event::Started => {
                let run = Action::Arm(Timer::RunTimeout, self.rules.run_timeout);
                let mut actions = vec![run];
                match attempt {
                    StartAttempt::First => actions.push(Action::Record(Record::Born {
                        ready: self.rules.ready_on_start,
                    })),
                    StartAttempt::Again => {
                        if self.rules.restart != Restart::Never {
                            actions.push(Action::Arm(Timer::SteadyRun, STEADY));
                        }
                        if self.rules.ready_on_start {
                            actions.push(Action::Record(Record::Ready));
                        }
                    }
                }
                (MachineState::Running(Run::default()), actions)
            }
            Event::StartFailed(failure) => {
                let last = exit_table::start_failed(failure);
                // What could be executed once will be again, when whoever replaces it has finished.
                let delay = match attempt {
                    StartAttempt::Again if self.rules.restarts_after(last.code) => {
                        self.retries.take()
                    }
                    StartAttempt::First | StartAttempt::Again => None,
                };
                match delay {
                    Some(delay) => back_off(last, delay),
                    None => finish(Vec::new(), last),
                }
            }
            Event::BirthDepsHold
            | Event::DeathDepHolds(_)
            | Event::Signal(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::NoDescendants
            | Event::Activated
            | Event::Deactivated
            | Event::Reconfigured
            | Event::Expired(_) => (MachineState::Starting(attempt), Vec::new()),
        }
    }

    pub(super) fn waiting(&mut self, event: Event) -> MachineStep {
        match event {
            Event::BirthDepsHold => (
                MachineState::Starting(StartAttempt::First),
                vec![
                    Action::Disarm(Timer::BirthTimeout),
                    Action::Disarm(Timer::WaitNotice),
                    Action::Start,
                ],
            ),
            Event::Deactivated => {
                let mut actions = vec![
                    Action::Disarm(Timer::BirthTimeout),
                    Action::Disarm(Timer::WaitNotice),
                ];
                actions.extend(self.report_activity());
                deactivate(actions, None)
            }
            Event::DeathDepHolds(fate) => {
                let cause = record_cause(&fate);
                finish(vec![cause], exit_table::not_started(&self.rules, fate))
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (MachineState::Waiting, signal_while_down(signal)),
            Event::Expired(Timer::BirthTimeout) => finish(Vec::new(), exit_table::birth_timeout()),
            Event::Expired(Timer::WaitNotice) => (
                MachineState::Waiting,
                vec![
                    Action::Report(Report::StillWaiting),
                    Action::Arm(Timer::WaitNotice, NEXT_NOTICE),
                ],
            ),
            // It is; and what is there counts when it is to be started.
            Event::Activated | Event::Reconfigured => (MachineState::Waiting, Vec::new()),
            // There is no command yet.
            Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::NoDescendants => (MachineState::Waiting, Vec::new()),
            // Timers of a command.
            Event::Expired(
                Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::Backoff,
            ) => (MachineState::Waiting, Vec::new()),
        }
    }

    pub(super) fn draining(&mut self, draining: Draining, event: Event) -> MachineStep {
        match event {
            Event::NoDescendants => self.proceed(draining.next),
            Event::Expired(Timer::GracePeriod) => kill_descendants(draining.next),
            Event::Expired(Timer::OrphanScan) => {
                let signal = match draining.pace {
                    Pace::Gentle | Pace::Warned => self.rules.stop_signal,
                    Pace::Killed => Signal::KILL,
                };
                let actions = vec![
                    Action::SignalDescendants(signal),
                    Action::Arm(Timer::OrphanScan, ORPHAN_SCAN),
                ];
                (MachineState::Draining(draining), actions)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => expedite(draining, signal),
            Event::Signal(signal) => (MachineState::Draining(draining), signal_while_down(signal)),
            Event::DeathDepHolds(fate) => match draining.next {
                Next::Restart(last, _) | Next::Resume(last) => {
                    let cause = record_cause(&fate);
                    let last = exit_table::not_restarted(&self.rules, fate, &last);
                    let next = Next::Finish(last);
                    (
                        MachineState::Draining(Draining { next, ..draining }),
                        vec![cause],
                    )
                }
                Next::Finish(last) => {
                    let next = Next::Finish(last);
                    (
                        MachineState::Draining(Draining { next, ..draining }),
                        Vec::new(),
                    )
                }
            },
            Event::Activated | Event::Deactivated if draining.next.continues() => {
                let told = self.report_activity();
                (MachineState::Draining(draining), told)
            }
            // What is there counts when nobody is left.
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (MachineState::Draining(draining), Vec::new())
            }
            // There is no command any more.
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..) => (MachineState::Draining(draining), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::Backoff,
            ) => (MachineState::Draining(draining), Vec::new()),
        }
    }

    pub(super) fn backing_off(&mut self, last: FinalStatus, event: Event) -> MachineStep {
        match event {
            Event::Expired(Timer::Backoff) => (
                MachineState::Starting(StartAttempt::Again),
                vec![Action::Start],
            ),
            Event::DeathDepHolds(fate) => {
                let cause = record_cause(&fate);
                let last = exit_table::not_restarted(&self.rules, fate, &last);
                finish(vec![cause], last)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (MachineState::BackingOff(last), signal_while_down(signal)),
            Event::Deactivated => {
                let mut actions = vec![Action::Disarm(Timer::Backoff)];
                actions.extend(self.report_activity());
                deactivate(actions, Some(last))
            }
            // It will be started with what is there then.
            Event::Activated | Event::Reconfigured => (MachineState::BackingOff(last), Vec::new()),
            // There is no command now.
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::NoDescendants => (MachineState::BackingOff(last), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::GracePeriod
                | Timer::OrphanScan,
            ) => (MachineState::BackingOff(last), Vec::new()),
        }
    }

    pub(super) fn inactive(&mut self, last: Option<FinalStatus>, event: Event) -> MachineStep {
        match event {
            Event::Activated => {
                let mut actions = vec![Action::Record(Record::Down)];
                actions.extend(self.report_activity());
                if let Some(last) = last {
                    start_again(actions, last)
                } else {
                    // For what it has not been waited for, or may not hold any more.
                    actions.extend(self.start_birth_wait());
                    (MachineState::Waiting, actions)
                }
            }
            Event::DeathDepHolds(fate) => {
                let cause = record_cause(&fate);
                let last = match last {
                    Some(last) => exit_table::not_restarted(&self.rules, fate, &last),
                    None => exit_table::not_started(&self.rules, fate),
                };
                finish(vec![cause], last)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (MachineState::Inactive(last), signal_while_down(signal)),
            // It is; and when it is not any more, what is there counts.
            Event::Deactivated | Event::Reconfigured => (MachineState::Inactive(last), Vec::new()),
            // There is no command now.
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::NoDescendants => (MachineState::Inactive(last), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::Backoff,
            ) => (MachineState::Inactive(last), Vec::new()),
        }
    }

    /// Nobody is left of the command.
    fn proceed(&self, next: Next) -> MachineStep {
        match next {
            Next::Finish(last) => finish(Vec::new(), last),
            Next::Restart(last, _) | Next::Resume(last) if !self.active => {
                deactivate(disarm_stop(), Some(last))
            }
            Next::Restart(last, delay) => back_off(last, delay),
            Next::Resume(last) => {
                let mut actions = disarm_stop();
                actions.push(Action::Record(Record::Down));
                start_again(actions, last)
            }
        }
    }

    /// The command is gone; what it left behind comes first.
    pub(super) fn leave_command(&mut self, next: Next, left: Remaining, run: &Run) -> MachineStep {
        if left == Remaining::Nothing || !self.rules.wait_descendants {
            return self.proceed(next);
        }
        let signal = self.rules.stop_signal;
        let mut actions = disarm_run();
        actions.extend([
            Action::Record(Record::Down),
            Action::Report(Report::Draining(signal)),
            Action::SignalDescendants(signal),
            Action::Arm(Timer::GracePeriod, self.rules.grace_period),
            Action::Arm(Timer::OrphanScan, ORPHAN_SCAN),
        ]);
        let pace = if run.stop_requested {
            Pace::Warned
        } else {
            Pace::Gentle
        };
        (MachineState::Draining(Draining { next, pace }), actions)
    }
}

fn kill_descendants(next: Next) -> MachineStep {
    let actions = vec![
        Action::Disarm(Timer::GracePeriod),
        Action::Report(Report::KillingDescendants),
        Action::SignalDescendants(Signal::KILL),
    ];
    let pace = Pace::Killed;
    (MachineState::Draining(Draining { next, pace }), actions)
}

/// Somebody outside wants an end: the first word puts one to restarts, the second to all patience.
fn expedite(draining: Draining, signal: Signal) -> MachineStep {
    let next = match draining.next {
        Next::Restart(..) | Next::Resume(_) => Next::Finish(exit_table::interrupted(signal)),
        Next::Finish(last) => Next::Finish(last),
    };
    match draining.pace {
        Pace::Gentle => {
            let pace = Pace::Warned;
            let told = vec![Action::Report(Report::StillDraining)];
            (MachineState::Draining(Draining { next, pace }), told)
        }
        Pace::Warned => kill_descendants(next),
        Pace::Killed => (
            MachineState::Draining(Draining { next, ..draining }),
            Vec::new(),
        ),
    }
}

/// What a signal does that does not end us while there is no command to send it to.
fn signal_while_down(signal: Signal) -> Vec<Action> {
    match signal {
        Signal::TSTP => vec![Action::Pause(signal)],
        _ => vec![Action::Report(Report::Dropped(signal))],
    }
}
