//! What each event does while a command runs: normally, and while a stop from outside is held back.
//! What happens while exitdir-run stops the command is in `stopping.rs`.

use super::action::Action;
use super::event::Event;
use super::exit_table;
use super::machine::Machine;
use super::outcome::StopReason;
use super::record::Record;
use super::report::Report;
use super::rules::{OUTSIDE_PRE_STOP, OnConfig, Rules};
use super::state::{Held, MachineState, Next, Run};
use super::steps::{MachineStep, after, disarm_unseen, end_late_pre_stop, end_pre_stop};
use super::timer::Timer;
use crate::duration::Limit;
use crate::exit::{ExitStatus, Remaining, TerminalPlace};
use crate::signal::Signal;

impl Machine {
    pub(super) fn running(&mut self, mut run: Run, event: Event) -> MachineStep {
        match event {
            Event::DeathDepHolds(cause) => self.stop_for(run, cause, Vec::new()),
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
                OnConfig::Send(_) | OnConfig::Run | OnConfig::Ignore => {
                    let actions = run.reload(self.rules.on_config);
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
            Event::Started | Event::StartFailed(_) | Event::PreStopOver | Event::NoDescendants => {
                (MachineState::Running(run), Vec::new())
            }
            // Disarmed, or timers of something that has not begun.
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::StopDelay
                | Timer::PreStop
                | Timer::GracePeriod
                | Timer::OrphanScan
                | Timer::KillWait
                | Timer::Backoff,
            ) => (MachineState::Running(run), Vec::new()),
        }
    }

