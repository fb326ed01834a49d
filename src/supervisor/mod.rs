//! The life of a command as a pure state machine: events in, actions out; no clock and no I/O.
//!
//! [`Machine::step`] is the whole policy of `exitdir-run`. The caller performs the actions in their
//! order. It passes the answer to [`Action::Start`] to the machine before any other event. Every
//! pair of state and event is written out, so that a new event does not compile until each state
//! says what it does; docs/state-machine.md shows all pairs.

#![warn(clippy::wildcard_enum_match_arm)]

pub(crate) mod action;
mod down;
mod draining;
pub(crate) mod event;
mod exit_table;
pub(crate) mod forwarding;
pub(crate) mod machine;
pub(crate) mod outcome;
pub(crate) mod record;
pub(crate) mod report;
mod retries;
pub(crate) mod rules;
mod running;
mod state;
mod steps;
mod stopping;
pub(crate) mod timer;

use action::Action;
use event::Event;
use machine::Machine;
use state::MachineState;
use timer::Timer;

impl Machine {
    /// Takes one event and returns what to do for it.
    pub(crate) fn step(&mut self, event: Event) -> Vec<Action> {
        self.active = event.activates().unwrap_or(self.active);
        let state = std::mem::replace(&mut self.state, MachineState::Finished);
        let (state, actions) = match state {
            MachineState::Waiting => self.waiting(event),
            MachineState::Starting(attempt) => self.starting(attempt, event),
            MachineState::Running(run) => self.running(run, event),
            MachineState::Delaying(run, held) => self.delaying(run, held, event),
            MachineState::PreStopping(run, reason) => self.pre_stopping(run, reason, event),
            MachineState::Stopping(run, stop) => self.stopping(run, stop, event),
            MachineState::Draining(draining) => self.draining(draining, event),
            MachineState::BackingOff(last) => self.backing_off(last, event),
            MachineState::Inactive(last) => self.inactive(last, event),
            MachineState::Finished => (MachineState::Finished, finished(&event)),
        };
        self.state = state;
        actions
    }
}

/// Nothing happens after the end of the life.
fn finished(event: &Event) -> Vec<Action> {
    match event {
        Event::BirthDepsHold
        | Event::StartAnyway
        | Event::BirthDepFailed(_)
        | Event::DeathDepHolds(_)
        | Event::DeathDepsSeen
        | Event::Signal(_)
        | Event::Started
        | Event::StartFailed(_)
        | Event::Ready
        | Event::Paused(_)
        | Event::Ended(..)
        | Event::PreStopOver
        | Event::NoDescendants
        | Event::Activated
        | Event::Deactivated
        | Event::Reconfigured
        | Event::Expired(
            Timer::BirthTimeout
            | Timer::WaitNotice
            | Timer::UnseenNotice
            | Timer::MissingTimeout
            | Timer::RunTimeout
            | Timer::SteadyRun
            | Timer::StopDelay
            | Timer::PreStop
            | Timer::GracePeriod
            | Timer::OrphanScan
            | Timer::KillWait
            | Timer::Backoff,
        ) => Vec::new(),
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
