//! The states of a life, and what each event does in each of them.

use super::rules::{OnConfig, Retries, STEADY};
use super::{
    Action, Ending, Event, Final, Left, Place, Record, Report, Rules, StopReason, Timer, outcome,
};
use crate::dependencies::Fate;
use crate::{Limit, Signal, SignalSet};
use std::time::Duration;

/// Where the life stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// The birth dependencies do not hold yet.
    Waiting,
    /// The command is being executed; the next event is the answer.
    Starting(Attempt),
    /// The command runs.
    Running(Run),
    /// The command runs, and what it is to get for a TERM from outside is held back.
    Delaying(Run, Signal),
    /// The command was told to stop.
    Stopping(Run, Stop),
    /// The command has ended; what it left behind is being stopped.
    Clearing(Clearing),
    /// The command is down and will be started again. This would be the end if it were not.
    BackingOff(Final),
    /// Deactivated: there is no command, and there will be none before it is activated. How it was last.
    Inactive(Option<Final>),
    /// The end; nothing happens any more.
    Over,
}

/// Whether the command is started for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Attempt {
    First,
    Again,
}

/// A command that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Run {
    /// What it was sent, by a stop or passed on from outside.
    sent: SignalSet,
    /// It got the stop signal, or what stands for a TERM from outside.
    asked: bool,
    /// Somebody outside wants it to stop for good, whatever it was sent for that.
    unwanted: bool,
    /// It was last seen stopped, as by `^Z`.
    paused: bool,
}

/// A stop under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stop {
    pub(super) reason: StopReason,
    pub(super) killed: bool,
}

/// The stop of what a command left behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Clearing {
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
enum Next {
    Finish(Final),
    Restart(Final, Limit),
    /// It was stopped so that it can be started again, which it is at once, unless it was deactivated.
    Resume(Final),
}

/// After this long of waiting people are told what for, and then at every [`NEXT_NOTICE`].
const FIRST_NOTICE: Limit = Limit::After(Duration::from_secs(10));
const NEXT_NOTICE: Limit = Limit::After(Duration::from_secs(60));
/// Orphans are handed to us without a word, so those that come late are looked for this often.
const PASS: Limit = Limit::After(Duration::from_millis(100));

/// A state, and what is to be done on the way to it.
type Step = (State, Vec<Action>);

