//! What each event does while a command runs: normally, while a received TERM is held back, and
//! while exitdir-run stops the command.

use super::action::Action;
use super::event::Event;
use super::exit_table;
use super::machine::Machine;
use super::outcome::StopReason;
use super::record::Record;
use super::report::Report;
use super::rules::{OnConfig, Rules};
use super::state::{MachineState, Next, Run, Stop};
use super::steps::{MachineStep, disarm_unseen, record_cause};
use super::timer::Timer;
use crate::exit::{ExitStatus, Remaining, TerminalPlace};
use crate::protocol::death_deps::StopCause;
use crate::signal::Signal;

impl Machine {
    pub(super) fn running(&mut self, mut run: Run, event: Event) -> MachineStep {
        match event {
            Event::DeathDepHolds(cause) => self.stop_for(run, cause),
            Event::Expired(Timer::RunTimeout) => self.stop(run, StopReason::RunTimeout, Vec::new()),
            Event::Expired(Timer::SteadyRun) => {
                run.steady = true;
                (MachineState::Running(run), Vec::new())
            }
            Event::Expired(Timer::MissingTimeout) => {
                self.stop(run, StopReason::Missing, Vec::new())
            }
            Event::DeathDepsSeen => (MachineState::Running(run), disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => {
                (MachineState::Running(run), self.report_unseen())
            }
            Event::Signal(signal) => self.signal_while_running(run, signal),
            Event::Deactivated => self.stop(run, StopReason::Deactivated, Vec::new()),
            Event::Reconfigured => match self.rules.on_config {
                // The command was asked to stop for good and ends in its own time.
                OnConfig::Restart if run.stop_requested => (MachineState::Running(run), Vec::new()),
                OnConfig::Restart => self.stop(run, StopReason::Reconfigured, Vec::new()),
                OnConfig::Send(signal) => {
                    let actions = run.reload(signal);
                    (MachineState::Running(run), actions)
                }
            },
            // It is active already.
            Event::Activated => (MachineState::Running(run), Vec::new()),
            Event::Ready => (
                MachineState::Running(run),
                vec![Action::Record(Record::Ready)],
            ),
            Event::Paused(signal) => {
                run.paused = true;
                (MachineState::Running(run), vec![Action::Pause(signal)])
            }
            Event::Ended(status, remaining, place) => self.ended(run, status, remaining, place),
            // They are not checked again after the start.
            Event::BirthDepsHold | Event::StartAnyway | Event::BirthDepFailed(_) => {
                (MachineState::Running(run), Vec::new())
            }
            // It is started already, and is a child itself.
            Event::Started | Event::StartFailed(_) | Event::NoDescendants => {
                (MachineState::Running(run), Vec::new())
            }
            // Disarmed, or timers of something that has not begun.
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
            Event::DeathDepHolds(cause) => self.stop_for(run, cause),
            Event::Expired(Timer::RunTimeout) => self.stop(run, StopReason::RunTimeout, Vec::new()),
            Event::Expired(Timer::SteadyRun) => {
                run.steady = true;
                (MachineState::Delaying(run, held), Vec::new())
            }
            Event::Expired(Timer::StopDelay) => {
                let actions = run.send(held, Signal::TERM, &self.rules);
                (MachineState::Running(run), actions)
            }
            Event::Expired(Timer::MissingTimeout) => {
                self.stop(run, StopReason::Missing, Vec::new())
            }
            Event::DeathDepsSeen => (MachineState::Delaying(run, held), disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => {
                (MachineState::Delaying(run, held), self.report_unseen())
            }
            Event::Signal(signal) => self.signal_while_delaying(run, held, signal),
            Event::Deactivated => self.stop(run, StopReason::Deactivated, Vec::new()),
            Event::Reconfigured => match self.rules.on_config {
                // The command is about to be asked to stop for good.
                OnConfig::Restart => (MachineState::Delaying(run, held), Vec::new()),
                OnConfig::Send(signal) => {
                    let actions = run.reload(signal);
                    (MachineState::Delaying(run, held), actions)
                }
            },
            // It is active already.
            Event::Activated => (MachineState::Delaying(run, held), Vec::new()),
            Event::Ready => (
                MachineState::Delaying(run, held),
                vec![Action::Record(Record::Ready)],
            ),
            Event::Paused(signal) => {
                run.paused = true;
                let actions = vec![Action::Pause(signal)];
                (MachineState::Delaying(run, held), actions)
            }
            Event::Ended(status, remaining, place) => self.ended(run, status, remaining, place),
            Event::BirthDepsHold
            | Event::StartAnyway
            | Event::BirthDepFailed(_)
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
                let stop = Stop {
                    killed: true,
                    ..stop
                };
                (MachineState::Stopping(run, stop), actions)
            }
            // A command that uses the terminal in the background would be suspended again at once.
            Event::Paused(Signal::TTIN | Signal::TTOU) => {
                (MachineState::Stopping(run, stop), Vec::new())
            }
            // A suspended command does not handle the signals that it was sent.
            Event::Paused(_) => (
                MachineState::Stopping(run, stop),
                vec![Action::Send(Signal::CONT)],
            ),
            Event::Ended(status, remaining, place) => {
                self.ended_after_stop(run, stop, status, remaining, place)
            }
            Event::DeathDepHolds(cause) if stop.reason.is_temporary() => {
                let reason = StopReason::Dependency(cause.clone());
                let actions = vec![
                    record_cause(&cause),
                    Action::Report(Report::Stopping(reason.clone(), None)),
                ];
                (
                    MachineState::Stopping(run, Stop { reason, ..stop }),
                    actions,
                )
            }
            Event::DeathDepsSeen => (MachineState::Stopping(run, stop), disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => {
                (MachineState::Stopping(run, stop), self.report_unseen())
            }
            Event::Expired(Timer::MissingTimeout) if stop.reason.is_temporary() => {
                let reason = StopReason::Missing;
                let actions = vec![Action::Report(Report::Stopping(reason.clone(), None))];
                (
                    MachineState::Stopping(run, Stop { reason, ..stop }),
                    actions,
                )
            }
            // Other programs must not start to use a command that is being stopped.
            Event::Ready => (MachineState::Stopping(run, stop), Vec::new()),
            // The first reason for a stop for good is the one that counts.
            Event::DeathDepHolds(_) | Event::Expired(Timer::RunTimeout | Timer::MissingTimeout) => {
                (MachineState::Stopping(run, stop), Vec::new())
            }
            Event::Activated | Event::Deactivated if stop.reason.is_temporary() => {
                let actions = vec![self.report_activity()];
                (MachineState::Stopping(run, stop), actions)
            }
            // What holds when the command has ended counts.
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (MachineState::Stopping(run, stop), Vec::new())
            }
            Event::BirthDepsHold
            | Event::StartAnyway
            | Event::BirthDepFailed(_)
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

    fn signal_while_running(&self, mut run: Run, signal: Signal) -> MachineStep {
        let first_term = signal == Signal::TERM && !run.stop_sent;
        match self.rules.forwarding.sent_for(signal) {
            Some(held) if first_term && self.rules.delays(signal) => {
                run.stop_requested = true;
                let actions = vec![
                    Action::Report(Report::Delaying(held)),
                    Action::Arm(Timer::StopDelay, self.rules.stop_delay),
                ];
                (MachineState::Delaying(run, held), actions)
            }
            Some(_) | None => {
                let actions = self.forward(&mut run, signal);
                (MachineState::Running(run), actions)
            }
        }
    }

    fn signal_while_delaying(&self, mut run: Run, held: Signal, signal: Signal) -> MachineStep {
        if signal == Signal::TERM {
            let mut actions = vec![Action::Disarm(Timer::StopDelay)];
            actions.extend(run.send(held, Signal::TERM, &self.rules));
            return (MachineState::Running(run), actions);
        }
        if !self.ends_delay(signal, held) {
            let actions = self.forward(&mut run, signal);
            return (MachineState::Delaying(run, held), actions);
        }
        let mut actions = vec![Action::Disarm(Timer::StopDelay)];
        // Many programs take a second signal of the same kind as "drop everything".
        if self.rules.forwarding.sent_for(signal) != Some(held) {
            actions.extend(run.send(held, Signal::TERM, &self.rules));
        }
        actions.extend(self.forward(&mut run, signal));
        run.stop_sent = true;
        (MachineState::Running(run), actions)
    }

    /// Whether the signal is another request to stop, or reaches the command as the held one would.
    fn ends_delay(&self, signal: Signal, held: Signal) -> bool {
        self.rules.is_stop_request(signal) || self.rules.forwarding.sent_for(signal) == Some(held)
    }

    fn stop_for(&mut self, run: Run, cause: StopCause) -> MachineStep {
        let actions = vec![record_cause(&cause)];
        self.stop(run, StopReason::Dependency(cause), actions)
    }

    fn stop(&mut self, mut run: Run, reason: StopReason, mut actions: Vec<Action>) -> MachineStep {
        // Many programs take a second stop signal as "drop everything".
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

    /// Sends the command what it gets for a received signal.
    fn forward(&self, run: &mut Run, received: Signal) -> Vec<Action> {
        run.stop_requested |= self.rules.is_stop_request(received);
        match self.rules.forwarding.sent_for(received) {
            Some(sent) => run.send(sent, received, &self.rules),
            None => vec![Action::Report(Report::Dropped(received))],
        }
    }

    /// The command has ended, and exitdir-run had not begun to stop it.
    fn ended(
        &mut self,
        mut run: Run,
        status: ExitStatus,
        remaining: Remaining,
        place: TerminalPlace,
    ) -> MachineStep {
        let last = exit_table::command_ended(&self.rules, status, run.sent);
        run.stop_requested |= run.is_ended_by_key(status, place);
        let restarts = self.rules.restarts_after(last.code) && !run.stop_requested;
        let delay = if restarts {
            self.retries.take(run.steady)
        } else {
            None
        };
        let next = match delay {
            Some(delay) => Next::Restart(last, delay),
            None => Next::Finish(last),
        };
        self.leave_command(next, remaining, &run)
    }

    /// The command has ended after exitdir-run had begun to stop it.
    fn ended_after_stop(
        &mut self,
        mut run: Run,
        stop: Stop,
        status: ExitStatus,
        remaining: Remaining,
        place: TerminalPlace,
    ) -> MachineStep {
        run.stop_requested |= run.is_ended_by_key(status, place);
        let resumes = stop.reason.is_temporary() && !run.stop_requested;
        let last = exit_table::stopped(&self.rules, stop, status, run.sent);
        let next = if resumes {
            Next::Resume(last)
        } else {
            Next::Finish(last)
        };
        self.leave_command(next, remaining, &run)
    }
}

impl Run {
    /// Whether a key of the terminal ended the command: `^C` and `^\` send their signals to the
    /// command directly.
    fn is_ended_by_key(&self, status: ExitStatus, place: TerminalPlace) -> bool {
        let key_signals = [Signal::INT, Signal::QUIT];
        let signal = status
            .signal()
            .filter(|signal| key_signals.contains(signal));
        let is_unsent = signal.is_some_and(|signal| !self.sent.contains(signal));
        place == TerminalPlace::Foreground && is_unsent
    }

    /// Tells the command that there is a new configuration.
    fn reload(&mut self, signal: Signal) -> Vec<Action> {
        self.sent = self.sent.with(signal);
        vec![
            Action::Report(Report::Reloading(signal)),
            Action::Send(signal),
        ]
    }

    /// Sends the command `sent` because exitdir-run received `received`.
    fn send(&mut self, sent: Signal, received: Signal, rules: &Rules) -> Vec<Action> {
        self.sent = self.sent.with(sent);
        self.stop_sent |= received == Signal::TERM || sent == rules.stop_signal;
        self.paused &= sent != Signal::CONT;
        vec![Action::Send(sent), Action::Report(Report::Forwarded(sent))]
    }
}
