//! What each event does while a command runs: it is left alone, about to be told to stop, or told.

use super::action::Action;
use super::event::Event;
use super::exit_table;
use super::machine::Machine;
use super::outcome::StopReason;
use super::record::Record;
use super::report::Report;
use super::rules::{OnConfig, Rules};
use super::state::{MachineState, Next, Run, Stop};
use super::steps::{MachineStep, record_cause};
use super::timer::Timer;
use crate::exit::{ExitStatus, Remaining, TerminalPlace};
use crate::protocol::death_deps::StopCause;
use crate::signal::Signal;

impl Machine {
    pub(super) fn running(&mut self, mut run: Run, event: Event) -> MachineStep {
        match event {
            Event::DeathDepHolds(fate) => self.stop_for(run, fate),
            Event::Expired(Timer::RunTimeout) => self.stop(run, StopReason::RunTimeout, Vec::new()),
            Event::Expired(Timer::SteadyRun) => {
                self.retries.reset_backoff();
                (MachineState::Running(run), Vec::new())
            }
            Event::Signal(signal) => {
                let first_term = signal == Signal::TERM && !run.stop_sent;
                match self.rules.forwarding.sent_for(signal) {
                    Some(held) if first_term && self.rules.delays(signal) => {
                        run.stop_requested = true;
                        let delay = self.rules.stop_delay;
                        let actions = vec![
                            Action::Report(Report::Delaying(held)),
                            Action::Arm(Timer::StopDelay, delay),
                        ];
                        (MachineState::Delaying(run, held), actions)
                    }
                    Some(_) | None => {
                        let actions = self.forward(&mut run, signal);
                        (MachineState::Running(run), actions)
                    }
                }
            }
            Event::Deactivated => self.stop(run, StopReason::Deactivated, Vec::new()),
            Event::Reconfigured => match self.rules.on_config {
                // It is about to end for good, in its own time.
                OnConfig::Restart if run.stop_requested => (MachineState::Running(run), Vec::new()),
                OnConfig::Restart => self.stop(run, StopReason::Reconfigured, Vec::new()),
                OnConfig::Send(signal) => {
                    let actions = run.reload(signal);
                    (MachineState::Running(run), actions)
                }
            },
            // It is.
            Event::Activated => (MachineState::Running(run), Vec::new()),
            Event::Ready => (
                MachineState::Running(run),
                vec![Action::Record(Record::Ready)],
            ),
            Event::Paused(signal) => {
                run.paused = true;
                (MachineState::Running(run), vec![Action::Pause(signal)])
            }
            Event::Ended(ending, left, place) => self.ended(run, ending, left, place),
            // They held when the command was started, and are not asked again.
            Event::BirthDepsHold => (MachineState::Running(run), Vec::new()),
            // It runs already, and is a child itself.
            Event::Started | Event::StartFailed(_) | Event::NoDescendants => {
                (MachineState::Running(run), Vec::new())
            }
            // Disarmed, or of something that has not begun.
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::StopDelay
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::Backoff,
            ) => (MachineState::Running(run), Vec::new()),
        }
    }

    pub(super) fn delaying(&mut self, mut run: Run, held: Signal, event: Event) -> MachineStep {
        match event {
            Event::DeathDepHolds(fate) => self.stop_for(run, fate),
            Event::Expired(Timer::RunTimeout) => self.stop(run, StopReason::RunTimeout, Vec::new()),
            Event::Expired(Timer::SteadyRun) => {
                self.retries.reset_backoff();
                (MachineState::Delaying(run, held), Vec::new())
            }
            Event::Expired(Timer::StopDelay) => {
                let actions = run.send(held, Signal::TERM, &self.rules);
                (MachineState::Running(run), actions)
            }
            Event::Signal(Signal::TERM) => {
                let mut actions = vec![Action::Disarm(Timer::StopDelay)];
                actions.extend(run.send(held, Signal::TERM, &self.rules));
                (MachineState::Running(run), actions)
            }
            Event::Signal(signal) if self.ends_delay(signal, held) => {
                let mut actions = vec![Action::Disarm(Timer::StopDelay)];
                // A second one means "drop everything" to many programs.
                if self.rules.forwarding.sent_for(signal) != Some(held) {
                    actions.extend(run.send(held, Signal::TERM, &self.rules));
                }
                actions.extend(self.forward(&mut run, signal));
                run.stop_sent = true;
                (MachineState::Running(run), actions)
            }
            Event::Signal(signal) => {
                let actions = self.forward(&mut run, signal);
                (MachineState::Delaying(run, held), actions)
            }
            Event::Deactivated => self.stop(run, StopReason::Deactivated, Vec::new()),
            Event::Reconfigured => match self.rules.on_config {
                // As above.
                OnConfig::Restart => (MachineState::Delaying(run, held), Vec::new()),
                OnConfig::Send(signal) => {
                    let actions = run.reload(signal);
                    (MachineState::Delaying(run, held), actions)
                }
            },
            Event::Activated => (MachineState::Delaying(run, held), Vec::new()),
            Event::Ready => (
                MachineState::Delaying(run, held),
                vec![Action::Record(Record::Ready)],
            ),
            Event::Paused(signal) => {
                run.paused = true;
                (
                    MachineState::Delaying(run, held),
                    vec![Action::Pause(signal)],
                )
            }
            Event::Ended(ending, left, place) => self.ended(run, ending, left, place),
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::NoDescendants => (MachineState::Delaying(run, held), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::Backoff,
            ) => (MachineState::Delaying(run, held), Vec::new()),
        }
    }

    pub(super) fn stopping(&mut self, mut run: Run, stop: Stop, event: Event) -> MachineStep {
        match event {
            Event::Signal(signal) => {
                let actions = self.forward(&mut run, signal);
                (MachineState::Stopping(run, stop), actions)
            }
            Event::Expired(Timer::GracePeriod) => {
                run.sent = run.sent.with(Signal::KILL);
                let actions = vec![Action::Report(Report::Killing), Action::Send(Signal::KILL)];
                let killed = Stop {
                    killed: true,
                    ..stop
                };
                (MachineState::Stopping(run, killed), actions)
            }
            // A command that reads the terminal from the background would be stopped again at once.
            Event::Paused(Signal::TTIN | Signal::TTOU) => {
                (MachineState::Stopping(run, stop), Vec::new())
            }
            // What has been sent waits for it to go on.
            Event::Paused(_) => (
                MachineState::Stopping(run, stop),
                vec![Action::Send(Signal::CONT)],
            ),
            Event::Ended(ending, left, place) => {
                run.stop_requested |= run.is_ended_by_key(ending, place);
                let resumes = stop.reason.is_temporary() && !run.stop_requested;
                let last = exit_table::stopped(&self.rules, stop, ending, run.sent);
                let next = if resumes {
                    Next::Resume(last)
                } else {
                    Next::Finish(last)
                };
                self.leave_command(next, left, &run)
            }
            Event::DeathDepHolds(fate) if stop.reason.is_temporary() => {
                let reason = StopReason::Dependency(fate.clone());
                let actions = vec![
                    record_cause(&fate),
                    Action::Report(Report::Stopping(reason.clone(), None)),
                ];
                (
                    MachineState::Stopping(run, Stop { reason, ..stop }),
                    actions,
                )
            }
            // Nobody is to begin on something that is going down.
            Event::Ready => (MachineState::Stopping(run, stop), Vec::new()),
            // The first reason for a stop is the one that counts.
            Event::DeathDepHolds(_) | Event::Expired(Timer::RunTimeout) => {
                (MachineState::Stopping(run, stop), Vec::new())
            }
            // What is there counts when it has ended.
            Event::Activated | Event::Deactivated if stop.reason.is_temporary() => {
                let told = self.report_activity();
                (MachineState::Stopping(run, stop), told)
            }
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (MachineState::Stopping(run, stop), Vec::new())
            }
            Event::BirthDepsHold
            | Event::Started
            | Event::StartFailed(_)
            | Event::NoDescendants => (MachineState::Stopping(run, stop), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::OrphanScan
                | Timer::Backoff,
            ) => (MachineState::Stopping(run, stop), Vec::new()),
        }
    }

    /// Another stop, or the same word for another reason.
    fn ends_delay(&self, signal: Signal, held: Signal) -> bool {
        self.rules.is_stop_request(signal) || self.rules.forwarding.sent_for(signal) == Some(held)
    }

    fn stop_for(&mut self, run: Run, fate: StopCause) -> MachineStep {
        let cause = record_cause(&fate);
        self.stop(run, StopReason::Dependency(fate), vec![cause])
    }

    fn stop(&mut self, mut run: Run, reason: StopReason, mut actions: Vec<Action>) -> MachineStep {
        // Many programs take a second one as "drop everything".
        let signal = Some(self.rules.stop_signal).filter(|_| !run.stop_sent);
        actions.push(Action::Disarm(Timer::RunTimeout));
        actions.push(Action::Disarm(Timer::StopDelay));
        actions.push(Action::Report(Report::Stopping(reason.clone(), signal)));
        if let Some(signal) = signal {
            run.sent = run.sent.with(signal);
            run.stop_sent = true;
            actions.push(Action::Send(signal));
        }
        if run.paused {
            actions.push(Action::Send(Signal::CONT));
        }
        actions.push(Action::Arm(Timer::GracePeriod, self.rules.grace_period));
        let stop = Stop {
            reason,
            killed: false,
        };
        (MachineState::Stopping(run, stop), actions)
    }

    /// Passes on a signal from outside.
    fn forward(&self, run: &mut Run, signal: Signal) -> Vec<Action> {
        run.stop_requested |= self.rules.is_stop_request(signal);
        match self.rules.forwarding.sent_for(signal) {
            Some(sent) => run.send(sent, signal, &self.rules),
            None => vec![Action::Report(Report::Dropped(signal))],
        }
    }

    /// The command has ended without being told to by us.
    fn ended(
        &mut self,
        mut run: Run,
        ending: ExitStatus,
        left: Remaining,
        place: TerminalPlace,
    ) -> MachineStep {
        let last = exit_table::command_ended(&self.rules, ending, run.sent);
        run.stop_requested |= run.is_ended_by_key(ending, place);
        let restarts = self.rules.restarts_after(last.code) && !run.stop_requested;
        let delay = if restarts { self.retries.take() } else { None };
        let next = match delay {
            Some(delay) => Next::Restart(last, delay),
            None => Next::Finish(last),
        };
        self.leave_command(next, left, &run)
    }
}

impl Run {
    /// `^C` and `^\` go to the command and not through us.
    fn is_ended_by_key(&self, ending: ExitStatus, place: TerminalPlace) -> bool {
        let keys = [Signal::INT, Signal::QUIT];
        let signal = ending.signal().filter(|signal| keys.contains(signal));
        let unsent = signal.is_some_and(|signal| !self.sent.contains(signal));
        place == TerminalPlace::Foreground && unsent
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
        self.stop_sent |= arrived == Signal::TERM || signal == rules.stop_signal;
        self.paused &= signal != Signal::CONT;
        vec![
            Action::Send(signal),
            Action::Report(Report::Forwarded(signal)),
        ]
    }
}
