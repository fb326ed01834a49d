//! Why an operation on an exit directory failed, in one sentence.

use crate::protocol::name::Name;
use crate::protocol::quote::is_deceptive;
use rustix::io::Errno;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why an operation on an exit directory failed.
///
/// Its text is one sentence that says what could not be done, to which file or name, and why:
/// `cannot read /graveyard: Permission denied`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A system call failed.
    Io {
        /// What was tried, as a verb: "read", "create".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// A file could not be replaced or removed, because it belongs to another user and its
    /// directory is sticky.
    Sticky {
        /// What was tried, as a verb: "replace", "remove".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// A living supervisor already has this name.
    NameTaken(Name),
    /// Another process uses a name's staging file, in which the next tombstone is prepared.
    NameBusy {
        /// The name.
        name: Name,
        /// The staging file.
        path: PathBuf,
        /// The process that holds its lock. `None` if that is unknown, as in another PID namespace.
        holder: Option<u32>,
    },
    /// No living supervisor has this name, and the operation is only for one that is alive.
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

    /// Whether other processes use the name, so that another attempt may succeed.
    pub(crate) fn is_name_in_use(&self) -> bool {
        matches!(self, Error::NameTaken(_) | Error::NameBusy { .. })
    }

    /// Whether the process or the system had no free descriptor.
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
            } => write!(f, "cannot {action} {}: {}", shown(path), describe(source)),
            Error::Sticky {
                action,
                path,
                owner,
            } => {
                let remedy = sticky_remedy(path.parent().unwrap_or(path));
                write!(
                    f,
                    "cannot {action} {}: it belongs to uid {owner} and {remedy}",
                    shown(path)
                )
            }
            Error::NameTaken(name) => write!(
                f,
                "cannot use the name {}: a running process holds it",
                escaped(name.as_str())
            ),
            Error::NameBusy { name, path, holder } => write_busy(f, name, path, *holder),
            Error::NotAlive(name) => write!(
                f,
                "cannot signal {}: no running exitdir-run has this name",
                escaped(name.as_str())
            ),
            Error::DirectoryGone(path) => write!(
                f,
                "cannot watch {} any more: it was removed, moved or unmounted",
                shown(path)
            ),
        }
    }
}

fn write_busy(
    f: &mut fmt::Formatter<'_>,
    name: &Name,
    path: &Path,
    holder: Option<u32>,
) -> fmt::Result {
    let (name, path) = (escaped(name.as_str()), shown(path));
    write!(
        f,
        "cannot use the name {name}: a running process holds its staging file {path}"
    )?;
    if let Some(pid) = holder {
        write!(f, " (process {pid})")?;
    }
    f.write_str("; wait for that process, or end it and remove the file")
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::Sticky { .. }
            | Error::NameTaken(_)
            | Error::NameBusy { .. }
            | Error::NotAlive(_)
            | Error::DirectoryGone(_) => None,
        }
    }
}

/// A path as part of a sentence.
fn shown(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// What is wrong with a sticky exit directory, and what to do.
pub(crate) fn sticky_remedy(dir: &Path) -> String {
    format!(
        "{} is sticky; set EXIT_DIR to a directory below it, as in EXIT_DIR={}",
        shown(dir),
        shown(&dir.join("tombstones"))
    )
}

/// The system's text for an error, without Rust's `(os error N)`.
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once('(') {
        Some((words, _)) if error.raw_os_error().is_some() => words.trim_end().to_owned(),
        _ => text,
    }
}

/// Makes text from other programs harmless for a terminal: [deceptive characters](is_deceptive)
/// become escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
