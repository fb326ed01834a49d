//! The staging file `.NAME.new`: opening it, locking it, and making sure that it is the right one.

use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::sys::lock::{Conflict, lock_holder};
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// All users may read and write a tombstone: the containers of a pod run as different users.
pub(super) const OPEN_TO_ALL: u32 = 0o666;
const CLOSED_TO_OTHERS: u32 = 0o600;

/// An empty staging file that this process may fill and publish.
pub(super) struct StagingFile {
    pub(super) file: OwnedFd,
    pub(super) id: FileId,
    /// Whether this process holds a lock on it, which a file system without locks does not give.
    pub(super) has_lock: bool,
}

/// How one attempt to acquire the staging file went.
pub(super) enum StagingAttempt {
    Acquired(StagingFile),
    /// Another process has renamed or removed the file meanwhile. Try again.
    Gone,
    /// Another process holds its lock: it is publishing under this name. Which one, if that is
    /// known.
    Held(Option<i32>),
    /// Another user's process created it and was killed before it could open it to all users.
    Forbidden(Errno, ClosedFile),
}

/// Which file is closed, and since when: its status change time (inode(7)), because the kernel
/// reuses the inode numbers of files that are gone.
pub(super) type ClosedFile = (FileId, i64, u64);

/// A staging file's name in the directory. Removes the file when it is dropped, unless it was
/// published.
pub(super) struct StagingEntry<'d> {
    dir: &'d ExitDir,
    name: String,
    is_published: bool,
}

impl<'d> StagingEntry<'d> {
    pub(super) fn new(dir: &'d ExitDir, name: String) -> StagingEntry<'d> {
        StagingEntry {
            dir,
            name,
            is_published: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Renames the file to its final name. From then on another process may use the staging name.
    pub(super) fn rename(&mut self, to: &str) -> Result<(), Errno> {
        let dir = self.dir.handle()?;
        rustix::fs::renameat(&dir, &self.name, &dir, to)?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for StagingEntry<'_> {
    fn drop(&mut self) {
        if !self.is_published {
            // The lock is still held, so no other process uses the file. If it cannot be removed,
            // the next process that publishes does it.
            let _ = self.dir.unlink(&self.name);
        }
    }
}

impl StagingAttempt {
    /// A file that is there already is never used: a crash may have left it behind, but it may also
    /// be a link to any other file. Unlinking it does not touch what it leads to.
    pub(super) fn make(dir: &ExitDir, entry: &str) -> Result<StagingAttempt, Errno> {
        match StagingAttempt::create(dir, entry) {
            Err(Errno::EXIST) => {}
            made => return made,
        }
        // Looked at before it is opened: opening our own tombstone could cost its lock.
        match dir.stat(entry) {
            Ok(stat) if is_obstacle(dir, &stat) => remove_obstacle(dir, entry),
            Ok(_) => StagingAttempt::clear(dir, entry),
            Err(Errno::NOENT) => Ok(StagingAttempt::Gone),
            Err(errno) => Err(errno),
        }
    }

    /// Creates the file. It is closed to other users until this process holds its lock.
    ///
    /// # Errors
    /// `EEXIST` if there is one.
    fn create(dir: &ExitDir, entry: &str) -> Result<StagingAttempt, Errno> {
        let how = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        let file = dir.open_at(entry, how, CLOSED_TO_OTHERS)?;
        let has_lock = match lock(&file)? {
            LockAttempt::Taken => true,
            LockAttempt::Unavailable => false,
            LockAttempt::Held(holder) => return Ok(StagingAttempt::Held(holder)),
        };
        let id = FileId::of(&rustix::fs::fstat(&file)?);
        if dir.id_of(entry)? != Some(id) {
            return Ok(StagingAttempt::Gone);
        }
        if let Err(errno) = open_to_all(&file) {
            let _ = dir.unlink(entry);
            return Err(errno);
        }
        Ok(StagingAttempt::Acquired(StagingFile { file, id, has_lock }))
    }

    /// Removes a file that no process is using.
    fn clear(dir: &ExitDir, entry: &str) -> Result<StagingAttempt, Errno> {
        let file = match dir.open_at(entry, OFlags::RDWR, 0) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(StagingAttempt::Gone),
            Err(errno @ Errno::ACCESS) => return StagingAttempt::refused(dir, entry, errno),
            // Not the file that was looked at, or one with a lease (fcntl(2)), which no tombstone
            // has.
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV | Errno::AGAIN | Errno::ISDIR) => {
                return remove_obstacle(dir, entry);
            }
            Err(errno) => return Err(errno),
        };
        let stat = rustix::fs::fstat(&file)?;
        let Some(file) = dir.leak_if_guarded(file, FileId::of(&stat)) else {
            return Ok(StagingAttempt::Gone);
        };
        if let LockAttempt::Held(holder) = lock(&file)? {
            return Ok(StagingAttempt::Held(holder));
        }
        // Only now: before the lock, the previous holder could still rename the file.
        match dir.id_of(entry)? {
            Some(current) if current == FileId::of(&stat) => remove_obstacle(dir, entry),
            _ => Ok(StagingAttempt::Gone),
        }
    }

    /// The file of another user, who has not opened it to all users yet. Or it is published by now.
    fn refused(dir: &ExitDir, entry: &str, errno: Errno) -> Result<StagingAttempt, Errno> {
        match dir.stat(entry) {
            Ok(stat) => {
                let closed = (FileId::of(&stat), stat.st_ctime, stat.st_ctime_nsec);
                Ok(StagingAttempt::Forbidden(errno, closed))
            }
            Err(Errno::NOENT) => Ok(StagingAttempt::Gone),
            Err(_) => Err(errno),
        }
    }
}

/// Whether an entry cannot be a staging file: it is no regular file, or it has other names, or it
/// is a tombstone of this process. No process that publishes holds such a file.
fn is_obstacle(dir: &ExitDir, stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
        || stat.st_nlink > 1
        || dir.is_guarded(FileId::of(stat))
}

fn remove_obstacle(dir: &ExitDir, entry: &str) -> Result<StagingAttempt, Errno> {
    match dir.unlink(entry) {
        Ok(()) | Err(Errno::NOENT) => Ok(StagingAttempt::Gone),
        Err(errno) => Err(errno),
    }
}

/// What became of taking a lock.
pub(super) enum LockAttempt {
    Taken,
    /// By this process; `None` if it is in another PID namespace, or has ended.
    Held(Option<i32>),
    /// The file system has no locks. Two supervisors cannot exclude each other there.
    Unavailable,
}

/// Takes the lock of a file that this process has no lock on. Does not wait.
pub(super) fn lock(file: &OwnedFd) -> Result<LockAttempt, Errno> {
    match rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(LockAttempt::Taken),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(LockAttempt::Held(holder(file))),
        Err(_) => Ok(LockAttempt::Unavailable),
    }
}

/// The process that holds the lock; `None` if it is in another PID namespace, or has released it.
fn holder(file: &OwnedFd) -> Option<i32> {
    let holder = lock_holder(file, Conflict::WithWriting).ok().flatten();
    holder.filter(|pid| *pid > 0)
}

fn open_to_all(file: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::fchmod(file, Mode::from_raw_mode(OPEN_TO_ALL)) {
        // A file system without modes (vfat, some SMB and 9p mounts).
        Err(Errno::PERM) => Ok(()),
        result => result,
    }
}