/// The machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    rules: Rules,
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

    fn begin_to_wait(&self) -> [Action; 2] {
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
            State::Clearing(clearing) => self.clearing(clearing, event),
            State::BackingOff(last) => self.backing_off(last, event),
            State::Inactive(last) => self.inactive(last, event),
            State::Over => (State::Over, over(&event)),
        };
        self.state = state;
        actions
    }

    fn waiting(&mut self, event: Event) -> Step {
        match event {
            Event::BirthDepsHold => {
                let mut actions = vec![Action::Disarm(Timer::Birth), Action::Disarm(Timer::Notice)];
                if self.active {
                    actions.push(Action::Start);
                    (State::Starting(Attempt::First), actions)
                } else {
                    actions.extend(self.tell_activity());
                    deactivate(actions, None)
                }
            }
            Event::DeathDepHolds(fate) => {
                let cause = cause(&fate);
                finish(vec![cause], outcome::not_started(&self.rules, fate))
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), outcome::interrupted(signal))
            }
            Event::Signal(signal) => (State::Waiting, while_down(signal)),
            Event::Expired(Timer::Birth) => finish(Vec::new(), outcome::birth_timeout()),
            Event::Expired(Timer::Notice) => (
                State::Waiting,
                vec![
                    Action::Report(Report::StillWaiting),
                    Action::Arm(Timer::Notice, NEXT_NOTICE),
                ],
            ),
            // What is there counts when it is to be started.
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (State::Waiting, Vec::new())
            }
            // There is no command yet.
            Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::Alone => (State::Waiting, Vec::new()),
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

    /// Nothing but the answer comes here: whoever drives the machine waits for it.
    fn starting(&mut self, attempt: Attempt, event: Event) -> Step {
        match event {
            Event::Started => {
                let run = Action::Arm(Timer::Run, self.rules.run_timeout);
                let mut actions = vec![run];
                match attempt {
                    Attempt::First => actions.push(Action::Record(Record::Born {
                        ready: self.rules.ready_on_start,
                    })),
                    Attempt::Again => {
                        actions.push(Action::Arm(Timer::Steady, STEADY));
                        if self.rules.ready_on_start {
                            actions.push(Action::Record(Record::Ready));
                        }
                    }
                }
                (State::Running(Run::default()), actions)
            }
            Event::StartFailed(failure) => {
                let last = outcome::start_failed(failure);
                // What could be executed once will be again, when whoever replaces it has finished.
                let delay = match attempt {
                    Attempt::Again if self.rules.restarts_after(last.code) => self.retries.take(),
                    Attempt::First | Attempt::Again => None,
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
            | Event::Alone
            | Event::Activated
            | Event::Deactivated
            | Event::Reconfigured
            | Event::Expired(_) => (State::Starting(attempt), Vec::new()),
        }
    }

    fn running(&mut self, mut run: Run, event: Event) -> Step {
        match event {
            Event::DeathDepHolds(fate) => self.stop_for(run, fate),
            Event::Expired(Timer::Run) => self.stop(run, StopReason::Timeout, Vec::new()),
            Event::Expired(Timer::Steady) => {
                self.retries.forgive();
                (State::Running(run), Vec::new())
            }
            Event::Signal(signal) => {
                let first_term = signal == Signal::TERM && !run.asked;
                match self.rules.forwarding.of(signal) {
                    Some(held) if first_term && self.rules.delays(signal) => {
                        run.unwanted = true;
                        let delay = self.rules.stop_delay;
                        let actions = vec![
                            Action::Report(Report::Delaying(held)),
                            Action::Arm(Timer::Delay, delay),
                        ];
                        (State::Delaying(run, held), actions)
                    }
                    Some(_) | None => {
                        let actions = self.pass_on(&mut run, signal);
                        (State::Running(run), actions)
                    }
                }
            }
            Event::Deactivated => self.stop(run, StopReason::Deactivated, Vec::new()),
            Event::Reconfigured => match self.rules.on_config {
                // It is about to end for good, in its own time.
                OnConfig::Restart if run.unwanted => (State::Running(run), Vec::new()),
                OnConfig::Restart => self.stop(run, StopReason::Reconfigured, Vec::new()),
                OnConfig::Send(signal) => {
                    let actions = run.reload(signal);
                    (State::Running(run), actions)
                }
            },
            // It is.
            Event::Activated => (State::Running(run), Vec::new()),
            Event::Ready => (State::Running(run), vec![Action::Record(Record::Ready)]),
            Event::Paused(signal) => {
                run.paused = true;
                (State::Running(run), vec![Action::Pause(signal)])
            }
            Event::Ended(ending, left, place) => self.ended(run, ending, left, place),
            // They held when the command was started, and are not asked again.
            Event::BirthDepsHold => (State::Running(run), Vec::new()),
            // It runs already, and is a child itself.
            Event::Started | Event::StartFailed(_) | Event::Alone => {
                (State::Running(run), Vec::new())
            }
            // Disarmed, or of something that has not begun.
            Event::Expired(
                Timer::Birth
                | Timer::Notice
                | Timer::Delay
                | Timer::Grace
                | Timer::Pass
                | Timer::Backoff,
            ) => (State::Running(run), Vec::new()),
        }
    }

    fn delaying(&mut self, mut run: Run, held: Signal, event: Event) -> Step {
        match event {
            Event::DeathDepHolds(fate) => self.stop_for(run, fate),
            Event::Expired(Timer::Run) => self.stop(run, StopReason::Timeout, Vec::new()),
            Event::Expired(Timer::Steady) => {
                self.retries.forgive();
                (State::Delaying(run, held), Vec::new())
            }
            Event::Expired(Timer::Delay) => {
                let actions = run.send(held, Signal::TERM, &self.rules);
                (State::Running(run), actions)
            }
            Event::Signal(Signal::TERM) => {
                let mut actions = vec![Action::Disarm(Timer::Delay)];
                actions.extend(run.send(held, Signal::TERM, &self.rules));
                (State::Running(run), actions)
            }
            Event::Signal(signal) if self.ends_delay(signal, held) => {
                let mut actions = vec![Action::Disarm(Timer::Delay)];
                // A second one means "drop everything" to many programs.
                if self.rules.forwarding.of(signal) != Some(held) {
                    actions.extend(run.send(held, Signal::TERM, &self.rules));
                }
                actions.extend(self.pass_on(&mut run, signal));
                run.asked = true;
                (State::Running(run), actions)
            }
            Event::Signal(signal) => {
                let actions = self.pass_on(&mut run, signal);
                (State::Delaying(run, held), actions)
            }
            Event::Deactivated => self.stop(run, StopReason::Deactivated, Vec::new()),
            Event::Reconfigured => match self.rules.on_config {
                // As above.
                OnConfig::Restart => (State::Delaying(run, held), Vec::new()),
                OnConfig::Send(signal) => {
                    let actions = run.reload(signal);
                    (State::Delaying(run, held), actions)
                }
            },
            Event::Activated => (State::Delaying(run, held), Vec::new()),
            Event::Ready => (
                State::Delaying(run, held),
                vec![Action::Record(Record::Ready)],
            ),
            Event::Paused(signal) => {
                run.paused = true;
                (State::Delaying(run, held), vec![Action::Pause(signal)])
            }
            Event::Ended(ending, left, place) => self.ended(run, ending, left, place),
            Event::BirthDepsHold | Event::Started | Event::StartFailed(_) | Event::Alone => {
                (State::Delaying(run, held), Vec::new())
            }
            Event::Expired(
                Timer::Birth | Timer::Notice | Timer::Grace | Timer::Pass | Timer::Backoff,
            ) => (State::Delaying(run, held), Vec::new()),
        }
    }

    fn stopping(&mut self, mut run: Run, stop: Stop, event: Event) -> Step {
        match event {
            Event::Signal(signal) => {
                let actions = self.pass_on(&mut run, signal);
                (State::Stopping(run, stop), actions)
            }
            Event::Expired(Timer::Grace) => {
                run.sent = run.sent.with(Signal::KILL);
                let actions = vec![Action::Report(Report::Killing), Action::Send(Signal::KILL)];
                let killed = Stop {
                    killed: true,
                    ..stop
                };
                (State::Stopping(run, killed), actions)
            }
            // A command that reads the terminal from the background would be stopped again at once.
            Event::Paused(Signal::TTIN | Signal::TTOU) => (State::Stopping(run, stop), Vec::new()),
            // What has been sent waits for it to go on.
            Event::Paused(_) => (State::Stopping(run, stop), vec![Action::Send(Signal::CONT)]),
            Event::Ended(ending, left, place) => {
                run.unwanted |= run.is_ended_by_key(ending, place);
                let resumes = stop.reason.is_for_a_while() && !run.unwanted;
                let last = outcome::stopped(&self.rules, stop, ending, run.sent);
                let next = if resumes {
                    Next::Resume(last)
                } else {
                    Next::Finish(last)
                };
                self.leave(next, left, &run)
            }
            Event::DeathDepHolds(fate) if stop.reason.is_for_a_while() => {
                let reason = StopReason::Dependency(fate.clone());
                let actions = vec![
                    cause(&fate),
                    Action::Report(Report::Stopping(reason.clone(), None)),
                ];
                (State::Stopping(run, Stop { reason, ..stop }), actions)
            }
            // Nobody is to begin on something that is going down.
            Event::Ready => (State::Stopping(run, stop), Vec::new()),
            // The first reason for a stop is the one that counts.
            Event::DeathDepHolds(_) | Event::Expired(Timer::Run) => {
                (State::Stopping(run, stop), Vec::new())
            }
            // What is there counts when it has ended.
            Event::Activated | Event::Deactivated if stop.reason.is_for_a_while() => {
                let told = self.tell_activity();
                (State::Stopping(run, stop), told)
            }
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (State::Stopping(run, stop), Vec::new())
            }
            Event::BirthDepsHold | Event::Started | Event::StartFailed(_) | Event::Alone => {
                (State::Stopping(run, stop), Vec::new())
            }
            Event::Expired(
                Timer::Birth
                | Timer::Notice
                | Timer::Steady
                | Timer::Delay
                | Timer::Pass
                | Timer::Backoff,
            ) => (State::Stopping(run, stop), Vec::new()),
        }
    }

    fn clearing(&mut self, clearing: Clearing, event: Event) -> Step {
        match event {
            Event::Alone => self.enter(clearing.next),
            Event::Expired(Timer::Grace) => kill_descendants(clearing.next),
            Event::Expired(Timer::Pass) => {
                let signal = match clearing.pace {
                    Pace::Gentle | Pace::Warned => self.rules.stop_signal,
                    Pace::Killed => Signal::KILL,
                };
                let actions = vec![Action::Clear(signal), Action::Arm(Timer::Pass, PASS)];
                (State::Clearing(clearing), actions)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => hurry(clearing, signal),
            Event::Signal(signal) => (State::Clearing(clearing), while_down(signal)),
            Event::DeathDepHolds(fate) => match clearing.next {
                Next::Restart(last, _) | Next::Resume(last) => {
                    let cause = cause(&fate);
                    let last = outcome::not_restarted(&self.rules, fate, &last);
                    let next = Next::Finish(last);
                    (State::Clearing(Clearing { next, ..clearing }), vec![cause])
                }
                Next::Finish(last) => {
                    let next = Next::Finish(last);
                    (State::Clearing(Clearing { next, ..clearing }), Vec::new())
                }
            },
            // What is there counts when nobody is left.
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (State::Clearing(clearing), Vec::new())
            }
            // There is no command any more.
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..) => (State::Clearing(clearing), Vec::new()),
            Event::Expired(
                Timer::Birth
                | Timer::Notice
                | Timer::Run
                | Timer::Steady
                | Timer::Delay
                | Timer::Backoff,
            ) => (State::Clearing(clearing), Vec::new()),
        }
    }

    fn backing_off(&mut self, last: Final, event: Event) -> Step {
        match event {
            Event::Expired(Timer::Backoff) => {
                (State::Starting(Attempt::Again), vec![Action::Start])
            }
            Event::DeathDepHolds(fate) => {
                let cause = cause(&fate);
                let last = outcome::not_restarted(&self.rules, fate, &last);
                finish(vec![cause], last)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), outcome::interrupted(signal))
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
            | Event::Alone => (State::BackingOff(last), Vec::new()),
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

    fn inactive(&mut self, last: Option<Final>, event: Event) -> Step {
        match event {
            Event::Activated => {
                let mut actions = vec![Action::Record(Record::Down)];
                actions.extend(self.tell_activity());
                if last.is_some() {
                    actions.push(Action::Start);
                    (State::Starting(Attempt::Again), actions)
                } else {
                    // What held when it was deactivated may not hold any more.
                    actions.extend(self.begin_to_wait());
                    (State::Waiting, actions)
                }
            }
            Event::DeathDepHolds(fate) => {
                let cause = cause(&fate);
                let last = match last {
                    Some(last) => outcome::not_restarted(&self.rules, fate, &last),
                    None => outcome::not_started(&self.rules, fate),
                };
                finish(vec![cause], last)
            }
            Event::Signal(signal) if self.rules.ends_wait(signal) => {
                finish(Vec::new(), outcome::interrupted(signal))
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
            | Event::Alone => (State::Inactive(last), Vec::new()),
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

    /// Another stop, or the same word for another reason.
    fn ends_delay(&self, signal: Signal, held: Signal) -> bool {
        self.rules.is_stop(signal) || self.rules.forwarding.of(signal) == Some(held)
    }

    fn stop_for(&mut self, run: Run, fate: Fate) -> Step {
        let cause = cause(&fate);
        self.stop(run, StopReason::Dependency(fate), vec![cause])
    }

    fn stop(&mut self, mut run: Run, reason: StopReason, mut actions: Vec<Action>) -> Step {
        // Many programs take a second one as "drop everything".
        let signal = Some(self.rules.stop_signal).filter(|_| !run.asked);
        actions.push(Action::Disarm(Timer::Run));
        actions.push(Action::Disarm(Timer::Delay));
        actions.push(Action::Report(Report::Stopping(reason.clone(), signal)));
        if let Some(signal) = signal {
            run.sent = run.sent.with(signal);
            run.asked = true;
            actions.push(Action::Send(signal));
        }
        if run.paused {
            actions.push(Action::Send(Signal::CONT));
        }
        actions.push(Action::Arm(Timer::Grace, self.rules.grace_period));
        let stop = Stop {
            reason,
            killed: false,
        };
        (State::Stopping(run, stop), actions)
    }

    /// Nobody is left of the command.
    fn enter(&self, next: Next) -> Step {
        match next {
            Next::Finish(last) => finish(Vec::new(), last),
            Next::Restart(last, _) | Next::Resume(last) if !self.active => {
                deactivate(disarm_stop(), Some(last))
            }
            Next::Restart(last, delay) => back_off(last, delay),
            Next::Resume(_) => {
                let mut actions = disarm_stop();
                actions.extend([Action::Record(Record::Down), Action::Start]);
                (State::Starting(Attempt::Again), actions)
            }
        }
    }

    /// Tells people whether a command that does not run may.
    fn tell_activity(&self) -> Vec<Action> {
        let report = if self.active {
            Report::Activated
        } else {
            Report::Inactive
        };
        vec![Action::Report(report)]
    }

    /// Passes on a signal from outside.
    fn pass_on(&self, run: &mut Run, signal: Signal) -> Vec<Action> {
        run.unwanted |= self.rules.is_stop(signal);
        match self.rules.forwarding.of(signal) {
            Some(sent) => run.send(sent, signal, &self.rules),
            None => vec![Action::Report(Report::Dropped(signal))],
        }
    }

    /// The command has ended without being told to by us.
    fn ended(&mut self, mut run: Run, ending: Ending, left: Left, place: Place) -> Step {
        let last = outcome::by_itself(&self.rules, ending, run.sent);
        run.unwanted |= run.is_ended_by_key(ending, place);
        let restarts = self.rules.restarts_after(last.code) && !run.unwanted;
        let delay = if restarts { self.retries.take() } else { None };
        let next = match delay {
            Some(delay) => Next::Restart(last, delay),
            None => Next::Finish(last),
        };
        self.leave(next, left, &run)
    }

    /// The command is gone; what it left behind comes first.
    fn leave(&mut self, next: Next, left: Left, run: &Run) -> Step {
        if left == Left::Nobody || !self.rules.wait_descendants {
            return self.enter(next);
        }
        let signal = self.rules.stop_signal;
        let mut actions = disarm_run();
        actions.extend([
            Action::Record(Record::Down),
            Action::Report(Report::Clearing(signal)),
            Action::Clear(signal),
            Action::Arm(Timer::Grace, self.rules.grace_period),
            Action::Arm(Timer::Pass, PASS),
        ]);
        let pace = if run.unwanted {
            Pace::Warned
        } else {
            Pace::Gentle
        };
        (State::Clearing(Clearing { next, pace }), actions)
    }
}

impl Run {
    /// `^C` and `^\` go to the command and not through us.
    fn is_ended_by_key(&self, ending: Ending, place: Place) -> bool {
        let keys = [Signal::INT, Signal::QUIT];
        let signal = ending.signal().filter(|signal| keys.contains(signal));
        let unsent = signal.is_some_and(|signal| !self.sent.contains(signal));
        place == Place::Foreground && unsent
    }

    /// Tells the command that there is a new configuration.
    fn reload(&mut self, signal: Signal) -> Vec<Action> {
        self.sent = self.sent.with(signal);
        vec![
            Action::Report(Report::Reloading(signal)),
            Action::Send(signal),
        ]
    }

    /// Sends the command what it is to get for a signal from outside.
    fn send(&mut self, signal: Signal, arrived: Signal, rules: &Rules) -> Vec<Action> {
        self.sent = self.sent.with(signal);
        self.asked |= arrived == Signal::TERM || signal == rules.stop_signal;
        self.paused &= signal != Signal::CONT;
        vec![
            Action::Send(signal),
            Action::Report(Report::Forwarded(signal)),
        ]
    }
}

fn cause(fate: &Fate) -> Action {
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
        | Event::Alone
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

fn kill_descendants(next: Next) -> Step {
    let actions = vec![
        Action::Disarm(Timer::Grace),
        Action::Report(Report::KillingDescendants),
        Action::Clear(Signal::KILL),
    ];
    let pace = Pace::Killed;
    (State::Clearing(Clearing { next, pace }), actions)
}

/// Somebody outside wants an end: the first word puts one to restarts, the second to all patience.
fn hurry(clearing: Clearing, signal: Signal) -> Step {
    let next = match clearing.next {
        Next::Restart(..) | Next::Resume(_) => Next::Finish(outcome::interrupted(signal)),
        Next::Finish(last) => Next::Finish(last),
    };
    match clearing.pace {
        Pace::Gentle => {
            let pace = Pace::Warned;
            let told = vec![Action::Report(Report::Hurried)];
            (State::Clearing(Clearing { next, pace }), told)
        }
        Pace::Warned => kill_descendants(next),
        Pace::Killed => (State::Clearing(Clearing { next, ..clearing }), Vec::new()),
    }
}

/// What a signal does that does not end us while there is no command to send it to.
fn while_down(signal: Signal) -> Vec<Action> {
    match signal {
        Signal::TSTP => vec![Action::Pause(signal)],
        _ => vec![Action::Report(Report::Dropped(signal))],
    }
}

fn back_off(last: Final, delay: Limit) -> Step {
    let mut actions = disarm_stop();
    actions.extend([
        Action::Record(Record::Down),
        Action::Report(Report::Restarting(last.clone(), delay)),
        Action::Arm(Timer::Backoff, delay),
    ]);
    (State::BackingOff(last), actions)
}

/// The timers of a command that runs.
fn disarm_run() -> Vec<Action> {
    [Timer::Run, Timer::Steady, Timer::Delay]
        .map(Action::Disarm)
        .to_vec()
}

/// The same, and those of its stop.
fn disarm_stop() -> Vec<Action> {
    let mut actions = disarm_run();
    actions.extend([Timer::Grace, Timer::Pass].map(Action::Disarm));
    actions
}

/// There will be no command before it is activated.
fn deactivate(mut actions: Vec<Action>, last: Option<Final>) -> Step {
    actions.push(Action::Record(Record::Inactive));
    (State::Inactive(last), actions)
}

fn finish(mut actions: Vec<Action>, last: Final) -> Step {
    actions.push(Action::Finish(last));
    (State::Over, actions)
}
