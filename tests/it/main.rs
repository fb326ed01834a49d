//! End-to-end tests: real processes, the real binary. A test's name is the sentence that it proves.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::type_complexity // tables of cases
)]

mod bad_input;
mod blind;
mod crash;
mod deaf;
mod dispatch;
mod docs;
mod exit_table;
mod faults;
mod follow;
mod install;
mod kubelet;
mod library;
mod lock;
mod permits;
mod races;
mod run;
mod scale;
mod scenarios;
mod seen;
mod signal;
mod smoke;
mod status;
mod tidy;
mod wait;
mod wakeups;
mod world;
