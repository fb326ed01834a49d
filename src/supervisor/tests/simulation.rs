//! A machine in a simulated world: what can happen next depends on what the machine ordered, and
//! each step is checked against what must always hold.

use super::monitor::Monitor;
use super::scenarios::Management;
use crate::duration::Limit;
use crate::exit::{ExitStatus, TerminalPlace};
use crate::protocol::death_deps::Dependence;
use crate::signal::Signal;
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::machine::Machine;
use crate::supervisor::outcome::{EndReason, FinalStatus, StopReason};
use crate::supervisor::record::Record;
use crate::supervisor::retries::Retries;
use crate::supervisor::rules::{OnConfig, Restart, Rules, StopCode};
use crate::supervisor::state::MachineState;
use crate::supervisor::timer::Timer;

/// A machine, what has happened to it, and how it came here.
#[derive(Clone)]
pub(super) struct Simulation {
    rules: Rules,
    management: Management,
    pub(super) machine: Machine,
    pub(super) monitor: Monitor,
    pub(super) trace: Vec<Event>,
}

/// Two machines of one scenario with the same key do the same.
pub(super) type MachineKey = (MachineState, Retries, bool, Limit);

pub(super) fn machine_key(machine: &Machine) -> MachineKey {
    (
        machine.state.clone(),
        machine.retries.clone(),
        machine.active,
        machine.next_unseen_notice,
    )
}

/// Two simulations of one scenario with the same key continue in the same way.
pub(super) type SimulationKey = (MachineKey, Monitor);

impl Simulation {
    pub(super) fn new(rules: Rules, management: Management) -> Simulation {
        let machine = Machine::new(rules.clone());
        let first = machine.initial_actions();
        let mut simulation = Simulation {
            rules,
            management,
            machine,
            monitor: Monitor::new(),
            trace: Vec::new(),
        };
        simulation.perform(first, None);
        simulation
    }

    pub(super) fn key(&self) -> SimulationKey {
        let mut monitor = self.monitor.clone();
        // More starts than the limit allows change nothing.
        monitor.starts = monitor.starts.min(4);
        (machine_key(&self.machine), monitor)
    }

    pub(super) fn is_possible(&self, event: &Event) -> bool {
        let monitor = &self.monitor;
        let is_managed = self.management == Management::Managed;
        match event {
            Event::Started | Event::StartFailed(_) => monitor.starting,
            // The caller waits for the answer to a start.
            _ if monitor.starting => false,
            Event::Ready | Event::Ended(..) | Event::Paused(_) => monitor.alive,
            Event::PreStopOver => monitor.pre_stop,
            Event::NoDescendants => monitor.draining.is_some(),
            Event::StartAnyway | Event::BirthDepFailed(_) => self.machine.is_waiting(),
            Event::Expired(timer) => monitor.armed.contains(timer),
            Event::DeathDepsSeen => self.rules.names_death_deps && !monitor.seen,
            Event::Activated => is_managed && !monitor.active,
            Event::Deactivated => is_managed && monitor.active,
            Event::Reconfigured => is_managed,
            Event::BirthDepsHold | Event::DeathDepHolds(_) | Event::Signal(_) => true,
        }
    }

    /// Whether the event comes without an action of the user or another program.
    pub(super) fn comes_by_itself(event: &Event) -> bool {
        match event {
            Event::Started
            | Event::StartFailed(_)
            | Event::Ended(..)
            | Event::PreStopOver
            | Event::NoDescendants
            | Event::Expired(_) => true,
            Event::BirthDepsHold
            | Event::StartAnyway
            | Event::BirthDepFailed(_)
            | Event::DeathDepHolds(_)
            | Event::DeathDepsSeen
            | Event::Signal(_)
            | Event::Activated
            | Event::Deactivated
            | Event::Reconfigured
            | Event::Ready
            | Event::Paused(_) => false,
        }
    }

    /// Fails with the events that led here unless this holds.
    pub(super) fn check(&self, holds: bool, violation: &str) {
        assert!(holds, "{violation}: {:?}", self.trace);
    }

    pub(super) fn apply(&mut self, event: &Event) {
        self.trace.push(event.clone());
        self.note(event);
        let running = matches!(
            self.machine.state,
            MachineState::Running(_) | MachineState::Delaying(..)
        );
        let actions = self.machine.step(event.clone());
        if *event == Event::Reconfigured {
            self.check_reload(&actions, running);
        }
        let silent = !self.monitor.finished || actions.is_empty();
        self.check(silent, "an action after the end");
        self.perform(actions, Some(event));
        self.check_activity();
        let of_unseen = [Timer::UnseenNotice, Timer::MissingTimeout];
        let armed = |timer| self.monitor.armed.contains(timer);
        let awaited = !self.monitor.seen || self.monitor.finished;
        let idle = awaited || !of_unseen.iter().any(armed);
        self.check(idle, "a timer for dependencies that were seen");
    }

