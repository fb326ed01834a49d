//! The directory: creating it, opening and reading what is in it, testing locks. No waiting.
//!
//! Entries that are not regular files are passed over here, once for everybody. Whoever holds a
//! lock in the directory must never close a second descriptor of that file, because the kernel
//! would drop the lock with it (fcntl(2)): [`ExitDir::guard`] remembers the file, and nothing here
//! opens it again.

use crate::error::Error;
use crate::protocol::life::{Life, LockState, ReaderContext, WriteState};
use crate::protocol::name::Name;
use crate::protocol::tombstone;
use crate::protocol::tombstone::Tombstone;
use rustix::fs::{AtFlags, FileType, FsWord, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::{Flock, FlockOffsetType, FlockType};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// After this long without a change nobody is in the middle of writing a file.
pub(crate) const SETTLE_TIME: Duration = Duration::from_secs(1);

/// An exit directory.
///
/// Creating the value touches nothing; every operation names the path anew, so a directory that is
/// replaced is seen as it is then.
#[derive(Debug)]
pub struct ExitDir {
    path: PathBuf,
    boot: OnceLock<String>,
    /// What was found out about the first device; there is hardly ever a second one.
    locality: OnceLock<(u64, Locality)>,
    /// The files whose lock this process holds: one's own tombstone, and its successor while it is replaced.
    own: Mutex<Vec<FileId>>,
}

/// Which file a descriptor or name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(stat: &Stat) -> FileId {
        FileId {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// Whether a file system belongs to this machine alone, so that it can be trusted with events and locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locality {
    Local,
    Remote,
}

/// A regular file of the directory, open for reading.
#[derive(Debug)]
pub(crate) struct TombstoneFile {
    file: OwnedFd,
    pub(crate) id: FileId,
}

/// What one read of a file gave.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) tombstone: Tombstone,
    pub(crate) lock: LockState,
    pub(crate) fingerprint: FileFingerprint,
    pub(crate) modified: SystemTime,
}

/// What changes when somebody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileFingerprint {
    size: i64,
    modified: (i64, u64),
}

