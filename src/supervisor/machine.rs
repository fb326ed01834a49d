//! The states of a life, and which file says what each event does in them: a command runs
//! (`alive.rs`), or none does (`down.rs`). Here is what lies between them.

use super::down::{self, Draining};
use super::rules::{Retries, STEADY};
use super::running::{Run, Stop};
use super::{Action, Event, FinalStatus, Record, Restart, Rules, Timer, exit_table};
use crate::duration::Limit;
use crate::protocol::death_deps::StopCause;
use crate::signal::Signal;
use std::time::Duration;

/// Where the life stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// The birth dependencies do not hold yet.
    Waiting,
    /// The command is being executed; the next event is the answer.
    Starting(StartAttempt),
    /// The command runs.
    Running(Run),
    /// The command runs, and what it is to get for a TERM from outside is held back.
    Delaying(Run, Signal),
    /// The command was told to stop.
    Stopping(Run, Stop),
    /// The command has ended; what it left behind is being stopped.
    Draining(Draining),
    /// The command is down and will be started again. This would be the end if it were not.
    BackingOff(FinalStatus),
    /// Deactivated: there is no command, and there will be none before it is activated. How it was last.
    Inactive(Option<FinalStatus>),
    /// The end; nothing happens any more.
    Over,
}

/// Whether the command is started for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StartAttempt {
    First,
    Again,
}

/// After this long of waiting people are told what for, and then at every [`NEXT_NOTICE`].
const FIRST_NOTICE: Limit = Limit::After(Duration::from_secs(10));
pub(super) const NEXT_NOTICE: Limit = Limit::After(Duration::from_secs(60));

/// A state, and what is to be done on the way to it.
pub(super) type MachineStep = (State, Vec<Action>);

/// The machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(super) rules: Rules,
    pub(super) state: State,
    pub(super) retries: Retries,
    /// Whether a command may run at all.
    pub(super) active: bool,
}

impl Machine {
    pub(crate) fn new(rules: Rules) -> Machine {
        Machine {
            retries: Retries::new(rules.restart_limit),
            rules,
            state: State::Waiting,
            active: true,
        }
    }

    /// What to do before the first event.
    pub(crate) fn begin(&self) -> Vec<Action> {
        self.begin_to_wait().to_vec()
    }

    pub(super) fn begin_to_wait(&self) -> [Action; 2] {
        [
            Action::Arm(Timer::Birth, self.rules.birth_timeout),
            Action::Arm(Timer::Notice, FIRST_NOTICE),
        ]
    }

    /// Whether the birth dependencies still matter.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// Whether they do, or will.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(self.state, State::Waiting | State::Inactive(None))
    }

    /// What the command gets for a signal that is passed on at once and changes nothing else: the short way
    /// for the one event that can come a hundred thousand times. `None`: it is an event like others.
    pub(crate) fn pass_on_plainly(&mut self, signal: Signal) -> Option<Signal> {
        let (State::Running(run) | State::Stopping(run, _)) = &mut self.state else {
            return None;
        };
        let sent = self.rules.forwarding.plainly(signal)?;
        run.sent = run.sent.with(sent);
        Some(sent)
    }

    /// Takes one event and says what to do.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Action> {
        self.active = event.activity().unwrap_or(self.active);
        let state = std::mem::replace(&mut self.state, State::Over);
        let (state, actions) = match state {
            State::Waiting => self.waiting(event),
            State::Starting(attempt) => self.starting(attempt, event),
            State::Running(run) => self.running(run, event),
            State::Delaying(run, held) => self.delaying(run, held, event),
            State::Stopping(run, stop) => self.stopping(run, stop, event),
            State::Draining(clearing) => self.clearing(clearing, event),
            State::BackingOff(last) => self.backing_off(last, event),
            State::Inactive(last) => self.inactive(last, event),
            State::Over => (State::Over, over(&event)),
        };
        self.state = state;
        actions
    }

    /// Nothing but the answer comes here: whoever drives the machine waits for it.
    fn starting(&mut self, attempt: StartAttempt, event: Event) -> MachineStep {
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
                    Some(delay) => down::back_off(last, delay),
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
}

pub(super) fn cause(fate: &StopCause) -> Action {
    Action::Record(Record::Cause(fate.cause.clone()))
}

/// Nothing happens after the end.
fn over(event: &Event) -> Vec<Action> {
    match event {
        Event::BirthDepsHold
        | Event::DeathDepHolds(_)
        | Event::Signal(_)
        | Event::Started
        | Event::StartFailed(_)
        | Event::Ready
        | Event::Paused(_)
        | Event::Ended(..)
        | Event::NoDescendants
        | Event::Activated
        | Event::Deactivated
        | Event::Reconfigured
        | Event::Expired(
            Timer::Birth
            | Timer::Notice
            | Timer::Run
            | Timer::Steady
            | Timer::Delay
            | Timer::Grace
            | Timer::Pass
            | Timer::Backoff,
        ) => Vec::new(),
    }
}

/// The timers of a command that runs.
pub(super) fn disarm_run() -> Vec<Action> {
    [Timer::Run, Timer::Steady, Timer::Delay]
        .map(Action::Disarm)
        .to_vec()
}

pub(super) fn finish(mut actions: Vec<Action>, last: FinalStatus) -> MachineStep {
    actions.push(Action::Finish(last));
    (State::Over, actions)
}
