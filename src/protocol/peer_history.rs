//! What a life has observed of a name that it depends on. Pure.

use crate::protocol::life::Life;
use crate::protocol::timestamp::Timestamp;

/// Which life a tombstone describes. All tombstones without a time count as the same life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LifeKey(Option<Timestamp>);

impl LifeKey {
    pub(super) fn of(life: &Life) -> LifeKey {
        LifeKey(life.tombstone.life().cloned())
    }
}

/// What was observed under a name since this life began to watch.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The name was born since then.
    pub(super) born: bool,
    /// The life that was dead already.
    pub(super) initial_death: Option<LifeKey>,
}