impl ExitDir {
    /// The exit directory at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> ExitDir {
        ExitDir {
            path: path.into(),
            boot: OnceLock::new(),
            locality: OnceLock::new(),
            own: Mutex::new(Vec::new()),
        }
    }

    /// The directory that `$EXIT_DIR` names; `None` when it is unset or empty: the feature is off.
    pub fn from_env() -> Option<ExitDir> {
        let path = std::env::var_os("EXIT_DIR").filter(|value| !value.is_empty())?;
        Some(ExitDir::new(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the directory if it is missing: parents as `mkdir -p` would, itself with mode 0777
    /// whatever the umask, since the containers of a pod run as different users.
    /// The umask of the whole process is 0 for the instant in which it is made.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created or something else has its name.
    pub fn create(&self) -> Result<(), Error> {
        let failed = |errno| Error::io("create", &self.path, errno);
        match self.identity() {
            Ok(_) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::io("use", &self.path, errno)),
        }
        self.make(true)
            .or_else(|errno| match errno {
                // Somebody else was quicker, or a link leads to nowhere.
                Errno::EXIST => self.identity().map(|_| ()),
                errno => Err(errno),
            })
            .map_err(failed)
    }

    /// Makes the directory; parents are looked after only if that is why it fails, because it takes
    /// their parents' locks.
    fn make(&self, with_parents: bool) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(0o777);
        // At once with all its rights: whoever is killed, or looks, before a chmod would find a directory
        // that is closed to other users, and nobody would ever open it.
        let made = with_umask_zero(|| rustix::fs::mkdir(&self.path, mode));
        match made {
            // A default ACL stands above the umask.
            Ok(()) => rustix::fs::chmod(&self.path, mode),
            Err(Errno::NOENT) if with_parents => {
                let parent = self.path.parent().unwrap_or(&self.path);
                std::fs::create_dir_all(parent)
                    .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
                self.make(false)
            }
            Err(errno) => Err(errno),
        }
    }

    /// The path of an entry.
    pub(crate) fn entry(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Which directory is there now.
    pub(crate) fn identity(&self) -> Result<FileId, Errno> {
        let stat = rustix::fs::stat(&self.path)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Err(Errno::NOTDIR);
        }
        Ok(FileId::of(&stat))
    }

    /// The names of all entries that may be tombstones, sorted.
    pub(crate) fn names(&self) -> Result<Vec<Name>, Error> {
        let mut names = Vec::new();
        for entry in self.entries()? {
            names.extend(Name::from_bytes(&entry));
        }
        names.sort();
        Ok(names)
    }

    /// The file names of all regular files (or of unknown type), hidden ones included, in no order.
    pub(crate) fn entries(&self) -> Result<Vec<Vec<u8>>, Error> {
        let failed = |errno| Error::io("read", &self.path, errno);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(failed)?;
        let mut found = Vec::new();
        for entry in rustix::fs::Dir::new(handle).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown) {
                found.push(entry.file_name().to_bytes().to_vec());
            }
        }
        Ok(found)
    }

    /// Which file `NAME` is; `None` if there is none, or none that can be a tombstone.
    pub(crate) fn id_of(&self, name: &str) -> Result<Option<FileId>, Errno> {
        match rustix::fs::statat(rustix::fs::CWD, self.entry(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(FileId::of(&stat)))
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Opens a tombstone for reading; `None` if there is none, or nothing that can be one.
    pub(crate) fn open(&self, name: &Name) -> Result<Option<TombstoneFile>, Error> {
        self.open_entry(name.as_str())
    }

    /// Opens any regular file of the directory.
    pub(crate) fn open_entry(&self, entry: &str) -> Result<Option<TombstoneFile>, Error> {
        let failed = |errno| Error::io("read", &self.entry(entry), errno);
        if self.guards_any() && self.is_own(self.id_of(entry).map_err(failed)?) {
            return Ok(None);
        }
        // NONBLOCK: a FIFO must not hang us. NOFOLLOW: a symbolic link is never a tombstone.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::open(self.entry(entry), flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(failed)?;
        let id = FileId::of(&stat);
        if self.is_own(Some(id)) {
            // It came under this name between the look and the open: closing it would drop our lock.
            std::mem::forget(file);
            return Ok(None);
        }
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(regular.then_some(TombstoneFile { file, id }))
    }

    /// Reads an open file: its text, then its lock, then, if the lock shows a death, the text again:
    /// the end may have been orderly after all.
    pub(crate) fn read(&self, opened: &TombstoneFile) -> Result<Snapshot, Errno> {
        let (stat, mut text) = read_tombstone(&opened.file)?;
        let lock = match &text.lock {
            Some(lock) if text.died.is_none() => {
                let vantage = ReaderContext {
                    boot: self.boot_id(),
                    device: device_numbers(&stat),
                    inode: stat.st_ino,
                    local: self.locality(&stat, &opened.file) == Locality::Local,
                };
                // Where the question itself fails, the lock cannot be seen, and proves nothing.
                opened.is_locked().map_or(LockState::Unknown, |held| {
                    LockState::judge(Some(lock), held, vantage)
                })
            }
            _ => LockState::Unknown,
        };
        let mut last = stat;
        if lock == LockState::Released {
            (last, text) = read_tombstone(&opened.file)?;
        }
        Ok(Snapshot {
            tombstone: text,
            lock,
            fingerprint: FileFingerprint {
                size: last.st_size,
                modified: (last.st_mtime, last.st_mtime_nsec),
            },
            modified: system_time(last.st_mtime, last.st_mtime_nsec),
        })
    }

    /// Opens and reads what is under a name.
    ///
    /// A supervisor that replaces its tombstone lets go of the old file's lock, and reads no more of it; so
    /// a death, shown by the lock or said, is believed only if the name still leads to that file.
    pub(crate) fn read_current(
        &self,
        name: &Name,
    ) -> Result<Option<(TombstoneFile, Snapshot)>, Error> {
        let failed = |errno| Error::io("read", &self.entry(name.as_str()), errno);
        loop {
            let Some(opened) = self.open(name)? else {
                return Ok(None);
            };
            let snapshot = self.read(&opened).map_err(failed)?;
            let dead = snapshot.lock == LockState::Released || snapshot.tombstone.died.is_some();
            let replaced = dead
                && self
                    .id_of(name.as_str())
                    .map_err(failed)?
                    .is_some_and(|id| id != opened.id);
            if !replaced {
                return Ok(Some((opened, snapshot)));
            }
        }
    }

    /// What is under a name at this moment, judged by this one look.
    ///
    /// # Errors
    /// [`Error::Io`] if the file is there and cannot be read.
    pub fn life(&self, name: &Name) -> Result<Option<Life>, Error> {
        let sighted = self.read_current(name)?;
        Ok(sighted.map(|(_, snapshot)| {
            let writing = snapshot.write_state();
            Life::judge(snapshot.tombstone, snapshot.lock, writing)
        }))
    }

    /// This machine's boot id (random(4)).
    pub(crate) fn boot_id(&self) -> Option<&str> {
        if self.boot.get().is_none() {
            // A failure is not remembered: it may be a moment's, as when no descriptor is left.
            let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
            let id = Some(text.trim().to_owned()).filter(|id| !id.is_empty())?;
            let _ = self.boot.set(id);
        }
        self.boot.get().map(String::as_str)
    }

    /// Remembers a file whose lock this process holds.
    pub(crate) fn guard(&self, own: FileId) {
        self.own_files().push(own);
    }

    /// Forgets a file whose lock this process has let go.
    pub(crate) fn unguard(&self, own: FileId) {
        self.own_files().retain(|known| *known != own);
    }

    fn own_files(&self) -> MutexGuard<'_, Vec<FileId>> {
        // There is nothing in the list that a panic could have left half done.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guards_any(&self) -> bool {
        !self.own_files().is_empty()
    }

    pub(crate) fn is_own(&self, id: Option<FileId>) -> bool {
        id.is_some_and(|id| self.own_files().contains(&id))
    }

    fn locality(&self, stat: &Stat, file: &OwnedFd) -> Locality {
        let device = stat.st_dev;
        if let Some((known, locality)) = self.locality.get()
            && *known == device
        {
            return *locality;
        }
        // A failure is not remembered: it may be a moment's.
        let Ok(fs) = rustix::fs::fstatfs(file) else {
            return Locality::Remote;
        };
        let locality = Locality::of_magic(fs.f_type);
        // Another device than the first is asked each time.
        let _ = self.locality.set((device, locality));
        locality
    }
}

