//! Notices and errors about entries that cannot be opened as tombstones: their mode, a lease, or
//! another kind of file. They say what to do. Opening the entry is left to other files.

use crate::error::{Error, escaped};
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use crate::store::staging::OPEN_TO_ALL;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::io;

impl ExitDir {
    /// A notice for people about a tombstone that cannot be read.
    pub(crate) fn unreadable_notice(&self, name: &Name) -> String {
        let owner = self.owner_and_mode(name.as_str()).unwrap_or_default();
        format!(
            "cannot read {}: {owner}; like an empty file, it counts as a death with exit code 0",
            escaped(&self.entry(name.as_str()).to_string_lossy())
        )
    }

    /// A notice for people about an entry that has the name of a tombstone and cannot be one.
    pub(crate) fn obstacle_notice(&self, name: &Name) -> Option<String> {
        let path = self.entry(name.as_str());
        let stat = self.stat(name.as_str()).ok()?;
        let is_regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        (!is_regular).then(|| {
            format!(
                "{} is no regular file, so it is no tombstone; remove it or use another name",
                escaped(&path.to_string_lossy())
            )
        })
    }

    /// The error for a file that could not be opened to be written to. It says so if its mode does
    /// not open it to this user.
    pub(super) fn write_refused(&self, entry: &str, errno: Errno) -> Error {
        if errno == Errno::AGAIN {
            return self.leased("write", entry);
        }
        let path = self.entry(entry);
        let owner = self.owner_and_mode(entry);
        let Some(owner) = owner.filter(|_| errno == Errno::ACCESS) else {
            return Error::io("write", &path, errno);
        };
        let why = format!("{owner}; chmod 0666 opens it to all users");
        let error = io::Error::new(io::ErrorKind::PermissionDenied, why);
        Error::io("write", &path, error)
    }

    /// The error for a file with a lease: open(2) answers `EAGAIN`, because it does not wait.
    pub(super) fn leased(&self, action: &'static str, entry: &str) -> Error {
        let why = "another process holds a lease on it (fcntl(2)); remove the file";
        let error = io::Error::new(io::ErrorKind::WouldBlock, why);
        Error::io(action, &self.entry(entry), error)
    }

    /// Why a file is closed to other users; `None` if its mode opens it to all, or if it is gone.
    fn owner_and_mode(&self, entry: &str) -> Option<String> {
        let stat = self.stat(entry).ok()?;
        let (owner, mode) = (stat.st_uid, stat.st_mode & 0o7777);
        let why = format!("it belongs to uid {owner} with mode {mode:04o}");
        (!is_open_to_all(&stat)).then_some(why)
    }
}

/// Whether the file has the mode of a tombstone that a supervisor has published.
pub(super) fn is_open_to_all(stat: &Stat) -> bool {
    stat.st_mode & OPEN_TO_ALL == OPEN_TO_ALL
}
