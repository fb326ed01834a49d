//! Learning of changes in the exit directory, and waiting for conditions.

pub(crate) mod cpu_time;
pub(crate) mod deferred_close;
pub(crate) mod dir_changes;
pub(crate) mod dir_watch;
pub(crate) mod inotify;
#[cfg(feature = "cli")]
pub(crate) mod nearest_dir;
pub(crate) mod pollable;
#[cfg(feature = "cli")]
mod progress;
pub(crate) mod rescan;
pub(crate) mod scanning;
mod track;
pub(crate) mod tracker;
#[cfg(feature = "cli")]
pub(crate) mod wait_loop;
pub(crate) mod waiter;
