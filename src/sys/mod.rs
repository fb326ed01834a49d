//! System calls that need unsafe code or libc, behind safe functions, and small helpers for others.
//!
//! Unsafe code and libc are nowhere else. Nothing here decides anything about lives.

pub(crate) mod clock;
pub(crate) mod command_line;
pub(crate) mod datagram;
mod environment;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod random;
mod raw;
pub(crate) mod signals;
pub(crate) mod spawn;
pub(crate) mod startup;
pub(crate) mod terminal;
pub(crate) mod write;
