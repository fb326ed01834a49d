//! Reading a tombstone: opening it, its text, its lock, and whether its writer has finished.
//!
//! A file that other users may not read is no supervisor's tombstone, because those are open to all
//! users. It is read as if it were empty.

use crate::error::Error;
use crate::protocol::life::{Life, LockState, ReaderContext, WriteState};
use crate::protocol::name::Name;
use crate::protocol::tombstone::{RESERVED, Tombstone};
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::locality::Locality;
use crate::store::refusal::is_open_to_all;
use crate::store::staging::{LockAttempt, lock};
use crate::sys::lock::{Conflict, lock_holder};
use rustix::fs::{FileType, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A file that has not changed for this long is complete: its writer is not in the middle of a
/// write.
pub(crate) const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Room for what was written after the status was asked for, or what a file system announces late.
/// In bytes.
const SPARE_SIZE: usize = 256;

/// How often one read follows a name to another file. A neighbour may replace it for ever.
const REPLACED_LIMIT: u32 = 64;

/// A regular file of the exit directory, open for reading.
#[derive(Debug)]
pub(crate) struct TombstoneFile {
    file: OwnedFd,
    pub(crate) id: FileId,
    /// Whether the descriptor gives more than the status of the file.
    is_readable: bool,
}

/// What one read of a file found.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// In a box, because moving it takes space on the stack each time.
    pub(crate) tombstone: Box<Tombstone>,
    pub(crate) lock: LockState,
    fingerprint: FileFingerprint,
    modified: SystemTime,
}

/// What every write to a file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileFingerprint {
    size: i64,
    modified: (i64, u64),
}

impl ExitDir {
    /// Opens a tombstone; `None` if there is none, or if the entry cannot be one.
    pub(crate) fn open(&self, name: &Name) -> Result<Option<TombstoneFile>, Error> {
        self.open_entry(name.as_str())
    }

    /// Opens any regular file of the directory, unless this process holds its lock.
    pub(super) fn open_entry(&self, entry: &str) -> Result<Option<TombstoneFile>, Error> {
        let opened = self.open_with_status(entry)?;
        Ok(opened.map(|(file, _)| file))
    }

