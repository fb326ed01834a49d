//! What can go wrong with an exit directory, as one sentence each.

use crate::protocol::name::Name;
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why an operation on an exit directory failed.
///
/// Displayed it is one sentence: cannot do what, to which thing, why.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    Io {
        /// What was tried: "read", "create".
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A living supervisor has this name already.
    NameTaken(Name),
    /// Nobody lives under this name, and the operation must not create it.
    NotAlive(Name),
    /// The directory was removed, moved or unmounted while it was watched.
    DirectoryGone(PathBuf),
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Error {
        Error::Io {
            action,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    /// Whether there was no descriptor left to open anything with.
    pub(crate) fn is_shortage_of_descriptors(&self) -> bool {
        let Error::Io { source, .. } = self else {
            return false;
        };
        matches!(
            Errno::from_io_error(source),
            Some(Errno::MFILE | Errno::NFILE)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io {
                action,
                path,
                source,
            } => {
                write!(
                    f,
                    "cannot {action} {}: {}",
                    escaped(&path.to_string_lossy()),
                    describe(source)
                )
            }
            Error::NameTaken(name) => write!(
                f,
                "cannot be {name}: another exitdir-run lives under this name"
            ),
            Error::NotAlive(name) => write!(
                f,
                "cannot speak for {name}: no exitdir-run of this name is alive"
            ),
            Error::DirectoryGone(path) => write!(
                f,
                "cannot watch {} any more: it was removed, moved or unmounted",
                escaped(&path.to_string_lossy())
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::NameTaken(_) | Error::NotAlive(_) | Error::DirectoryGone(_) => None,
        }
    }
}

/// The system's words for an error, without Rust's `(os error N)`.
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, _)) if error.raw_os_error().is_some() => words.to_owned(),
        _ => text,
    }
}

/// Text from elsewhere made harmless for a terminal: control characters as escapes.
pub(crate) fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}
