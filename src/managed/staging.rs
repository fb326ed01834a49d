//! A directory of our own beside the place where something is to be: what is built in it nobody else can touch,
//! and nothing of it stays.
//!
//! Its name is random, since others may write there too, and its lock says that somebody still needs it: what a
//! crash has left behind is removed by whoever comes next.

use crate::sys::random;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Closed to others while it is being filled.
pub(super) const PRIVATE: Mode = Mode::RWXU;
/// After as many attempts something else is wrong.
const ATTEMPTS: u32 = 8;

/// The directory; it goes, with what is in it, when the value is dropped.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
}

impl Staging {
    pub(super) fn beside(place: &Path) -> io::Result<Staging> {
        for _ in 0..ATTEMPTS {
            let path = beside(place, &random::hex::<8>()?);
            rustix::fs::mkdir(&path, PRIVATE)?;
            match Staging::take(path) {
                // Somebody has taken it for a left-over before it was locked.
                Err(Errno::NOENT | Errno::AGAIN) => {}
                result => return result.map_err(Into::into),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Opens and locks what was just made there.
    fn take(path: PathBuf) -> Result<Staging, Errno> {
        let fd = open_own(CWD, &path)?;
        // Where there are no locks nothing is swept either.
        if rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) == Err(Errno::AGAIN) {
            return Err(Errno::AGAIN);
        }
        let (ours, there) = (rustix::fs::fstat(&fd)?, rustix::fs::lstat(&path)?);
        if (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino) {
            Ok(Staging { fd, path })
        } else {
            Err(Errno::NOENT)
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is swept later.
        let _ = remove(&self.path);
    }
}

/// Removes what others have left behind beside a place when they were killed.
pub(super) fn sweep(place: &Path) {
    let prefix = format!("{}-", name(place));
    for entry in fs::read_dir(parent(place)).into_iter().flatten().flatten() {
        let found = entry.file_name().to_string_lossy().into_owned();
        let random = found.strip_prefix(&prefix);
        let is_random =
            |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if random.is_some_and(is_random)
            && let Ok(fd) = open_own(CWD, &entry.path())
            && rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            // If it cannot be removed, the next one tries again.
            let _ = remove(&entry.path());
        }
    }
}

/// A directory that is ours, and no link to one.
pub(super) fn open_own(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(at, path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&directory)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Errno::PERM);
    }
    Ok(directory)
}

/// Removes what is there, if anything, also a directory that was closed to us.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(stat) if stat.is_dir() => fs::remove_dir_all(path).or_else(|_| {
            open_all(path);
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

/// Makes every directory ours to empty. What cannot be opened cannot be removed, which is seen then.
fn open_all(path: &Path) {
    if open_to_us(path).is_err() {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_all(&entry.path());
        }
    }
}

/// Without reading it, which it may be closed to; and never what a link leads to.
fn open_to_us(path: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(path, flags, Mode::empty())?;
    let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
    rustix::fs::chmod(link, PRIVATE).map_err(Into::into)
}

/// A hidden name in the same directory.
pub(super) fn beside(place: &Path, what: &str) -> PathBuf {
    parent(place).join(format!("{}-{what}", name(place)))
}

fn name(place: &Path) -> String {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    format!(".{name}.exitdir")
}

pub(super) fn parent(place: &Path) -> &Path {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
