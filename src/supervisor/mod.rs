//! The life of a command as a pure state machine: events in, actions out, no clock, no I/O.
//!
//! [`Machine::step`] is the whole policy of `exitdir-run`. Whoever drives it carries out the actions in
//! their order, and feeds the result of [`Action::Start`] back before any other event. Every pair of
//! state and event is written out; the same table stands in DESIGN.md.

#![warn(clippy::wildcard_enum_match_arm)]

mod down;
mod exit_table;
mod machine;
mod rules;
mod running;

pub(crate) use exit_table::{EndReason, FinalStatus, StopReason};
pub(crate) use machine::Machine;
pub(crate) use rules::{Forwarding, OnConfig, Restart, Rules};

use crate::duration::Limit;
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::protocol::death_deps::StopCause;
use crate::signal::Signal;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The birth dependencies hold (or there are none).
    BirthDepsHold,
    /// A death dependency holds.
    DeathDepHolds(StopCause),
    /// A signal came from outside.
    Signal(Signal),
    /// The command was executed.
    Started,
    /// It could not be.
    StartFailed(StartFailure),
    /// The command was found to be ready.
    Ready,
    /// The command was stopped by this signal, as by `^Z`. It may go on without a word.
    Paused(Signal),
    /// The command has ended and was reaped.
    Ended(ExitStatus, Remaining, TerminalPlace),
    /// Nobody is left of what the command left behind.
    NoDescendants,
    /// A command may run.
    Activated,
    /// No command may run.
    Deactivated,
    /// A new configuration was put in place.
    Reconfigured,
    /// A timer that was armed has run out.
    Expired(Timer),
}

impl Event {
    /// Whether it says that a command may run, or that none may.
    fn activity(&self) -> Option<bool> {
        match self {
            Event::Activated => Some(true),
            Event::Deactivated => Some(false),
            Event::BirthDepsHold
            | Event::DeathDepHolds(_)
            | Event::Signal(_)
            | Event::Started
            | Event::StartFailed(_)
            | Event::Ready
            | Event::Paused(_)
            | Event::Ended(..)
            | Event::NoDescendants
            | Event::Reconfigured
            | Event::Expired(_) => None,
        }
    }
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Execute the command and answer with `Started` or `StartFailed`.
    Start,
    /// Send the signal to the command.
    Send(Signal),
    /// The command was stopped by this signal: stop with it, so that job control sees it.
    Pause(Signal),
    /// Send the signal to every descendant that has not got it, and call [`Event::Alone`] when none is left.
    Clear(Signal),
    /// Call [`Event::Expired`] after this long, instead of any earlier date for the same timer.
    Arm(Timer, Limit),
    /// Forget the timer.
    Disarm(Timer),
    /// Write into the tombstone.
    Record(Record),
    /// Tell people.
    Report(Report),
    /// Write the death record and exit.
    Finish(FinalStatus),
}

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// `--birth-timeout`.
    Birth,
    /// Time to say what is being waited for. It may come late.
    Notice,
    /// `--timeout`.
    Run,
    /// The command has run for long enough to be trusted again.
    Steady,
    /// `--stop-delay`.
    Delay,
    /// `--grace-period`.
    Grace,
    /// Time to look for orphans that came late.
    Pass,
    /// Until the command is started again. What has happened before is fed before.
    Backoff,
}

/// What goes into the tombstone before the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The command was started; with `ready` it is ready too.
    Born { ready: bool },
    /// It is ready.
    Ready,
    /// The command is down and will be back: it is neither ready any more nor inactive.
    Down,
    /// The command is down because it was deactivated.
    Inactive,
    /// A stop for a death dependency has begun.
    Cause(crate::protocol::name::Name),
}

/// What people are told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The birth dependencies have been waited for for some time.
    StillWaiting,
    /// The command is being stopped, for this reason, with this signal if it was not sent before.
    Stopping(StopReason, Option<Signal>),
    /// The grace period is over.
    Killing,
    /// What the command left behind is being stopped, with this signal.
    Draining(Signal),
    /// Somebody wants an end while what the command left behind is being stopped.
    Hurried,
    /// What the command left behind had its time.
    KillingDescendants,
    /// The command has ended like this, and will be started again after this long.
    Restarting(FinalStatus, Limit),
    /// There is a new configuration, and the command gets this signal for it.
    Reloading(Signal),
    /// There is no command, and will be none until it is activated.
    Inactive,
    /// The command is activated.
    Activated,
    /// The signal is held back for the stop delay.
    Delaying(Signal),
    /// The signal was passed on.
    Forwarded(Signal),
    /// The signal was dropped, because there is no command to send it to, or it was asked for.
    Dropped(Signal),
}

#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk_tests;
