//! Reading and writing the exit directory. Nothing here waits for a change.

pub(crate) mod announce;
pub(crate) mod append;
mod create;
pub(crate) mod exit_dir;
pub(crate) mod file_id;
pub(crate) mod locality;
pub(crate) mod own_tombstone;
pub(crate) mod publish;
pub(crate) mod snapshot;
mod staging;
pub(crate) mod sweep;
pub(crate) mod tombstones;
