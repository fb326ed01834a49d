//! Tests of the machine. `exit_table`, `stop_code`, `signals`, `restarts`, `activation` and
//! `pre_stop` check chosen sequences of events. `walk` checks what must hold after any events, and
//! so does `random` for the fuzzer. `page` compares docs/state-machine.md with the machine.

// The fuzzer needs only a part of it.
#![cfg_attr(not(test), allow(dead_code))]
// A test looks only at the actions and events that it is about.
#![allow(clippy::wildcard_enum_match_arm)]
// Clippy does not take a module for tests that the fuzzer compiles too.
#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

#[cfg(test)]
mod activation;
#[cfg(test)]
mod exit_table;
mod monitor;
#[cfg(test)]
mod page;
#[cfg(test)]
mod pre_stop;
pub(crate) mod random;
#[cfg(test)]
mod restarts;
mod scenarios;
#[cfg(test)]
mod signals;
mod simulation;
#[cfg(test)]
mod stop_code;
mod support;
#[cfg(test)]
mod walk;
