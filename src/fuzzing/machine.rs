//! The state machine of `exitdir-run`, with random options and a random sequence of events.

use crate::supervisor::tests::random;

/// Walks through the machine and checks its invariants at each step.
pub fn target(data: &[u8]) {
    random::walk(&mut data.iter().copied());
}
