//! Containers of a pod tell each other when they start, become ready and end, through small text
//! files in a shared directory. Each file is a tombstone and describes one life: one run of one
//! program.
//!
//! This library is for Rust programs that read and write tombstones themselves. Other programs need
//! no change: `exitdir-run`, `exitdir-wait` and `exitdir-signal` do it for them.
//!
//! - [`ExitDir::watch`] waits for conditions such as `db:ready` or `leader:died`.
//! - [`ExitDir::signal`] records that a life has died or is ready.
//! - [`ExitDir::life`] and [`ExitDir::tombstones`] read one tombstone, and all of them.
//!
//! ```no_run
//! use exitdir::ExitDir;
//! use std::time::Duration;
//!
//! // None if EXIT_DIR is unset: then the program runs without its peers.
//! if let Some(dir) = ExitDir::from_env() {
//!     let leader = "leader:died".parse()?;
//!     let mut watch = dir.watch(&[leader])?;
//!     watch.wait(Some(Duration::from_secs(30)))?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Without the applets, some functions of the rooms below them have no caller. The default features
// show code that is really dead.
#![cfg_attr(not(feature = "managed"), allow(dead_code))]

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod applet;
mod duration;
mod error;
mod exit;
#[cfg(feature = "cli")]
mod log;
#[cfg(feature = "managed")]
mod managed;
#[cfg(all(feature = "cli", not(feature = "managed")))]
#[path = "managed/absent.rs"]
mod managed;
#[cfg(test)]
mod model;
#[cfg(feature = "cli")]
mod process;
mod protocol;
#[cfg(feature = "cli")]
mod readiness;
#[cfg(feature = "cli")]
mod run;
mod signal;
mod store;
#[cfg(feature = "cli")]
mod supervisor;
#[allow(unsafe_code)]
mod sys;
mod watch;

pub use error::Error;
pub use protocol::condition::{Condition, ConditionError};
pub use protocol::evaluator::{Match, Verdict};
pub use protocol::life::{Death, Life, Liveness, Phase};
pub use protocol::name::{Name, NameError};
pub use protocol::state::State;
pub use protocol::timestamp::Timestamp;
pub use protocol::tombstone::{Lock, LockIdentity, Reason, Tombstone};
pub use signal::Signal;
pub use store::announce::{Announcement, LiveHandle, SignalOutcome};
pub use store::exit_dir::ExitDir;
pub use store::own_life::OwnLife;
pub use store::tombstones::Tombstones;
pub use watch::pollable::Watch;
