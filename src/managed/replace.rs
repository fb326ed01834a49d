//! Installs configuration: replaces a target, which is a file, or a directory that changes as a
//! whole.
//!
//! The new version is built in a staging directory beside the target and installed by one rename:
//! of a file over the old one, of two directories that are exchanged, or of a link. A reader sees
//! the old version or the new one, never a mixture. A failure before the rename leaves the old one.

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

/// A new version that was built and is not installed yet.
#[derive(Debug)]
pub(super) struct Candidate {
    target: PathBuf,
    /// Contains it, under the name of the target.
    staging: Staging,
    /// For a directory: its descriptor, and the attributes that it gets once it is installed. Until
    /// then it must be possible to move it.
    root: Option<(OwnedFd, Attributes)>,
    method: ReplaceMethod,
    changes: Changes,
}

/// How a target is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReplaceMethod {
    /// The file is renamed to the target.
    Rename,
    /// The new directory and the old one are exchanged.
    Exchange,
    /// The target is a link to the newest directory.
    Link,
}

/// What the target is now.
enum TargetKind {
    Nothing,
    File,
    Directory,
    Link,
}

/// Checks at the start that the target can be replaced, and creates its parent directories.
///
/// # Errors
/// Why it cannot be replaced.
pub(super) fn check(target: &Path) -> Result<(), String> {
    let parent = parent(target);
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(parent);
    made.map_err(|error| cannot("create", parent, &error))?;
    staging::sweep(target);
    let staging = Staging::beside(target).map_err(|error| cannot("write to", parent, &error))?;
    match target_kind(target) {
        TargetKind::Directory => check_directory(target, &staging),
        TargetKind::File if is_mount_point(target) => Err(format!(
            "{}: a mount point cannot be replaced; use a file in a directory of its own",
            target.display()
        )),
        TargetKind::File | TargetKind::Link | TargetKind::Nothing => Ok(()),
    }
}

/// Asks the kernel to rename the target over a directory that is not empty. That must fail, and
/// fails for this reason only where no other reason prevents moving the target.
fn check_directory(target: &Path, staging: &Staging) -> Result<(), String> {
    let made = ["one", "two"].map(|name| rustix::fs::mkdirat(&staging.fd, name, PRIVATE));
    if let Some(errno) = made.into_iter().find_map(Result::err) {
        return Err(cannot("write to", &staging.path, &errno.into()));
    }
    match rustix::fs::rename(target, &staging.path) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            let exchanged = exchange(&staging.fd, Path::new("one"), &staging.fd, Path::new("two"));
            exchanged.map_err(|errno| {
                format!(
                    "{}: this file system cannot exchange directories ({}); use a path that does not exist or is a link",
                    target.display(),
                    describe(&errno.into())
                )
            })
        }
        Err(Errno::BUSY) => Err(format!(
            "{}: a mount point cannot be replaced; use a directory inside it",
            target.display()
        )),
        Err(Errno::XDEV) => Err(format!(
            "{}: a directory of the image cannot be replaced; use a directory inside it or on a volume",
            target.display()
        )),
        // Its owner may move it once it is writable.
        Err(Errno::ACCESS) if make_movable(target) => Ok(()),
        Err(errno) => Err(cannot("replace", target, &errno.into())),
        Ok(()) => {
            // Possible only if another process has emptied the staging directory. If the target
            // cannot be moved back, the error below is all that we can do.
            let _ = rustix::fs::rename(&staging.path, target);
            Err(format!("{} cannot be replaced", target.display()))
        }
    }
}

/// Exchanges two directories in one step.
fn exchange(at: impl AsFd, one: &Path, other_at: impl AsFd, two: &Path) -> Result<(), Errno> {
    rustix::fs::renameat_with(at, one, other_at, two, RenameFlags::EXCHANGE)
}

/// Makes a directory writable for its owner, if that is us: moving it to another parent requires
/// that (rename(2)). Returns whether it is writable now.
fn make_movable(target: &Path) -> bool {
    let opened = staging::open_own(CWD, target).and_then(|directory| {
        let mode = Mode::from_raw_mode(rustix::fs::fstat(&directory)?.st_mode & 0o7777);
        rustix::fs::fchmod(directory, mode | Mode::WUSR)
    });
    opened.is_ok()
}

