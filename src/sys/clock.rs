//! The wall clock, and the processor time of a thread.

use crate::protocol::timestamp::Timestamp;
use std::time::{Duration, SystemTime};

/// The time of the wall clock, as tombstones write it.
pub(crate) fn timestamp_now() -> Timestamp {
    Timestamp::from_system_time(SystemTime::now())
}

/// The processor time that this thread has used.
///
/// rustix reads this clock through the vDSO, which does not exist under valgrind.
pub(crate) fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` lives across the call, which writes one timespec to it. Every thread has this
    // clock, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
}
