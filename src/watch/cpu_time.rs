//! What a scan costs: its processor time. Wall time does not count, because a slow disk, a SIGSTOP
//! or a busy machine is no reason to scan less often.

use crate::sys::clock::thread_cpu_time;
use std::time::Duration;

/// Measures the processor time of this thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTimer(Duration);

impl CpuTimer {
    pub(crate) fn start() -> CpuTimer {
        CpuTimer(thread_cpu_time())
    }

    /// The processor time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        thread_cpu_time().saturating_sub(self.0)
    }
}
