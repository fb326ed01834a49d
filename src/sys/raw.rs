//! The signal calls of the kernel, by number and with the kernel's own structures.
//!
//! musl's functions leave out the signals 32 to 34, which it keeps for itself. A supervisor must
//! neither lose these signals nor be killed by them.

use crate::signal::{Signal, SignalSet};
use rustix::event::Timespec;
use std::ffi::{c_int, c_long, c_ulong};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The size of the kernel's signal set, in bytes.
const KERNEL_SIGSET_SIZE: usize = 8;

/// The kernel's `struct sigaction`, which differs from the C library's (rt_sigaction(2)). The
/// layout is that of x86-64 and arm64.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct KernelSigaction {
    pub(super) handler: usize,
    flags: c_ulong,
    restorer: usize,
    mask: u64,
}

impl KernelSigaction {
    pub(super) const fn new(handler: usize) -> KernelSigaction {
        KernelSigaction {
            handler,
            flags: 0,
            restorer: 0,
            mask: 0,
        }
    }
}

/// A signal that was pending and is so no longer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceivedSignal {
    pub(super) signal: Signal,
    /// The process id of the sender.
    pub(super) sender: u32,
    /// No process has sent it: a key of the terminal, for instance (sigaction(2)).
    pub(super) is_from_kernel: bool,
}

/// The result of a system call, with `errno` if it is negative.
#[inline(always)] // as `process::kill`
pub(super) fn check(result: c_long) -> io::Result<c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Whether a seccomp profile or an old kernel refuses the call, whatever its arguments are.
pub(super) fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES)
    )
}

/// Reads the disposition of a signal, and sets a new one if there is one.
pub(super) fn sigaction(
    signal: Signal,
    new: Option<&KernelSigaction>,
) -> io::Result<KernelSigaction> {
    let mut old = KernelSigaction::new(0);
    let new = new.map_or(std::ptr::null(), |new| new as *const KernelSigaction);
    let number = c_int::from(signal.number());
    let old_pointer = &raw mut old;
    // SAFETY: each pointer is null or points to a kernel sigaction that lives across the call. The
    // callers in this folder install only the default, ignoring, or what was there before, so no
    // function of this program becomes a handler.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            number,
            new,
            old_pointer,
            KERNEL_SIGSET_SIZE,
        )
    };
    check(result).map(|_| old)
}

/// Sets the mask of blocked signals and returns the previous one.
pub(super) fn set_mask(mask: SignalSet) -> io::Result<SignalSet> {
    let new = mask.bits();
    let mut old = 0_u64;
    let (new, old_pointer) = (&raw const new, &raw mut old);
    // SAFETY: both pointers point to 8 bytes that live across the call; the last argument is that
    // size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            new,
            old_pointer,
            KERNEL_SIGSET_SIZE,
        )
    };
    check(result).map(|_| SignalSet::from_bits(old))
}

/// Whether a blocked signal is pending.
pub(super) fn is_pending(signal: Signal) -> bool {
    let mut pending = 0_u64;
    let pointer = &raw mut pending;
    // SAFETY: the pointer points to 8 bytes that live across the call; the last argument is that
    // size.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigpending, pointer, KERNEL_SIGSET_SIZE) };
    check(result).is_ok() && SignalSet::from_bits(pending).contains(signal)
}

/// A descriptor from which all blocked signals can be read (signalfd(2)).
pub(super) fn signalfd() -> io::Result<OwnedFd> {
    let all = SignalSet::ALL.bits();
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the pointer points to 8 bytes that live across the call; the last but one argument is
    // that size.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_signalfd4,
            -1,
            &raw const all,
            KERNEL_SIGSET_SIZE,
            flags,
        )
    })?;
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just created the descriptor for this call; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads at most `N` signals from a signalfd and calls `visit` for each. Returns their count.
///
/// # Errors
/// If read(2) is refused.
pub(super) fn read_signals<const N: usize>(
    signalfd: &OwnedFd,
    mut visit: impl FnMut(ReceivedSignal),
) -> io::Result<usize> {
    let mut records = [MaybeUninit::<libc::signalfd_siginfo>::uninit(); N];
    let size = size_of_val(&records);
    let buffer = records.as_mut_ptr().cast();
    // SAFETY: the buffer has `size` bytes and lives across the call.
    let length = unsafe { libc::read(signalfd.as_raw_fd(), buffer, size) };
    let length = match usize::try_from(length) {
        Ok(length) => length,
        Err(_) => {
            let error = io::Error::last_os_error();
            // Else the error is EAGAIN: nothing is pending.
            return if is_refused(&error) {
                Err(error)
            } else {
                Ok(0)
            };
        }
    };
    let filled = length / size_of::<libc::signalfd_siginfo>();
    for record in records.iter().take(filled) {
        // SAFETY: the kernel has filled the first `filled` records, whose fields are numbers.
        let record = unsafe { record.assume_init_ref() };
        let number = i32::try_from(record.ssi_signo).ok();
        if let Some(signal) = number.and_then(Signal::from_number) {
            visit(ReceivedSignal {
                signal,
                sender: record.ssi_pid,
                is_from_kernel: record.ssi_code == libc::SI_KERNEL,
            });
        }
    }
    Ok(filled)
}

/// Waits for one of these signals, which are blocked, and takes it (rt_sigtimedwait(2)).
///
/// # Errors
/// `EAGAIN` after the timeout; `EINTR`.
#[inline(always)] // as `process::kill`
pub(super) fn wait_for_signal(
    signals: SignalSet,
    timeout: Option<&Timespec>,
) -> io::Result<Option<ReceivedSignal>> {
    let all = signals.bits();
    let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
    let timeout = timeout.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the timeout is null or points to a timespec; the other pointers point to a set of the
    // size that the last argument says and to a siginfo. All live across the call.
    let number = check(unsafe {
        libc::syscall(
            libc::SYS_rt_sigtimedwait,
            &raw const all,
            info.as_mut_ptr(),
            timeout,
            KERNEL_SIGSET_SIZE,
        )
    })?;
    // SAFETY: the call has succeeded, so the kernel has filled the record.
    let info = unsafe { info.assume_init() };
    // SAFETY: the kernel fills all of the record, and any bytes at this place are a number.
    let sender = unsafe { info.si_pid() }.unsigned_abs();
    let signal = i32::try_from(number).ok().and_then(Signal::from_number);
    Ok(signal.map(|signal| ReceivedSignal {
        signal,
        sender,
        is_from_kernel: info.si_code == libc::SI_KERNEL,
    }))
}
