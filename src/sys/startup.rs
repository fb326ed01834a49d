//! What this process was started with, noted before anything changes it, and its restoration for
//! commands.
//!
//! [`prepare`] ignores `PIPE` and `XFSZ`, and opens `/dev/null` on closed standard descriptors;
//! `Signals` blocks all signals. A command gets none of that.

use super::raw::{self, KernelSigaction};
use crate::signal::{Signal, SignalSet};
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// The signals that a failed write raises. This program ignores both, and reports the error.
const RAISED_BY_WRITES: [Signal; 2] = [Signal::PIPE, Signal::XFSZ];
/// Their dispositions before [`prepare`] changes them.
static INHERITED: [AtomicUsize; 2] = [const { AtomicUsize::new(libc::SIG_DFL) }; 2];
/// Bit n: descriptor n (0 to 2) was closed before [`prepare`] opened `/dev/null` on it.
static INHERITED_CLOSED: AtomicU8 = AtomicU8::new(0);

/// The standard descriptors that are closed: bit n for descriptor n.
fn closed_descriptors() -> u8 {
    let mut asked = [0, 1, 2].map(|fd| libc::pollfd {
        fd,
        events: 0,
        revents: 0,
    });
    // SAFETY: the array has three entries and lives across the call.
    let is_answered = unsafe { libc::poll(asked.as_mut_ptr(), 3, 0) } >= 0;
    let is_closed = |asked: &libc::pollfd| match is_answered {
        true => asked.revents & libc::POLLNVAL != 0,
        false => is_bad_descriptor(asked.fd),
    };
    let closed = asked.iter().filter(|asked| is_closed(asked));
    closed.fold(0, |closed, asked| closed | 1 << asked.fd)
}

/// Whether a descriptor is closed, where poll(2) is refused. It is open where this is refused too.
fn is_bad_descriptor(fd: RawFd) -> bool {
    // SAFETY: dup2 touches no memory, and does nothing to an open descriptor.
    let copied = unsafe { libc::dup2(fd, fd) };
    copied < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EBADF)
}

/// Makes this process safe to work in: its own files get no number below 3, and a write to a closed
/// pipe, or past the limit of file sizes (`RLIMIT_FSIZE`, setrlimit(2)), fails without ending it. A
/// command gets none of that: see [`restore`].
pub(crate) fn prepare() {
    let closed = closed_descriptors();
    INHERITED_CLOSED.store(closed, Ordering::Relaxed);
    for _ in 0..closed.count_ones() {
        // open(2) takes the lowest number that is free. In an image without /dev/null the root
        // directory serves: it can neither be read nor written.
        // SAFETY: the path ends with NUL.
        if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } < 0 {
            // SAFETY: the path ends with NUL.
            unsafe { libc::open(c"/".as_ptr(), libc::O_RDONLY) };
        }
    }
    for (signal, inherited) in RAISED_BY_WRITES.into_iter().zip(&INHERITED) {
        // If it is refused, such a write ends this process, as it ends others.
        if let Ok(action) = raw::sigaction(signal, Some(&KernelSigaction::new(libc::SIG_IGN))) {
            inherited.store(action.handler, Ordering::Relaxed);
        }
    }
}

/// Whether the signal is ignored. For a signal that failed writes raise, whether it was when this
/// process was started.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    let mut raised = RAISED_BY_WRITES.into_iter().zip(&INHERITED);
    if let Some((_, inherited)) = raised.find(|(raised, _)| *raised == signal) {
        return inherited.load(Ordering::Relaxed) == libc::SIG_IGN;
    }
    raw::sigaction(signal, None).is_ok_and(|action| action.handler == libc::SIG_IGN)
}

/// The state of signals in which a command is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InheritedSignals {
    mask: SignalSet,
    child_ignored: bool,
}

impl InheritedSignals {
    /// Notes the inherited state, then blocks exactly the signals in `blocked` and makes children
    /// waitable: the kernel itself reaps the children of a process that ignores `CHLD`.
    pub(crate) fn save_and_set_mask(blocked: SignalSet) -> io::Result<InheritedSignals> {
        let mask = raw::set_mask(blocked)?;
        let child_ignored = is_ignored(Signal::CHLD);
        if child_ignored {
            let default = KernelSigaction::new(libc::SIG_DFL);
            raw::sigaction(Signal::CHLD, Some(&default))?;
        }
        Ok(InheritedSignals {
            mask,
            child_ignored,
        })
    }

    /// Async-signal-safe. If a call fails, the state stays as it is: there is no other.
    pub(super) fn set_again(self) {
        if self.child_ignored {
            let ignore = KernelSigaction::new(libc::SIG_IGN);
            let _ = raw::sigaction(Signal::CHLD, Some(&ignore));
        }
        let _ = raw::set_mask(self.mask);
    }
}

/// Restores what this process was started with: dispositions, closed descriptors, and last the
/// mask. A closed number that is in `filled` stays open.
///
/// Async-signal-safe: a child calls it in memory that it shares with its parent. It has no result,
/// because the command is executed whatever fails here.
pub(super) fn restore(inherited: Option<InheritedSignals>, filled: &[(OwnedFd, RawFd)]) {
    for (signal, inherited) in RAISED_BY_WRITES.into_iter().zip(&INHERITED) {
        let action = KernelSigaction::new(inherited.load(Ordering::Relaxed));
        let _ = raw::sigaction(signal, Some(&action));
    }
    let closed = INHERITED_CLOSED.load(Ordering::Relaxed);
    let is_filled = |fd: &RawFd| filled.iter().any(|(_, number)| number == fd);
    for fd in (0..3).filter(|fd| closed & (1 << fd) != 0 && !is_filled(fd)) {
        // SAFETY: `prepare` has opened the descriptor, and no value owns it: because of it no file
        // of this program has a number below 3.
        unsafe { libc::close(fd) };
    }
    if let Some(inherited) = inherited {
        inherited.set_again();
    }
}
