//! The states of a life, and what each event does in each of them.

use super::{
    Action, Event, Final, Record, Report, Rules, StartFailure, StopReason, Timer, Why, outcome,
};
use crate::tombstone::Reason;
use crate::{Limit, Signal, SignalSet, exit};

/// Where the life stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// The birth dependencies do not hold yet.
    Waiting,
    /// The command is being executed; the next event is the answer.
    Starting,
    /// The command runs.
    Running,
    /// The command was told to stop.
    Stopping(Stop),
    /// The end; nothing happens any more.
    Over,
}

/// A stop under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stop {
    pub(crate) reason: StopReason,
    pub(crate) killed: bool,
}

/// After this long of waiting people are told what for, and then at every [`NEXT_NOTICE`].
const FIRST_NOTICE: Limit = Limit::After(std::time::Duration::from_secs(10));
const NEXT_NOTICE: Limit = Limit::After(std::time::Duration::from_secs(60));

/// The machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    rules: Rules,
    state: State,
    /// What the command was sent, by a stop or passed on from outside.
    sent: SignalSet,
}

impl Machine {
    pub(crate) fn new(rules: Rules) -> Machine {
        Machine {
            rules,
            state: State::Waiting,
            sent: SignalSet::default(),
        }
    }

    /// What to do before the first event.
    pub(crate) fn begin(&self) -> Vec<Action> {
        vec![
            Action::Arm(Timer::Birth, self.rules.birth_timeout),
            Action::Arm(Timer::Notice, FIRST_NOTICE),
        ]
    }

