//! How fast a source is read to which other processes write. They may never stop to write, and
//! what they write must not cost more than a small part of a processor.

use crate::watch::cpu_time::CpuTimer;
use std::time::{Duration, Instant};

/// The share of a processor: one part in so many. What the event loop does for each turn comes on
/// top, so this is less than the share of a scan.
const CPU_SHARE: u32 = 32;
/// About what a turn of the event loop costs beside the source.
const TURN_COST: Duration = Duration::from_micros(200);
/// A source that was quiet for so long may use the share of this time at once, so that a few
/// messages are read without a rest.
const CREDIT: Duration = Duration::from_millis(500);

/// Keeps the account of one source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The source rests until then.
    next: Instant,
}

impl Pace {
    pub(super) fn new() -> Pace {
        let now = Instant::now();
        Pace {
            next: now.checked_sub(CREDIT).unwrap_or(now),
        }
    }

    /// When the rest ends; `None` without a rest.
    pub(super) fn rest(&self) -> Option<Instant> {
        Some(self.next).filter(|next| *next > Instant::now())
    }

    /// The source was read, which has cost what the timer shows.
    pub(super) fn charge(&mut self, timer: CpuTimer) {
        let now = Instant::now();
        let cost = timer.elapsed().saturating_add(TURN_COST);
        let start = now.checked_sub(CREDIT).unwrap_or(now).max(self.next);
        self.next = start
            .checked_add(cost.saturating_mul(CPU_SHARE))
            .unwrap_or(now);
    }

    /// The source cannot be read at present.
    pub(super) fn pause(&mut self, pause: Duration) {
        self.next = Instant::now() + pause;
    }
}
