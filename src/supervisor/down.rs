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
use super::state::{Draining, Next, Pace, Run, StartAttempt, State};
use super::steps::{
    MachineStep, back_off, cause, deactivate, disarm_run, disarm_stop, finish, start_again,
};
use super::timer::Timer;
use crate::duration::Limit;
use crate::exit::Remaining;
use crate::signal::Signal;
use std::time::Duration;

/// Orphans are handed to us without a word, so those that come late are looked for this often.
const PASS: Limit = Limit::After(Duration::from_millis(100));

impl Machine {
    /// Nothing but the answer comes here: whoever drives the machine waits for it.
    pub(super) fn starting(&mut self, attempt: StartAttempt, event: Event) -> MachineStep {
        match event {
            Event::Started => {
                let run = Action::Arm(Timer::Run, self.rules.run_timeout);
                let mut actions = vec![run];
                match attempt {
                    StartAttempt::First => actions.push(Action::Record(Record::Born {
                        ready: self.rules.ready_on_start,
                    })),
                    StartAttempt::Again => {
                        if self.rules.restart != Restart::Never {
                            actions.push(Action::Arm(Timer::Steady, STEADY));
                        }
                        if self.rules.ready_on_start {
                            actions.push(Action::Record(Record::Ready));
                        }
                    }
                }
                (State::Running(Run::default()), actions)
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
            | Event::Expired(_) => (State::Starting(attempt), Vec::new()),
        }
    }

    pub(super) fn waiting(&mut self, event: Event) -> MachineStep {
        match event {
            Event::BirthDepsHold => (
                State::Starting(StartAttempt::First),
                vec![
                    Action::Disarm(Timer::Birth),
                    Action::Disarm(Timer::Notice),
                    Action::Start,
                ],
            ),
            Event::Deactivated => {
                let mut actions = vec![Action::Disarm(Timer::Birth), Action::Disarm(Timer::Notice)];
                actions.extend(self.tell_activity());
                deactivate(actions, None)
            }
            Event::DeathDepHolds(fate) => {
                let cause = cause(&fate);
                finish(vec![cause], exit_table::not_started(&self.rules, fate))
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (State::Waiting, while_down(signal)),
            Event::Expired(Timer::Birth) => finish(Vec::new(), exit_table::birth_timeout()),
            Event::Expired(Timer::Notice) => (
                State::Waiting,
                vec![
                    Action::Report(Report::StillWaiting),
                    Action::Arm(Timer::Notice, NEXT_NOTICE),
                ],
            ),
            // It is; and what is there counts when it is to be started.
            Event::Activated | Event::Reconfigured => (State::Waiting, Vec::new()),
            // There is no command yet.
            Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::NoDescendants => (State::Waiting, Vec::new()),
            // Timers of a command.
            Event::Expired(
                Timer::Run
                | Timer::Steady
                | Timer::Delay
                | Timer::Grace
                | Timer::Pass
                | Timer::Backoff,
            ) => (State::Waiting, Vec::new()),
        }
    }

    pub(super) fn clearing(&mut self, clearing: Draining, event: Event) -> MachineStep {
        match event {
            Event::NoDescendants => self.enter(clearing.next),
            Event::Expired(Timer::Grace) => kill_descendants(clearing.next),
            Event::Expired(Timer::Pass) => {
                let signal = match clearing.pace {
                    Pace::Gentle | Pace::Warned => self.rules.stop_signal,
                    Pace::Killed => Signal::KILL,
                };
                let actions = vec![Action::Clear(signal), Action::Arm(Timer::Pass, PASS)];
                (State::Draining(clearing), actions)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => hurry(clearing, signal),
            Event::Signal(signal) => (State::Draining(clearing), while_down(signal)),
            Event::DeathDepHolds(fate) => match clearing.next {
                Next::Restart(last, _) | Next::Resume(last) => {
                    let cause = cause(&fate);
                    let last = exit_table::not_restarted(&self.rules, fate, &last);
                    let next = Next::Finish(last);
                    (State::Draining(Draining { next, ..clearing }), vec![cause])
                }
                Next::Finish(last) => {
                    let next = Next::Finish(last);
                    (State::Draining(Draining { next, ..clearing }), Vec::new())
                }
            },
            Event::Activated | Event::Deactivated if clearing.next.is_no_end() => {
                let told = self.tell_activity();
                (State::Draining(clearing), told)
            }
            // What is there counts when nobody is left.
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (State::Draining(clearing), Vec::new())
            }
            // There is no command any more.
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..) => (State::Draining(clearing), Vec::new()),
            Event::Expired(
                Timer::Birth
                | Timer::Notice
                | Timer::Run
                | Timer::Steady
                | Timer::Delay
                | Timer::Backoff,
            ) => (State::Draining(clearing), Vec::new()),
        }
    }

    pub(super) fn backing_off(&mut self, last: FinalStatus, event: Event) -> MachineStep {
        match event {
            Event::Expired(Timer::Backoff) => {
                (State::Starting(StartAttempt::Again), vec![Action::Start])
            }
            Event::DeathDepHolds(fate) => {
                let cause = cause(&fate);
                let last = exit_table::not_restarted(&self.rules, fate, &last);
                finish(vec![cause], last)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (State::BackingOff(last), while_down(signal)),
            Event::Deactivated => {
                let mut actions = vec![Action::Disarm(Timer::Backoff)];
                actions.extend(self.tell_activity());
                deactivate(actions, Some(last))
            }
            // It will be started with what is there then.
            Event::Activated | Event::Reconfigured => (State::BackingOff(last), Vec::new()),
            // There is no command now.
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::NoDescendants => (State::BackingOff(last), Vec::new()),
            Event::Expired(
                Timer::Birth
                | Timer::Notice
                | Timer::Run
                | Timer::Steady
                | Timer::Delay
                | Timer::Grace
                | Timer::Pass,
            ) => (State::BackingOff(last), Vec::new()),
        }
    }

    pub(super) fn inactive(&mut self, last: Option<FinalStatus>, event: Event) -> MachineStep {
        match event {
            Event::Activated => {
                let mut actions = vec![Action::Record(Record::Down)];
                actions.extend(self.tell_activity());
                if let Some(last) = last {
                    start_again(actions, last)
                } else {
                    // For what it has not been waited for, or may not hold any more.
                    actions.extend(self.begin_to_wait());
                    (State::Waiting, actions)
                }
            }
            Event::DeathDepHolds(fate) => {
                let cause = cause(&fate);
                let last = match last {
                    Some(last) => exit_table::not_restarted(&self.rules, fate, &last),
                    None => exit_table::not_started(&self.rules, fate),
                };
                finish(vec![cause], last)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), exit_table::interrupted(signal))
            }
            Event::Signal(signal) => (State::Inactive(last), while_down(signal)),
            // It is; and when it is not any more, what is there counts.
            Event::Deactivated | Event::Reconfigured => (State::Inactive(last), Vec::new()),
            // There is no command now.
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::NoDescendants => (State::Inactive(last), Vec::new()),
            Event::Expired(
                Timer::Birth
                | Timer::Notice
                | Timer::Run
                | Timer::Steady
                | Timer::Delay
                | Timer::Grace
                | Timer::Pass
                | Timer::Backoff,
            ) => (State::Inactive(last), Vec::new()),
        }
    }

