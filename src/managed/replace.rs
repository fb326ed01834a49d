//! Where configuration is put: a file, or a directory that changes as a whole.
//!
//! What is new is built in a directory of our own beside what is there, and put in its place by one rename: of a
//! file, of two directories that change places, or of a link. A reader sees the old or the new, never a
//! mixture; and whatever goes wrong before the rename leaves the old.

use super::build::{Changes, build};
use super::staging::{self, PRIVATE, Staging, beside, parent};
use super::tree::{Attributes, Node, Tree};
use crate::error::describe;
use rustix::fs::{AtFlags, CWD, Mode, RenameFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What was built, and is to be put in place.
#[derive(Debug)]
pub(super) struct Candidate {
    place: PathBuf,
    /// Where it is now, under its own name.
    staging: Staging,
    /// If it is a directory: itself, and what it will be like at its place. Until then we must be able to move it.
    root: Option<(OwnedFd, Attributes)>,
    way: ReplaceMethod,
    changes: Changes,
}

/// How it gets to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplaceMethod {
    /// A file over a file, or over nothing.
    Rename,
    /// The two directories change places.
    Exchange,
    /// The place is a link to the newest directory.
    Link,
}

/// What stands there now.
enum TargetKind {
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
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(parent);
    made.map_err(|error| cannot("create", parent, &error))?;
    staging::sweep(place);
    let scene = Staging::beside(place).map_err(|error| cannot("write to", parent, &error))?;
    match present(place) {
        TargetKind::Directory => check_directory(place, &scene),
        TargetKind::File if is_mount_point(place) => Err(format!(
            "{}: a mount point cannot be replaced; use a file in a directory of its own",
            place.display()
        )),
        TargetKind::File | TargetKind::Link | TargetKind::Nothing => Ok(()),
    }
}

/// Asks the kernel for a rename that must fail, because a directory that is not empty is in its way: it says so
/// only if nothing else speaks against it.
fn check_directory(place: &Path, scene: &Staging) -> Result<(), String> {
    let made = ["one", "two"].map(|name| rustix::fs::mkdirat(&scene.fd, name, PRIVATE));
    if let Some(errno) = made.into_iter().find_map(Result::err) {
        return Err(cannot("write to", &scene.path, &errno.into()));
    }
    match rustix::fs::rename(place, &scene.path) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            let exchanged = exchange(&scene.fd, Path::new("one"), &scene.fd, Path::new("two"));
            exchanged.map_err(|errno| {
                format!(
                    "{}: this file system cannot exchange directories ({}); use a path that does not exist or is a link",
                    place.display(),
                    describe(&errno.into())
                )
            })
        }
        Err(Errno::BUSY) => Err(format!(
            "{}: a mount point cannot be replaced; use a directory inside of it",
            place.display()
        )),
        Err(Errno::XDEV) => Err(format!(
            "{}: a directory of the image cannot be replaced; use a directory inside of it, or of a volume",
            place.display()
        )),
        // Whoever may not move it may be able to when it is ours to write to.
        Err(Errno::ACCESS) if make_movable(place) => Ok(()),
        Err(errno) => Err(cannot("replace", place, &errno.into())),
        Ok(()) => {
            // Only if somebody has emptied what is ours.
            let _ = rustix::fs::rename(&scene.path, place);
            Err(format!("{}: cannot be replaced", place.display()))
        }
    }
}

/// Changes the places of two directories, in one step.
fn exchange(at: impl AsFd, one: &Path, other_at: impl AsFd, two: &Path) -> Result<(), Errno> {
    rustix::fs::renameat_with(at, one, other_at, two, RenameFlags::EXCHANGE)
}

/// A directory can be moved to another one only by those who may write to it (rename(2)). Whether it can be now.
fn make_movable(place: &Path) -> bool {
    let opened = staging::open_own(CWD, place).and_then(|directory| {
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&directory)?.st_mode & 0o7777);
        rustix::fs::fchmod(directory, mode | Mode::WUSR)
    });
    opened.is_ok()
}

