//! Why a command is stopped, why a life ends, and with which status.

use crate::exit::{ExitStatus, StartFailure};
use crate::protocol::death_deps::StopCause;
use crate::protocol::tombstone::Reason;
use crate::signal::Signal;

/// Why a command is told to stop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StopReason {
    /// A death dependency holds.
    Dependency(StopCause),
    /// It has run for as long as it may.
    RunTimeout,
    /// It was deactivated.
    Deactivated,
    /// There is a new configuration.
    Reconfigured,
}

impl StopReason {
    /// Whether the life goes on after it.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            StopReason::Dependency(_) | StopReason::RunTimeout => false,
            StopReason::Deactivated | StopReason::Reconfigured => true,
        }
    }
}

/// Why a life ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EndReason {
    /// The command ended.
    CommandEnded(ExitStatus),
    /// The command was told to stop.
    Stopped(StopReason),
    /// A death dependency held before the command was started.
    NotStarted(StopCause),
    /// A death dependency held before the command was started again.
    NotRestarted(StopCause),
    /// The birth dependencies did not hold in time.
    BirthTimeout,
    /// A signal came while the command was down.
    Interrupted(Signal),
    /// The command could not be executed.
    StartFailed(StartFailure),
}

/// The end of a life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FinalStatus {
    /// What exitdir-run exits with.
    pub(crate) code: u8,
    /// The signal that ended the command.
    pub(crate) signal: Option<Signal>,
    pub(crate) reason: Reason,
    pub(crate) end_reason: EndReason,
}
