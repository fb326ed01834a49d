//! What the state machine asks its caller to do.

use super::outcome::{FinalStatus, StopReason};
use super::record::Record;
use super::report::Report;
use super::timer::Timer;
use crate::duration::Limit;
use crate::signal::Signal;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Start the command. Answer with [`Event::Started`](super::event::Event::Started) or
    /// [`Event::StartFailed`](super::event::Event::StartFailed).
    Start,
    /// Send the signal to the command.
    Send(Signal),
    /// The signal suspended the command: suspend exitdir-run too, so that job control sees it.
    Pause(Signal),
    /// Run the actions of `--pre-stop`, before a stop for this reason or, without one, a stop from
    /// outside. Answer with [`Event::PreStopOver`](super::event::Event::PreStopOver) when they have
    /// ended.
    RunPreStop(Option<StopReason>),
    /// End the actions of `--pre-stop`, without an answer.
    EndPreStop,
    /// Run the actions of `--on-config`. They end with the command.
    RunOnConfig,
    /// Send the signal to every descendant that has not got it. Answer with
    /// [`Event::NoDescendants`](super::event::Event::NoDescendants) when none is left.
    SignalDescendants(Signal),
    /// Send [`Event::Expired`](super::event::Event::Expired) after this long. An earlier deadline
    /// of the same timer is void.
    Arm(Timer, Limit),
    /// Clear the timer.
    Disarm(Timer),
    /// Write this into the tombstone.
    Record(Record),
    /// Print a notice.
    Report(Report),
    /// Write the death record and exit.
    Finish(FinalStatus),
}
