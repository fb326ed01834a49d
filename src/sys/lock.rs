//! Who holds a lock on a file (fcntl(2)).
//!
//! The kernel names -1 for a lock that belongs to no process (`F_OFD_SETLK`). rustix does not
//! expect that number, and any user may take such a lock on a file that is open to all.

use rustix::io::Errno;
use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd};

/// Which lock of another process conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// A write lock.
    WithReading,
    /// Any lock.
    WithWriting,
}

/// The process id of a holder of a conflicting lock; `None` if there is none. It is no process of
/// this PID namespace if it is not positive.
///
/// # Errors
/// Those of fcntl(2).
pub(crate) fn lock_holder(file: impl AsFd, conflict: Conflict) -> Result<Option<i32>, Errno> {
    let wanted = match conflict {
        Conflict::WithReading => libc::F_RDLCK,
        Conflict::WithWriting => libc::F_WRLCK,
    };
    let mut lock = libc::flock {
        l_type: wanted as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: the pointer leads to a flock structure that lives across the call.
    let result = unsafe { libc::fcntl(fd, libc::F_GETLK, &raw mut lock) };
    if result < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL));
    }
    let is_free = c_int::from(lock.l_type) == libc::F_UNLCK;
    Ok((!is_free).then_some(lock.l_pid))
}
