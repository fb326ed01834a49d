//! Waiting until a descriptor is ready or a deadline has passed.

use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// A descriptor that is ready when it has something to read.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::IN)
}

/// Sleeps until one of the descriptors is ready or the deadline has passed. A signal or an
/// error can end the sleep early, so callers look again after each wake-up.
pub(crate) fn sleep<'fd>(
    descriptors: impl IntoIterator<Item = PollFd<'fd>>,
    deadline: Option<Instant>,
) {
    let mut descriptors: Vec<PollFd<'_>> = descriptors.into_iter().collect();
    let timeout = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
    // EINTR needs no handling: callers look again after each wake-up.
    let _ = rustix::event::poll(&mut descriptors, timeout.as_ref());
}

/// The duration as the kernel takes it.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
