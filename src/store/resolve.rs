//! Which directory a path leads to, and which links on the way are followed.
//!
//! Another user could put a link where it may write, and so choose the directory that a more
//! powerful process works in. So a link of another user is followed nowhere where others may write,
//! as with `fs.protected_symlinks` (proc_sys_fs(5)), but also in directories that are not sticky.

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// The magic number of procfs (statfs(2)).
const PROC: rustix::fs::FsWord = 0x9fa0;
/// The kernel follows as many links in one path (path_resolution(7)).
const LINK_LIMIT: usize = 40;
/// The bits that let others than the owner write.
const OTHER_WRITERS: u32 = 0o022;

/// Creates a missing directory: its parent, its name, and whether it is the last one of the path.
pub(crate) type MakeDir<'a> = &'a dyn Fn(BorrowedFd<'_>, &OsStr, bool) -> Result<(), Errno>;

/// One component of a path that is still ahead.
struct Ahead<'p> {
    name: Cow<'p, OsStr>,
    /// It comes from the path itself, and not from the text of a link.
    is_given: bool,
}

/// Opens the directory that the path leads to, with `O_PATH`.
///
/// # Errors
/// Those of open(2), or a text of its own for a link that is not followed.
pub(crate) fn open_dir(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // There is a link, or the call is refused, as by an old kernel or a seccomp profile.
        Err(Errno::LOOP | Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::AGAIN) => {
            walk(path, None)
        }
        result => Ok(result?),
    }
}

/// As [`open_dir`], and creates what is missing.
pub(crate) fn make_dir(path: &Path, make: MakeDir<'_>) -> io::Result<OwnedFd> {
    walk(path, Some(make))
}

fn walk(path: &Path, make: Option<MakeDir<'_>>) -> io::Result<OwnedFd> {
    let mut ahead: Vec<Ahead<'_>> = names(path)
        .map(|name| Ahead {
            name: name.into(),
            is_given: true,
        })
        .collect();
    if ahead.is_empty() {
        return Err(Errno::NOENT.into());
    }
    let mut links = 0;
    let mut at = open_at(CWD, OsStr::new("."))?;
    while let Some(next) = ahead.pop() {
        let make = make.filter(|_| next.is_given);
        let opened = open_or_make(&at, &next.name, make, ahead.is_empty())?;
        let stat = rustix::fs::fstat(&opened)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => at = opened,
            FileType::Symlink if links == LINK_LIMIT => return Err(Errno::LOOP.into()),
            FileType::Symlink => {
                links += 1;
                check_link(&at, &next.name, &stat, ahead.is_empty())?;
                if is_proc(&at) {
                    // Its text does not say where such a link leads (proc_pid_fd(5)).
                    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                    at = rustix::fs::openat(&at, &*next.name, flags, Mode::empty())?;
                } else {
                    let target = rustix::fs::readlinkat(&opened, "", Vec::new())?;
                    let target = OsStr::from_bytes(target.as_bytes());
                    ahead.extend(names(Path::new(target)).map(|name| Ahead {
                        name: name.to_owned().into(),
                        is_given: false,
                    }));
                }
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok(at)
}

/// The components of a path, the first one at the end.
fn names(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.components().rev().map(Component::as_os_str)
}

fn open_or_make(
    at: &OwnedFd,
    name: &OsStr,
    make: Option<MakeDir<'_>>,
    is_last: bool,
) -> Result<OwnedFd, Errno> {
    match (open_at(at, name), make) {
        (Err(Errno::NOENT), Some(make)) => match make(at.as_fd(), name, is_last) {
            // Another process was faster.
            Ok(()) | Err(Errno::EXIST) => open_at(at, name),
            Err(errno) => Err(errno),
        },
        (result, _) => result,
    }
}

/// Opens whatever has the name: a link itself, not what it leads to.
fn open_at(at: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// Fails for a link that another user has made where others may write. The last component is not
/// followed either in a directory that belongs to another user.
fn check_link(parent: &OwnedFd, name: &OsStr, link: &Stat, is_last: bool) -> io::Result<()> {
    let parent = rustix::fs::fstat(parent)?;
    let others_write =
        parent.st_mode & OTHER_WRITERS != 0 || (is_last && !is_trusted(parent.st_uid));
    if is_trusted(link.st_uid) || !others_write {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{name:?} is a link that uid {} has made where other users may write; name the directory \
         that it leads to",
        link.st_uid
    )))
}

fn is_trusted(owner: u32) -> bool {
    owner == 0 || owner == rustix::process::geteuid().as_raw()
}

fn is_proc(dir: &OwnedFd) -> bool {
    rustix::fs::fstatfs(dir).is_ok_and(|fs| fs.f_type == PROC)
}
