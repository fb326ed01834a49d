//! The states of the machine: data alone. `running.rs`, `down.rs` and `draining.rs` say what each
//! event does in them.

use super::outcome::{FinalStatus, StopReason};
use crate::duration::Limit;
use crate::signal::{Signal, SignalSet};

/// The state of a life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum MachineState {
    /// The birth dependencies do not hold yet.
    Waiting,
    /// The command is being started. The next event is the answer.
    Starting(StartAttempt),
    /// The command runs.
    Running(Run),
    /// The command runs. A signal was received that asks for a stop, and what the command gets for
    /// it is held back.
    Delaying(Run, Held),
    /// exitdir-run stops the command, and the actions of `--pre-stop` run. The command did not get
    /// the stop signal yet.
    PreStopping(Run, StopReason),
    /// exitdir-run stops the command.
    Stopping(Run, Stop),
    /// The command has ended. exitdir-run stops the processes that it left behind.
    Draining(Draining),
    /// The command is down and will be started again. This is how its last run ended.
    BackingOff(FinalStatus),
    /// The command is down, and stays down until it is activated. This is how its last run ended,
    /// if there was one.
    Inactive(Option<FinalStatus>),
    /// The life has ended; nothing happens any more.
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
    /// The signals that it was sent, by a stop or forwarded.
    pub(super) sent: SignalSet,
    /// It was sent the stop signal, or the signal that it gets for a received TERM.
    pub(super) stop_sent: bool,
    /// A received signal or a key of the terminal asks for a stop for good, whatever the command
    /// got for it.
    pub(super) stop_requested: bool,
    /// It was last seen suspended, as by `^Z`.
    pub(super) paused: bool,
    /// It has run for so long that its restart is not delayed.
    pub(super) steady: bool,
    /// The actions of `--pre-stop` were begun. They run once for each run of the command.
    pub(super) pre_stopped: bool,
}

/// A stop from outside that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Held {
    pub(super) received: Signal,
    /// What the command gets for it.
    pub(super) sent: Signal,
    /// The stop delay is not over.
    pub(super) is_delayed: bool,
    /// The actions of `--pre-stop` run.
    pub(super) pre_stops: bool,
}

/// A stop in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stop {
    pub(super) reason: StopReason,
    /// The grace period is over and the command was sent KILL.
    pub(super) killed: bool,
}

/// The stop of the processes that a command left behind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Draining {
    pub(super) next: Next,
    pub(super) phase: DrainPhase,
}

/// How far the stop of these processes has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DrainPhase {
    /// They have their grace period.
    Grace,
    /// The same, but a stop was requested from outside: the next request kills them.
    StopRequested,
    /// They were sent KILL.
    Killed,
}

/// What follows after a command has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Next {
    /// The life ends.
    Finish(FinalStatus),
    /// The command is started again, at the earliest this long after its last start.
    Restart(FinalStatus, Limit),
    /// The stop was temporary: the command is started again at once, unless it is inactive.
    Resume(FinalStatus),
}

impl Next {
    /// Whether the life continues.
    pub(super) fn continues(&self) -> bool {
        match self {
            Next::Finish(_) => false,
            Next::Restart(..) | Next::Resume(_) => true,
        }
    }
}