fn is_mount_point(path: &Path) -> bool {
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn present(place: &Path) -> TargetKind {
    match fs::symlink_metadata(place) {
        Ok(metadata) if metadata.is_symlink() => TargetKind::Link,
        Ok(metadata) if metadata.is_dir() => TargetKind::Directory,
        Ok(_) => TargetKind::File,
        Err(_) => TargetKind::Nothing,
    }
}

/// Builds what the tree says beside its place.
///
/// # Errors
/// Why it cannot be built; nothing of it is left.
pub(super) fn stage(tree: &Tree, place: &Path) -> Result<Candidate, String> {
    let is_file = matches!(tree.root(), Some(Node::File(..)));
    let way = match (is_file, present(place)) {
        (true, TargetKind::Directory) => {
            return Err(format!("{}: is a directory", place.display()));
        }
        (true, _) => ReplaceMethod::Rename,
        (false, TargetKind::File) => {
            return Err(format!("{}: is not a directory", place.display()));
        }
        (false, TargetKind::Directory) => ReplaceMethod::Exchange,
        (false, TargetKind::Link | TargetKind::Nothing) => ReplaceMethod::Link,
    };
    let build = || {
        let staging = Staging::beside(place)?;
        let mut changes = Changes::default();
        let root = build(tree, &staging, place, &mut changes)?;
        let place = place.to_owned();
        Ok(Candidate {
            place,
            staging,
            root,
            way,
            changes,
        })
    };
    build().map_err(|error: io::Error| cannot("write beside", place, &error))
}

impl Candidate {
    /// Where it is, until it is put in place.
    pub(super) fn path(&self) -> PathBuf {
        self.staging.path.join(self.name())
    }

    fn name(&self) -> &Path {
        Path::new(self.place.file_name().unwrap_or_default())
    }

    /// Puts it in its place, in one step.
    ///
    /// # Errors
    /// Why it cannot be; what was there is there still.
    pub(super) fn install(self) -> Result<Changes, String> {
        let done = match self.way {
            ReplaceMethod::Rename => {
                rustix::fs::renameat(&self.staging.fd, self.name(), CWD, &self.place)
            }
            ReplaceMethod::Exchange => self.exchange(),
            ReplaceMethod::Link => self.link(),
        };
        done.map_err(|errno| cannot("replace", &self.place, &errno.into()))?;
        if let Some((root, attributes)) = &self.root {
            // It is in its place, and can be used: only its owner could write to it until now.
            let _ = rustix::fs::fchmod(root, Mode::from_raw_mode(attributes.mode));
        }
        Ok(self.changes)
    }

    /// The old one comes to us, and goes with the rest.
    fn exchange(&self) -> Result<(), Errno> {
        let exchange = || exchange(&self.staging.fd, self.name(), CWD, &self.place);
        match exchange() {
            Err(Errno::ACCESS) if make_movable(&self.place) => exchange(),
            result => result,
        }
    }

    fn link(&self) -> Result<(), Errno> {
        let target = free_of_two(&self.place);
        let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        staging::remove(&target).map_err(errno)?;
        rustix::fs::renameat(&self.staging.fd, self.name(), CWD, &target)?;
        let link = Path::new("exitdir-link");
        let name = target.file_name().unwrap_or_default();
        rustix::fs::symlinkat(name, &self.staging.fd, link)?;
        rustix::fs::renameat(&self.staging.fd, link, CWD, &self.place)
    }
}

/// Of the two names that a link can lead to, the one to which it does not.
fn free_of_two(place: &Path) -> PathBuf {
    let first = beside(place, "1");
    let known = fs::canonicalize(&first).ok();
    let taken = known.is_some() && known == fs::canonicalize(place).ok();
    if taken { beside(place, "2") } else { first }
}

fn cannot(deed: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {deed} {}: {}", path.display(), describe(error))
}
