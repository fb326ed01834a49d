//! What the state machine writes into the tombstone before the end.

use crate::protocol::name::Name;

/// What goes into the tombstone before the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The command was started; with `ready` it is ready too.
    Born { ready: bool },
    /// It is ready.
    Ready,
    /// The command is down and will be back: it is neither ready any more nor inactive.
    Down,
    /// The command is down because it was deactivated.
    Inactive,
    /// A stop for a death dependency has begun.
    Cause(Name),
}
