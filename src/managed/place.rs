//! The place of a copy: a name in a directory. Other users may be able to write to that directory,
//! so it is opened once for each operation, and everything in it is reached by the descriptor and a
//! single name, without following a link.

use crate::error::describe;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// The number of links in a path that the kernel follows, too (path_resolution(7)).
const LINK_LIMIT: u32 = 40;
/// Directories that are created for one path. Another process may remove each of them.
const STEP_LIMIT: u32 = 10_000;
/// The suffixes of the directories between which a link alternates.
pub(super) const LINKED: [&str; 2] = ["1", "2"];
const DIRECTORY: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Where a copy is, or will be.
#[derive(Debug)]
pub(super) struct Place {
    /// The directory that contains it.
    pub(super) directory: OwnedFd,
    pub(super) target: PathBuf,
}

/// What to do with a missing directory on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MissingParent {
    Create,
    Refuse,
}

impl Place {
    /// # Errors
    /// Why the directory of the target cannot be opened or created, as a sentence.
    pub(super) fn open(target: &Path, missing: MissingParent) -> Result<Place, String> {
        let path = parent(target);
        let directory = open_directory(path, missing).map_err(|error| match error {
            PathError::Link(user) => format!(
                "cannot follow the links on the way to {}: uid {user} made one of them where \
                 others can replace it; use the path that it leads to",
                path.display()
            ),
            PathError::Io(errno) => {
                let action = match missing {
                    MissingParent::Create => "create",
                    MissingParent::Refuse => "open",
                };
                cannot(action, path, &errno.into())
            }
        })?;
        let target = target.to_owned();
        Ok(Place { directory, target })
    }

    /// The name of the target in its directory.
    pub(super) fn name(&self) -> &Path {
        Path::new(self.target.file_name().unwrap_or_default())
    }

    /// A hidden name in the same directory.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let name = self.name().to_string_lossy();
        PathBuf::from(format!(".{name}.exitdir-{suffix}"))
    }

    /// Of the directories between which a link alternates, the one that the target leads to.
    pub(super) fn linked(&self) -> Option<PathBuf> {
        let text = rustix::fs::readlinkat(&self.directory, self.name(), Vec::new()).ok()?;
        let text = PathBuf::from(OsString::from_vec(text.into_bytes()));
        let mut known = LINKED.iter().map(|suffix| self.beside(suffix));
        known.find(|known| *known == text)
    }
}

/// The directory that contains the target.
pub(super) fn parent(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

pub(super) fn cannot(action: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {action} {}: {}", path.display(), describe(error))
}

enum PathError {
    /// A link of this user is on the way, in a directory that other users can write to.
    Link(u32),
    Io(Errno),
}

impl From<Errno> for PathError {
    fn from(errno: Errno) -> PathError {
        PathError::Io(errno)
    }
}

/// Opens a directory as the kernel does, but follows no link that another user has put there. The
/// kernel has the same rule, for sticky directories alone (`protected_symlinks`, proc(5)).
fn open_directory(path: &Path, missing: MissingParent) -> Result<OwnedFd, PathError> {
    let mut at: Option<OwnedFd> = None;
    let mut ahead = reversed(path);
    let (mut steps, mut links) = (0, 0);
    while let Some(part) = ahead.pop() {
        let from = at.as_ref().map_or(CWD, |at| at.as_fd());
        match enter(from, &part) {
            Ok(Entered::Directory(directory)) => at = Some(directory),
            Ok(Entered::Link(text)) if links < LINK_LIMIT => {
                links += 1;
                ahead.extend(reversed(&text));
            }
            Ok(Entered::Link(_)) => return Err(Errno::LOOP.into()),
            Err(PathError::Io(Errno::NOENT))
                if missing == MissingParent::Create && steps < STEP_LIMIT =>
            {
                steps += 1;
                match rustix::fs::mkdirat(from, &part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => ahead.push(part),
                    Err(errno) => return Err(errno.into()),
                }
            }
            Err(error) => return Err(error),
        }
    }
    at.ok_or(PathError::Io(Errno::NOENT))
}

/// What one part of a path leads to.
enum Entered {
    Directory(OwnedFd),
    /// The text of a link that can be followed.
    Link(PathBuf),
}

fn enter(from: BorrowedFd<'_>, part: &Path) -> Result<Entered, PathError> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entry = rustix::fs::openat(from, part, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&entry)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Ok(Entered::Directory(entry)),
        FileType::Symlink if !is_trusted(from, &stat)? => Err(PathError::Link(stat.st_uid)),
        FileType::Symlink if is_of_proc(&entry) => {
            // The text of such a link is not where it leads to (proc(5)).
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let directory = rustix::fs::openat(from, part, flags, Mode::empty())?;
            Ok(Entered::Directory(directory))
        }
        FileType::Symlink => {
            let text = rustix::fs::readlinkat(&entry, "", Vec::new())?;
            Ok(Entered::Link(OsString::from_vec(text.into_bytes()).into()))
        }
        _ => Err(Errno::NOTDIR.into()),
    }
}

