//! Small text files in a shared directory tell the containers of a pod when the others were born,
//! are ready, have died.
//!
//! This is the library for programs that want to be aware themselves; most will rather run under
//! the binary's applets `exitdir-run`, `exitdir-wait` and `exitdir-signal`.
//!
//! ```no_run
//! use exitdir::{Condition, ExitDir, State};
//! use std::time::Duration;
//!
//! // None when EXIT_DIR is unset: the feature is off, which is no error.
//! if let Some(dir) = ExitDir::from_env() {
//!     let leader = Condition::parse("leader", State::Died)?;
//!     let mut watch = dir.watch(&[leader])?;
//!     watch.wait(Some(Duration::from_secs(30)))?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(hidden)]
pub mod applet;
mod birth;
mod child;
mod condition;
mod config;
mod dependencies;
mod descendants;
mod duration;
mod effort;
mod error;
mod event_loop;
mod exit_dir;
mod follow;
mod managed;
#[cfg(test)]
mod model;
mod name;
mod own_life;
mod plan;
mod program;
mod random;
mod readiness;
mod ready_on;
mod say;
mod signal;
mod society;
mod supervisor;
mod sweep;
#[allow(unsafe_code)]
mod sys;
mod termination_log;
mod timers;
mod timestamp;
mod tombstone;
mod verdict;
mod vigil;
mod voice;
mod watch;
mod wording;

pub mod exit;

pub use condition::{Condition, Death, Life, LockEvidence, Stage, Standing, State, Vantage};
pub use duration::{Limit, parse_duration};
pub use error::Error;
pub use exit_dir::ExitDir;
pub use name::Name;
pub use say::{Living, Said, Word};
pub use signal::{Signal, SignalSet};
pub use timestamp::Timestamp;
pub use tombstone::{Lock, LockIdentity, Reason, Tombstone};
pub use verdict::{Decider, Mode, Verdict};
pub use vigil::Watch;
