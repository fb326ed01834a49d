//! The staging file `.NAME.new`: opening it, locking it, and making sure that it is the right one.

use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
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
    Forbidden(Errno),
}

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
        let file = match open_or_create(dir, entry) {
            Ok(file) => file,
            Err(errno @ Errno::ACCESS) if matches!(dir.id_of(entry), Ok(Some(_))) => {
                return Ok(StagingAttempt::Forbidden(errno));
            }
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
}

impl StagingFile {
    /// Opens the file to all users and empties it: a crash may have left text in it.
    fn prepare(self, dir: &ExitDir, entry: &str, stat: &Stat) -> Result<StagingAttempt, Errno> {
        let opened = match rustix::fs::fchmod(&self.file, Mode::from_raw_mode(OPEN_TO_ALL)) {
            // Another user's process created it. The mode is right already.
            Err(Errno::PERM) if stat.st_mode & OPEN_TO_ALL == OPEN_TO_ALL => Ok(()),
            // This user's, on a file system without modes (vfat, some SMB and 9p mounts).
            Err(Errno::PERM) if stat.st_uid == rustix::process::geteuid().as_raw() => Ok(()),
            Err(Errno::PERM) => return remove_obstacle(dir, entry),
            result => result,
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

/// Opens an existing file before it tries to create one: in a sticky directory the kernel rejects
/// `O_CREAT` on files of other users (`fs.protected_regular`, proc_sys_fs(5)).
fn open_or_create(dir: &ExitDir, entry: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let path = dir.entry(entry);
    match rustix::fs::open(&path, flags, Mode::empty()) {
        Err(Errno::NOENT) => rustix::fs::open(
            &path,
            flags | OFlags::CREATE,
            Mode::from_raw_mode(OPEN_TO_ALL),
        ),
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
