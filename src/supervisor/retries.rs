//! How often, and how soon, a command that has ended is started again. Pure.

use crate::duration::Limit;
use std::time::Duration;

/// What is left of `--restart-limit`, and how long the next restart is to be waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Retries {
    left: Option<u32>,
    delay: Duration,
}

/// Before the first restart; doubled for each one after it.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// A command that has run for this long is restarted after [`FIRST_DELAY`] again.
pub(super) const STEADY: Limit = Limit::After(Duration::from_secs(10));

impl Retries {
    pub(super) fn new(limit: Option<u32>) -> Retries {
        Retries {
            left: limit,
            delay: FIRST_DELAY,
        }
    }

    /// Uses up one restart, and says how long to wait for it; `None` if none is left.
    pub(super) fn take(&mut self) -> Option<Limit> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let delay = self.delay;
        self.delay = delay.saturating_mul(2).min(LONGEST_DELAY);
        Some(Limit::After(delay))
    }

    /// The command runs steadily.
    pub(super) fn reset_backoff(&mut self) {
        self.delay = FIRST_DELAY;
    }
}
