//! Builds a copy of a [`Tree`] in the staging directory, and finds out how it differs from what it
//! replaces.
//!
//! Another process that may write beside the target must not be able to lead us elsewhere. So what
//! was built is reached only by its descriptor, or through directories that no other user may enter
//! until the end.

use super::content::{Digest, FileContent};
use super::staging::{self, PRIVATE, Staging};
use super::tree::{Attributes, Node, Tree};
use crate::sorted::SortedSet;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Timestamps, Uid};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What differs from the version that is replaced, by paths inside the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    created: Vec<PathBuf>,
    modified: Vec<PathBuf>,
    deleted: Vec<PathBuf>,
}

impl Changes {
    fn record(&mut self, path: &Path, existed: bool, is_same: bool) {
        match (existed, is_same) {
            (false, _) => self.created.push(path.to_owned()),
            (true, false) => self.modified.push(path.to_owned()),
            (true, true) => {}
        }
    }

    /// One line for each path.
    pub(super) fn lines(&self, target: &Path) -> Vec<String> {
        let kinds = [
            ("created", &self.created),
            ("modified", &self.modified),
            ("deleted", &self.deleted),
        ];
        let lines = kinds.into_iter().flat_map(|(what, paths)| {
            let line = move |path: &PathBuf| format!("{what} {}", join(target, path).display());
            paths.iter().map(line)
        });
        lines.collect()
    }
}

/// Builds the tree in the staging directory, under the name of its target. For a directory, returns
/// its descriptor and the attributes that it gets once it is installed.
pub(super) fn build(
    tree: &Tree,
    staging: &Staging,
    target: &Path,
    changes: &mut Changes,
) -> io::Result<Option<(OwnedFd, Attributes)>> {
    let name = Path::new(target.file_name().unwrap_or_default());
    let existed = fs::symlink_metadata(target).is_ok();
    let attributes = match tree.root() {
        Some(Node::File(attributes, content)) => {
            let mut file = create(&staging.fd, name)?;
            tree.copy(Path::new(""), content, &mut file)?;
            let is_same = finish_file(file, *attributes, content, target)?;
            changes.record(Path::new(""), existed, is_same);
            return Ok(None);
        }
        Some(Node::Directory(attributes)) => *attributes,
        _ => return Err(Errno::INVAL.into()),
    };
    rustix::fs::mkdirat(&staging.fd, name, PRIVATE)?;
    let root = staging::open_own(&staging.fd, name)?;
    changes.record(Path::new(""), existed, target.is_dir());
    let below = tree.entries.iter();
    let below = below.filter(|(relative, _)| !relative.as_os_str().is_empty());
    // Hard links come last: the file must exist.
    let (links, others): (Vec<_>, Vec<_>) =
        below.partition(|(_, node)| matches!(node, Node::HardLink(_)));
    for (relative, node) in others.into_iter().chain(links) {
        let old = target.join(relative);
        let existed = fs::symlink_metadata(&old).is_ok();
        let is_same = create_entry(tree, node, &root, relative, &old)?;
        changes.record(relative, existed, is_same);
    }
    finish_directories(tree, &root, attributes)?;
    changes.deleted = deleted(tree, target);
    Ok(Some((root, attributes)))
}

/// Creates one entry. Returns whether it is the same as `old`, its path below the target.
fn create_entry(
    tree: &Tree,
    node: &Node,
    root: &OwnedFd,
    relative: &Path,
    old: &Path,
) -> io::Result<bool> {
    Ok(match node {
        Node::Directory(_) => {
            rustix::fs::mkdirat(root, relative, PRIVATE)?;
            fs::symlink_metadata(old).is_ok_and(|old| old.is_dir())
        }
        Node::File(attributes, content) => {
            let mut file = create(root, relative)?;
            tree.copy(relative, content, &mut file)?;
            finish_file(file, *attributes, content, old)?
        }
        Node::HardLink(first) => {
            rustix::fs::linkat(root, first, root, relative, AtFlags::empty())?;
            match tree.entries.get(first) {
                Some(Node::File(_, content)) => times_if_same(old, content.digest).is_some(),
                _ => false,
            }
        }
        Node::Symlink(target) => {
            rustix::fs::symlinkat(target, root, relative)?;
            fs::read_link(old).is_ok_and(|old| old == *target)
        }
    })
}

/// Gives the directories their attributes, the innermost first: afterwards a directory may be
/// closed to us or open to others. The root stays writable for its owner, because it must still be
/// moved.
fn finish_directories(tree: &Tree, root: &OwnedFd, of_root: Attributes) -> io::Result<()> {
    for (relative, node) in tree.entries.iter().rev() {
        if let Node::Directory(attributes) = node
            && !relative.as_os_str().is_empty()
        {
            apply_attributes(staging::open_own(root, relative)?, *attributes)?;
        }
    }
    let mode = of_root.mode | Mode::WUSR.as_raw_mode();
    apply_attributes(root, Attributes { mode, ..of_root })
}

/// Joins without a final slash where `relative` is empty: the path may be that of a file.
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

/// Gives a new file its attributes. If the old one holds the same content, the new one gets its
/// times. Returns whether it does.
fn finish_file(
    file: fs::File,
    attributes: Attributes,
    content: &FileContent,
    old: &Path,
) -> io::Result<bool> {
    let times = times_if_same(old, content.digest);
    apply_attributes(&file, attributes)?;
    if let Some(times) = &times {
        rustix::fs::futimens(&file, times)?;
    }
    Ok(times.is_some())
}

/// Sets the owner, where that is permitted, and the mode.
fn apply_attributes(file: impl AsFd, attributes: Attributes) -> io::Result<()> {
    if let Some((user, group)) = attributes.owner {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
        let both = rustix::fs::fchown(&file, Some(user), Some(group));
        // An unprivileged owner may still set the group to another group of its own (chown(2)).
        // Where that is not permitted either, user and group stay as they are.
        let _ = both.or_else(|_| rustix::fs::fchown(&file, None, Some(group)));
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(attributes.mode)).map_err(Into::into)
}

/// The times of the file at `path`, if it holds this content. Does not block on a FIFO or a device.
fn times_if_same(path: &Path, digest: Digest) -> Option<Timestamps> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).ok()?;
    let mut file = fs::File::from(file);
    let stat = file.metadata().ok()?;
    if !stat.is_file() || stat.len() != digest.size {
        return None;
    }
    let old = Digest::of(&mut file, digest.size, &mut |_| {}).ok()?;
    let time = |seconds, fraction| rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: fraction,
    };
    (old == digest).then(|| Timestamps {
        last_access: time(stat.atime(), stat.atime_nsec()),
        last_modification: time(stat.mtime(), stat.mtime_nsec()),
    })
}

/// Paths below the target that are not in the tree. Of a deleted directory, only the directory
/// itself.
fn deleted(tree: &Tree, target: &Path) -> Vec<PathBuf> {
    let mut deleted = SortedSet::default();
    let mut ahead = vec![PathBuf::new()];
    while let Some(relative) = ahead.pop() {
        let Ok(entries) = fs::read_dir(join(target, &relative)) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = relative.join(entry.file_name());
            if !tree.entries.contains_key(&path) {
                deleted.insert(path);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                ahead.push(path);
            }
        }
    }
    deleted.iter().cloned().collect()
}
