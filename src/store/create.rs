//! Creating the exit directory.

use crate::error::Error;
use crate::store::exit_dir::ExitDir;
use crate::store::resolve::make_dir;
use crate::sys::mkdir::mkdir_without_umask;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, StatxFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// All users may create tombstones: the containers of a pod run as different users.
const OPEN_TO_ALL: u32 = 0o777;
const OPEN_TO_READERS: u32 = 0o755;
/// By how much the clock of a file system may be behind.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

impl ExitDir {
    /// Creates the directory if it is missing, with mode 0777 whatever the umask, because the
    /// containers of a pod run as different users. Missing parents are created too: all users may
    /// search them, and those that may write to the directory above may write to them.
    ///
    /// Does not change the umask of the process: the directory is created by a child process, which
    /// exits at once and is reaped before the function returns.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be created, if the path leads to something else, or if
    /// a link on the way is not followed: one that another user has made where others may write.
    pub fn create(&self) -> Result<(), Error> {
        match self.resolve() {
            Ok(_) => return Ok(()),
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => {}
            Err(error) => return Err(Error::io("use", self.path(), error)),
        }
        // Every step begins at a descriptor, so no step follows a link that has come in between.
        let made = make_dir(self.path(), &|parent, name, is_last| match is_last {
            true => make_open_to_all(parent, name),
            false => make_parent(parent, name),
        });
        made.map(|_| ())
            .map_err(|error| Error::io("create", self.path(), error))
    }
}

/// Creates the exit directory itself. It has all its rights from the first moment. With a chmod(2)
/// afterwards, a process that was killed in between would leave a directory that other users cannot
/// use, and no process would ever repair it.
fn make_open_to_all(parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let began = SystemTime::now();
    mkdir_without_umask(parent, name, Mode::from_raw_mode(OPEN_TO_ALL))?;
    match open_to_all(parent, name, began) {
        // It is gone again, or another process has put a link there. The caller looks.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
        result => result,
    }
}

/// Gives the new directory the rights that a default ACL (acl(5)) has taken away, or the umask if
/// there was no process left to avoid it.
///
/// Another process may have put something else in its place already. So a link is not followed, and
/// a directory stays as it is if it belongs to another user or is older than the call.
fn open_to_all(parent: BorrowedFd<'_>, name: &OsStr, began: SystemTime) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&dir)?;
    let is_open = stat.st_mode & OPEN_TO_ALL == OPEN_TO_ALL;
    let is_own = stat.st_uid == rustix::process::geteuid().as_raw();
    let born = Duration::from_secs(birth_time(&dir, &stat)) + CLOCK_TOLERANCE;
    let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
    if is_open || !is_own || born < began {
        return Ok(());
    }
    let mode = Mode::from_raw_mode(OPEN_TO_ALL);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let changed = match rustix::fs::openat(&dir, ".", flags, Mode::empty()) {
        Ok(dir) => rustix::fs::fchmod(&dir, mode),
        // Not even its owner may read it. The link leads to the descriptor's directory (proc(5)).
        Err(Errno::ACCESS) => rustix::fs::chmod(format!("/proc/self/fd/{}", dir.as_raw_fd()), mode),
        Err(errno) => Err(errno),
    };
    match changed {
        // A file system without modes (vfat, some SMB and 9p mounts).
        Err(Errno::PERM) => Ok(()),
        result => result,
    }
}

/// When a directory was created, in seconds since the epoch. Where the file system does not know
/// it, when the last entry was made or removed. Moving a directory changes neither.
fn birth_time(dir: &OwnedFd, stat: &Stat) -> u64 {
    let known = rustix::fs::statx(dir, c"", AtFlags::EMPTY_PATH, StatxFlags::BTIME);
    let known = known
        .ok()
        .filter(|found| found.stx_mask & StatxFlags::BTIME.bits() != 0);
    let seconds = known.map_or(stat.st_mtime, |found| found.stx_btime.tv_sec);
    seconds.try_into().unwrap_or(0)
}

/// Creates a parent of the exit directory. Another user may be creating the same one, or may have
/// been killed after it. So whatever the umask, each user that could have created a parent can
/// create the next directory in it.
fn make_parent(parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let above = Mode::from_raw_mode(rustix::fs::fstat(parent)?.st_mode);
    let writers = above & (Mode::WGRP | Mode::WOTH);
    mkdir_without_umask(parent, name, Mode::from_raw_mode(OPEN_TO_READERS) | writers)
}
