//! `argv` to applet to exit status. No logic.

#![no_main]

#[macro_use]
#[path = "sys/entry_point.rs"]
mod entry_point;

#[allow(unsafe_code)]
#[cfg(all(target_env = "musl", target_feature = "crt-static", panic = "abort"))]
#[path = "sys/unwinder.rs"]
mod unwinder;

entry_point!(exitdir::applet::main);
