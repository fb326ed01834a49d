//! Building what a [`Tree`] says, beside what there is, and finding out what is different.
//!
//! Whoever else may write where this happens must not lead us elsewhere: what has been made is only ever reached
//! by its descriptor, or through directories that are closed to others until the end.

use super::staging::{self, PRIVATE, Staging};
use super::tree::{Attributes, Node, Tree};
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timestamps, Uid};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

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
    pub(super) fn lines(&self, place: &Path) -> Vec<String> {
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

/// Makes what the tree says, under the name that it will have at its place. Of a directory: itself, and what it
/// will be like there.
pub(super) fn build(
    tree: &Tree,
    staging: &Staging,
    place: &Path,
    changes: &mut Changes,
) -> io::Result<Option<(OwnedFd, Attributes)>> {
    let name = Path::new(place.file_name().unwrap_or_default());
    let is_there = fs::symlink_metadata(place).is_ok();
    let top = match tree.root() {
        Some(Node::File(attributes, bytes)) => {
            let is_same = fill(create(&staging.fd, name)?, *attributes, bytes, place)?;
            changes.note(Path::new(""), is_there, is_same);
            return Ok(None);
        }
        Some(Node::Directory(attributes)) => *attributes,
        _ => return Err(Errno::INVAL.into()),
    };
    rustix::fs::mkdirat(&staging.fd, name, PRIVATE)?;
    let root = staging::open_own(&staging.fd, name)?;
    changes.note(Path::new(""), is_there, place.is_dir());
    let mut entries: Vec<(&PathBuf, &Node)> = tree.entries.iter().collect();
    entries.retain(|(relative, _)| !relative.as_os_str().is_empty());
    // Other names of files come when those are there.
    entries.sort_by_key(|(_, node)| matches!(node, Node::HardLink(_)));
    for (relative, node) in entries {
        let old = place.join(relative);
        let is_there = fs::symlink_metadata(&old).is_ok();
        let is_same = make(tree, node, &root, relative, &old)?;
        changes.note(relative, is_there, is_same);
    }
    close(tree, &root, top)?;
    changes.deleted = missing(tree, place);
    Ok(Some((root, top)))
}

/// Makes one entry. Whether it is what there was.
fn make(tree: &Tree, node: &Node, root: &OwnedFd, relative: &Path, old: &Path) -> io::Result<bool> {
    Ok(match node {
        Node::Directory(_) => {
            rustix::fs::mkdirat(root, relative, PRIVATE)?;
            fs::symlink_metadata(old).is_ok_and(|old| old.is_dir())
        }
        Node::File(attributes, bytes) => fill(create(root, relative)?, *attributes, bytes, old)?,
        Node::HardLink(first) => {
            rustix::fs::linkat(root, first, root, relative, AtFlags::empty())?;
            match tree.entries.get(first) {
                Some(Node::File(_, bytes)) => holds(old, bytes).is_some(),
                _ => false,
            }
        }
        Node::Symlink(target) => {
            rustix::fs::symlinkat(target, root, relative)?;
            fs::read_link(old).is_ok_and(|old| old == *target)
        }
    })
}

/// Gives the directories what they will have, from the inside to the outside: one may be closed to us, or open to
/// others, from then on. The root can be moved still.
fn close(tree: &Tree, root: &OwnedFd, top: Attributes) -> io::Result<()> {
    for (relative, node) in tree.entries.iter().rev() {
        if let Node::Directory(attributes) = node
            && !relative.as_os_str().is_empty()
        {
            settle(staging::open_own(root, relative)?, *attributes)?;
        }
    }
    let mode = top.mode | Mode::WUSR.as_raw_mode();
    settle(root, Attributes { mode, ..top })
}

/// A path to a file ends without a slash.
fn join(base: &Path, relative: &Path) -> PathBuf {
    if relative.as_os_str().is_empty() {
        base.to_owned()
    } else {
        base.join(relative)
    }
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

/// The times of a file, if it holds these bytes. Whatever else is there is not waited for.
fn holds(path: &Path, bytes: &[u8]) -> Option<Timestamps> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let (file, size) = (fs::File::from(file), bytes.len() as u64);
    let stat = file.metadata().ok()?;
    if !stat.is_file() || stat.len() != size {
        return None;
    }
    let mut old = Vec::new();
    file.take(size + 1).read_to_end(&mut old).ok()?;
    let time = |seconds, fraction| rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: fraction,
    };
    (old == bytes).then(|| Timestamps {
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
