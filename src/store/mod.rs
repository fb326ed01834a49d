//! Reading and writing the exit directory. Nothing here waits for a change.

pub(crate) mod announce;
pub(crate) mod exit_dir;
pub(crate) mod own_tombstone;
pub(crate) mod publish;
pub(crate) mod sweep;
