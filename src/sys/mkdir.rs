//! Creating a directory with a mode that the umask does not change.
//!
//! The umask belongs to the whole process. A program that sets it to 0 for a moment also opens the
//! files that its other threads create in that moment. A child without `CLONE_FS` has its own umask
//! (clone(2)), so a child creates the directory. As in [`crate::sys::spawn`] it shares this
//! process's memory, and the kernel suspends the calling thread meanwhile.

use super::raw;
use crate::signal::SignalSet;
use rustix::fs::Mode;
use rustix::io::Errno;
use std::ffi::{CStr, CString, OsStr, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

/// What the child reads, in memory that it shares with its parent.
struct MkdirContext<'a> {
    parent: RawFd,
    name: &'a CStr,
    mode: libc::mode_t,
}

/// The size of the child's stack. Two system calls need little of it.
const STACK_SIZE: usize = 16 * 1024;

/// Creates a directory with exactly this mode in `parent`, unless a default ACL (acl(5)) takes
/// rights away.
///
/// If there is no process left for the child, the umask applies.
///
/// # Errors
/// Those of mkdirat(2).
pub(crate) fn mkdir_without_umask(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    mode: Mode,
) -> Result<(), Errno> {
    let bytes = CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?;
    let context = MkdirContext {
        parent: parent.as_raw_fd(),
        name: &bytes,
        mode: mode.as_raw_mode(),
    };
    match mkdir_in_child(&context) {
        Some(result) => result,
        // A child that was killed may have created the directory. Then this says `EEXIST`.
        None => rustix::fs::mkdirat(parent, name, mode),
    }
}

/// What mkdirat(2) has answered; `None` if there was no child, or if it was killed.
fn mkdir_in_child(context: &MkdirContext<'_>) -> Option<Result<(), Errno>> {
    // A signal handler of this program must not run in the child, which shares its memory.
    let mask = raw::set_mask(SignalSet::ALL).ok()?;
    let status = clone_child(context).ok().and_then(wait);
    // Setting a mask that was read before cannot fail.
    let _ = raw::set_mask(mask);
    match status? {
        0 => Some(Ok(())),
        errno => Some(Err(Errno::from_raw_os_error(errno))),
    }
}

fn clone_child(context: &MkdirContext<'_>) -> io::Result<c_int> {
    let mut stack: Vec<MaybeUninit<u8>> = Vec::with_capacity(STACK_SIZE);
    // The ABI wants a stack that is aligned to 16 bytes.
    let top = stack.spare_capacity_mut().as_mut_ptr_range().end as usize & !15;
    let argument = std::ptr::from_ref(context).cast_mut().cast::<c_void>();
    // Its own table of descriptors, because valgrind runs no child that shares it and has a stack
    // of its own. No signal at its end: SIGCHLD would be about a child that this program does not
    // know. For the same reason it is reaped only with `__WALL`, and never by a wait for any child.
    let flags = libc::CLONE_VM | libc::CLONE_VFORK;
    // SAFETY: the child runs `child_main` on `stack` while CLONE_VFORK holds this thread here, so
    // that `stack`, `context` and what it points to outlive the child's use of them.
    let pid = unsafe { libc::clone(child_main, top as *mut c_void, flags, argument) };
    raw::check(pid.into()).map(|_| pid)
}

/// Reaps the child. Returns its exit status; `None` if it was killed.
fn wait(pid: c_int) -> Option<i32> {
    let mut status = 0;
    // SAFETY: `status` lives across the call. All signals are blocked, so nothing interrupts it.
    let reaped = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    (reaped == pid && libc::WIFEXITED(status)).then(|| libc::WEXITSTATUS(status))
}

/// Creates the directory. The exit status is 0 or the error number, which is below 256.
extern "C" fn child_main(argument: *mut c_void) -> c_int {
    // SAFETY: `clone_child` passes a pointer to a `MkdirContext`, which outlives this use.
    let context = unsafe { &*argument.cast::<MkdirContext<'_>>() };
    // SAFETY: umask touches no memory.
    unsafe { libc::umask(0) };
    // SAFETY: the name ends with NUL and lives as long as `context`. The child has a copy of the
    // descriptor, which is open in the parent meanwhile.
    let result = unsafe { libc::mkdirat(context.parent, context.name.as_ptr(), context.mode) };
    let status = match result {
        0 => 0,
        _ => io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EINVAL),
    };
    // SAFETY: _exit does not return, and runs no code in the shared memory.
    unsafe { libc::_exit(status) }
}
