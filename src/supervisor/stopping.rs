//! What each event does while exitdir-run stops a command: while the actions of `--pre-stop` run,
//! and after the stop signal.

use super::action::Action;
use super::event::Event;
use super::exit_table;
use super::machine::Machine;
use super::outcome::StopReason;
use super::report::Report;
use super::state::{MachineState, Next, Run, Stop};
use super::steps::{
    MachineStep, after, disarm_unseen, end_late_pre_stop, end_pre_stop, record_cause,
};
use super::timer::Timer;
use crate::duration::Limit;
use crate::exit::{ExitStatus, Remaining, TerminalPlace};
use crate::protocol::death_deps::StopCause;
use crate::signal::Signal;
use std::time::Duration;

impl Machine {
    pub(super) fn stop_for(
        &self,
        run: Run,
        cause: StopCause,
        mut actions: Vec<Action>,
    ) -> MachineStep {
        actions.push(record_cause(&cause));
        self.stop(run, StopReason::Dependency(cause), actions)
    }

    pub(super) fn stop(
        &self,
        mut run: Run,
        reason: StopReason,
        mut actions: Vec<Action>,
    ) -> MachineStep {
        // Many programs take a second stop signal as "drop everything".
        let signal = Some(self.rules.stop_signal).filter(|_| !run.stop_sent);
        actions.push(Action::Disarm(Timer::RunTimeout));
        actions.push(Action::Disarm(Timer::StopDelay));
        actions.push(Action::Report(Report::Stopping(reason.clone(), signal)));
        let limit = self.rules.pre_stop_limit();
        let has_time = limit != Limit::After(Duration::ZERO);
        let pre_stops = self.rules.pre_stop && has_time && signal.is_some() && !run.pre_stopped;
        if pre_stops {
            actions.extend(run.begin_pre_stop(Some(reason.clone()), limit));
        } else if let Some(signal) = signal {
            actions.push(run.send_stop(signal));
        }
        if run.paused {
            actions.push(Action::Send(Signal::CONT));
        }
        actions.push(Action::Arm(Timer::GracePeriod, self.rules.grace_period));
        let state = match pre_stops {
            true => MachineState::PreStopping(run, reason),
            false => MachineState::Stopping(run, Stop::new(reason)),
        };
        (state, actions)
    }

    pub(super) fn pre_stopping(
        &mut self,
        mut run: Run,
        reason: StopReason,
        event: Event,
    ) -> MachineStep {
        match event {
            Event::PreStopOver => {
                self.send_stop_signal(run, reason, vec![Action::Disarm(Timer::PreStop)])
            }
            Event::Expired(Timer::PreStop) => {
                self.send_stop_signal(run, reason, end_late_pre_stop())
            }
            // The caller takes the end of the actions' time first. This holds without that too.
            Event::Expired(Timer::GracePeriod) => {
                let mut actions = end_pre_stop();
                actions.push(run.send_stop(self.rules.stop_signal));
                after(actions, kill(run, Stop::new(reason)))
            }
            Event::Signal(signal) => self.signal_while_pre_stopping(run, reason, signal),
            // It holds in each turn from now on.
            Event::DeathDepHolds(_) if matches!(reason, StopReason::Dependency(_)) => {
                (MachineState::PreStopping(run, reason), Vec::new())
            }
            Event::DeathDepHolds(cause) if reason.is_temporary() => {
                let mut actions = end_pre_stop();
                actions.push(record_cause(&cause));
                self.stop_now(run, StopReason::Dependency(cause), actions)
            }
            Event::Expired(Timer::MissingTimeout) if reason.is_temporary() => {
                self.stop_now(run, StopReason::Missing, end_pre_stop())
            }
            // The first reason for a stop for good is the one that counts.
            Event::DeathDepHolds(_) | Event::Expired(Timer::MissingTimeout) => {
                self.send_stop_signal(run, reason, end_pre_stop())
            }
            // A suspended command is continued, as after the stop signal.
            Event::Paused(Signal::TTIN | Signal::TTOU) => {
                (MachineState::PreStopping(run, reason), Vec::new())
            }
            Event::Paused(_) => (
                MachineState::PreStopping(run, reason),
                vec![Action::Send(Signal::CONT)],
            ),
            Event::Ended(status, remaining, place) => {
                let stop = Stop::new(reason);
                let ended = self.ended_after_stop(run, stop, status, remaining, place);
                after(end_pre_stop(), ended)
            }
            Event::DeathDepsSeen => (MachineState::PreStopping(run, reason), disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => {
                (MachineState::PreStopping(run, reason), self.report_unseen())
            }
            Event::Activated | Event::Deactivated if reason.is_temporary() => {
                let actions = vec![self.report_activity()];
                (MachineState::PreStopping(run, reason), actions)
            }
            // What holds when the command has ended counts.
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (MachineState::PreStopping(run, reason), Vec::new())
            }
            // Other programs must not start to use a command that is being stopped.
            Event::Ready => (MachineState::PreStopping(run, reason), Vec::new()),
            Event::BirthDepsHold
            | Event::StartAnyway
            | Event::BirthDepFailed(_)
            | Event::Started
            | Event::StartFailed(_)
            | Event::NoDescendants => (MachineState::PreStopping(run, reason), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::OrphanScan
                | Timer::KillWait
                | Timer::Backoff,
            ) => (MachineState::PreStopping(run, reason), Vec::new()),
        }
    }

