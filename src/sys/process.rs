//! This process, its parent and its children: their ids, signals to them, and waiting for one.

use super::raw::check;
use crate::exit::{self, ExitStatus};
use crate::signal::Signal;
use rustix::io::Errno;
use rustix::process::{
    Pid, WaitOptions, WaitStatus, getpid, getppid, set_child_subreaper, waitpid,
};
use std::ffi::{c_int, c_long, c_ulong};
use std::io;

/// Which processes get a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalTarget {
    /// The process only.
    Process,
    /// Its process group.
    Group,
}

/// Sends a signal to a child that was not reaped yet.
// Always inlined: each forwarded signal passes here, and opt-level "z" ignores a plain hint.
#[inline(always)]
pub(crate) fn kill(pid: Pid, target: SignalTarget, signal: Signal) -> io::Result<()> {
    let pid = match target {
        SignalTarget::Process => pid.as_raw_pid(),
        SignalTarget::Group => -pid.as_raw_pid(),
    };
    kill_raw(pid, signal)
}

/// Sends a signal to this process, or to its whole group.
pub(super) fn raise(target: SignalTarget, signal: Signal) -> io::Result<()> {
    // 0 is the group of the caller (kill(2)).
    let pid = match target {
        SignalTarget::Process => getpid().as_raw_pid(),
        SignalTarget::Group => 0,
    };
    kill_raw(pid, signal)
}

#[inline(always)] // as `kill`
fn kill_raw(pid: i32, signal: Signal) -> io::Result<()> {
    // SAFETY: kill touches no memory.
    match unsafe { libc::kill(pid, c_int::from(signal.number())) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Asks the kernel to send `signal` to this process when its parent ends. If the parent is no
/// longer `parent`, that process has ended before the request: then the signal is sent at once.
/// `None` is a parent outside of this PID namespace.
pub(crate) fn set_parent_death_signal(signal: Signal, parent: Option<Pid>) -> io::Result<()> {
    let number = c_ulong::from(signal.number());
    // SAFETY: this prctl takes two numbers.
    check(c_long::from(unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, number)
    }))?;
    if getppid() == parent {
        return Ok(());
    }
    raise(SignalTarget::Process, signal)
}

/// Makes this process the new parent of orphans among its descendants, as PID 1 is by itself
/// (prctl(2)).
pub(crate) fn become_subreaper() -> io::Result<()> {
    let own = getpid();
    if own.is_init() {
        return Ok(());
    }
    // Any process id turns the attribute on.
    Ok(set_child_subreaper(Some(own))?)
}

/// Waits for one child. Returns its exit status as a shell reports it.
pub(crate) fn wait_for_exit(pid: Pid) -> u8 {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                return exit_status(status).map_or(exit::FAILURE, ExitStatus::code);
            }
            Ok(None) | Err(Errno::INTR) => {}
            // The child was reaped elsewhere, so its status is unknown.
            Err(_) => return exit::FAILURE,
        }
    }
}

/// How a process ended; `None` if it did not end.
pub(crate) fn exit_status(status: WaitStatus) -> Option<ExitStatus> {
    if let Some(code) = status.exit_status() {
        return u8::try_from(code).ok().map(ExitStatus::Exited);
    }
    let signal = status.terminating_signal().and_then(Signal::from_number);
    signal.map(ExitStatus::Signaled)
}
