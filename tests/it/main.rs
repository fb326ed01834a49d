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

mod actions; // --on-exit, --pre-stop and --on-config
mod applets; // selection of an applet, bad input, exitdir-install, exitdir-status
mod compat; // kubexit, the Go library, other init programs, YAML
mod docs; // the documentation, held against the program
mod faults; // a kill or an error at every system call
mod forwarding; // signals on their way to the command
mod hostile; // another user attacks what the programs use
mod library; // the crate as a library
mod managed; // configuration and activation of a command
mod project; // layers, unsafe code, size of the binary
mod readiness; // every source of --ready-on
mod release; // what scripts/release makes
mod restart; // restarts within one life
mod run; // exitdir-run: the command, its end, the tombstone
mod scenarios; // whole pods over many random rounds
mod signal; // exitdir-signal, also as a probe
mod sources; // ports, paths and URLs as conditions, and groups
mod support; // what the tests share; no tests
mod terminal; // job control
mod wait; // exitdir-wait
mod watch; // locks, races, lost events, file systems without events, cost
