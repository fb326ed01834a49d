//! The exit directory itself: its path, its entries, and what was found out about it.
//!
//! Entries that are not regular files are never tombstones; they are skipped here, for every
//! caller. A process that holds a lock on a file must not close another descriptor of that file,
//! because the kernel would drop the lock (fcntl(2)). [`ExitDir::guard`] remembers such a file, and
//! no read opens it again.

use crate::error::Error;
use crate::protocol::name::Name;
use crate::store::file_id::FileId;
use crate::store::locality::Locality;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The files whose lock this process holds: its tombstones, and the tombstone that is about to
/// replace one. It is one list for the whole process, because the kernel drops a lock whichever
/// part of the process closes the file.
static GUARDED: Mutex<Vec<FileId>> = Mutex::new(Vec::new());

/// An exit directory.
///
/// Every operation resolves the path again, so a directory that was replaced is seen as it is then.
#[derive(Clone, Debug)]
pub struct ExitDir {
    path: PathBuf,
    boot_id: OnceLock<String>,
    /// The device that was seen first, and its locality. A directory rarely has files on a second
    /// device.
    locality: OnceLock<(u64, Locality)>,
}

impl ExitDir {
    /// The exit directory at `path`. Touches nothing: the directory need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> ExitDir {
        ExitDir {
            path: path.into(),
            boot_id: OnceLock::new(),
            locality: OnceLock::new(),
        }
    }

    /// The directory that the variable `EXIT_DIR` names. `None` if the variable is unset or empty:
    /// then the program runs without an exit directory.
    pub fn from_env() -> Option<ExitDir> {
        let path = std::env::var_os("EXIT_DIR").filter(|value| !value.is_empty())?;
        Some(ExitDir::new(path))
    }

    /// The path of the directory, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of an entry.
    pub(crate) fn entry(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The identity of the directory that the path leads to now.
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
        names.sort_unstable();
        Ok(names)
    }

    /// The file names of all entries that are regular files or of unknown type, hidden ones
    /// included, in no order.
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

    /// The identity of the file called `entry`; `None` if there is none, or if it cannot be a
    /// tombstone.
    pub(crate) fn id_of(&self, entry: &str) -> Result<Option<FileId>, Errno> {
        match rustix::fs::statat(
            rustix::fs::CWD,
            self.entry(entry),
            AtFlags::SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                Ok(Some(FileId::of(&stat)))
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// This machine's boot id (random(4)); `None` if it cannot be read.
    pub(crate) fn boot_id(&self) -> Option<&str> {
        if self.boot_id.get().is_none() {
            // A failure is not cached: it can be temporary, for example when no descriptor is left.
            let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
            let id = Some(text.trim().to_owned()).filter(|id| !id.is_empty())?;
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

    /// The locality of the file system that `file` is on.
    pub(super) fn locality(&self, stat: &Stat, file: &OwnedFd) -> Locality {
        let device = stat.st_dev;
        if let Some((known, locality)) = self.locality.get()
            && *known == device
        {
            return *locality;
        }
        // A failure is not cached: it can be temporary.
        let Ok(fs) = rustix::fs::fstatfs(file) else {
            return Locality::Remote;
        };
        let locality = Locality::of_magic(fs.f_type);
        // Only the first device is cached; this fails for every other one.
        let _ = self.locality.set((device, locality));
        locality
    }
}
