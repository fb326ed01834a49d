//! Why a command is stopped, why a life ends, and with which status.

use crate::exit::{ExitStatus, StartFailure};
use crate::protocol::death_deps::StopCause;
use crate::protocol::tombstone::Reason;
use crate::signal::Signal;

/// Why exitdir-run stops the command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StopReason {
    /// A death dependency holds.
    Dependency(StopCause),
    /// It has run for as long as `--timeout` allows.
    RunTimeout,
    /// A death dependency was not seen within `--missing-timeout`.
    Missing,
    /// It was deactivated.
    Deactivated,
    /// There is a new configuration.
    Reconfigured,
}

impl StopReason {
    /// Whether the life continues after the stop.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            StopReason::Dependency(_) | StopReason::RunTimeout | StopReason::Missing => false,
            StopReason::Deactivated | StopReason::Reconfigured => true,
        }
    }
}

/// Why a life ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EndReason {
    /// The command ended by itself.
    CommandEnded(ExitStatus),
    /// exitdir-run stopped the command.
    Stopped(StopReason),
    /// A death dependency held before the command was started.
    NotStarted(StopCause),
    /// A death dependency held before the command was started again.
    NotRestarted(StopCause),
    /// The birth dependencies did not hold in time.
    BirthTimeout,
    /// A death dependency was not seen within `--missing-timeout`, and the command was down.
    Missing,
    /// A signal arrived while the command was down.
    Interrupted(Signal),
    /// The command could not be started.
    StartFailed(StartFailure),
}

/// How a life ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FinalStatus {
    /// The exit status of exitdir-run.
    pub(crate) code: u8,
    /// The signal that ended the command.
    pub(crate) signal: Option<Signal>,
    /// The reason that the tombstone gives.
    pub(crate) reason: Reason,
    pub(crate) end_reason: EndReason,
}
