//! Signals that `exitdir-run` receives and forwards to its command.

mod each_signal;
mod group;
mod phases;
mod rewrite;
