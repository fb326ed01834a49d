//! How often, and after which delay, a command that has ended is started again. Pure.

use crate::duration::Limit;
use std::time::Duration;

/// The delay before the first restart. It is doubled for each one after it.
const FIRST_RESTART_DELAY: Duration = Duration::from_secs(1);
/// The delay is not doubled beyond this.
const LONGEST_RESTART_DELAY: Duration = Duration::from_secs(60);
/// After a run of this long, the next delay is [`FIRST_RESTART_DELAY`] again.
pub(super) const STEADY_RUN: Limit = Limit::After(Duration::from_secs(10));

/// The restarts that `--restart-limit` leaves, and the delay before the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Retries {
    left: Option<u32>,
    delay: Duration,
}

impl Retries {
    /// `None` is no limit.
    pub(super) fn new(limit: Option<u32>) -> Retries {
        Retries {
            left: limit,
            delay: FIRST_RESTART_DELAY,
        }
    }

    /// Uses one restart and returns the delay before it; `None` if no restart is left.
    pub(super) fn take(&mut self) -> Option<Limit> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let delay = self.delay;
        self.delay = delay.saturating_mul(2).min(LONGEST_RESTART_DELAY);
        Some(Limit::After(delay))
    }

    /// The command runs steadily: its next restart comes after the shortest delay.
    pub(super) fn reset_backoff(&mut self) {
        self.delay = FIRST_RESTART_DELAY;
    }
}