    /// Without a restart, exactly a command that runs and is not being stopped is told.
    fn check_reload(&mut self, actions: &[Action], running: bool) {
        let told = match self.rules.on_config {
            OnConfig::Restart => return,
            OnConfig::Send(signal) => actions.contains(&Action::Send(signal)),
            OnConfig::Run => actions.contains(&Action::RunOnConfig),
            OnConfig::Ignore => {
                self.check(actions.is_empty(), "told against the rules");
                running
            }
        };
        self.check(told == running, "not exactly a running command is told");
        self.monitor.stale = false;
    }

    fn note(&mut self, event: &Event) {
        let monitor = &mut self.monitor;
        match event {
            Event::Started => {
                monitor.stale = false;
                monitor.alive = true;
                monitor.starting = false;
                monitor.stop_sent = false;
                monitor.pre_stopped = false;
                monitor.int_sent = false;
                monitor.failed = false;
            }
            Event::StartFailed(_) => {
                monitor.failed = true;
                monitor.starting = false;
            }
            Event::Ended(status, _, place) => {
                let by_key = *place == TerminalPlace::Foreground && !monitor.int_sent;
                monitor.stopped_for_good |= by_key;
                monitor.alive = false;
                monitor.failed = *status != ExitStatus::Exited(0);
            }
            Event::PreStopOver => monitor.pre_stop = false,
            Event::NoDescendants => monitor.draining = None,
            Event::Expired(timer) => {
                monitor.armed.remove(timer);
                if *timer == Timer::KillWait && !monitor.finished {
                    assert_eq!(monitor.draining.take(), Some(Signal::KILL), "too early");
                }
                monitor.grace_over |= *timer == Timer::GracePeriod;
                let stops = [Timer::RunTimeout, Timer::MissingTimeout, Timer::KillWait];
                monitor.stopped_for_good |= stops.contains(timer);
            }
            Event::Signal(signal) => {
                let ends_wait = self.rules.ends_wait(*signal);
                let counts = monitor.starts > 0 || ends_wait;
                monitor.stopped_for_good |= self.rules.is_stop_request(*signal) && counts;
                monitor.drain_expedited |= monitor.draining.is_some() && ends_wait;
            }
            Event::BirthDepFailed(_) | Event::DeathDepHolds(_) => {
                monitor.stopped_for_good = true;
            }
            Event::DeathDepsSeen => monitor.seen = true,
            Event::Activated => monitor.active = true,
            Event::Deactivated => {
                monitor.active = false;
                monitor.resumes = true;
            }
            Event::Reconfigured => {
                monitor.stale = monitor.alive;
                monitor.resumes = true;
            }
            Event::BirthDepsHold | Event::StartAnyway | Event::Ready | Event::Paused(_) => {}
        }
    }

    /// A command that may not run, or runs with an old configuration, is being stopped.
    fn check_activity(&self) {
        let monitor = &self.monitor;
        let stopping = matches!(
            self.machine.state,
            MachineState::Stopping(..) | MachineState::PreStopping(..)
        );
        let ends = !monitor.alive || stopping;
        self.check(monitor.active || ends, "inactive and not stopped");
        let fresh = !monitor.stale || monitor.stopped_for_good;
        self.check(fresh || ends, "an old configuration and not stopped");
        let inactive = matches!(self.machine.state, MachineState::Inactive(_));
        let known = !monitor.active && monitor.inactive_recorded;
        self.check(!inactive || known, "inactive and not recorded");
        self.check(
            self.machine.active == monitor.active,
            "the machine is wrong about whether a command may run",
        );
    }

    fn perform(&mut self, actions: Vec<Action>, event: Option<&Event>) {
        for action in actions {
            self.check(!self.monitor.finished, "an action after the end");
            match action {
                Action::Start => self.start(),
                Action::Send(signal) => self.send(signal),
                Action::Pause(_) => {
                    let own = event == Some(&Event::Signal(Signal::TSTP));
                    self.check(self.monitor.alive || own, "suspended without a command");
                }
                Action::RunPreStop(_) => self.run_pre_stop(),
                Action::EndPreStop => self.monitor.pre_stop = false,
                Action::RunOnConfig => {
                    self.check(self.monitor.alive, "--on-config without a command");
                }
                Action::SignalDescendants(signal) => self.signal_descendants(signal),
                Action::Arm(timer, limit) => {
                    self.monitor.grace_over &= timer != Timer::GracePeriod;
                    match limit {
                        Limit::Never => self.monitor.armed.remove(&timer),
                        Limit::After(_) => self.monitor.armed.insert(timer),
                    };
                }
                Action::Disarm(timer) => {
                    self.monitor.armed.remove(&timer);
                }
                Action::Record(record) => self.record(&record),
                Action::Report(_) => {}
                Action::Finish(last) => self.finish(&last),
            }
        }
    }

