//! Small text files in a shared directory tell the containers of a pod when the others were born,
//! are ready, have died.
//!
//! This is the library for programs that want to be aware themselves; most will rather run under
//! the binary's applets `exitdir-run`, `exitdir-wait` and `exitdir-signal`.
//!
//! ```no_run
//! use exitdir::ExitDir;
//! use std::time::Duration;
//!
//! // None when EXIT_DIR is unset: the feature is off, which is no error.
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
pub use store::tombstones::Tombstones;
pub use watch::pollable::Watch;
