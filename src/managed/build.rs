//! Builds a copy of a [`Tree`] in the staging directory, and finds out how it differs from what it
//! replaces.
//!
//! Another process that may write beside the target must not be able to lead us elsewhere. So what
//! was built is reached only by its descriptor, or through directories that no other user may enter
//! until the end.

use super::content::{Digest, FileContent};
use super::place::open_own;
use super::previous::Previous;
use super::staging::{PRIVATE, Staging};
use super::tree::{Attributes, Node, Tree};
use super::update::ChangeKind;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timestamps, Uid};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes in the lines about one change.
const LINES_SIZE: usize = 256 << 10;

/// What differs from the version that is replaced, by paths inside the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    created: Vec<PathBuf>,
    modified: Vec<PathBuf>,
    pub(super) deleted: Vec<PathBuf>,
}

impl Changes {
    pub(super) fn record(&mut self, path: &Path, existed: bool, is_same: bool) {
        match (existed, is_same) {
            (false, _) => self.created.push(path.to_owned()),
            (true, false) => self.modified.push(path.to_owned()),
            (true, true) => {}
        }
    }

    /// One line for each path, as far as they fit into [`LINES_SIZE`]. If they do not, the target
    /// itself stands for the rest.
    pub(super) fn lines(&self, target: &Path) -> Vec<String> {
        let kinds = [
            (ChangeKind::Created, &self.created),
            (ChangeKind::Modified, &self.modified),
            (ChangeKind::Deleted, &self.deleted),
        ];
        let lines = kinds.iter().flat_map(|(kind, paths)| {
            let line = move |path: &PathBuf| kind.line(&join(target, path));
            paths.iter().map(line)
        });
        let mut size = 0;
        let mut shown: Vec<String> = lines
            .take_while(|line| {
                size += line.len();
                size <= LINES_SIZE
            })
            .collect();
        let all: usize = kinds.iter().map(|(_, paths)| paths.len()).sum();
        if shown.len() < all {
            shown.push(ChangeKind::Modified.line(target));
        }
        shown
    }
}

/// Builds the tree in the staging directory, under the name of its target. For a directory, returns
/// the mode that it gets once it is installed.
pub(super) fn build(
    tree: &Tree,
    staging: &Staging,
    previous: &mut Previous<'_>,
    changes: &mut Changes,
) -> io::Result<Option<u32>> {
    let (name, top) = (staging.place.name(), Path::new(""));
    let existing = previous.file_type(top);
    let attributes = match tree.root() {
        Some(Node::File(attributes, content)) => {
            let mut file = create(&staging.fd, name)?;
            tree.copy(top, content, &mut file)?;
            let old = previous.open_file(top, content.digest.size);
            let is_same = finish_file(file, *attributes, content, old)?;
            changes.record(top, existing.is_some(), is_same);
            return Ok(None);
        }
        Some(Node::Directory(attributes)) => *attributes,
        _ => return Err(Errno::INVAL.into()),
    };
    rustix::fs::mkdirat(&staging.fd, name, PRIVATE)?;
    let root = open_own(&staging.fd, name)?;
    changes.record(
        top,
        existing.is_some(),
        existing == Some(FileType::Directory),
    );
    create_entries(tree, &root, previous, changes)?;
    finish_directories(tree, &root, attributes)?;
    changes.deleted = previous.entries_not_in(tree);
    Ok(Some(attributes.mode))
}

/// Creates all that is below the root.
fn create_entries(
    tree: &Tree,
    root: &OwnedFd,
    previous: &mut Previous<'_>,
    changes: &mut Changes,
) -> io::Result<()> {
    let below = tree.entries.iter();
    let below = below.filter(|(relative, _)| !relative.as_os_str().is_empty());
    // Hard links come last: the file must exist.
    let (links, others): (Vec<_>, Vec<_>) =
        below.partition(|(_, node)| matches!(node, Node::HardLink(_)));
    for (relative, node) in others.into_iter().chain(links) {
        let existing = previous.file_type(relative);
        let is_same = create_entry(tree, node, root, relative, previous)?;
        changes.record(relative, existing.is_some(), is_same);
    }
    Ok(())
}

/// Creates one entry. Returns whether it is the same as the one that it replaces.
fn create_entry(
    tree: &Tree,
    node: &Node,
    root: &OwnedFd,
    relative: &Path,
    previous: &mut Previous<'_>,
) -> io::Result<bool> {
    Ok(match node {
        Node::Directory(_) => {
            rustix::fs::mkdirat(root, relative, PRIVATE)?;
            previous.file_type(relative) == Some(FileType::Directory)
        }
        Node::File(attributes, content) => {
            let mut file = create(root, relative)?;
            tree.copy(relative, content, &mut file)?;
            let old = previous.open_file(relative, content.digest.size);
            finish_file(file, *attributes, content, old)?
        }
        Node::HardLink(first) => {
            rustix::fs::linkat(root, first, root, relative, AtFlags::empty())?;
            match tree.entries.get(first) {
                Some(Node::File(_, content)) => {
                    let old = previous.open_file(relative, content.digest.size);
                    old.is_some_and(|old| times_if_same(old, content.digest).is_some())
                }
                _ => false,
            }
        }
        Node::Symlink(target) => {
            create_link(tree, target, root, relative)?;
            previous
                .link_text(relative)
                .is_some_and(|text| text == *target)
        }
    })
}

fn create_link(tree: &Tree, target: &Path, root: &OwnedFd, relative: &Path) -> io::Result<()> {
    rustix::fs::symlinkat(target, root, relative)?;
    if let Some((user, group)) = tree.author() {
        let (user, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        // A user without privileges may not: the link stays its own.
        let _ = rustix::fs::chownat(root, relative, user, group, AtFlags::SYMLINK_NOFOLLOW);
    }
    Ok(())
}

/// Gives the directories their attributes, the innermost first: afterwards a directory may be
/// closed to us or open to others. The root stays open for its owner, because it must still be
/// opened and moved.
fn finish_directories(tree: &Tree, root: &OwnedFd, of_root: Attributes) -> io::Result<()> {
    for (relative, node) in tree.entries.iter().rev() {
        if let Node::Directory(attributes) = node
            && !relative.as_os_str().is_empty()
        {
            apply_attributes(open_own(root, relative)?, *attributes)?;
        }
    }
    let mode = of_root.mode | PRIVATE.as_raw_mode();
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
    old: Option<fs::File>,
) -> io::Result<bool> {
    let times = old.and_then(|old| times_if_same(old, content.digest));
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

/// The times of the old file, if it holds this content.
fn times_if_same(mut old: fs::File, digest: Digest) -> Option<Timestamps> {
    let stat = old.metadata().ok()?;
    let content = Digest::of(&mut old, digest.size, &mut |_| {}).ok()?;
    let time = |seconds, fraction| rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: fraction,
    };
    (content == digest).then(|| Timestamps {
        last_access: time(stat.atime(), stat.atime_nsec()),
        last_modification: time(stat.mtime(), stat.mtime_nsec()),
    })
}
