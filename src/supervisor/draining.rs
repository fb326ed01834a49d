//! From the end of a command to what follows it: the processes that it left behind are stopped
//! first, with `--wait-descendants`.

use super::action::Action;
use super::event::Event;
use super::exit_table;
use super::machine::Machine;
use super::record::Record;
use super::report::Report;
use super::state::{DrainPhase, Draining, MachineState, Next, Run};
use super::steps::{
    MachineStep, back_off, deactivate, disarm_run, disarm_stop, disarm_unseen, finish,
    record_cause, signal_while_down, start_again,
};
use super::timer::Timer;
use crate::duration::Limit;
use crate::exit::Remaining;
use crate::signal::Signal;
use std::time::Duration;

/// The interval of scans for new orphans. The kernel does not say when exitdir-run becomes the
/// parent of a process.
const ORPHAN_SCAN: Limit = Limit::After(Duration::from_millis(100));

/// How long after KILL descendants are waited for. The kernel ends none that is frozen, or waits
/// for a device.
const KILL_WAIT: Limit = Limit::After(Duration::from_secs(10));

impl Machine {
    /// The command has ended: stops the processes that it left behind, or continues at once if
    /// there is none or they need not be waited for.
    pub(super) fn leave_command(
        &mut self,
        next: Next,
        remaining: Remaining,
        run: &Run,
    ) -> MachineStep {
        if remaining == Remaining::Nothing || !self.rules.wait_descendants {
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
        let phase = if run.stop_requested {
            DrainPhase::StopRequested
        } else {
            DrainPhase::Grace
        };
        (MachineState::Draining(Draining { next, phase }), actions)
    }

    pub(super) fn draining(&mut self, draining: Draining, event: Event) -> MachineStep {
        match event {
            Event::NoDescendants => self.proceed(draining.next),
            Event::Expired(Timer::GracePeriod) => kill_descendants(draining.next),
            Event::Expired(Timer::OrphanScan) => {
                let signal = match draining.phase {
                    DrainPhase::Grace | DrainPhase::StopRequested => self.rules.stop_signal,
                    DrainPhase::Killed => Signal::KILL,
                };
                let actions = vec![
                    Action::SignalDescendants(signal),
                    Action::Arm(Timer::OrphanScan, ORPHAN_SCAN),
                ];
                (MachineState::Draining(draining), actions)
            }
            Event::Expired(Timer::KillWait) => abandon(draining.next),
            Event::Signal(signal) if self.rules.ends_wait(signal) => expedite(draining, signal),
            Event::Signal(signal) => (MachineState::Draining(draining), signal_while_down(signal)),
            Event::DeathDepHolds(cause) => match draining.next {
                Next::Restart(last, _) | Next::Resume(last) => {
                    let actions = vec![record_cause(&cause)];
                    let last = exit_table::not_restarted(&self.rules, cause, &last);
                    let next = Next::Finish(last);
                    (
                        MachineState::Draining(Draining { next, ..draining }),
                        actions,
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
            Event::Expired(Timer::MissingTimeout) => {
                let next = match draining.next {
                    Next::Restart(last, _) | Next::Resume(last) => {
                        Next::Finish(exit_table::missing(&self.rules, Some(&last)))
                    }
                    Next::Finish(last) => Next::Finish(last),
                };
                (
                    MachineState::Draining(Draining { next, ..draining }),
                    Vec::new(),
                )
            }
            Event::DeathDepsSeen => (MachineState::Draining(draining), disarm_unseen()),
            Event::Expired(Timer::UnseenNotice) => {
                (MachineState::Draining(draining), self.report_unseen())
            }
            Event::Activated | Event::Deactivated if draining.next.continues() => {
                let actions = vec![self.report_activity()];
                (MachineState::Draining(draining), actions)
            }
            // What holds when no descendant is left counts.
            Event::Activated | Event::Deactivated | Event::Reconfigured => {
                (MachineState::Draining(draining), Vec::new())
            }
            // There is no command any more.
            Event::BirthDepsHold
            | Event::StartAnyway
            | Event::BirthDepFailed(_)
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::PreStopOver
            | Event::Ended(..) => (MachineState::Draining(draining), Vec::new()),
            Event::Expired(
                Timer::BirthTimeout
                | Timer::WaitNotice
                | Timer::RunTimeout
                | Timer::SteadyRun
                | Timer::StopDelay
                | Timer::PreStop
                | Timer::Backoff,
            ) => (MachineState::Draining(draining), Vec::new()),
        }
    }

    /// No process of the command is left.
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
}

fn kill_descendants(next: Next) -> MachineStep {
    let actions = vec![
        Action::Disarm(Timer::GracePeriod),
        Action::Report(Report::KillingDescendants),
        Action::SignalDescendants(Signal::KILL),
        Action::Arm(Timer::KillWait, KILL_WAIT),
    ];
    let phase = DrainPhase::Killed;
    (MachineState::Draining(Draining { next, phase }), actions)
}

/// Ends the life although descendants are left: the command is not started beside them.
fn abandon(next: Next) -> MachineStep {
    let (Next::Finish(last) | Next::Restart(last, _) | Next::Resume(last)) = next;
    finish(vec![Action::Report(Report::Abandoning(KILL_WAIT))], last)
}

/// A signal requests a stop from outside. The first request cancels restarts; the second kills the
/// descendants.
fn expedite(draining: Draining, signal: Signal) -> MachineStep {
    let next = match draining.next {
        Next::Restart(..) | Next::Resume(_) => Next::Finish(exit_table::interrupted(signal)),
        Next::Finish(last) => Next::Finish(last),
    };
    match draining.phase {
        DrainPhase::Grace => {
            let phase = DrainPhase::StopRequested;
            let actions = vec![Action::Report(Report::StillDraining)];
            (MachineState::Draining(Draining { next, phase }), actions)
        }
        DrainPhase::StopRequested => kill_descendants(next),
        DrainPhase::Killed => (
            MachineState::Draining(Draining { next, ..draining }),
            Vec::new(),
        ),
    }
}
