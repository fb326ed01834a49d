//! The states of the machine. Data alone: what an event does in them is in `running.rs` and `down.rs`.

use super::outcome::{FinalStatus, StopReason};
use crate::duration::Limit;
use crate::signal::{Signal, SignalSet};

/// Where the life stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum MachineState {
    /// The birth dependencies do not hold yet.
    Waiting,
    /// The command is being executed; the next event is the answer.
    Starting(StartAttempt),
    /// The command runs.
    Running(Run),
    /// The command runs, and what it is to get for a TERM from outside is held back.
    Delaying(Run, Signal),
    /// The command was told to stop.
    Stopping(Run, Stop),
    /// The command has ended; what it left behind is being stopped.
    Draining(Draining),
    /// The command is down and will be started again. This would be the end if it were not.
    BackingOff(FinalStatus),
    /// Deactivated: there is no command, and there will be none before it is activated. How it was last.
    Inactive(Option<FinalStatus>),
    /// The end; nothing happens any more.
    Finished,
}

/// Whether the command is started for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum StartAttempt {
    First,
    Again,
}

/// A command that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Run {
    /// What it was sent, by a stop or passed on from outside.
    pub(super) sent: SignalSet,
    /// It got the stop signal, or what stands for a TERM from outside.
    pub(super) stop_sent: bool,
    /// Somebody outside wants it to stop for good, whatever it was sent for that.
    pub(super) stop_requested: bool,
    /// It was last seen stopped, as by `^Z`.
    pub(super) paused: bool,
}

/// A stop under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stop {
    pub(super) reason: StopReason,
    pub(super) killed: bool,
}

/// The stop of what a command left behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Draining {
    pub(super) next: Next,
    pub(super) pace: Pace,
}

/// How much patience there is with what a command left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pace {
    /// It has its grace period.
    Gentle,
    /// The same, and somebody outside wants an end: the next word from there is the last.
    Warned,
    Killed,
}

/// What comes after a command that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Next {
    Finish(FinalStatus),
    Restart(FinalStatus, Limit),
    /// It was stopped so that it can be started again, which it is at once, unless it was deactivated.
    Resume(FinalStatus),
}

impl Next {
    /// Whether the life goes on.
    pub(super) fn continues(&self) -> bool {
        match self {
            Next::Finish(_) => false,
            Next::Restart(..) | Next::Resume(_) => true,
        }
    }
}