/// Since when a file has not changed, over several looks, and whether its writer is known to have finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteStability {
    id: FileId,
    fingerprint: FileFingerprint,
    since: Instant,
    finished: bool,
}

impl WriteStability {
    /// What a look adds to what was known before. `finished` says that the writer was heard to close the file.
    pub(crate) fn after(
        before: Option<WriteStability>,
        id: FileId,
        snapshot: &Snapshot,
        finished: bool,
    ) -> WriteStability {
        match before.filter(|quiet| quiet.id == id && quiet.fingerprint == snapshot.fingerprint) {
            Some(quiet) => WriteStability {
                finished: quiet.finished || finished,
                ..quiet
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

    /// When that will be clear at the latest.
    pub(crate) fn settles_at(&self) -> Instant {
        self.since + SETTLE_TIME
    }
}

/// Does something with the umask of the process at 0. Threads take turns, or one would take the other's 0
/// for the umask to restore.
fn with_umask_zero<T>(deed: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let umask = rustix::process::umask(Mode::empty());
    let result = deed();
    rustix::process::umask(umask);
    result
}

impl Snapshot {
    /// Whether the file changed so recently that its writer may be in the middle of writing it.
    pub(crate) fn write_state(&self) -> WriteState {
        match SystemTime::now().duration_since(self.modified) {
            Ok(age) if age > SETTLE_TIME => WriteState::Settled,
            // A time in the future is another machine's clock and proves nothing.
            Ok(_) | Err(_) => WriteState::Ongoing,
        }
    }
}

impl TombstoneFile {
    /// Whether anybody holds a write lock on the file; `None` if that cannot be asked.
    ///
    /// Asks for a read lock without taking it: only a writer's lock refuses it, and any user may ask.
    pub(crate) fn is_locked(&self) -> Option<bool> {
        let question = Flock {
            start: 0,
            length: 0,
            pid: None,
            typ: FlockType::ReadLock,
            offset_type: FlockOffsetType::Set,
        };
        rustix::process::fcntl_getlk(&self.file, &question)
            .ok()
            .map(|holder| holder.is_some())
    }
}

impl Locality {
    /// The locality of the file system that `path` is on; remote if that cannot be asked.
    pub(crate) fn of_path(path: &Path) -> Locality {
        rustix::fs::statfs(path).map_or(Locality::Remote, |fs| Locality::of_magic(fs.f_type))
    }

    /// By the magic number of statfs(2). What is not known to be local is not.
    fn of_magic(magic: FsWord) -> Locality {
        match magic {
            0x0102_1994 | 0x8584_58f6 // tmpfs, ramfs
            | 0xef53 | 0x5846_5342 | 0x9123_683e // ext4, xfs, btrfs
            | 0xf2f5_2010 | 0x2fc1_2fc1 | 0xca45_1a4e // f2fs, zfs, bcachefs
            | 0x794c_7630 // overlay
            => Locality::Local,
            _ => Locality::Remote,
        }
    }
}

/// Reads the beginning of a file from its start, with what stat says of it.
pub(crate) fn read_tombstone(file: impl AsFd) -> Result<(Stat, Tombstone), Errno> {
    let stat = rustix::fs::fstat(&file)?;
    let bytes = read_start(&file)?;
    Ok((stat, Tombstone::parse(&bytes)))
}

/// The first [`tombstone::RESERVED`] bytes of a file.
pub(crate) fn read_start(file: impl AsFd) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; tombstone::RESERVED];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pread(&file, rest, length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Device numbers as a `Lock:` line names them.
pub(crate) fn device_numbers(stat: &Stat) -> (u32, u32) {
    (
        rustix::fs::major(stat.st_dev),
        rustix::fs::minor(stat.st_dev),
    )
}

fn system_time(seconds: i64, nanos: u64) -> SystemTime {
    let since = Duration::new(u64::try_from(seconds).unwrap_or(0), 0)
        .saturating_add(Duration::from_nanos(nanos));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
