//! The staging file `.NAME.new`: opening it, locking it, and making sure that it is the right one.

use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// All users may read and write a tombstone: the containers of a pod run as different users.
pub(super) const OPEN_TO_ALL: u32 = 0o666;

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
    /// Another process holds its lock: it is publishing under this name.
    Held,
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
        rustix::fs::rename(self.dir.entry(&self.name), self.dir.entry(to))?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for StagingEntry<'_> {
    fn drop(&mut self) {
        if !self.is_published {
            // The lock is still held, so no other process uses the file. If it cannot be removed,
            // the next supervisor adopts it.
            let _ = rustix::fs::unlink(self.dir.entry(&self.name));
        }
    }
}

impl StagingAttempt {
    pub(super) fn make(dir: &ExitDir, entry: &str) -> Result<StagingAttempt, Errno> {
        let file = match open(dir, entry, OFlags::empty()) {
            // Opened to all at once: while it is closed, another user may take it for left behind.
            // If that fails, `prepare` tries again.
            Err(Errno::NOENT) => open(dir, entry, OFlags::CREATE | OFlags::EXCL)
                .inspect(|file| set_mode(file).unwrap_or_default()),
            Err(errno @ Errno::ACCESS) => return StagingAttempt::refused(dir, entry, errno),
            result => result,
        };
        let file = match file {
            Ok(file) => file,
            // Another process was faster.
            Err(Errno::EXIST) => return Ok(StagingAttempt::Gone),
            Err(Errno::LOOP | Errno::NXIO) => return remove_obstacle(dir, entry),
            Err(errno) => return Err(errno),
        };
        let has_lock = match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)
        {
            Ok(()) => true,
            Err(Errno::AGAIN | Errno::ACCESS) => return Ok(StagingAttempt::Held),
            // The file system has no locks. Two supervisors cannot exclude each other there.
            Err(_) => false,
        };
        let stat = rustix::fs::fstat(&file)?;
        let id = FileId::of(&stat);
        // Only now: before the lock, the previous holder could still rename or remove the file.
        match dir.id_of(entry)? {
            Some(current) if current == id => {}
            Some(_) => return Ok(StagingAttempt::Gone),
            None if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                return Ok(StagingAttempt::Gone);
            }
            None => return remove_obstacle(dir, entry),
        }
        let staging = StagingFile { file, id, has_lock };
        staging.prepare(dir, entry, &stat)
    }

    /// The file of another user, who has not opened it to all users yet. Or it is published by now.
    fn refused(dir: &ExitDir, entry: &str, errno: Errno) -> Result<StagingAttempt, Errno> {
        match rustix::fs::statat(CWD, dir.entry(entry), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                let closed = (FileId::of(&stat), stat.st_ctime, stat.st_ctime_nsec);
                Ok(StagingAttempt::Forbidden(errno, closed))
            }
            Ok(_) => remove_obstacle(dir, entry),
            Err(Errno::NOENT) => Ok(StagingAttempt::Gone),
            Err(_) => Err(errno),
        }
    }
}

impl StagingFile {
    /// Opens the file to all users and empties it: a crash may have left text in it.
    fn prepare(self, dir: &ExitDir, entry: &str, stat: &Stat) -> Result<StagingAttempt, Errno> {
        let is_open = stat.st_mode & OPEN_TO_ALL == OPEN_TO_ALL;
        let is_own = stat.st_uid == rustix::process::geteuid().as_raw();
        let opened = match is_open {
            true => Ok(()),
            false if is_own => set_mode(&self.file),
            false => return remove_obstacle(dir, entry),
        };
        if let Err(errno) = opened.and_then(|()| rustix::fs::ftruncate(&self.file, 0)) {
            // The lock is held, so no other process uses the file. If it cannot be removed, the
            // next supervisor adopts it.
            let _ = rustix::fs::unlink(dir.entry(entry));
            return Err(errno);
        }
        Ok(StagingAttempt::Acquired(self))
    }
}

/// Opens the file. `create` is empty for one that exists: in a sticky directory the kernel rejects
/// `O_CREAT` on files of other users (`fs.protected_regular`, proc_sys_fs(5)). With `O_EXCL` it
/// says whether another process was faster.
fn open(dir: &ExitDir, entry: &str, create: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC
        | create;
    rustix::fs::open(dir.entry(entry), flags, Mode::from_raw_mode(OPEN_TO_ALL))
}

fn set_mode(file: &OwnedFd) -> Result<(), Errno> {
    match rustix::fs::fchmod(file, Mode::from_raw_mode(OPEN_TO_ALL)) {
        // A file system without modes (vfat, some SMB and 9p mounts).
        Err(Errno::PERM) => Ok(()),
        result => result,
    }
}

/// Removes an entry that cannot be a staging file: a link, a FIFO, a file of another user. It is no
/// tombstone of any process.
fn remove_obstacle(dir: &ExitDir, entry: &str) -> Result<StagingAttempt, Errno> {
    match rustix::fs::unlink(dir.entry(entry)) {
        Ok(()) | Err(Errno::NOENT) => Ok(StagingAttempt::Gone),
        Err(errno) => Err(errno),
    }
}
