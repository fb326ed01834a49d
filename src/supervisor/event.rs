//! What the caller tells the state machine, one event at a time.

use super::timer::Timer;
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::protocol::death_deps::StopCause;
use crate::signal::Signal;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The birth dependencies hold, or there are none.
    BirthDepsHold,
    /// `--start-anyway`: the birth timeout is over, and nothing but birth dependencies is missing.
    StartAnyway,
    /// `--fail-fast`: a birth dependency has died and cannot hold.
    BirthDepFailed(StopCause),
    /// A death dependency holds.
    DeathDepHolds(StopCause),
    /// No death dependency is missing any more: each one that has a name was seen.
    DeathDepsSeen,
    /// exitdir-run received a signal.
    Signal(Signal),
    /// The command was started.
    Started,
    /// The command could not be started.
    StartFailed(StartFailure),
    /// The command is ready.
    Ready,
    /// This signal suspended the command, as by `^Z`. No event says that the command continues.
    Paused(Signal),
    /// The command has ended and was reaped.
    Ended(ExitStatus, Remaining, TerminalPlace),
    /// The actions of `--pre-stop` have ended.
    PreStopOver,
    /// No process is left of those that the command left behind.
    NoDescendants,
    /// A command may run.
    Activated,
    /// No command may run.
    Deactivated,
    /// A new configuration was put in place.
    Reconfigured,
    /// An armed timer has expired.
    Expired(Timer),
}

impl Event {
    /// Whether a command may run from now on; `None` if the event does not change that.
    pub(super) fn activates(&self) -> Option<bool> {
        match self {
            Event::Activated => Some(true),
            Event::Deactivated => Some(false),
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
            | Event::Reconfigured
            | Event::Expired(_) => None,
        }
    }
}