    pub(super) fn delaying(&mut self, mut run: Run, mut held: Held, event: Event) -> MachineStep {
        match event {
            Event::DeathDepHolds(cause) => self.stop_for(run, cause, held.end_pre_stop()),
            Event::Expired(Timer::RunTimeout) => {
                self.stop(run, StopReason::RunTimeout, held.end_pre_stop())
            }
            Event::Expired(Timer::SteadyRun) => {
                run.steady = true;
                (MachineState::Delaying(run, held), Vec::new())
            }
            Event::Expired(Timer::StopDelay) => {
                held.is_delayed = false;
                self.release(run, held, Vec::new())
            }
            Event::PreStopOver => {
                held.pre_stops = false;
                self.release(run, held, vec![Action::Disarm(Timer::PreStop)])
            }
            Event::Expired(Timer::PreStop) => {
                held.pre_stops = false;
                self.release(run, held, end_late_pre_stop())
            }
            Event::Expired(Timer::MissingTimeout) => {
                self.stop(run, StopReason::Missing, held.end_pre_stop())
            }
            Event::DeathDepsSeen => (MachineState::Delaying(run, held), disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => {
                (MachineState::Delaying(run, held), self.report_unseen())
            }
            Event::Signal(signal) => self.signal_while_delaying(run, held, signal),
            Event::Deactivated => self.stop(run, StopReason::Deactivated, held.end_pre_stop()),
            Event::Reconfigured => match self.rules.on_config {
                // The command is about to be asked to stop for good.
                OnConfig::Restart if run.stop_requested => {
                    (MachineState::Delaying(run, held), Vec::new())
                }
                // It may handle the signal that is held back, and run on.
                OnConfig::Restart => self.stop(run, StopReason::Reconfigured, held.end_pre_stop()),
                OnConfig::Send(_) | OnConfig::Run | OnConfig::Ignore => {
                    let actions = run.reload(self.rules.on_config);
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
            Event::Ended(status, remaining, place) => {
                let ended = self.ended(run, status, remaining, place);
                after(held.end_pre_stop(), ended)
            }
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
                | Timer::KillWait
                | Timer::Backoff,
            ) => (MachineState::Delaying(run, held), Vec::new()),
        }
    }

    fn signal_while_running(&self, mut run: Run, received: Signal) -> MachineStep {
        let is_first = !run.stop_sent && !run.pre_stopped;
        if let Some(sent) = self.rules.forwarding.sent_for(received)
            && is_first
        {
            let held = Held {
                received,
                sent,
                is_delayed: self.rules.delays(received, sent),
                pre_stops: self.rules.pre_stops_for(received, sent),
            };
            if held.is_delayed || held.pre_stops {
                return self.hold(run, held);
            }
        }
        let actions = self.forward(&mut run, received);
        (MachineState::Running(run), actions)
    }

    /// Holds a stop from outside back.
    fn hold(&self, mut run: Run, held: Held) -> MachineStep {
        let (received, sent) = (held.received, held.sent);
        run.stop_requested |= self.rules.is_stop_request(received);
        let mut actions = Vec::new();
        let mut limit = OUTSIDE_PRE_STOP;
        if held.is_delayed {
            let delay = self.rules.stop_delay;
            actions.push(Action::Report(Report::Delaying { received, sent }));
            actions.push(Action::Arm(Timer::StopDelay, delay));
            // The command gets nothing before that.
            limit = limit.max(delay);
        } else {
            actions.push(Action::Report(Report::PreStopping { received, sent }));
        }
        if held.pre_stops {
            actions.extend(run.begin_pre_stop(None, limit));
        }
        (MachineState::Delaying(run, held), actions)
    }

    /// Sends what is held back, if nothing holds it back any more.
    fn release(&self, mut run: Run, held: Held, mut actions: Vec<Action>) -> MachineStep {
        if held.is_delayed || held.pre_stops {
            return (MachineState::Delaying(run, held), actions);
        }
        actions.extend(run.send(held.sent, held.received, &self.rules));
        (MachineState::Running(run), actions)
    }

    fn signal_while_delaying(&self, mut run: Run, held: Held, signal: Signal) -> MachineStep {
        if signal != held.received && !self.ends_delay(signal, held) {
            let actions = self.forward(&mut run, signal);
            return (MachineState::Delaying(run, held), actions);
        }
        let mut actions = held.end_pre_stop();
        actions.push(Action::Disarm(Timer::StopDelay));
        // Many programs take a second signal of the same kind as "drop everything".
        if signal == held.received || self.rules.forwarding.sent_for(signal) != Some(held.sent) {
            actions.extend(run.send(held.sent, held.received, &self.rules));
        }
        if signal != held.received {
            actions.extend(self.forward(&mut run, signal));
        }
        run.stop_sent |= held.received == Signal::TERM;
        (MachineState::Running(run), actions)
    }

    /// Whether the signal is another request to stop, or reaches the command as the held one would.
    /// Beside `--pre-stop`, one that reaches it as the stop signal is a stop too.
    fn ends_delay(&self, signal: Signal, held: Held) -> bool {
        let sent = self.rules.forwarding.sent_for(signal);
        let is_stop_signal = held.pre_stops && sent == Some(self.rules.stop_signal);
        self.rules.is_stop_request(signal) || sent == Some(held.sent) || is_stop_signal
    }

    /// Sends the command what it gets for a received signal.
    pub(super) fn forward(&self, run: &mut Run, received: Signal) -> Vec<Action> {
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
}

impl Run {
    /// Whether a key of the terminal ended the command: `^C` and `^\` send their signals to the
    /// command directly.
    pub(super) fn is_ended_by_key(&self, status: ExitStatus, place: TerminalPlace) -> bool {
        let key_signals = [Signal::INT, Signal::QUIT];
        let signal = status
            .signal()
            .filter(|signal| key_signals.contains(signal));
        let is_unsent = signal.is_some_and(|signal| !self.sent.contains(signal));
        place == TerminalPlace::Foreground && is_unsent
    }

    /// Tells the command, which is not stopped for that, that there is a new configuration.
    fn reload(&mut self, on_config: OnConfig) -> Vec<Action> {
        match on_config {
            OnConfig::Send(signal) => {
                self.sent = self.sent.with(signal);
                vec![
                    Action::Report(Report::Reloading(signal)),
                    Action::Send(signal),
                ]
            }
            OnConfig::Run => vec![Action::Report(Report::RunningOnConfig), Action::RunOnConfig],
            OnConfig::Ignore | OnConfig::Restart => Vec::new(),
        }
    }

    /// Runs the actions of `--pre-stop` for at most so long.
    pub(super) fn begin_pre_stop(
        &mut self,
        reason: Option<StopReason>,
        limit: Limit,
    ) -> [Action; 2] {
        self.pre_stopped = true;
        [
            Action::RunPreStop(reason),
            Action::Arm(Timer::PreStop, limit),
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

impl Held {
    /// Ends the actions of `--pre-stop` if they run.
    fn end_pre_stop(self) -> Vec<Action> {
        match self.pre_stops {
            true => end_pre_stop(),
            false => Vec::new(),
        }
    }
}
