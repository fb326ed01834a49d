//! The start gate: every start of CMD goes through it. What the loop learned earlier does not count
//! there: a dependency may have died, the `--active-while` file may be gone, and a configuration
//! may be about to change.

use crate::managed::debounce::DEBOUNCE_LIMIT;
use std::time::Instant;

/// Since when a start is due. A start that is due waits for the configuration to come to rest.
#[derive(Debug, Default)]
pub(super) struct StartGate {
    due_since: Option<Instant>,
}

impl StartGate {
    /// Notes that a start is due. Returns since when it is.
    pub(super) fn note_due(&mut self, now: Instant) -> Instant {
        *self.due_since.get_or_insert(now)
    }

    /// Notes that no start is due (any more).
    pub(super) fn clear(&mut self) {
        self.due_since = None;
    }

    pub(super) fn is_due(&self) -> bool {
        self.due_since.is_some()
    }

    /// When a start that is due no longer waits for the configuration.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due_since.map(|since| since + DEBOUNCE_LIMIT)
    }
}
