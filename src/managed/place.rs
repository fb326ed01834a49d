//! Where configuration is put: a file, or a directory that changes as a whole.
//!
//! What is new is built beside what is there, under a hidden name, and put in its place by one rename: of a
//! file, of two directories that change places, or of a link. A reader sees the old or the new, never a
//! mixture; and whatever goes wrong before the rename leaves the old.

use super::tree::{Attributes, Node, Tree};
use crate::error::describe;
use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, RenameFlags, StatxAttributes, StatxFlags, Timestamps, Uid,
};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// While it is being filled.
const PRIVATE: u32 = 0o700;

/// What was built, and is to be put in place.
#[derive(Debug)]
pub(super) struct Candidate {
    place: PathBuf,
    /// Where it is now.
    staged: PathBuf,
    way: Way,
    changes: Changes,
}

/// How it gets to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A file over a file, or over nothing.
    Rename,
    /// The two directories change places.
    Exchange,
    /// The place is a link to the newest directory.
    Link,
}

/// What is different from what was there, by paths inside of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    created: Vec<PathBuf>,
    modified: Vec<PathBuf>,
    deleted: Vec<PathBuf>,
}

impl Changes {
    fn note(&mut self, path: &Path, is_there: bool, is_same: bool) {
        match (is_there, is_same) {
            (false, _) => self.created.push(path.to_owned()),
            (true, false) => self.modified.push(path.to_owned()),
            (true, true) => {}
        }
    }

    /// A line for each.
    pub(super) fn tell(&self, place: &Path) -> Vec<String> {
        let kinds = [
            ("created", &self.created),
            ("modified", &self.modified),
            ("deleted", &self.deleted),
        ];
        let lines = kinds.into_iter().flat_map(|(what, paths)| {
            let line = move |path: &PathBuf| format!("{what} {}", join(place, path).display());
            paths.iter().map(line)
        });
        lines.collect()
    }
}

/// What stands there now.
enum Present {
    Nothing,
    File,
    Directory,
    Link,
}

/// Finds out before anything depends on it whether something can be put in that place.
///
/// # Errors
/// Why not.
pub(super) fn check(place: &Path) -> Result<(), String> {
    let parent = parent(place);
    fs::create_dir_all(parent).map_err(|error| cannot("create", parent, &error))?;
    rustix::fs::access(parent, rustix::fs::Access::WRITE_OK)
        .map_err(|errno| cannot("write to", parent, &errno.into()))?;
    match present(place) {
        Present::Directory => check_directory(place),
        Present::File if is_mount_point(place) => Err(format!(
            "{}: a mount point cannot be replaced; use a file in a directory of its own",
            place.display()
        )),
        Present::File | Present::Link | Present::Nothing => Ok(()),
    }
}

/// Asks the kernel for a rename that must fail, because a directory that is not empty is in its way: it says so
/// only if nothing else speaks against it.
fn check_directory(place: &Path) -> Result<(), String> {
    let obstacle = beside(place, "new");
    let try_it = || -> io::Result<()> {
        remove(&obstacle)?;
        fs::create_dir(&obstacle)?;
        fs::create_dir(obstacle.join("full"))?;
        fs::rename(place, &obstacle)
    };
    let answer = try_it();
    let exchanged = exchange_works(&obstacle);
    let _ = remove(&obstacle);
    let errno = answer.err().and_then(|error| error.raw_os_error());
    match errno.map(Errno::from_raw_os_error) {
        Some(Errno::NOTEMPTY | Errno::EXIST) => match exchanged {
            Ok(()) => Ok(()),
            Err(error) => Err(format!(
                "{}: this file system cannot exchange directories ({}); use a path that does not exist or is a link",
                place.display(),
                describe(&error)
            )),
        },
        Some(Errno::BUSY) => Err(format!(
            "{}: a mount point cannot be replaced; use a directory inside of it",
            place.display()
        )),
        Some(Errno::XDEV) => Err(format!(
            "{}: a directory of the image cannot be replaced; use a directory inside of it, or of a volume",
            place.display()
        )),
        Some(errno) => Err(cannot("replace", place, &errno.into())),
        None => Err(format!("{}: cannot be replaced", place.display())),
    }
}

/// With two directories that nobody looks at.
fn exchange_works(scene: &Path) -> io::Result<()> {
    let (one, two) = (scene.join("full"), scene.join("other"));
    fs::create_dir(&two)?;
    exchange(&one, &two)
}

fn exchange(one: &Path, two: &Path) -> io::Result<()> {
    rustix::fs::renameat_with(CWD, one, CWD, two, RenameFlags::EXCHANGE).map_err(Into::into)
}

