//! What the state machine reports to people.

use super::outcome::{FinalStatus, StopReason};
use crate::duration::Limit;
use crate::signal::Signal;

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
    StillDraining,
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
