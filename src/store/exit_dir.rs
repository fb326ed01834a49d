//! The exit directory itself: its path, its entries, and what was found out about it.
//!
//! Entries that are not regular files are never tombstones; they are skipped here, for every
//! caller. A process that holds a lock on a file must not close another descriptor of that file,
//! because the kernel would drop the lock (fcntl(2)). [`ExitDir::guard`] remembers such a file, and
//! no read opens it again.

use crate::error::Error;
use crate::protocol::name::Name;
use crate::sorted::sorted;
use crate::store::file_id::FileId;
use crate::store::locality::Locality;
use crate::store::resolve::open_dir;
use crate::sys::read::read_word;
use rustix::fs::{AtFlags, FileType, FsWord, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// The files whose lock this process holds: its tombstones, and the tombstone that is about to
/// replace one. It is one list for the whole process, because the kernel drops a lock whichever
/// part of the process closes the file.
static GUARDED: Mutex<Vec<FileId>> = Mutex::new(Vec::new());

/// Whether a file of [`GUARDED`] was opened under another name, and its descriptor is left open.
static HAS_LEAKED: AtomicBool = AtomicBool::new(false);

/// How every entry is opened: the open does not wait, and no child gets the descriptor.
const SAFE: OFlags = OFlags::NONBLOCK
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// An exit directory.
///
/// Every operation resolves the path again, so a directory that was replaced is seen as it is then.
/// A link in the path is not followed if another user has made it where others may write.
#[derive(Clone, Debug)]
pub struct ExitDir {
    path: PathBuf,
    /// The directory, while an operation uses it: see [`ExitDir::handle`].
    handle: Arc<Mutex<Weak<OwnedFd>>>,
    boot_id: OnceLock<String>,
    /// The device that was seen first, and the magic number of its file system (statfs(2)). A
    /// directory rarely has files on a second device.
    file_system: OnceLock<(u64, FsWord)>,
}

impl ExitDir {
    /// The exit directory at `path`. Touches nothing: the directory need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> ExitDir {
        ExitDir {
            path: path.into(),
            handle: Arc::default(),
            boot_id: OnceLock::new(),
            file_system: OnceLock::new(),
        }
    }

    /// The directory that the variable `EXIT_DIR` names. `None` if the variable is unset or empty:
    /// then the program runs without an exit directory. So one empty value switches names off in a
    /// whole pod.
    pub fn from_env() -> Option<ExitDir> {
        let path = std::env::var_os("EXIT_DIR").filter(|value| !value.is_empty())?;
        Some(ExitDir::new(path))
    }

    /// The path of the directory, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that the path leads to now, as a descriptor for calls such as openat(2). As
    /// long as the caller keeps it, all operations use this directory.
    ///
    /// It must not be kept while nothing is done: a directory that is open cannot be unmounted, and
    /// inotify(7) does not report its removal.
    ///
    /// # Errors
    /// `ELOOP` for a link that is not followed; [`ExitDir::create`] says which.
    pub(crate) fn handle(&self) -> Result<Arc<OwnedFd>, Errno> {
        let resolved = self.resolve();
        resolved.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::LOOP))
    }

    /// As [`ExitDir::handle`], with an error for people.
    pub(super) fn resolve(&self) -> io::Result<Arc<OwnedFd>> {
        // A panic cannot leave it half changed.
        let mut known = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = known.upgrade() {
            return Ok(handle);
        }
        let handle = Arc::new(open_dir(&self.path)?);
        *known = Arc::downgrade(&handle);
        Ok(handle)
    }

    /// The path of an entry, for people.
    pub(crate) fn entry(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The identity of the directory that the path leads to now.
    pub(crate) fn identity(&self) -> Result<FileId, Errno> {
        let stat = rustix::fs::fstat(self.handle()?)?;
        Ok(FileId::of(&stat))
    }

    /// The names of all entries that may be tombstones, sorted.
    pub(crate) fn names(&self) -> Result<Vec<Name>, Error> {
        let mut names = Vec::new();
        self.each_entry(&mut |entry| {
            names.extend(Name::from_bytes(entry));
            true
        })?;
        Ok(sorted(names))
    }

    /// Gives `take` the file names of all entries that are regular files or of unknown type, hidden
    /// ones included, in no order, as long as it returns true. The list may be too long to keep.
    pub(crate) fn each_entry(&self, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Error> {
        let failed = |errno| Error::io("read", &self.path, errno);
        for entry in self.list()? {
            let entry = entry.map_err(failed)?;
            if may_be_tombstone(&entry) && !take(entry.file_name().to_bytes()) {
                break;
            }
        }
        Ok(())
    }

    /// The directory, to be read entry by entry.
    pub(super) fn list(&self) -> Result<rustix::fs::Dir, Error> {
        let handle = self.resolve();
        let handle = handle.map_err(|error| Error::io("read", &self.path, error))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&handle, ".", flags, Mode::empty());
        let dir = opened.and_then(rustix::fs::Dir::new);
        dir.map_err(|errno| Error::io("read", &self.path, errno))
    }

    /// The identity of the file called `entry`; `None` if there is none, or if it cannot be a
    /// tombstone.
    pub(crate) fn id_of(&self, entry: &str) -> Result<Option<FileId>, Errno> {
        match self.stat(entry) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(FileId::of(&stat)))
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The status of an entry itself, not of what a link leads to.
    pub(super) fn stat(&self, entry: &str) -> Result<Stat, Errno> {
        rustix::fs::statat(self.handle()?, entry, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Opens an entry. Neither a link, nor a FIFO, nor a lease (fcntl(2)) makes it go elsewhere or
    /// wait.
    pub(super) fn open_at(&self, entry: &str, how: OFlags, mode: u32) -> Result<OwnedFd, Errno> {
        let dir = self.handle()?;
        if HAS_LEAKED.load(Relaxed) && !how.intersects(OFlags::CREATE | OFlags::PATH) {
            return self.open_examined(&dir, entry, how);
        }
        let how = how | SAFE | OFlags::NOFOLLOW;
        rustix::fs::openat(dir, entry, how, Mode::from_raw_mode(mode))
    }

    /// As [`ExitDir::open_at`], but never opens a file whose lock this process holds; that is
    /// `ELOOP`. It takes two more system calls. A descriptor of O_PATH can be closed without
    /// dropping a lock.
    fn open_examined(&self, dir: &OwnedFd, entry: &str, how: OFlags) -> Result<OwnedFd, Errno> {
        let follow = OFlags::NOFOLLOW;
        let examined = rustix::fs::openat(dir, entry, OFlags::PATH | SAFE | follow, Mode::empty())?;
        if self.is_guarded(FileId::of(&rustix::fs::fstat(&examined)?)) {
            return Err(Errno::LOOP);
        }
        let same_file = format!("/proc/self/fd/{}", examined.as_raw_fd());
        match rustix::fs::open(same_file, how | SAFE, Mode::empty()) {
            // Without /proc.
            Err(Errno::NOENT) => rustix::fs::openat(dir, entry, how | SAFE | follow, Mode::empty()),
            opened => opened,
        }
    }

    /// Leaves the file open for good if this process holds its lock: closing the descriptor would
    /// drop the lock. Returns any other file.
    ///
    /// That happens once: from then on a file is examined before it is opened, so a neighbour who
    /// exchanges files again and again does not use up the descriptors.
    pub(super) fn leak_if_guarded(&self, file: OwnedFd, id: FileId) -> Option<OwnedFd> {
        if self.is_guarded(id) {
            HAS_LEAKED.store(true, Relaxed);
            std::mem::forget(file);
            return None;
        }
        Some(file)
    }

    /// Removes an entry. A file that has other names too keeps them.
    pub(super) fn unlink(&self, entry: &str) -> Result<(), Errno> {
        rustix::fs::unlinkat(self.handle()?, entry, AtFlags::empty())
    }

    /// This machine's boot id (random(4)); `None` if it cannot be read.
    pub(crate) fn boot_id(&self) -> Option<&str> {
        if self.boot_id.get().is_none() {
            // A failure is not cached: it can be temporary, for example when no descriptor is left.
            let id = read_word("/proc/sys/kernel/random/boot_id").ok()?;
            // Another thread may have set it meanwhile, to the same value.
            let _ = self.boot_id.set(id);
        }
        self.boot_id.get().map(String::as_str)
    }

    /// Remembers a file whose lock this process holds.
    pub(super) fn guard(id: FileId) {
        ExitDir::guarded().push(id);
    }

    /// Forgets a file whose lock this process has released, or is about to.
    pub(super) fn unguard(id: FileId) {
        ExitDir::guarded().retain(|guarded| *guarded != id);
    }

    /// Whether this process holds the lock of the file.
    pub(crate) fn is_guarded(&self, id: FileId) -> bool {
        ExitDir::guarded().contains(&id)
    }

    /// Whether this process holds any lock.
    pub(super) fn guards_any(&self) -> bool {
        !ExitDir::guarded().is_empty()
    }

    fn guarded() -> MutexGuard<'static, Vec<FileId>> {
        // A panic cannot leave the list half changed.
        GUARDED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The locality of the file system that the directory is on; remote if that is unknown.
    pub(crate) fn dir_locality(&self) -> Locality {
        let dir = self.handle();
        dir.map_or(Locality::Remote, Locality::of_file)
    }

    /// The locality of the file system that a file is on; remote if that is unknown.
    pub(super) fn locality(&self, id: FileId, file: &OwnedFd) -> Locality {
        let magic = self.file_system(id, file);
        magic.map_or(Locality::Remote, Locality::of_magic)
    }

    /// The magic number of the file system that a file is on; `None` if that is unknown.
    pub(super) fn file_system(&self, id: FileId, file: &OwnedFd) -> Option<FsWord> {
        if let Some((known, magic)) = self.file_system.get()
            && *known == id.device()
        {
            return Some(*magic);
        }
        // A failure is not cached: it can be temporary.
        let magic = rustix::fs::fstatfs(file).ok()?.f_type;
        // Only the first device is cached; this fails for every other one.
        let _ = self.file_system.set((id.device(), magic));
        Some(magic)
    }
}

/// Whether an entry of the list is a regular file, or of unknown type.
pub(super) fn may_be_tombstone(entry: &rustix::fs::DirEntry) -> bool {
    matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown)
}
