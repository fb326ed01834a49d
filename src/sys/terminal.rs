//! The foreground of the terminal that controls this session (credentials(7), tcsetpgrp(3)).

use rustix::process::{Pid, RawPid};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// A descriptor of the terminal whose foreground this process group has, if there is one.
pub(crate) fn foreground_terminal() -> Option<RawFd> {
    // All groups outside of this PID namespace are 0, so a comparison with 0 proves nothing.
    let is_own = |fd: &RawFd| own_group() > 0 && foreground_group(*fd) == own_group();
    terminal().filter(is_own)
}

/// Whether this process may be in the foreground without being able to tell: its process group and
/// the one in the foreground are both outside of this PID namespace, so neither has a number here.
/// Then the foreground can be neither given to another group nor taken back.
pub(crate) fn is_foreground_unknown() -> bool {
    own_group() == 0 && terminal().is_some_and(|fd| foreground_group(fd) == 0)
}

/// The columns of the terminal that standard error is, if it controls this session and this process
/// group has its foreground. 0 if the terminal does not say.
pub(crate) fn foreground_columns() -> Option<usize> {
    let group = foreground_group(libc::STDERR_FILENO);
    if group <= 0 || group != own_group() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stderr());
    Some(size.map_or(0, |size| usize::from(size.ws_col)))
}

/// Whether the descriptor is the terminal that controls this session, and another process group has
/// its foreground.
pub(crate) fn is_in_background(fd: BorrowedFd<'_>) -> bool {
    let group = foreground_group(fd.as_raw_fd());
    group > 0 && group != own_group()
}

/// Whether a terminal controls this session.
pub(crate) fn has_controlling_terminal() -> bool {
    terminal().is_some()
}

/// A descriptor of the terminal that controls this session: a standard one or, where none of them
/// is that terminal, one that stays open from the first call on.
fn terminal() -> Option<RawFd> {
    let is_controlling = |fd: &RawFd| *fd >= 0 && foreground_group(*fd) >= 0;
    (0..3)
        .find(is_controlling)
        .or_else(|| Some(opened_terminal()).filter(is_controlling))
}

/// `/dev/tty`, opened once; -1 if there was none.
fn opened_terminal() -> RawFd {
    static OPENED: AtomicI32 = AtomicI32::new(NOT_TRIED);
    const NOT_TRIED: RawFd = -2;
    let opened = OPENED.load(Ordering::Relaxed);
    if opened != NOT_TRIED {
        return opened;
    }
    let flags = libc::O_RDONLY | libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
    // SAFETY: the path ends with NUL.
    let opened = unsafe { libc::open(c"/dev/tty".as_ptr(), flags) };
    OPENED.store(opened, Ordering::Relaxed);
    opened
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
