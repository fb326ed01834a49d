//! Reading and writing the exit directory. Nothing here waits for a change of a
//! state. What waits for a lock, or for a record that is just being written, has a timeout.

pub(crate) mod announce;
pub(crate) mod append;
mod create;
mod durability;
pub(crate) mod exit_dir;
pub(crate) mod file_id;
pub(crate) mod locality;
pub(crate) mod own_life;
pub(crate) mod own_tombstone;
pub(crate) mod publish;
mod refusal;
pub(crate) mod resolve;
pub(crate) mod snapshot;
mod staging;
mod sticky;
pub(crate) mod sweep;
pub(crate) mod tombstones;
