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
    clippy::print_stderr
)]

mod bad_input;
mod smoke;
mod tidy;
mod world;