    /// Whether the birth dependencies still matter.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Takes one event and says what to do.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Action> {
        let state = std::mem::replace(&mut self.state, State::Over);
        let (state, actions) = match state {
            State::Waiting => self.waiting(event),
            State::Starting => self.starting(event),
            State::Running => self.running(event),
            State::Stopping(stop) => self.stopping(stop, event),
            State::Over => (State::Over, over(&event)),
        };
        self.state = state;
        actions
    }

    fn waiting(&mut self, event: Event) -> (State, Vec<Action>) {
        match event {
            Event::BirthDepsHold => (
                State::Starting,
                vec![
                    Action::Disarm(Timer::Birth),
                    Action::Disarm(Timer::Notice),
                    Action::Start,
                ],
            ),
            Event::DeathDepHolds(fate) => {
                let cause = Action::Record(Record::Cause(fate.cause.clone()));
                finish_with(vec![cause], outcome::not_started(&self.rules, fate))
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => finish(Final {
                code: signal.exit_status(),
                signal: None,
                reason: Reason::Interrupted,
                why: Why::Interrupted(signal),
            }),
            Event::Signal(signal) => (
                State::Waiting,
                vec![Action::Report(Report::Dropped(signal))],
            ),
            Event::Expired(Timer::Birth) => finish(Final {
                code: exit::TIMED_OUT,
                signal: None,
                reason: Reason::BirthTimeout,
                why: Why::BirthTimeout,
            }),
            Event::Expired(Timer::Notice) => (
                State::Waiting,
                vec![
                    Action::Report(Report::StillWaiting),
                    Action::Arm(Timer::Notice, NEXT_NOTICE),
                ],
            ),
            // There is no command yet.
            Event::Started | Event::StartFailed(_) | Event::Ended(_) => {
                (State::Waiting, Vec::new())
            }
            // Timers of a command.
            Event::Expired(Timer::Run | Timer::Grace) => (State::Waiting, Vec::new()),
        }
    }

    /// Nothing but the answer comes here: whoever drives the machine waits for it.
    fn starting(&mut self, event: Event) -> (State, Vec<Action>) {
        match event {
            Event::Started => {
                let born = Action::Record(Record::Born {
                    ready: self.rules.ready_on_start,
                });
                (
                    State::Running,
                    vec![born, Action::Arm(Timer::Run, self.rules.run_timeout)],
                )
            }
            Event::StartFailed(failure) => finish(Final {
                code: failure.exit_status(),
                signal: None,
                reason: Reason::ExecFailed,
                why: Why::StartFailed(failure),
            }),
            Event::BirthDepsHold
            | Event::DeathDepHolds(_)
            | Event::Signal(_)
            | Event::Ended(_)
            | Event::Expired(_) => (State::Starting, Vec::new()),
        }
    }

    fn running(&mut self, event: Event) -> (State, Vec<Action>) {
        match event {
            Event::DeathDepHolds(fate) => {
                let cause = Action::Record(Record::Cause(fate.cause.clone()));
                self.stop(StopReason::Dependency(fate), vec![cause])
            }
            Event::Expired(Timer::Run) => self.stop(StopReason::Timeout, Vec::new()),
            Event::Signal(signal) => (State::Running, self.forward(signal)),
            Event::Ended(ending) => finish(outcome::by_itself(&self.rules, ending, self.sent)),
            // They held when the command was started, and are not asked again.
            Event::BirthDepsHold => (State::Running, Vec::new()),
            // It runs already.
            Event::Started | Event::StartFailed(_) => (State::Running, Vec::new()),
            // Disarmed, or of a stop that has not begun.
            Event::Expired(Timer::Birth | Timer::Notice | Timer::Grace) => {
                (State::Running, Vec::new())
            }
        }
    }

    fn stopping(&mut self, stop: Stop, event: Event) -> (State, Vec<Action>) {
        match event {
            Event::Signal(signal) => (State::Stopping(stop), self.forward(signal)),
            Event::Expired(Timer::Grace) => {
                self.sent = self.sent.with(Signal::KILL);
                let actions = vec![Action::Report(Report::Killing), Action::Send(Signal::KILL)];
                (
                    State::Stopping(Stop {
                        killed: true,
                        ..stop
                    }),
                    actions,
                )
            }
            Event::Ended(ending) => finish(outcome::stopped(&self.rules, stop, ending)),
            // The first reason for a stop is the one that counts.
            Event::DeathDepHolds(_) | Event::Expired(Timer::Run) => {
                (State::Stopping(stop), Vec::new())
            }
            Event::BirthDepsHold | Event::Started | Event::StartFailed(_) => {
                (State::Stopping(stop), Vec::new())
            }
            Event::Expired(Timer::Birth | Timer::Notice) => (State::Stopping(stop), Vec::new()),
        }
    }

    fn stop(&mut self, reason: StopReason, mut actions: Vec<Action>) -> (State, Vec<Action>) {
        // Many programs take a second one as "drop everything".
        let signal = Some(self.rules.stop_signal).filter(|signal| !self.sent.contains(*signal));
        actions.push(Action::Disarm(Timer::Run));
        actions.push(Action::Report(Report::Stopping(reason.clone(), signal)));
        if let Some(signal) = signal {
            self.sent = self.sent.with(signal);
            actions.push(Action::Send(signal));
        }
        actions.push(Action::Arm(Timer::Grace, self.rules.grace_period));
        (
            State::Stopping(Stop {
                reason,
                killed: false,
            }),
            actions,
        )
    }

    fn forward(&mut self, signal: Signal) -> Vec<Action> {
        let signal = if signal == Signal::TERM {
            self.rules.stop_signal
        } else {
            signal
        };
        self.sent = self.sent.with(signal);
        vec![
            Action::Send(signal),
            Action::Report(Report::Forwarded(signal)),
        ]
    }
}

/// Nothing happens after the end.
fn over(event: &Event) -> Vec<Action> {
    match event {
        Event::BirthDepsHold
        | Event::DeathDepHolds(_)
        | Event::Signal(_)
        | Event::Started
        | Event::StartFailed(_)
        | Event::Ended(_)
        | Event::Expired(Timer::Birth | Timer::Run | Timer::Grace | Timer::Notice) => Vec::new(),
    }
}

fn finish(last: Final) -> (State, Vec<Action>) {
    finish_with(Vec::new(), last)
}

fn finish_with(mut actions: Vec<Action>, last: Final) -> (State, Vec<Action>) {
    actions.push(Action::Finish(last));
    (State::Over, actions)
}

impl StartFailure {
    fn exit_status(self) -> u8 {
        match self {
            StartFailure::NotFound(_) => exit::NOT_FOUND,
            StartFailure::NotExecutable(_) => exit::NOT_EXECUTABLE,
            StartFailure::Own(_) => exit::FAILURE,
        }
    }
}
