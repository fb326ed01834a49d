//! What the state machine writes into the tombstone before the death record.

use crate::protocol::past_life::Cause;

/// A change of the tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The command was started; with `ready` it is ready too.
    Born { ready: bool },
    /// The command is ready.
    Ready,
    /// The command is down and will be started again: it is not ready any more, and not inactive.
    Down,
    /// The command is down because it was deactivated.
    Inactive,
    /// A stop for a death dependency has begun; this is its cause.
    Cause(Cause),
}
