//! What the state machine is told: one event at a time.

use super::timer::Timer;
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
    pub(super) fn activity(&self) -> Option<bool> {
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