    fn start(&mut self) {
        let monitor = &mut self.monitor;
        let resumes = std::mem::take(&mut monitor.resumes) && monitor.starts > 0;
        monitor.starts += u32::from(!resumes);
        monitor.starting = true;
        let monitor = &self.monitor;
        self.check(!monitor.stopped_for_good, "a start after a stop for good");
        self.check(!monitor.pre_stop, "a start beside --pre-stop");
        self.check(monitor.active, "a start while no command may run");
        self.check(!monitor.inactive_recorded, "a start, recorded as inactive");
        self.check(!monitor.alive, "a second command");
        self.check(!monitor.ready, "recorded as ready while down");
        self.check(monitor.draining.is_none(), "a start beside descendants");
        let restarts = self.rules.restart != Restart::Never;
        let wanted = monitor.starts == 1 || restarts || resumes;
        self.check(wanted, "a restart against the rules");
        let limit = self.rules.restart_limit;
        let within = limit.is_none_or(|limit| monitor.starts <= limit + 1);
        self.check(within, "too many restarts");
    }

    fn run_pre_stop(&mut self) {
        self.check(self.monitor.alive, "--pre-stop without a command");
        self.check(!self.monitor.pre_stopped, "--pre-stop twice");
        self.check(self.rules.pre_stop, "--pre-stop without actions");
        self.monitor.pre_stop = true;
        self.monitor.pre_stopped = true;
    }

    fn send(&mut self, signal: Signal) {
        self.check(self.monitor.alive, "a signal without a command");
        // CONT also resumes a command that was suspended, so that it can end.
        let stops = signal == self.rules.stop_signal && signal != Signal::CONT;
        self.check(
            !stops || !self.monitor.pre_stop,
            "the stop signal beside --pre-stop",
        );
        let due = self.monitor.stop_sent && self.monitor.grace_over;
        self.check(signal != Signal::KILL || due, "KILL too early");
        let stops = [
            Some(self.rules.stop_signal),
            self.rules.forwarding.sent_for(Signal::TERM),
        ];
        self.monitor.stop_sent |= stops.contains(&Some(signal));
        self.monitor.int_sent |= signal == Signal::INT;
    }

    fn signal_descendants(&mut self, signal: Signal) {
        self.check(!self.monitor.alive, "descendants before the command");
        let before = self.monitor.draining.replace(signal);
        let urgent = self.monitor.grace_over || self.monitor.drain_expedited;
        let due = before.is_some() && urgent;
        self.check(
            signal != Signal::KILL || due,
            "descendants killed too early",
        );
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Born { ready } => {
                self.check(self.monitor.alive, "born and not alive");
                self.check(!self.monitor.born, "born twice");
                self.check(!self.monitor.inactive_recorded, "born and inactive");
                self.monitor.born = true;
                self.monitor.ready = *ready;
            }
            Record::Ready => {
                self.check(self.monitor.alive, "ready and not alive");
                self.monitor.ready = true;
            }
            Record::Down | Record::Inactive => {
                self.check(!self.monitor.alive, "down and alive");
                self.monitor.ready = false;
                self.monitor.inactive_recorded = *record == Record::Inactive;
            }
            Record::Cause(_) => {
                self.check(self.monitor.stopped_for_good, "a cause without a death");
            }
        }
    }

    fn finish(&mut self, last: &FinalStatus) {
        self.monitor.finished = true;
        self.check(!self.monitor.alive, "the end while the command lives");
        self.check(!self.monitor.pre_stop, "the end beside --pre-stop");
        let drained = self.monitor.draining.is_none();
        self.check(drained, "the end while descendants live");
        let clean = last.code != 0 || self.may_be_success(last);
        self.check(clean, "a failure was turned into a success");
    }

    /// Whether status 0 is right: not after a failure that did not come from a stop by exitdir-run.
    fn may_be_success(&self, last: &FinalStatus) -> bool {
        let succeeded = !self.monitor.failed;
        let own = self.rules.stop_code == StopCode::Own;
        match &last.end_reason {
            EndReason::CommandEnded(_) => succeeded,
            EndReason::Stopped(_) if own => succeeded,
            EndReason::NotStarted(cause) => cause.dependence == Dependence::Auxiliary,
            EndReason::Stopped(StopReason::Dependency(cause)) => {
                cause.dependence != Dependence::Required
            }
            EndReason::Missing => own && succeeded,
            EndReason::NotRestarted(cause) => {
                cause.dependence != Dependence::Required || own && succeeded
            }
            EndReason::Stopped(
                StopReason::RunTimeout
                | StopReason::Missing
                | StopReason::Deactivated
                | StopReason::Reconfigured,
            )
            | EndReason::BirthTimeout
            | EndReason::Interrupted(_)
            | EndReason::StartFailed(_) => false,
        }
    }
}