    /// A signal that asks for a stop ends the actions.
    fn signal_while_pre_stopping(
        &self,
        mut run: Run,
        reason: StopReason,
        received: Signal,
    ) -> MachineStep {
        let sent = self.rules.forwarding.sent_for(received);
        let is_stop_signal = sent == Some(self.rules.stop_signal);
        if !is_stop_signal && !self.rules.is_stop_request(received) {
            let actions = self.forward(&mut run, received);
            return (MachineState::PreStopping(run, reason), actions);
        }
        let mut actions = end_pre_stop();
        if !is_stop_signal {
            actions.push(run.send_stop(self.rules.stop_signal));
        }
        actions.extend(self.forward(&mut run, received));
        (MachineState::Stopping(run, Stop::new(reason)), actions)
    }

    /// The actions of `--pre-stop` have ended: sends the stop signal.
    fn send_stop_signal(
        &self,
        mut run: Run,
        reason: StopReason,
        mut actions: Vec<Action>,
    ) -> MachineStep {
        actions.push(run.send_stop(self.rules.stop_signal));
        (MachineState::Stopping(run, Stop::new(reason)), actions)
    }

    /// The same, with another reason for the stop.
    fn stop_now(&self, run: Run, reason: StopReason, mut actions: Vec<Action>) -> MachineStep {
        let signal = Some(self.rules.stop_signal);
        actions.push(Action::Report(Report::Stopping(reason.clone(), signal)));
        self.send_stop_signal(run, reason, actions)
    }

    pub(super) fn stopping(&mut self, mut run: Run, stop: Stop, event: Event) -> MachineStep {
        match event {
            Event::Signal(signal) => {
                let actions = self.forward(&mut run, signal);
                (MachineState::Stopping(run, stop), actions)
            }
            Event::Expired(Timer::GracePeriod) => kill(run, stop),
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
            | Event::PreStopOver
            | Event::NoDescendants => (MachineState::Stopping(run, stop), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::PreStop
                | Timer::OrphanScan
                | Timer::KillWait
                | Timer::Backoff,
            ) => (MachineState::Stopping(run, stop), Vec::new()),
        }
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

impl Stop {
    fn new(reason: StopReason) -> Stop {
        Stop {
            reason,
            killed: false,
        }
    }
}

impl Run {
    /// Sends the command the stop signal.
    fn send_stop(&mut self, signal: Signal) -> Action {
        self.sent = self.sent.with(signal);
        self.stop_sent = true;
        Action::Send(signal)
    }
}

/// The grace period is over.
fn kill(mut run: Run, stop: Stop) -> MachineStep {
    run.sent = run.sent.with(Signal::KILL);
    let actions = vec![Action::Report(Report::Killing), Action::Send(Signal::KILL)];
    let stop = Stop {
        killed: true,
        ..stop
    };
    (MachineState::Stopping(run, stop), actions)
}
