//! The signals that end an applet that waits.

use crate::signal::Signal;
use crate::sys::signals::Signals;
use crate::sys::startup::is_ignored;
use std::io;

/// For PID 1, which loses every signal that has no handler (pid_namespaces(7)): the signals that
/// end the wait are read instead.
pub(super) fn block_signals_as_init() -> io::Result<Option<Signals>> {
    if rustix::process::getpid().is_init() {
        Signals::block().map(Some)
    } else {
        Ok(None)
    }
}

/// Whether the signal would have ended this process if it were not PID 1.
pub(super) fn ends_wait(signal: Signal) -> bool {
    signal.is_fatal_by_default() && !is_ignored(signal)
}
