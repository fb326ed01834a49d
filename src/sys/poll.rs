//! Waiting until a descriptor is ready or a deadline has passed.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How often callers look again where poll(2) is refused.
const BLIND_INTERVAL: Duration = Duration::from_millis(100);

/// A descriptor that is ready when it has something to read.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::IN)
}

/// A descriptor that is ready when it fails, such as a pipe without a reader.
#[cfg(feature = "cli")]
pub(crate) fn failing(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::empty())
}

/// A descriptor that is ready when a write to it does not block.
#[cfg(feature = "cli")]
pub(crate) fn writable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::OUT)
}

/// Whether a descriptor is ready now. False where that cannot be found out.
#[cfg(feature = "cli")]
pub(crate) fn is_ready(descriptor: PollFd<'_>) -> bool {
    let at_once = timespec(Duration::ZERO);
    matches!(
        rustix::event::poll(&mut [descriptor], Some(&at_once)),
        Ok(1..)
    )
}

/// Sleeps until one of the descriptors is ready or the deadline has passed. A signal or an
/// error can end the sleep early, so callers look again after each wake-up.
pub(crate) fn sleep<'fd>(
    descriptors: impl IntoIterator<Item = PollFd<'fd>>,
    deadline: Option<Instant>,
) {
    let mut descriptors: Vec<PollFd<'_>> = descriptors.into_iter().collect();
    let timeout = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
    match rustix::event::poll(&mut descriptors, timeout.as_ref()) {
        // EINTR needs no handling: callers look again after each wake-up.
        Ok(_) | Err(Errno::INTR) => {}
        Err(_) => sleep_blindly(timeout),
    }
}

/// Sleeps until a time is over.
pub(crate) fn pause(duration: Duration) {
    sleep([], Some(Instant::now() + duration));
}

/// Sleeps for a moment where poll(2) is refused, as by a seccomp profile.
#[cold]
fn sleep_blindly(timeout: Option<Timespec>) {
    let longest = timespec(BLIND_INTERVAL);
    let moment = timeout.map_or(longest, |timeout| timeout.min(longest));
    let moment = libc::timespec {
        tv_sec: moment.tv_sec,
        tv_nsec: moment.tv_nsec,
    };
    // SAFETY: `moment` lives across the call; the null pointer asks for no answer. If this is
    // refused too, nothing can wait here.
    unsafe { libc::nanosleep(&raw const moment, std::ptr::null_mut()) };
}

/// The duration as the kernel takes it.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
