//! What the state machine asks for: one action after another.

use super::outcome::FinalStatus;
use super::record::Record;
use super::report::Report;
use super::timer::Timer;
use crate::duration::Limit;
use crate::signal::Signal;

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
    SignalDescendants(Signal),
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