    /// Nobody is left of the command.
    fn enter(&self, next: Next) -> MachineStep {
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
    pub(super) fn leave(&mut self, next: Next, left: Remaining, run: &Run) -> MachineStep {
        if left == Remaining::Nothing || !self.rules.wait_descendants {
            return self.enter(next);
        }
        let signal = self.rules.stop_signal;
        let mut actions = disarm_run();
        actions.extend([
            Action::Record(Record::Down),
            Action::Report(Report::Draining(signal)),
            Action::Clear(signal),
            Action::Arm(Timer::Grace, self.rules.grace_period),
            Action::Arm(Timer::Pass, PASS),
        ]);
        let pace = if run.unwanted {
            Pace::Warned
        } else {
            Pace::Gentle
        };
        (State::Draining(Draining { next, pace }), actions)
    }
}

fn kill_descendants(next: Next) -> MachineStep {
    let actions = vec![
        Action::Disarm(Timer::Grace),
        Action::Report(Report::KillingDescendants),
        Action::Clear(Signal::KILL),
    ];
    let pace = Pace::Killed;
    (State::Draining(Draining { next, pace }), actions)
}

/// Somebody outside wants an end: the first word puts one to restarts, the second to all patience.
fn hurry(clearing: Draining, signal: Signal) -> MachineStep {
    let next = match clearing.next {
        Next::Restart(..) | Next::Resume(_) => Next::Finish(exit_table::interrupted(signal)),
        Next::Finish(last) => Next::Finish(last),
    };
    match clearing.pace {
        Pace::Gentle => {
            let pace = Pace::Warned;
            let told = vec![Action::Report(Report::Hurried)];
            (State::Draining(Draining { next, pace }), told)
        }
        Pace::Warned => kill_descendants(next),
        Pace::Killed => (State::Draining(Draining { next, ..clearing }), Vec::new()),
    }
}

/// What a signal does that does not end us while there is no command to send it to.
fn while_down(signal: Signal) -> Vec<Action> {
    match signal {
        Signal::TSTP => vec![Action::Pause(signal)],
        _ => vec![Action::Report(Report::Dropped(signal))],
    }
}
