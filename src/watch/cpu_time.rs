//! What a look costs: the processor time that it takes.
//!
//! A look that was held up, by a slow disk, by a SIGSTOP or by others on the machine, costs nobody anything, and
//! is no reason to look less often.

use crate::sys::clock::thread_cpu_time;
use std::time::Duration;

/// The processor time of this thread at the beginning of something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTimer(Duration);

impl CpuTimer {
    pub(crate) fn begin() -> CpuTimer {
        CpuTimer(thread_cpu_time())
    }

    /// What it has cost since then.
    pub(crate) fn so_far(self) -> Duration {
        thread_cpu_time().saturating_sub(self.0)
    }
}
