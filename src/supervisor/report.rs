//! What the state machine reports to the user.

use super::outcome::{FinalStatus, StopReason};
use crate::duration::Limit;
use crate::signal::Signal;

/// Something that the user is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// exitdir-run has waited for the birth dependencies for some time.
    StillWaiting,
    /// The command is started although the birth dependencies do not hold.
    StartingAnyway,
    /// Some death dependencies were never seen.
    Unseen,
    /// exitdir-run stops the command for this reason. The signal is `None` if the command got it
    /// before.
    Stopping(StopReason, Option<Signal>),
    /// A signal was received. What the command gets for it is held back until the actions of
    /// `--pre-stop` have ended.
    PreStopping { received: Signal, sent: Signal },
    /// The actions of `--pre-stop` have not ended in their time.
    PreStopLate,
    /// The grace period of the command is over.
    Killing,
    /// exitdir-run stops the descendants that the command left behind, with this signal.
    Draining(Signal),
    /// A stop was requested while exitdir-run waits for descendants; the next request kills them.
    StillDraining,
    /// The descendants are killed.
    KillingDescendants,
    /// This long after KILL there are still descendants, and exitdir-run exits.
    Abandoning(Limit),
    /// The command has ended like this and will be started again, at the earliest this long after
    /// its last start.
    Restarting(FinalStatus, Limit),
    /// There is a new configuration, and the command gets this signal for it.
    Reloading(Signal),
    /// There is a new configuration, and the actions of `--on-config` run for it.
    RunningOnConfig,
    /// The command is down until it is activated.
    Inactive,
    /// The command is activated.
    Activated,
    /// A signal was received. What the command gets for it is held back for the stop delay.
    Delaying { received: Signal, sent: Signal },
    /// The signal was forwarded.
    Forwarded(Signal),
    /// The signal was dropped: there is no command, or `--rewrite` drops it.
    Dropped(Signal),
}