fn is_mount_point(path: &Path) -> bool {
    let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn target_kind(target: &Path) -> TargetKind {
    match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_symlink() => TargetKind::Link,
        Ok(metadata) if metadata.is_dir() => TargetKind::Directory,
        Ok(_) => TargetKind::File,
        Err(_) => TargetKind::Nothing,
    }
}

/// Builds the tree in a staging directory beside its target.
///
/// # Errors
/// Why it cannot be built. Nothing of it remains.
pub(super) fn stage(tree: &Tree, target: &Path) -> Result<Candidate, String> {
    let is_file = matches!(tree.root(), Some(Node::File(..)));
    let method = match (is_file, target_kind(target)) {
        (true, TargetKind::Directory) => {
            return Err(format!(
                "cannot replace {}: it is a directory",
                target.display()
            ));
        }
        (true, _) => ReplaceMethod::Rename,
        (false, TargetKind::File) => {
            return Err(format!(
                "cannot replace {}: it is not a directory",
                target.display()
            ));
        }
        (false, TargetKind::Directory) => ReplaceMethod::Exchange,
        (false, TargetKind::Link | TargetKind::Nothing) => ReplaceMethod::Link,
    };
    let build = || {
        let staging = Staging::beside(target)?;
        let mut changes = Changes::default();
        let root = build(tree, &staging, target, &mut changes)?;
        let target = target.to_owned();
        Ok(Candidate {
            target,
            staging,
            root,
            method,
            changes,
        })
    };
    build().map_err(|error: io::Error| cannot("write beside", target, &error))
}

impl Candidate {
    /// Its path until it is installed.
    pub(super) fn path(&self) -> PathBuf {
        self.staging.path.join(self.name())
    }

    fn name(&self) -> &Path {
        Path::new(self.target.file_name().unwrap_or_default())
    }

    /// Replaces the target, in one step.
    ///
    /// # Errors
    /// Why it cannot be replaced. The target is as before.
    pub(super) fn install(self) -> Result<Changes, String> {
        let done = match self.method {
            ReplaceMethod::Rename => {
                rustix::fs::renameat(&self.staging.fd, self.name(), CWD, &self.target)
            }
            ReplaceMethod::Exchange => self.exchange(),
            ReplaceMethod::Link => self.link(),
        };
        done.map_err(|errno| cannot("replace", &self.target, &errno.into()))?;
        if let Some((root, attributes)) = &self.root {
            // A failure leaves the directory writable for its owner, which does no harm.
            let _ = rustix::fs::fchmod(root, Mode::from_raw_mode(attributes.mode));
        }
        Ok(self.changes)
    }

    /// The old directory gets into the staging directory, and is removed with it.
    fn exchange(&self) -> Result<(), Errno> {
        let exchange = || exchange(&self.staging.fd, self.name(), CWD, &self.target);
        match exchange() {
            Err(Errno::ACCESS) if make_movable(&self.target) => exchange(),
            result => result,
        }
    }

    fn link(&self) -> Result<(), Errno> {
        let target = unused_directory(&self.target);
        let errno = |error: io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        staging::remove(&target).map_err(errno)?;
        rustix::fs::renameat(&self.staging.fd, self.name(), CWD, &target)?;
        let link = Path::new("exitdir-link");
        let name = target.file_name().unwrap_or_default();
        rustix::fs::symlinkat(name, &self.staging.fd, link)?;
        rustix::fs::renameat(&self.staging.fd, link, CWD, &self.target)
    }
}

/// Of the two directories between which the link alternates, the one that it does not lead to now.
fn unused_directory(target: &Path) -> PathBuf {
    let first = beside(target, "1");
    let known = fs::canonicalize(&first).ok();
    let taken = known.is_some() && known == fs::canonicalize(target).ok();
    if taken { beside(target, "2") } else { first }
}

fn cannot(action: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {action} {}: {}", path.display(), describe(error))
}
