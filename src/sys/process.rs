//! This process, its parent and its children: their ids, signals to them, and waiting for one.

use super::raw::{check, is_refused};
use crate::exit;
use crate::signal::Signal;
use rustix::process::{
    Pid, PidfdFlags, RawPid, WaitOptions, child_subreaper, getpid, getppid, set_child_subreaper,
};
use std::ffi::{c_int, c_long, c_ulong};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

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
pub(crate) fn raise(target: SignalTarget, signal: Signal) -> io::Result<()> {
    // 0 is the group of the caller (kill(2)).
    let pid = match target {
        SignalTarget::Process => own_pid().ok_or(io::ErrorKind::Unsupported)?.as_raw_pid(),
        SignalTarget::Group => 0,
    };
    kill_raw(pid, signal)
}

#[inline(always)] // as `kill`
fn kill_raw(pid: i32, signal: Signal) -> io::Result<()> {
    let number = c_int::from(signal.number());
    // SAFETY: kill touches no memory.
    match unsafe { libc::kill(pid, number) } {
        0 => Ok(()),
        _ => kill_by_descriptor(pid, number, io::Error::last_os_error()),
    }
}

/// Sends a signal where kill(2) is refused. A process group has no descriptor.
#[cold]
fn kill_by_descriptor(pid: RawPid, number: c_int, error: io::Error) -> io::Result<()> {
    let pid = Pid::from_raw(pid.max(0)).filter(|_| is_refused(&error));
    let open = |pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok();
    let Some(fd) = pid.and_then(open) else {
        return Err(error);
    };
    let (fd, no_info) = (fd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: the null pointer asks for the siginfo of kill(2).
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, no_info, 0) }).map(drop)
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

/// The process group of a process, or of this one. 0 is a group outside of this PID namespace.
pub(crate) fn group_of(pid: Option<Pid>) -> io::Result<RawPid> {
    let pid = pid.map_or(0, Pid::as_raw_pid);
    // SAFETY: getpgid touches no memory.
    let group = unsafe { libc::getpgid(pid) };
    check(group.into()).map(|_| group)
}

/// Whether orphans among the descendants of this process become its children.
pub(crate) fn reaps_orphans() -> bool {
    // If it cannot be asked, no warning follows.
    getpid().is_init() || child_subreaper().map_or(true, |reaper| reaper.is_some())
}

/// This process, or `None` where getpid(2) is refused: a negative number would mean a group.
pub(crate) fn own_pid() -> Option<Pid> {
    Some(getpid()).filter(|pid| pid.as_raw_pid() > 0)
}

/// Waits for a child, or for any, as waitpid(2).
///
/// # Errors
/// `ECHILD` if there is none; `EINTR`.
pub(crate) fn wait_child(
    pid: Option<Pid>,
    options: WaitOptions,
) -> io::Result<Option<(Pid, ExitStatus)>> {
    let mut status = 0;
    let number = pid.map_or(-1, Pid::as_raw_pid);
    // SAFETY: `status` lives across the call.
    let found = unsafe { libc::waitpid(number, &raw mut status, options.bits().cast_signed()) };
    match check(found.into()) {
        Err(error) if is_refused(&error) => wait_by_id(pid, options),
        Err(error) => Err(error),
        Ok(_) => Ok(Pid::from_raw(found).map(|pid| (pid, ExitStatus::from_raw(status)))),
    }
}

/// The same by waitid(2), where wait4(2) is refused.
#[cold]
fn wait_by_id(pid: Option<Pid>, options: WaitOptions) -> io::Result<Option<(Pid, ExitStatus)>> {
    let (kind, number) = match pid {
        Some(pid) => (libc::P_PID, pid.as_raw_pid().unsigned_abs()),
        None => (libc::P_ALL, 0),
    };
    let options = options.bits().cast_signed() | libc::WEXITED;
    // SAFETY: the fields are numbers and pointers, so a record of zero bytes is valid.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` lives across the call.
    let result = unsafe { libc::waitid(kind, number, &raw mut info, options) };
    check(result.into())?;
    // SAFETY: waitid fills this field, or leaves it 0.
    let found = unsafe { info.si_pid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    let status = match info.si_code {
        libc::CLD_EXITED => (status & 0xff) << 8,
        libc::CLD_STOPPED => status << 8 | 0x7f,
        _ => status,
    };
    Ok(Pid::from_raw(found).map(|pid| (pid, ExitStatus::from_raw(status))))
}

/// Waits for one child. Returns its exit status as a shell reports it.
pub(crate) fn wait_for_exit(pid: Pid) -> u8 {
    loop {
        match wait_child(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                return exit_status(status).map_or(exit::FAILURE, exit::ExitStatus::code);
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The child was reaped elsewhere, so its status is unknown.
            Err(_) => return exit::FAILURE,
        }
    }
}

/// How a process ended; `None` if it did not end.
pub(crate) fn exit_status(status: ExitStatus) -> Option<exit::ExitStatus> {
    if let Some(code) = status.code() {
        return u8::try_from(code).ok().map(exit::ExitStatus::Exited);
    }
    let signal = status.signal().and_then(Signal::from_number);
    signal.map(exit::ExitStatus::Signaled)
}
