//! System calls that need unsafe code or libc, behind safe functions, and small helpers for others.
//!
//! Unsafe code and libc are nowhere else. Nothing here decides anything about lives.

pub(crate) mod clock;
#[cfg(feature = "cli")]
pub(crate) mod command_line;
#[cfg(feature = "cli")]
pub(crate) mod datagram;
#[cfg(feature = "cli")]
pub(crate) mod environment;
#[cfg(feature = "cli")]
pub(crate) mod fork;
pub(crate) mod lock;
pub(crate) mod mkdir;
pub(crate) mod poll;
#[cfg(feature = "cli")]
pub(crate) mod process;
#[cfg(feature = "cli")]
pub(crate) mod random;
mod raw;
pub(crate) mod read;
#[cfg(feature = "cli")]
pub(crate) mod signals;
#[cfg(feature = "cli")]
pub(crate) mod spawn;
#[cfg(feature = "cli")]
pub(crate) mod startup;
#[cfg(feature = "cli")]
pub(crate) mod terminal;
pub(crate) mod write;