fn is_of_proc(entry: &OwnedFd) -> bool {
    let file_system = rustix::fs::fstatfs(entry);
    file_system.is_ok_and(|found| found.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

/// The parts of a path, the last one first. That of an absolute path ends with `/`.
fn reversed(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev();
    parts
        .map(|part: Component<'_>| PathBuf::from(part.as_os_str()))
        .collect()
}

/// Whether a link can be followed: no other user has made it, or none can replace it.
fn is_trusted(directory: impl AsFd, link: &Stat) -> Result<bool, Errno> {
    let is_other = |user: u32| user != 0 && user != own_user();
    if !is_other(link.st_uid) {
        return Ok(true);
    }
    let stat = rustix::fs::statat(directory, "", AtFlags::EMPTY_PATH)?;
    let others = Mode::WGRP | Mode::WOTH;
    Ok(!is_other(stat.st_uid) && !Mode::from_raw_mode(stat.st_mode).intersects(others))
}

pub(super) fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// What is known about an entry without asking a server that may not answer: no link is followed,
/// and the attributes may be old.
pub(super) fn look(at: impl AsFd, name: &Path) -> Result<Statx, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW
        | AtFlags::NO_AUTOMOUNT
        | AtFlags::EMPTY_PATH
        | AtFlags::STATX_DONT_SYNC;
    rustix::fs::statx(at, name, flags, StatxFlags::BASIC_STATS)
}

pub(super) fn is_mount_point(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

pub(super) fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(stat.stx_mode.into())
}

/// Opens a directory in order to read it. `name` is no link.
pub(super) fn open_listed(at: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(at, name, OFlags::RDONLY | DIRECTORY, Mode::empty())
}

/// Opens a directory in order to find entries in it. `name` is no link.
pub(super) fn open_searched(at: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(at, name, OFlags::PATH | DIRECTORY, Mode::empty())
}

/// Opens a directory that belongs to our user and is not a link.
pub(super) fn open_own(at: impl AsFd, name: &Path) -> Result<OwnedFd, Errno> {
    let directory = open_listed(at, name)?;
    match rustix::fs::fstat(&directory)?.st_uid == own_user() {
        true => Ok(directory),
        false => Err(Errno::PERM),
    }
}

/// Gives the owner all rights to a directory, if that is us and it has not all of them: moving and
/// emptying it requires that (rename(2)). Returns whether it has more rights now.
pub(super) fn open_up(at: impl AsFd, name: &Path) -> bool {
    change_mode(at, name).unwrap_or(false)
}

fn change_mode(at: impl AsFd, name: &Path) -> Result<bool, Errno> {
    let name = name.as_os_str();
    let directory = open_listed(&at, name).or_else(|_| open_searched(&at, name))?;
    let stat = rustix::fs::fstat(&directory)?;
    let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
    if stat.st_uid != own_user() || mode.contains(Mode::RWXU) {
        return Ok(false);
    }
    let mode = mode | Mode::RWXU;
    // A directory that we may not read can be changed only by this path of its descriptor.
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let changed = rustix::fs::fchmod(&directory, mode).or_else(|_| rustix::fs::chmod(path, mode));
    changed.map(|()| true)
}
