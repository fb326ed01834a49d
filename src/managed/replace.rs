//! Installs configuration: replaces a target, which is a file, or a directory that changes as a
//! whole.
//!
//! The new version is built in a staging directory beside the target and installed by one rename:
//! of a file over the old one, of two directories that are exchanged, or of a link. A reader sees
//! the old version or the new one, never a mixture. A failure before the rename leaves the old one.

use super::build::{Changes, build};
use super::exclusion::Exclusion;
use super::place::{
    LINKED, MissingParent, Place, cannot, is_mount_point, look, open_listed, open_up, parent,
};
use super::previous::Previous;
use super::staging::{PRIVATE, Staging};
use super::tree::{Node, Tree};
use crate::error::describe;
use crate::sys::random;
use rustix::fs::{AtFlags, FileType, Mode, RenameFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A new version that was built and is not installed yet.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Contains it, under the name of the target.
    staging: Staging,
    built: Built,
}

/// What was built in a staging directory.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) method: ReplaceMethod,
    /// For a directory: the mode that it gets once it is installed. Until then it must be possible
    /// to move it.
    pub(super) mode: Option<u32>,
    /// Lines about what differs from the version that is replaced.
    pub(super) changes: Vec<String>,
}

/// How a target is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplaceMethod {
    /// The file is renamed to the target.
    Rename,
    /// The new directory and the old one are exchanged.
    Exchange,
    /// The target is a link to the newest directory.
    Link,
}

impl ReplaceMethod {
    /// The method of this name.
    pub(super) fn parse(word: &str) -> Option<ReplaceMethod> {
        let all = [
            ReplaceMethod::Rename,
            ReplaceMethod::Exchange,
            ReplaceMethod::Link,
        ];
        all.into_iter().find(|method| method.word() == word)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            ReplaceMethod::Rename => "rename",
            ReplaceMethod::Exchange => "exchange",
            ReplaceMethod::Link => "link",
        }
    }
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
    let place = Place::open(target, MissingParent::Create)?;
    // Before the directory that contains it, which need not be writable.
    if matches!(target_kind(&place), TargetKind::Directory) && is_mounted(&place) {
        return Err(mount_point(target));
    }
    let staging = Staging::beside(place);
    let staging = staging.map_err(|errno| cannot("write to", parent(target), &errno.into()))?;
    check_kind(target, &staging)
}

fn check_kind(target: &Path, staging: &Staging) -> Result<(), String> {
    match target_kind(&staging.place) {
        TargetKind::Directory => check_directory(staging),
        TargetKind::File if is_mounted(&staging.place) => Err(format!(
            "{}: a mount point cannot be replaced; use a file in a directory of its own",
            target.display()
        )),
        TargetKind::File | TargetKind::Link | TargetKind::Nothing => Ok(()),
    }
}

/// Asks the kernel to rename the target over a directory that is not empty. That must fail, and
/// fails for this reason only where no other reason prevents moving the target.
fn check_directory(staging: &Staging) -> Result<(), String> {
    let target = staging.place.target.display();
    let made =
        ["one", "two", "one/full"].map(|name| rustix::fs::mkdirat(&staging.fd, name, PRIVATE));
    if let Some(errno) = made.into_iter().find_map(Result::err) {
        return Err(cannot("write to", &staging.path(), &errno.into()));
    }
    let Place { directory, .. } = &staging.place;
    match rustix::fs::renameat(directory, staging.place.name(), &staging.fd, "one") {
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            let exchanged = exchange(&staging.fd, Path::new("one"), &staging.fd, Path::new("two"));
            exchanged.map_err(|errno| {
                format!(
                    "{target}: this file system cannot exchange directories ({}); use a path that does not exist or is a link",
                    describe(&errno.into())
                )
            })
        }
        Err(Errno::BUSY) => Err(mount_point(&staging.place.target)),
        Err(Errno::XDEV) => Err(format!(
            "{target}: a directory of the image cannot be replaced; use a directory inside it or on a volume",
        )),
        // Its owner may move it once it is writable.
        Err(Errno::ACCESS) if open_up(directory, staging.place.name()) => Ok(()),
        Err(errno) => Err(cannot("replace", &staging.place.target, &errno.into())),
        Ok(()) => Err(move_back(staging)),
    }
}

/// Moves the target back out of the staging directory. It can get there only if another process of
/// our user has emptied a directory in it just then. Returns an error in each case.
fn move_back(staging: &Staging) -> String {
    let place = &staging.place;
    let target = place.target.display();
    let back = |name: &Path| rustix::fs::renameat(&staging.fd, "one", &place.directory, name);
    if back(place.name()).is_ok() {
        return format!("{target} cannot be replaced: another process removes what is beside it");
    }
    // Something else has its name now. A staging directory is removed with what is in it.
    let number = random::hex::<8>().unwrap_or_default();
    let mut saved = place.name().as_os_str().to_owned();
    saved.push(format!(".saved-{number}"));
    match back(Path::new(&saved)) {
        Ok(()) => format!(
            "{target} was replaced by another process: it is {} now",
            Path::new(&saved).display()
        ),
        Err(errno) => cannot("move back", &place.target, &errno.into()),
    }
}

/// Exchanges two directories in one step.
fn exchange(at: impl AsFd, one: &Path, other_at: impl AsFd, two: &Path) -> Result<(), Errno> {
    rustix::fs::renameat_with(at, one, other_at, two, RenameFlags::EXCHANGE)
}

