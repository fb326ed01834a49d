//! Containers of a pod tell each other when they start, become ready and end, through small text
//! files in a shared directory. Each file is a tombstone and describes one life: one run of one
//! program. `docs/tombstone.md` describes the format.
//!
//! This library is for Rust programs that read and write tombstones themselves. Other programs need
//! no change: `exitdir-run`, `exitdir-wait` and `exitdir-signal` do it for them.
//!
//! - [`ExitDir::watch`] waits for conditions such as `db:ready` or `leader:died`.
//! - [`ExitDir::begin`] begins a life of this process.
//! - [`ExitDir::signal`] records that another life has died or is ready.
//! - [`ExitDir::life`] and [`ExitDir::tombstones`] read one tombstone, and all of them.
//!
//! # Waiting for others
//! A [`Watch`] waits until all of its conditions hold, or until one of them can no longer hold.
//!
//! ```no_run
//! use exitdir::{ExitDir, Verdict};
//! use std::time::Duration;
//!
//! // None if EXIT_DIR is unset: then the program runs without its peers.
//! if let Some(dir) = ExitDir::from_env() {
//!     let mut watch = dir.watch(&["db:ready".parse()?])?;
//!     match watch.wait(Some(Duration::from_secs(30)))? {
//!         Verdict::Holds(_) => println!("db is ready"),
//!         Verdict::Impossible => println!("db has ended"),
//!         Verdict::Open => println!("db is not ready after 30 seconds"),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In an event loop
//! A [`Watch`] has a descriptor. Call [`Watch::check`], which never blocks, when it is readable.
//! Here with mio; `examples/tokio.rs` does the same with tokio's `AsyncFd`.
//!
//! ```no_run
//! use exitdir::{ExitDir, Verdict};
//! use mio::{Events, Interest, Poll, Token, unix::SourceFd};
//! use std::os::fd::AsRawFd;
//!
//! let dir = ExitDir::new("/run/exit");
//! let mut watch = dir.watch(&["db:died".parse()?])?;
//! let descriptor = watch.as_raw_fd();
//! let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(16));
//! poll.registry()
//!     .register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)?;
//! loop {
//!     poll.poll(&mut events, None)?;
//!     if !events.is_empty() && watch.check()? != Verdict::Open {
//!         break;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A life of this process
//! If the process is killed, or drops the [`OwnLife`], others see the life as lost.
//!
//! ```no_run
//! # let dir = exitdir::ExitDir::new("/run/exit");
//! let life = dir.begin(&"db".parse()?)?;
//! life.ready()?;
//! // Serve until the end.
//! life.finish(0)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Listing the tombstones
//!
//! ```no_run
//! # let dir = exitdir::ExitDir::new("/run/exit");
//! for entry in dir.tombstones()? {
//!     let (name, life) = entry?;
//!     let code = life.death().and_then(|death| death.code());
//!     println!("{name}: {:?}, exit code {code:?}", life.state());
//! }
//! # Ok::<(), exitdir::Error>(())
//! ```
//!
//! # Features
//! `cli` adds the binary with its applets. `managed` adds configuration and activation to
//! `exitdir-run`, and implies `cli`. Both are on by default, and neither changes the library.
//! Without them it needs only the crates `rustix` and `libc`.
//!
//! # Platforms
//! Linux only: the library uses inotify(7), epoll(7), timerfd_create(2) and POSIX locks (fcntl(2)).

// Without the applets, some functions of the rooms below them have no caller. The default features
// show code that is really dead.
#![cfg_attr(not(feature = "managed"), allow(dead_code))]

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod applet;
mod duration;
mod error;
mod exit;
#[cfg(all(any(test, fuzzing), feature = "managed"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "cli")]
mod hook;
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
mod probe;
#[cfg(feature = "cli")]
mod process;
mod protocol;
#[cfg(feature = "cli")]
mod readiness;
#[cfg(feature = "cli")]
mod run;
mod signal;
mod sorted;
mod spelling;
#[cfg(feature = "cli")]
mod status;
mod store;
#[cfg(feature = "cli")]
mod supervisor;
#[allow(unsafe_code)]
mod sys;
mod watch;

pub use error::Error;
pub use protocol::condition::{Condition, ConditionError};
pub use protocol::evaluator::Verdict;
pub use protocol::evidence::Match;
pub use protocol::life::{Death, Life, Liveness, Phase};
pub use protocol::name::{Name, NameError};
pub use protocol::past_life::{Cause, PastLife};
pub use protocol::state::State;
pub use protocol::timestamp::Timestamp;
pub use protocol::tombstone::{Lock, LockIdentity, Reason, Tombstone};
pub use signal::Signal;
pub use store::announce::{Announcement, LiveHandle, SignalOutcome};
pub use store::exit_dir::ExitDir;
pub use store::own_life::OwnLife;
pub use store::sweep::{Sweep, SweepResult};
pub use store::tombstones::Tombstones;
pub use watch::pollable::Watch;

/// The Rust code in this page is compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../docs/library.md")]
struct LibraryPage;
