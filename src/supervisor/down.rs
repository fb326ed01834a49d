//! What each event does while no command runs: it was not started yet, has ended and what it left behind is
//! being stopped, will be started again, or must not run.

use super::machine::{
    Machine, MachineStep, NEXT_NOTICE, StartAttempt, State, cause, disarm_run, finish,
};
use super::running::Run;
use super::{Action, Event, FinalStatus, Record, Report, Timer, exit_table};
use crate::duration::Limit;
use crate::exit::Remaining;
use crate::signal::Signal;
use std::time::Duration;

/// Orphans are handed to us without a word, so those that come late are looked for this often.
const PASS: Limit = Limit::After(Duration::from_millis(100));

/// The stop of what a command left behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Draining {
    next: Next,
    pace: Pace,
}

/// How much patience there is with what a command left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pace {
    /// It has its grace period.
    Gentle,
    /// The same, and somebody outside wants an end: the next word from there is the last.
    Warned,
    Killed,
}

/// What comes after a command that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Next {
    Finish(FinalStatus),
    Restart(FinalStatus, Limit),
    /// It was stopped so that it can be started again, which it is at once, unless it was deactivated.
    Resume(FinalStatus),
}

impl Next {
    /// Whether the life goes on.
    fn is_no_end(&self) -> bool {
        match self {
            Next::Finish(_) => false,
            Next::Restart(..) | Next::Resume(_) => true,
        }
    }
}

impl Machine {
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

    /// Tells people whether a command that does not run may.
    pub(super) fn tell_activity(&self) -> Vec<Action> {
        let report = if self.active {
            Report::Activated
        } else {
            Report::Inactive
        };
        vec![Action::Report(report)]
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

pub(super) fn back_off(last: FinalStatus, delay: Limit) -> MachineStep {
    let mut actions = disarm_stop();
    actions.extend([
        Action::Record(Record::Down),
        Action::Report(Report::Restarting(last.clone(), delay)),
        Action::Arm(Timer::Backoff, delay),
    ]);
    (State::BackingOff(last), actions)
}

/// A back-off of no time: whoever drives the machine looks at everything before it is over.
fn start_again(mut actions: Vec<Action>, last: FinalStatus) -> MachineStep {
    actions.push(Action::Arm(Timer::Backoff, Limit::After(Duration::ZERO)));
    (State::BackingOff(last), actions)
}

/// The same, and those of its stop.
fn disarm_stop() -> Vec<Action> {
    let mut actions = disarm_run();
    actions.extend([Timer::Grace, Timer::Pass].map(Action::Disarm));
    actions
}

/// There will be no command before it is activated.
fn deactivate(mut actions: Vec<Action>, last: Option<FinalStatus>) -> MachineStep {
    actions.push(Action::Record(Record::Inactive));
    (State::Inactive(last), actions)
}