    fn open_with_status(&self, entry: &str) -> Result<Option<(TombstoneFile, Stat)>, Error> {
        // The name of a cause can be the text of a source.
        if entry.contains('/') {
            return Ok(None);
        }
        let failed = |errno| Error::io("read", &self.entry(entry), errno);
        // Each step looks at the same directory.
        let _dir = match self.handle() {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        if self.is_guarded_entry(entry).map_err(failed)? {
            return Ok(None);
        }
        let (file, refusal) = match self.open_readable_or_path(entry) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Ok(None),
            Err(Errno::AGAIN) => return Err(self.leased("read", entry)),
            Err(errno) => return Err(failed(errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        let id = FileId::of(&stat);
        // The file may have got this name between the check and the open.
        let Some(file) = self.leak_if_guarded(file, id) else {
            return Ok(None);
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let is_readable = refusal.is_none();
        match refusal {
            // Not its mode forbids it, but a security module or a file server.
            Some(errno) if is_open_to_all(&stat) => Err(failed(errno)),
            _ => Ok(Some((TombstoneFile::new(file, id, is_readable), stat))),
        }
    }

    /// Opens an entry to be read. If that is refused, it is opened with O_PATH, which needs no
    /// permission for the file, only for the directory; then the refusal is returned too.
    fn open_readable_or_path(&self, entry: &str) -> Result<(OwnedFd, Option<Errno>), Errno> {
        match self.open_at(entry, OFlags::RDONLY, 0) {
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
                Ok((self.open_at(entry, OFlags::PATH, 0)?, Some(errno)))
            }
            opened => Ok((opened?, None)),
        }
    }

    /// Opens a regular file so that its lock can be taken, unless this process holds it.
    pub(super) fn open_to_lock(&self, entry: &str) -> Result<Option<TombstoneFile>, Errno> {
        if self.is_guarded_entry(entry)? {
            return Ok(None);
        }
        let file = match self.open_at(entry, OFlags::RDWR, 0) {
            Err(Errno::LOOP) => return Ok(None),
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&file)?;
        let id = FileId::of(&stat);
        let file = self.leak_if_guarded(file, id);
        let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let file = file.filter(|_| is_regular);
        Ok(file.map(|file| TombstoneFile::new(file, id, true)))
    }

    /// Whether this process holds the lock of the tombstone with this name.
    pub(super) fn holds(&self, name: &Name) -> Result<bool, Error> {
        let is_guarded = self.is_guarded_entry(name.as_str());
        is_guarded.map_err(|errno| Error::io("read", &self.entry(name.as_str()), errno))
    }

    fn is_guarded_entry(&self, entry: &str) -> Result<bool, Errno> {
        // Without a lock there is nothing to compare, and the system call is saved.
        Ok(self.guards_any() && self.id_of(entry)?.is_some_and(|id| self.is_guarded(id)))
    }

    /// Reads an open file: its text, then its lock. If the lock shows a death, the text is read
    /// again: the supervisor may have written a death record before it released the lock.
    pub(crate) fn read(&self, opened: &TombstoneFile) -> Result<Snapshot, Errno> {
        self.read_after(rustix::fs::fstat(&opened.file)?, opened)
    }

    /// As [`ExitDir::read`], after the file had this status.
    fn read_after(&self, mut stat: Stat, opened: &TombstoneFile) -> Result<Snapshot, Errno> {
        let mut tombstone = read_tombstone(opened, &stat)?;
        let mut lock = self.lock_state(opened, &tombstone);
        if lock == LockState::Released {
            stat = rustix::fs::fstat(&opened.file)?;
            tombstone = read_tombstone(opened, &stat)?;
            // It released the lock because it replaced the file.
            if tombstone.replaced.is_some() {
                lock = LockState::Unknown;
            }
        }
        Ok(Snapshot {
            tombstone,
            lock,
            fingerprint: FileFingerprint {
                size: stat.st_size,
                modified: (stat.st_mtime, stat.st_mtime_nsec),
            },
            modified: system_time(stat.st_mtime, stat.st_mtime_nsec),
        })
    }

    /// Asks for the lock, unless the text says that the life is over.
    fn lock_state(&self, opened: &TombstoneFile, tombstone: &Tombstone) -> LockState {
        if tombstone.lock.is_none() || tombstone.died.is_some() {
            return LockState::Unknown;
        }
        let reader = || ReaderContext {
            boot: self.boot_id(),
            device: opened.id.device_numbers(),
            inode: opened.id.inode(),
            local: self.locality(opened.id, &opened.file) == Locality::Local,
        };
        // If fcntl(2) fails, the lock cannot be seen, and that proves nothing.
        opened.is_locked().map_or(LockState::Unknown, |held| {
            LockState::judge(tombstone, held, reader)
        })
    }

    /// Opens and reads the file that a name leads to.
    ///
    /// A supervisor that replaces its tombstone releases the old file's lock and no longer reads
    /// the old file. So a death, shown by the lock or by the text, counts only if the name still
    /// leads to the file that was read.
    pub(crate) fn read_current(
        &self,
        name: &Name,
    ) -> Result<Option<(TombstoneFile, Snapshot)>, Error> {
        let failed = |errno| Error::io("read", &self.entry(name.as_str()), errno);
        let mut tries = 0;
        loop {
            tries += 1;
            let Some((opened, stat)) = self.open_with_status(name.as_str())? else {
                return Ok(None);
            };
            let snapshot = self.read_after(stat, &opened).map_err(failed)?;
            let is_dead = snapshot.lock == LockState::Released || snapshot.tombstone.died.is_some();
            let is_replaced = is_dead
                && self
                    .id_of(name.as_str())
                    .map_err(failed)?
                    .is_some_and(|id| id != opened.id);
            if !is_replaced || tries >= REPLACED_LIMIT {
                return Ok(Some((opened, snapshot)));
            }
        }
    }

    /// The life under a name at this moment; `None` if there is no tombstone. Does not block.
    ///
    /// This is one read. A file that its writer has not finished is judged by what it says so far;
    /// a [`Watch`](crate::Watch) waits until it is complete. A file that its mode closes to this
    /// user counts as an empty one, and its reason is
    /// [`Reason::Unreadable`](crate::Reason::Unreadable).
    ///
    /// # Errors
    /// [`Error::Io`] if the file exists and cannot be read for another reason.
    pub fn life(&self, name: &Name) -> Result<Option<Life>, Error> {
        let current = self.read_current(name)?;
        Ok(current.map(|(_, snapshot)| {
            let writing = snapshot.write_state();
            Life::judge(*snapshot.tombstone, snapshot.lock, writing)
        }))
    }
}

impl AsFd for TombstoneFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl TombstoneFile {
    fn new(file: OwnedFd, id: FileId, is_readable: bool) -> TombstoneFile {
        TombstoneFile {
            file,
            id,
            is_readable,
        }
    }

    /// Takes the lock of a file from [`ExitDir::open_to_lock`].
    pub(super) fn lock(&self) -> Result<LockAttempt, Errno> {
        lock(&self.file)
    }

    /// Whether no supervisor holds the file. False if that is unknown.
    pub(super) fn is_abandoned(&self) -> bool {
        !self.is_readable || self.is_locked() == Some(false)
    }

    /// Whether a process holds a write lock on the file; `None` if fcntl(2) fails.
    ///
    /// Tests for a read lock without taking it: only another process's write lock conflicts with a
    /// read lock, and a read-only descriptor is enough.
    pub(crate) fn is_locked(&self) -> Option<bool> {
        let holder = lock_holder(&self.file, Conflict::WithReading);
        holder.ok().map(|holder| holder.is_some())
    }
}

impl Snapshot {
    /// Whether the file changed so recently that its writer may be in the middle of writing it.
    pub(crate) fn write_state(&self) -> WriteState {
        match SystemTime::now().duration_since(self.modified) {
            Ok(age) if age > SETTLE_TIME => WriteState::Settled,
            // A time in the future comes from another clock and proves nothing.
            Ok(_) | Err(_) => WriteState::Ongoing,
        }
    }
}

/// Since when a file has not changed, over several reads, and whether its writer is known to have
/// finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteStability {
    id: FileId,
    fingerprint: FileFingerprint,
    since: Instant,
    finished: bool,
}

impl WriteStability {
    /// Adds one read to what was known before. `finished` says that an event reported that the
    /// writer has closed the file.
    pub(crate) fn after(
        before: Option<WriteStability>,
        id: FileId,
        snapshot: &Snapshot,
        finished: bool,
    ) -> WriteStability {
        let is_same =
            |known: &WriteStability| known.id == id && known.fingerprint == snapshot.fingerprint;
        match before.filter(is_same) {
            Some(known) => WriteStability {
                finished: known.finished || finished,
                ..known
            },
            None => WriteStability {
                id,
                fingerprint: snapshot.fingerprint,
                since: Instant::now(),
                finished,
            },
        }
    }

    /// Whether the writer may be in the middle of writing what `snapshot` shows.
    pub(crate) fn write_state(&self, snapshot: &Snapshot) -> WriteState {
        if self.finished || self.since.elapsed() >= SETTLE_TIME {
            WriteState::Settled
        } else {
            snapshot.write_state()
        }
    }

    /// When the file is settled at the latest, if it does not change again.
    pub(crate) fn settles_at(&self) -> Instant {
        self.since + SETTLE_TIME
    }
}

/// The text of a file that had this status before: a write in between makes the next fingerprint
/// differ.
fn read_tombstone(opened: &TombstoneFile, stat: &Stat) -> Result<Box<Tombstone>, Errno> {
    if !opened.is_readable {
        return Ok(Box::new(Tombstone::unreadable()));
    }
    let bytes = read_sized(&opened.file, stat)?;
    Ok(Box::new(Tombstone::parse(&bytes)))
}

/// The first [`RESERVED`] bytes of a file.
pub(super) fn read_start(file: impl AsFd) -> Result<Vec<u8>, Errno> {
    let stat = rustix::fs::fstat(&file)?;
    read_sized(file, &stat)
}

/// As [`read_start`], for a file with this status. It may have grown since.
fn read_sized(file: impl AsFd, stat: &Stat) -> Result<Vec<u8>, Errno> {
    let expected = usize::try_from(stat.st_size).unwrap_or_default();
    let expected = expected.min(RESERVED);
    let mut bytes = vec![0; (expected + SPARE_SIZE).min(RESERVED)];
    let mut length = 0;
    loop {
        let rest = bytes.get_mut(length..).unwrap_or_default();
        match rustix::io::pread(&file, rest, length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        if length == expected {
            break;
        }
        if length == bytes.len() {
            bytes.resize(RESERVED, 0);
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn system_time(seconds: i64, nanos: u64) -> SystemTime {
    let since = Duration::new(u64::try_from(seconds).unwrap_or(0), 0)
        .saturating_add(Duration::from_nanos(nanos));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