fn is_mount_point(path: &Path) -> bool {
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn present(place: &Path) -> Present {
    match fs::symlink_metadata(place) {
        Ok(metadata) if metadata.is_symlink() => Present::Link,
        Ok(metadata) if metadata.is_dir() => Present::Directory,
        Ok(_) => Present::File,
        Err(_) => Present::Nothing,
    }
}

/// Builds what the tree says beside its place. What a crash left there goes.
///
/// # Errors
/// Why it cannot be built; nothing of it is left.
pub(super) fn stage(tree: &Tree, place: &Path) -> Result<Candidate, String> {
    let is_file = matches!(tree.root(), Some(Node::File(..)));
    let (way, staged) = match (is_file, present(place)) {
        (true, Present::Directory) => {
            return Err(format!("{}: is a directory", place.display()));
        }
        (true, _) => (Way::Rename, beside(place, "new")),
        (false, Present::File) => {
            return Err(format!("{}: is not a directory", place.display()));
        }
        (false, Present::Directory) => (Way::Exchange, beside(place, "new")),
        (false, Present::Link | Present::Nothing) => (Way::Link, free_of_two(place)),
    };
    let mut changes = Changes::default();
    let built = remove(&staged).and_then(|()| build(tree, &staged, place, &mut changes));
    if let Err(error) = built {
        // What cannot be removed now is removed the next time.
        let _ = remove(&staged);
        return Err(cannot("write", &staged, &error));
    }
    Ok(Candidate {
        place: place.to_owned(),
        staged,
        way,
        changes,
    })
}

impl Candidate {
    /// Where it is, until it is put in place.
    pub(super) fn path(&self) -> &Path {
        &self.staged
    }

    /// Puts it in its place, in one step.
    ///
    /// # Errors
    /// Why it cannot be; what was there is there still.
    pub(super) fn put_in_place(self) -> Result<Changes, String> {
        let done = match self.way {
            Way::Rename => fs::rename(&self.staged, &self.place),
            Way::Exchange => exchange(&self.staged, &self.place),
            Way::Link => self.link(),
        };
        if let Err(error) = done {
            let _ = remove(&self.staged);
            return Err(cannot("replace", &self.place, &error));
        }
        if self.way == Way::Exchange {
            // The old one has come here.
            let _ = remove(&self.staged);
        }
        Ok(self.changes)
    }

    fn link(&self) -> io::Result<()> {
        let link = beside(&self.place, "link");
        remove(&link)?;
        let name = self.staged.file_name().unwrap_or_default();
        std::os::unix::fs::symlink(name, &link)?;
        fs::rename(&link, &self.place)
    }

    /// It is not wanted.
    pub(super) fn discard(self) {
        let _ = remove(&self.staged);
    }
}

/// Makes what the tree says. Whoever else may write where this happens must not lead us elsewhere: what has been
/// made is only ever reached by its descriptor, or through directories that are closed to others until the end.
fn build(tree: &Tree, staged: &Path, place: &Path, changes: &mut Changes) -> io::Result<()> {
    if let Some(Node::File(attributes, bytes)) = tree.root() {
        let is_there = fs::symlink_metadata(place).is_ok();
        let is_same = fill(create(CWD, staged)?, *attributes, bytes, place)?;
        changes.note(Path::new(""), is_there, is_same);
        return Ok(());
    }
    rustix::fs::mkdir(staged, Mode::from_raw_mode(PRIVATE))?;
    let root = open_own(CWD, staged)?;
    changes.note(Path::new(""), place.exists(), place.is_dir());
    // Other names of files come when those are there.
    let is_link = |(_, node): &(&PathBuf, &Node)| matches!(node, Node::HardLink(_));
    let entries = tree
        .entries
        .iter()
        .filter(|(path, _)| !path.as_os_str().is_empty());
    let (links, others): (Vec<_>, Vec<_>) = entries.partition(is_link);
    for (relative, node) in others.into_iter().chain(links) {
        let old = place.join(relative);
        let same = match node {
            Node::Directory(_) => {
                rustix::fs::mkdirat(&root, relative, Mode::from_raw_mode(PRIVATE))?;
                fs::symlink_metadata(&old).is_ok_and(|old| old.is_dir())
            }
            Node::File(attributes, bytes) => {
                fill(create(&root, relative)?, *attributes, bytes, &old)?
            }
            Node::HardLink(first) => {
                rustix::fs::linkat(&root, first, &root, relative, AtFlags::empty())?;
                let content = match tree.entries.get(first) {
                    Some(Node::File(_, bytes)) => Some(bytes),
                    _ => None,
                };
                content.is_some_and(|bytes| holds(&old, bytes).is_some())
            }
            Node::Symlink(target) => {
                rustix::fs::symlinkat(target, &root, relative)?;
                fs::read_link(&old).is_ok_and(|old| old == *target)
            }
        };
        changes.note(relative, fs::symlink_metadata(&old).is_ok(), same);
    }
    // From the inside to the outside: a directory may be closed to us, or open to others, from then on.
    for (relative, node) in tree.entries.iter().rev() {
        if let Node::Directory(attributes) = node {
            let directory = match relative.as_os_str().is_empty() {
                true => rustix::io::fcntl_dupfd_cloexec(&root, 0)?,
                false => open_own(&root, relative)?,
            };
            settle(&directory, *attributes)?;
        }
    }
    changes.deleted = missing(tree, place);
    Ok(())
}

/// A path to a file ends without a slash.
fn join(base: &Path, relative: &Path) -> PathBuf {
    if relative.as_os_str().is_empty() {
        base.to_owned()
    } else {
        base.join(relative)
    }
}

/// A directory that we have just made, and nobody has put another in its place.
fn open_own(at: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(at, path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&directory)?;
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Errno::PERM.into());
    }
    Ok(directory)
}

