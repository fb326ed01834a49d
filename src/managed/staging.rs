//! The staging directory: a directory of our own beside a target. No other user may enter it, and
//! it is removed in the end.
//!
//! Its name is random, because other processes may write beside the target too. Its lock says that
//! its process still runs: what a killed process left behind is removed at the next start.

use crate::store::file_id::FileId;
use crate::sys::random;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// No other user may enter a directory with this mode.
pub(super) const PRIVATE: Mode = Mode::RWXU;
/// Attempts to create a directory, each of which fails because another process takes the directory
/// for a left-over and removes it. After as many, something else must be wrong.
const CREATE_ATTEMPTS: u32 = 8;

/// The directory. Dropping the value removes it with all that is in it.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
}

impl Staging {
    pub(super) fn beside(target: &Path) -> io::Result<Staging> {
        for _ in 0..CREATE_ATTEMPTS {
            let path = beside(target, &random::hex::<8>()?);
            rustix::fs::mkdir(&path, PRIVATE)?;
            match Staging::lock(path) {
                // Another process swept it before it was locked.
                Err(Errno::NOENT | Errno::AGAIN) => {}
                result => return result.map_err(Into::into),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Opens and locks the directory that was just created.
    fn lock(path: PathBuf) -> Result<Staging, Errno> {
        let fd = open_own(CWD, &path)?;
        // Any other error means that there are no locks here. Then nothing is swept either.
        if rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) == Err(Errno::AGAIN) {
            return Err(Errno::AGAIN);
        }
        let (locked, named) = (rustix::fs::fstat(&fd)?, rustix::fs::lstat(&path)?);
        if FileId::of(&locked) == FileId::of(&named) {
            Ok(Staging { fd, path })
        } else {
            Err(Errno::NOENT)
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // If it cannot be removed now, the next start sweeps it.
        let _ = remove(&self.path);
    }
}

/// Removes the staging directories that killed processes left behind beside a target.
pub(super) fn sweep(target: &Path) {
    let prefix = format!("{}-", name_prefix(target));
    for entry in fs::read_dir(parent(target)).into_iter().flatten().flatten() {
        let found = entry.file_name().to_string_lossy().into_owned();
        let random = found.strip_prefix(&prefix);
        let is_random =
            |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if random.is_some_and(is_random)
            && let Ok(fd) = open_own(CWD, &entry.path())
            && rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            // If it cannot be removed now, the next start sweeps it.
            let _ = remove(&entry.path());
        }
    }
}

/// Opens a directory that belongs to our user and is not a link.
pub(super) fn open_own(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(at, path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&directory)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Errno::PERM);
    }
    Ok(directory)
}

/// Removes a file or a directory, if it exists, also a directory whose mode denies that to its
/// owner.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(stat) if stat.is_dir() => fs::remove_dir_all(path).or_else(|_| {
            make_removable(path);
            fs::remove_dir_all(path)
        }),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Gives the owner all rights to every directory, so that it can be emptied. Errors do not count:
/// the removal reports them.
fn make_removable(path: &Path) {
    if make_private(path).is_err() {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_removable(&entry.path());
        }
    }
}

/// Sets the mode of a directory without opening it for reading, which its mode may deny, and
/// without following a link.
fn make_private(path: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
    rustix::fs::chmod(link, PRIVATE).map_err(Into::into)
}

/// A hidden path in the parent directory of the target.
pub(super) fn beside(target: &Path, suffix: &str) -> PathBuf {
    parent(target).join(format!("{}-{suffix}", name_prefix(target)))
}

fn name_prefix(target: &Path) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.exitdir")
}

/// The directory that contains the target.
pub(super) fn parent(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
