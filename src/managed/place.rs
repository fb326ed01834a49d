//! Where configuration is put: a file, or a directory that changes as a whole.
//!
//! What is new is built beside what is there, under a hidden name, and put in its place by one rename: of a
//! file, of two directories that change places, or of a link. A reader sees the old or the new, never a
//! mixture; and whatever goes wrong before the rename leaves the old.

use super::tree::{Attributes, Node, Tree};
use crate::error::describe;
use rustix::fs::{AtFlags, CWD, Mode, RenameFlags, StatxAttributes, StatxFlags, Timestamps};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
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

fn build(tree: &Tree, staged: &Path, place: &Path, changes: &mut Changes) -> io::Result<()> {
    // Other names of files come when those are there.
    let is_link = |(_, node): &(&PathBuf, &Node)| matches!(node, Node::HardLink(_));
    let (links, others): (Vec<_>, Vec<_>) = tree.entries.iter().partition(is_link);
    for (relative, node) in others.into_iter().chain(links) {
        let (path, old) = (join(staged, relative), join(place, relative));
        let before = fs::symlink_metadata(&old).ok();
        let same = match node {
            Node::Directory(_) => {
                fs::create_dir(&path)?;
                fs::set_permissions(&path, Permissions::from_mode(PRIVATE))?;
                // The place itself can be a link to it.
                fs::metadata(&old).is_ok_and(|old| old.is_dir())
            }
            Node::File(attributes, bytes) => {
                write_file(&path, *attributes, bytes)?;
                keep_times(&path, &old, bytes)?
            }
            Node::HardLink(first) => {
                fs::hard_link(join(staged, first), &path)?;
                let both = (fs::read(&path), fs::read(&old));
                matches!(both, (Ok(new), Ok(old)) if new == old)
            }
            Node::Symlink(target) => {
                std::os::unix::fs::symlink(target, &path)?;
                fs::read_link(&old).is_ok_and(|old| old == *target)
            }
        };
        match before {
            None => changes.created.push(relative.clone()),
            Some(_) if !same => changes.modified.push(relative.clone()),
            Some(_) => {}
        }
    }
    // From the inside to the outside: a directory may be closed to us from then on.
    for (relative, node) in tree.entries.iter().rev() {
        if let Node::Directory(attributes) = node {
            settle(&join(staged, relative), *attributes)?;
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

fn write_file(path: &Path, attributes: Attributes, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    drop(file);
    settle(path, attributes)
}

/// Gives it its owner, if we may, and its mode.
fn settle(path: &Path, attributes: Attributes) -> io::Result<()> {
    if let Some((user, group)) = attributes.owner {
        let whole = std::os::unix::fs::lchown(path, Some(user), Some(group));
        // Of one's own files one may change the group to one's others. Whoever may not keeps what he has.
        let _ = whole.or_else(|_| std::os::unix::fs::lchown(path, None, Some(group)));
    }
    // After it, because a new owner takes the special bits away.
    fs::set_permissions(path, Permissions::from_mode(attributes.mode))
}

/// A file that is the same keeps its time. Whether it is.
fn keep_times(path: &Path, old: &Path, bytes: &[u8]) -> io::Result<bool> {
    let same = match fs::symlink_metadata(old) {
        Ok(stat) if stat.is_file() && stat.len() == bytes.len() as u64 => {
            fs::read(old).is_ok_and(|old| old == bytes)
        }
        Ok(_) | Err(_) => false,
    };
    if same {
        let stat = fs::symlink_metadata(old)?;
        let time = |seconds, fraction| rustix::fs::Timespec {
            tv_sec: seconds,
            tv_nsec: fraction,
        };
        let times = Timestamps {
            last_access: time(stat.atime(), stat.atime_nsec()),
            last_modification: time(stat.mtime(), stat.mtime_nsec()),
        };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(same)
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
    let _ = rustix::fs::chmod(path, Mode::from_raw_mode(PRIVATE));
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