fn mount_point(target: &Path) -> String {
    format!(
        "{}: a mount point cannot be replaced; use a directory inside it, as in {}",
        target.display(),
        target.join("current").display()
    )
}

fn is_mounted(place: &Place) -> bool {
    look(&place.directory, place.name()).is_ok_and(|stat| is_mount_point(&stat))
}

fn target_kind(place: &Place) -> TargetKind {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let stat = rustix::fs::statat(&place.directory, place.name(), flags);
    match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::Symlink) => TargetKind::Link,
        Ok(FileType::Directory) => TargetKind::Directory,
        Ok(_) => TargetKind::File,
        Err(_) => TargetKind::Nothing,
    }
}

/// Creates a staging directory at this place.
///
/// # Errors
/// Why it cannot be created.
pub(super) fn begin(place: Place) -> Result<Staging, String> {
    let target = place.target.clone();
    Staging::beside(place).map_err(|errno| cannot("write beside", &target, &errno.into()))
}

/// Builds the tree in a staging directory beside its target.
///
/// # Errors
/// Why it cannot be built.
pub(super) fn stage(
    tree: &Tree,
    staging: &Staging,
    exclusion: Exclusion<'_>,
) -> Result<Built, String> {
    let target = &staging.place.target;
    let is_file = matches!(tree.root(), Some(Node::File(..)));
    let method = match (is_file, target_kind(&staging.place)) {
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
    let mut changes = Changes::default();
    let mut previous = Previous::new(&staging.place, exclusion);
    let mode = build(tree, staging, &mut previous, &mut changes);
    let mode = mode.map_err(|error| cannot("write beside", target, &error))?;
    Ok(Built {
        method,
        mode,
        changes: changes.lines(target),
    })
}

impl Candidate {
    pub(super) fn new(staging: Staging, built: Built) -> Candidate {
        Candidate { staging, built }
    }

    /// Its path until it is installed.
    pub(super) fn path(&self) -> PathBuf {
        self.staging.path().join(self.place().name())
    }

    fn place(&self) -> &Place {
        &self.staging.place
    }

    /// The staging directory of a candidate that is not installed.
    pub(super) fn into_staging(self) -> Staging {
        self.staging
    }

    /// Replaces the target, in one step. Returns lines about what has changed, and the staging
    /// directory, which contains what was replaced.
    ///
    /// # Errors
    /// Why it cannot be replaced. The target is as before.
    pub(super) fn install(self) -> (Result<Vec<String>, String>, Staging) {
        let name = self.place().name();
        // Opened now: another process may replace it once it is installed.
        let root = self.built.mode.and_then(|mode| {
            let root = open_listed(&self.staging.fd, name).ok()?;
            Some((root, mode))
        });
        let done = match self.built.method {
            ReplaceMethod::Rename => self.move_out(name, name),
            ReplaceMethod::Exchange => self.exchange(name),
            ReplaceMethod::Link => self.link(),
        };
        if let Err(errno) = done {
            let sentence = cannot("replace", &self.place().target, &errno.into());
            return (Err(sentence), self.staging);
        }
        if let Some((root, mode)) = root {
            // A failure leaves the directory open for its owner, which does no harm.
            let _ = rustix::fs::fchmod(root, Mode::from_raw_mode(mode));
        }
        (Ok(self.built.changes), self.staging)
    }

    /// Renames an entry of the staging directory to a name beside it.
    fn move_out(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        rustix::fs::renameat(&self.staging.fd, from, &self.place().directory, to)
    }

    /// The old directory gets into the staging directory, and is removed with it.
    fn exchange(&self, name: &Path) -> Result<(), Errno> {
        let directory = &self.place().directory;
        if_movable(directory, name, || {
            exchange(&self.staging.fd, name, directory, name)
        })
    }

    fn link(&self) -> Result<(), Errno> {
        let taken = self.place().linked();
        let unused = LINKED.iter().map(|suffix| self.place().beside(suffix));
        let mut unused = unused.filter(|name| Some(name) != taken.as_ref());
        let place = |name: PathBuf| self.place_directory(&name).map(|()| name);
        let first = place(unused.next().ok_or(Errno::NOENT)?);
        // Another user may prevent that one of the names is used.
        let name = first.or_else(|errno| unused.next().map_or(Err(errno), place))?;
        let link = Path::new("exitdir-link");
        rustix::fs::symlinkat(&name, &self.staging.fd, link)?;
        self.move_out(link, self.place().name())
    }

    /// Gives the new directory its name. What has this name gets into the staging directory, and is
    /// removed with it.
    fn place_directory(&self, name: &Path) -> Result<(), Errno> {
        let directory = &self.place().directory;
        let take = || rustix::fs::renameat(directory, name, &self.staging.fd, name);
        match if_movable(directory, name, take) {
            Ok(()) | Err(Errno::NOENT) => self.move_out(self.place().name(), name),
            result => result,
        }
    }
}

/// Moves a directory, if need be after it was made writable for its owner.
fn if_movable(
    at: &OwnedFd,
    name: &Path,
    rename: impl Fn() -> Result<(), Errno>,
) -> Result<(), Errno> {
    match rename() {
        Err(Errno::ACCESS) if open_up(at, name) => rename(),
        result => result,
    }
}
