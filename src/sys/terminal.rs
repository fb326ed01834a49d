//! The foreground of the terminal that controls this session (credentials(7), tcsetpgrp(3)).

use rustix::process::{Pid, RawPid};
use std::os::fd::RawFd;

/// The standard descriptor of a terminal whose foreground this process group has, if there is one.
pub(crate) fn foreground_terminal() -> Option<RawFd> {
    let own = own_group();
    // All groups outside of this PID namespace are 0, so a comparison with 0 proves nothing.
    (0..3).find(|fd| own > 0 && foreground_group(*fd) == own)
}

/// Whether one of the standard descriptors is the terminal that controls this session.
pub(crate) fn has_controlling_terminal() -> bool {
    (0..3).any(|fd| foreground_group(fd) >= 0)
}

/// Gives the foreground of the terminal to a process group. `TTOU` must be blocked.
pub(crate) fn give_foreground(terminal: RawFd, group: Pid) {
    set_foreground_group(terminal, group.as_raw_pid());
}

fn set_foreground_group(terminal: RawFd, group: RawPid) {
    // SAFETY: tcsetpgrp reads only its arguments. TTOU is blocked, so the call does not stop
    // this process. If it fails, the terminal stays as it is.
    unsafe { libc::tcsetpgrp(terminal, group) };
}

/// Takes the foreground of the terminal back from a child's group, but not from another one: a
/// shell may have given it away meanwhile. Where this process leads the session, only the child can
/// have given it away, to a job of its own, and then it is taken back too.
pub(crate) fn take_foreground_back(terminal: RawFd, child: Pid) {
    let own = own_group();
    // SAFETY: getsid touches no memory.
    let session = unsafe { libc::getsid(0) };
    if foreground_group(terminal) == child.as_raw_pid() || session == own {
        set_foreground_group(terminal, own);
    }
}

fn own_group() -> RawPid {
    // SAFETY: getpgrp touches no memory.
    unsafe { libc::getpgrp() }
}

/// The process group in the foreground of a terminal; -1 if the descriptor is no terminal, or does
/// not control this session.
fn foreground_group(terminal: RawFd) -> RawPid {
    // SAFETY: tcgetpgrp writes only to a variable of its own.
    unsafe { libc::tcgetpgrp(terminal) }
}
