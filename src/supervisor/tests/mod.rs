//! Tests of the machine. `exit_table`, `signals`, `restarts` and `activation` check chosen
//! sequences of events. `walk` checks what must hold after any events. `page` compares
//! docs/state-machine.md with the machine.

// A test looks only at the actions and events that it is about.
#![allow(clippy::wildcard_enum_match_arm)]

mod activation;
mod exit_table;
mod page;
mod restarts;
mod scenarios;
mod signals;
mod simulation;
mod support;
mod walk;
