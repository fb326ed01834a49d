//! Learning of changes in the exit directory, and waiting for conditions.

pub(crate) mod cpu_time;
pub(crate) mod dir_watch;
pub(crate) mod inotify;
pub(crate) mod nearest_dir;
pub(crate) mod tracker;
pub(crate) mod waiter;
