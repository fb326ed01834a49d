//! The life of a command as a pure state machine: events in, actions out, no clock, no I/O.
//!
//! [`Machine::step`] is the whole policy of `exitdir-run`. Whoever drives it carries out the actions in
//! their order, and feeds the result of [`Action::Start`] back before any other event. Every pair of
//! state and event is written out; the same table stands in DESIGN.md.

#![warn(clippy::wildcard_enum_match_arm)]

mod machine;
mod outcome;
mod rules;

pub(crate) use machine::Machine;
pub(crate) use outcome::{Ending, Final, StartFailure, StopReason, Why};
pub(crate) use rules::Rules;

use crate::dependencies::Fate;
use crate::{Limit, Signal};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The birth dependencies hold (or there are none).
    BirthDepsHold,
    /// A death dependency holds.
    DeathDepHolds(Fate),
    /// A signal came from outside.
    Signal(Signal),
    /// The command was executed.
    Started,
    /// It could not be.
    StartFailed(StartFailure),
    /// The command has ended and was reaped.
    Ended(Ending),
    /// A timer that was armed has run out.
    Expired(Timer),
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Execute the command and answer with `Started` or `StartFailed`.
    Start,
    /// Send the signal to the command.
    Send(Signal),
    /// Call [`Event::Expired`] after this long, instead of any earlier date for the same timer.
    Arm(Timer, Limit),
    /// Forget the timer.
    Disarm(Timer),
    /// Write into the tombstone.
    Record(Record),
    /// Tell people.
    Report(Report),
    /// Write the death record and exit.
    Finish(Final),
}

/// What can run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// `--birth-timeout`.
    Birth,
    /// `--timeout`.
    Run,
    /// `--grace-period`.
    Grace,
    /// Time to say what is being waited for. It may come late.
    Notice,
}

/// What goes into the tombstone before the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The command was started; with `ready` it is ready too.
    Born { ready: bool },
    /// A stop for a death dependency has begun.
    Cause(crate::Name),
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
    /// The signal was passed on.
    Forwarded(Signal),
    /// The signal was dropped, because there is no command to send it to.
    Dropped(Signal),
}

#[cfg(test)]
mod tests;
