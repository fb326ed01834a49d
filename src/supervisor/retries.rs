//! How often, and how soon, a command that has ended is started again. Pure: a delay counts from
//! the start before it, so the caller knows when it is over.

use crate::duration::Limit;
use std::time::Duration;

/// The delay from the first start to the first restart. It is doubled after each short run.
const FIRST_RESTART_DELAY: Duration = Duration::from_secs(1);
/// The delay is not doubled beyond this.
const LONGEST_RESTART_DELAY: Duration = Duration::from_secs(60);
/// A run that lasts this long is not short: the command is started again at once, and the delay is
/// [`FIRST_RESTART_DELAY`] again.
pub(super) const STEADY_RUN: Limit = Limit::After(Duration::from_secs(10));

/// The restarts that `--restart-limit` leaves, and the delay from the start of a short run to the
/// next start.
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

    /// Uses one restart, and returns how long after the last start it comes at the earliest; `None`
    /// if no restart is left. `steady` is whether the run was not short.
    pub(super) fn take(&mut self, steady: bool) -> Option<Limit> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        if steady {
            self.delay = FIRST_RESTART_DELAY;
            return Some(Limit::After(Duration::ZERO));
        }
        let delay = self.delay;
        self.delay = delay.saturating_mul(2).min(LONGEST_RESTART_DELAY);
        Some(Limit::After(delay))
    }
}
