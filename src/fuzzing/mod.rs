//! The targets of the fuzzer: each takes any bytes, and fails where a promise of the program is
//! broken. The bytes are not only text to be read: they also choose values, events and options.
//!
//! Nothing of it is in the binary. `fuzz/` calls the targets with new bytes, and the unit tests
//! call them with those of `fuzz/corpus/`. `scripts/fuzz` runs all targets.

// A target fails by a panic.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

pub mod archive;
pub mod datagram;
pub mod evaluator;
mod history;
mod input;
pub mod machine;
pub mod options;
mod read_tombstone;
mod stop_oracle;
mod tar;
pub mod tombstone;
pub mod words;
mod written_tombstone;

#[cfg(test)]
mod tests;
