//! What these tests share with the tests of plain processes.

#[path = "../it/support/sandbox.rs"]
pub mod sandbox;
#[path = "../it/support/signals.rs"]
pub mod signals;
