//! A worker process: a copy of this process that does one piece of work, writes its result to a
//! pipe, and ends. Whatever the work meets there (a file system that does not answer, no memory, a
//! crash), this process goes on.
//!
//! This program has one thread, so Rust code may go on after fork(2). The copy keeps no descriptor
//! but the pipe and those that the caller names: no tombstone, lock, socket or watch. It prints
//! nothing, runs no destructor of its parent's values, and ends together with its parent.

use super::raw::{self, KernelSigaction, check};
use super::spawn::end_with_parent;
use crate::signal::{Signal, SignalSet};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Resource, Rlimit, getpid, setrlimit};
use std::ffi::c_long;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// The first descriptor beyond standard input, output and error.
const FIRST_FD: RawFd = 3;
/// Where the kernel has no close_range(2), descriptors below this number are closed one by one.
const CLOSE_LIMIT: RawFd = 1 << 16;

/// Starts a worker process, which runs `work` with the write end of a pipe and then exits with 0.
/// It keeps the descriptors in `kept`, with their numbers. Returns its process id, and the read end
/// of the pipe, which does not block. The caller reaps it.
///
/// # Errors
/// There was no process or descriptor left, or the kernel refuses fork(2).
pub(crate) fn fork_worker(
    kept: &[BorrowedFd<'_>],
    work: &mut dyn FnMut(BorrowedFd<'_>),
) -> Result<(Pid, OwnedFd), Errno> {
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    let parent = getpid();
    // SAFETY: this process has one thread, so the memory of the child is consistent.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        become_worker(parent, &reader, &writer, kept);
        work(writer.as_fd());
        // SAFETY: _exit does not return, and runs no code of this process.
        unsafe { libc::_exit(0) }
    }
    let pid = check(c_long::from(pid)).map(|_| Pid::from_raw(pid));
    let pid = pid.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok((pid.ok_or(Errno::IO)?, reader))
}

/// Cuts the ties of the child to what its parent holds.
fn become_worker(parent: Pid, reader: &OwnedFd, writer: &OwnedFd, kept: &[BorrowedFd<'_>]) {
    // Signals of the terminal are for the parent. It cannot fail for a new child.
    let _ = rustix::process::setpgid(None, None);
    // Where the kernel refuses it, the worker ends by itself as soon as its work is done.
    let _ = end_with_parent(parent);
    // The abort of a worker is no reason for a core file.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    // The read end of a pipe refuses what the runtime writes before it aborts.
    for fd in 0..FIRST_FD {
        // SAFETY: dup2 touches no memory.
        unsafe { libc::dup2(reader.as_raw_fd(), fd) };
    }
    let kept = || {
        kept.iter()
            .map(AsRawFd::as_raw_fd)
            .chain([writer.as_raw_fd()])
    };
    let mut first = FIRST_FD;
    while let Some(number) = kept().filter(|number| *number >= first).min() {
        close_range(first, number - 1);
        first = number + 1;
    }
    close_range(first, RawFd::MAX);
    reset_signals();
}

/// Closes these descriptors, which belong to values that are never dropped in this process.
fn close_range(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: close_range takes three numbers.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    for fd in first..=last.min(CLOSE_LIMIT) {
        // SAFETY: close touches no memory, and no value of this process uses the descriptor again.
        unsafe { libc::close(fd) };
    }
}

/// Signals end the worker. Only a write that fails does not: its error is reported.
fn reset_signals() {
    for signal in (1..=64).filter_map(Signal::from_number) {
        let handler = match signal {
            Signal::PIPE | Signal::XFSZ => libc::SIG_IGN,
            _ => libc::SIG_DFL,
        };
        // It fails for KILL and STOP only.
        let _ = raw::sigaction(signal, Some(&KernelSigaction::new(handler)));
    }
    // If it fails, KILL ends the worker still.
    let _ = raw::set_mask(SignalSet::default());
}

#[cfg(test)]
mod tests;