fn create(at: impl AsFd, path: &Path) -> io::Result<fs::File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(at, path, flags, Mode::from_raw_mode(0o600))?;
    Ok(file.into())
}

/// Writes a new file. If the old one is the same it keeps that one's times. Whether it is.
fn fill(mut file: fs::File, attributes: Attributes, bytes: &[u8], old: &Path) -> io::Result<bool> {
    file.write_all(bytes)?;
    let times = holds(old, bytes);
    settle(&file, attributes)?;
    if let Some(times) = &times {
        rustix::fs::futimens(&file, times)?;
    }
    Ok(times.is_some())
}

/// Gives it its owner, if we may, and its mode.
fn settle(file: impl AsFd, attributes: Attributes) -> io::Result<()> {
    if let Some((user, group)) = attributes.owner {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        let whole = rustix::fs::fchown(&file, Some(user), Some(group));
        // Of one's own files one may change the group to one's others. Whoever may not keeps what he has.
        let _ = whole.or_else(|_| rustix::fs::fchown(&file, None, Some(group)));
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(attributes.mode)).map_err(Into::into)
}

/// The times of a file, if it holds these bytes.
fn holds(path: &Path, bytes: &[u8]) -> Option<Timestamps> {
    let stat = fs::symlink_metadata(path).ok()?;
    if !stat.is_file() || stat.len() != bytes.len() as u64 || fs::read(path).ok()? != bytes {
        return None;
    }
    let time = |seconds, fraction| rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: fraction,
    };
    Some(Timestamps {
        last_access: time(stat.atime(), stat.atime_nsec()),
        last_modification: time(stat.mtime(), stat.mtime_nsec()),
    })
}

/// What is there and not in the tree, the highest of each branch only.
fn missing(tree: &Tree, place: &Path) -> Vec<PathBuf> {
    let mut missing = BTreeSet::new();
    let mut ahead = vec![PathBuf::new()];
    while let Some(relative) = ahead.pop() {
        let Ok(entries) = fs::read_dir(join(place, &relative)) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = relative.join(entry.file_name());
            if !tree.entries.contains_key(&path) {
                missing.insert(path);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                ahead.push(path);
            }
        }
    }
    missing.into_iter().collect()
}

/// Removes what is there, if anything, also a directory that was closed to us.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(stat) if stat.is_dir() => fs::remove_dir_all(path).or_else(|_| {
            open_all(path);
            fs::remove_dir_all(path)
        }),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Makes every directory ours to empty. What cannot be opened cannot be removed, which is seen then.
fn open_all(path: &Path) {
    let opened = match open_own(CWD, path) {
        Ok(directory) => rustix::fs::fchmod(directory, Mode::from_raw_mode(PRIVATE)),
        // To open it one must be allowed to read it.
        Err(_) => rustix::fs::chmodat(
            CWD,
            path,
            Mode::from_raw_mode(PRIVATE),
            AtFlags::SYMLINK_NOFOLLOW,
        ),
    };
    if opened.is_err() {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_all(&entry.path());
        }
    }
}

/// Of the two names that a link can lead to, the one to which it does not.
fn free_of_two(place: &Path) -> PathBuf {
    let first = beside(place, "1");
    let taken =
        fs::read_link(place).is_ok_and(|target| Some(target.as_os_str()) == first.file_name());
    if taken { beside(place, "2") } else { first }
}

/// A hidden name in the same directory.
fn beside(place: &Path, what: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    parent(place).join(format!(".{name}.exitdir-{what}"))
}

fn parent(place: &Path) -> &Path {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn cannot(deed: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {deed} {}: {}", path.display(), describe(error))
}
