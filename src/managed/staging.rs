//! The staging directory: a directory of our own beside a target. No other user may enter it, and
//! it is removed in the end.
//!
//! Its name is random, because other processes may write beside the target too. Its lock says that
//! its process still runs: what a killed process left behind is removed at the next start.

use super::place::{Place, file_type, look, open_listed, open_own, own_user, parent};
use super::removal;
use crate::store::file_id::FileId;
use crate::sys::random;
use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, Stat};
use rustix::io::Errno;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// No other user may enter a directory with this mode.
pub(super) const PRIVATE: Mode = Mode::RWXU;
/// Attempts to create a directory, each of which fails because another process takes the directory
/// for a left-over and removes it, or puts another one in its place. After as many, something else
/// must be wrong.
const CREATE_ATTEMPTS: u32 = 8;
/// Entries that one removal visits. A copy has 10,000 at most, but another user may have put a
/// larger tree in its place, and may go on adding to it.
const REMOVE_STEPS: u32 = 200_000;
/// Entries that are visited when the value is dropped, which must not take long.
const DROP_STEPS: u32 = 20_000;
/// Entries beside a target that one sweep looks at. Other users may have made them.
const SWEEP_LIMIT: usize = 50_000;

/// The directory. Dropping the value removes it with what is in it, unless that takes long.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) fd: OwnedFd,
    pub(super) place: Place,
    name: PathBuf,
}

impl Staging {
    pub(super) fn beside(place: Place) -> Result<Staging, Errno> {
        for _ in 0..CREATE_ATTEMPTS {
            let name = place.beside(&random::hex::<8>()?);
            rustix::fs::mkdirat(&place.directory, &name, PRIVATE)?;
            match lock_new(&place, &name) {
                // Another process swept it before it was locked.
                Err(Errno::NOENT | Errno::AGAIN) => {}
                Err(errno) => return Err(errno),
                Ok(fd) => return Ok(Staging { fd, place, name }),
            }
        }
        Err(Errno::AGAIN)
    }

    /// In a worker process: the directory that its parent process has created. The value must not
    /// be dropped there.
    pub(super) fn of_parent(place: &Place, name: PathBuf) -> Result<ManuallyDrop<Staging>, Errno> {
        let fd = open_own(&place.directory, &name)?;
        let place = Place {
            directory: rustix::io::fcntl_dupfd_cloexec(&place.directory, 0)?,
            target: place.target.clone(),
        };
        Ok(ManuallyDrop::new(Staging { fd, place, name }))
    }

    /// Its name beside the target.
    pub(super) fn name_bytes(&self) -> &[u8] {
        self.name.as_os_str().as_bytes()
    }

    /// The descriptors with which it is removed.
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.fd.as_fd(), self.place.directory.as_fd()]
    }

    /// Its path, for a program that gets a path.
    pub(super) fn path(&self) -> PathBuf {
        parent(&self.place.target).join(&self.name)
    }

    /// Leaves what is still in it to the next start, which sweeps it.
    pub(super) fn leave(self) {
        self.remove_if_empty();
        std::mem::forget(self);
    }

    /// Removes it if it is empty. Returns whether that worked.
    pub(super) fn remove_if_empty(&self) -> bool {
        rustix::fs::unlinkat(&self.place.directory, &self.name, AtFlags::REMOVEDIR).is_ok()
    }

    /// Removes it with what is in it, but visits at most so many entries. Returns whether that was
    /// enough.
    pub(super) fn remove_within(&self, mut steps: u32) -> bool {
        removal::empty(&self.fd, &mut steps) && self.remove_if_empty()
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(&self) {
        removal::empty(&self.fd, &mut REMOVE_STEPS.clone());
        // If it cannot be removed now, the next start sweeps it.
        self.remove_if_empty();
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What is left, the next start sweeps.
        self.remove_within(DROP_STEPS);
    }
}

/// Opens and locks the directory that was just created.
fn lock_new(place: &Place, name: &Path) -> Result<OwnedFd, Errno> {
    let fd = open_own(&place.directory, name)?;
    // Any other error means that there are no locks here. Then nothing is swept either.
    if rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) == Err(Errno::AGAIN) {
        return Err(Errno::AGAIN);
    }
    let locked = rustix::fs::fstat(&fd)?;
    let named = rustix::fs::statat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    // In the place of ours, another user may have put another directory of our user.
    let is_ours = FileId::of(&locked) == FileId::of(&named) && is_empty(&fd)? && is_private(&fd)?;
    is_ours.then_some(fd).ok_or(Errno::NOENT)
}

/// Whether other users cannot enter the directory. Where the file system keeps no modes (vfat,
/// SMB), each directory counts.
fn is_private(directory: &OwnedFd) -> Result<bool, Errno> {
    let is_private = |stat: Stat| stat.st_mode & 0o777 == PRIVATE.as_raw_mode();
    if is_private(rustix::fs::fstat(directory)?) {
        return Ok(true);
    }
    let trial = "exitdir-trial";
    rustix::fs::mkdirat(directory, trial, PRIVATE)?;
    let made = rustix::fs::statat(directory, trial, AtFlags::SYMLINK_NOFOLLOW)?;
    rustix::fs::unlinkat(directory, trial, AtFlags::REMOVEDIR)?;
    Ok(made.st_uid == own_user() && !is_private(made))
}

fn is_empty(directory: &OwnedFd) -> Result<bool, Errno> {
    for entry in Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes the staging directories that killed processes left behind beside a target.
pub(super) fn sweep(place: &Place) {
    let prefix = place.beside("");
    let mut steps = REMOVE_STEPS;
    let listed = open_listed(&place.directory, ".").and_then(Dir::new);
    for entry in listed.into_iter().flatten().flatten().take(SWEEP_LIMIT) {
        let name = Path::new(std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()));
        if is_staging_name(name, &prefix) {
            // What cannot be removed now is left to the next start.
            let _ = sweep_entry(place, name, &mut steps);
        }
    }
}

fn is_staging_name(name: &Path, prefix: &Path) -> bool {
    let (name, prefix) = (name.as_os_str().as_bytes(), prefix.as_os_str().as_bytes());
    let random = name.strip_prefix(prefix);
    random.is_some_and(|random| random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit))
}

fn sweep_entry(place: &Place, name: &Path, steps: &mut u32) -> Result<(), Errno> {
    let stat = look(&place.directory, name)?;
    if file_type(&stat) != FileType::Directory || stat.stx_uid != own_user() {
        return Ok(());
    }
    let fd = open_own(&place.directory, name)?;
    rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
    if is_private(&fd)? {
        removal::empty(&fd, steps);
    }
    rustix::fs::unlinkat(&place.directory, name, AtFlags::REMOVEDIR)
}
