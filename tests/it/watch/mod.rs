//! How a watcher learns of changes: locks, races, lost events, file systems without events, and
//! what it costs.

mod causes;
mod directory_loss;
mod follow;
mod fuse;
mod inotify_loss;
mod lives;
mod lock;
mod memory;
mod races;
mod scale;
