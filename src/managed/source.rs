//! Where configuration comes from: a file or a directory, through symbolic links if need be.
//!
//! A survey only asks the kernel about what is there, which is cheap, and says what has to be watched to hear
//! of a change; reading comes when something has changed. Kubernetes' volumes are directories of links
//! through `..data`, which is replaced as a whole: links are followed, and entries that begin with `..` are
//! the kubelet's own.

use super::tree::{Attributes, DEPTH_LIMIT, ENTRY_LIMIT, Node, SIZE_LIMIT, Tree};
use crate::ExitDir;
use crate::error::describe;
use crate::exit_dir::FileId;
use rustix::fs::inotify::WatchFlags;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// As many links as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;
/// A change that is younger may be followed by another with the same time.
const CLOCK_TICK: Duration = Duration::from_millis(50);

/// What is to be watched.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Where, and for what.
    pub(super) flags: BTreeMap<PathBuf, WatchFlags>,
    /// The files, and the directories with all that is in them, whose content matters.
    pub(super) contents: BTreeSet<PathBuf>,
}

/// What a look from outside finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    /// Another one means that something may have changed; `None` if nothing is there.
    pub(super) signature: Option<u64>,
    /// So young that the next change may have the same signature.
    pub(super) is_young: bool,
}

/// What a source holds.
pub(super) enum Content {
    Tree(Tree),
    Missing,
    /// It was changed while it was read.
    Unsteady,
    /// Why it cannot be used.
    Refused(String),
    /// Why it could not be read, which may be a moment's.
    Failed(String),
}

/// Entries come and go.
fn in_directory() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
}

/// Somebody writes, or changes the mode.
fn in_file() -> WatchFlags {
    WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB
}

/// Looks at what is there without reading it. `apart` is a directory that is no part of it: tombstones are no
/// configuration.
pub(super) fn survey(path: &Path, places: &mut Places, apart: Option<FileId>) -> Survey {
    let mut surveyor = Surveyor {
        places,
        apart,
        hasher: DefaultHasher::new(),
        newest: UNIX_EPOCH,
        entries: 0,
    };
    let found = surveyor.visit(path, Path::new(""), &mut Vec::new());
    let age = SystemTime::now().duration_since(surveyor.newest);
    Survey {
        signature: found.then(|| surveyor.hasher.finish()),
        is_young: found && age.is_ok_and(|age| age < CLOCK_TICK),
    }
}

/// Whether the file is there; an error if that cannot be said.
pub(super) fn exists(path: &Path, places: &mut Places) -> Result<bool, Errno> {
    route(path, places);
    match rustix::fs::stat(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

struct Surveyor<'p> {
    places: &'p mut Places,
    apart: Option<FileId>,
    hasher: DefaultHasher,
    newest: SystemTime,
    entries: usize,
}

impl Surveyor<'_> {
    /// Whether there is anything. `above` are the directories that it is in.
    fn visit(&mut self, path: &Path, relative: &Path, above: &mut Vec<FileId>) -> bool {
        let is_source = above.is_empty();
        let (stat, is_link) = match look_at(path, self.places, is_source) {
            Ok(Some(found)) => found,
            Ok(None) => return false,
            // Reading it will say so.
            Err(errno) => {
                (relative, errno.raw_os_error()).hash(&mut self.hasher);
                return true;
            }
        };
        let id = FileId::of(&stat);
        if self.apart == Some(id) {
            return true;
        }
        self.note(relative, &stat);
        if is_source || is_link {
            self.places.contents.insert(path.to_owned());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            // No watch on a directory that we know of hears of what is written into it.
            FileType::RegularFile if is_source || is_link => watch(self.places, path, in_file()),
            FileType::Directory if !above.contains(&id) && above.len() <= DEPTH_LIMIT => {
                watch(self.places, path, in_directory() | in_file());
                above.push(id);
                for name in names(path).unwrap_or_default() {
                    // Reading it will say that there are too many.
                    if self.entries > ENTRY_LIMIT {
                        break;
                    }
                    self.visit(&path.join(&name), &relative.join(&name), above);
                }
                above.pop();
            }
            _ => {}
        }
        true
    }

    fn note(&mut self, relative: &Path, stat: &Stat) {
        self.entries += 1;
        relative.hash(&mut self.hasher);
        let (seconds, fraction) = (stat.st_mtime, stat.st_mtime_nsec);
        (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mode).hash(&mut self.hasher);
        (seconds, fraction, stat.st_ctime, stat.st_ctime_nsec).hash(&mut self.hasher);
        let time = |seconds: i64, fraction: u64| {
            let whole =
                UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))?;
            whole.checked_add(Duration::from_nanos(fraction))
        };
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // by architecture
        let changed = time(stat.st_ctime as i64, stat.st_ctime_nsec as u64);
        self.newest = self.newest.max(changed.unwrap_or(UNIX_EPOCH));
    }
}

fn watch(places: &mut Places, path: &Path, flags: WatchFlags) {
    let known = places.flags.get(path).copied();
    let known = known.unwrap_or(WatchFlags::empty());
    places.flags.insert(path.to_owned(), known | flags);
}

/// What the path leads to, and whether it is a link; `None` if there is nothing. Where it is a link, or the source
/// itself, a change on the way is to be heard of too.
fn look_at(
    path: &Path,
    places: &mut Places,
    is_source: bool,
) -> Result<Option<(Stat, bool)>, Errno> {
    let link = there(rustix::fs::lstat(path))?;
    let is_link =
        link.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink);
    if is_source || is_link {
        route(path, places);
    }
    let stat = if is_link {
        there(rustix::fs::stat(path))?
    } else {
        link
    };
    Ok(stat.map(|stat| (stat, is_link)))
}

/// What is there, if anything. A link that leads nowhere is what editors leave beside what is being edited.
fn there(stat: Result<Stat, Errno>) -> Result<Option<Stat>, Errno> {
    match stat {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Notes the directories in which a change of an entry would lead elsewhere: those of the links on the way, of
/// the last entry, or of the first one that is missing.
fn route(path: &Path, places: &mut Places) {
    let mut at = PathBuf::from(if path.is_absolute() { "/" } else { "." });
    let mut ahead: Vec<OsString> = components(path);
    ahead.reverse();
    let mut links = 0;
    while let Some(name) = ahead.pop() {
        // That it is not the one any more that the path leads to.
        watch(places, &at, WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF);
        if name == ".." {
            // Its links are resolved, so that is its parent.
            at = match at.file_name() {
                Some(last) if last != ".." => at.parent().map(Path::to_owned).unwrap_or_default(),
                _ => at.join(".."),
            };
            continue;
        }
        let next = at.join(&name);
        let Ok(stat) = rustix::fs::lstat(&next) else {
            watch(places, &at, in_directory() | WatchFlags::CLOSE_WRITE);
            places.contents.insert(next);
            return;
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            if ahead.is_empty() {
                // Whoever has made it may not have written it yet, and then closes it later.
                // Or it is opened to us.
                let flags = WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB;
                watch(places, &at, in_directory() | flags);
                places.contents.insert(next);
                return;
            }
            at = next;
            continue;
        }
        watch(places, &at, in_directory());
        links += 1;
        let Ok(target) = std::fs::read_link(&next) else {
            return;
        };
        if links > LINK_LIMIT {
            return;
        }
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        ahead.extend(components(&target).into_iter().rev());
    }
}

fn components(path: &Path) -> Vec<OsString> {
    let named = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(named).collect()
}

/// The entries of a directory that are not the kubelet's own, sorted.
fn names(path: &Path) -> std::io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        if !name.as_bytes().starts_with(b"..") {
            names.push(name);
        }
        if names.len() > ENTRY_LIMIT {
            break;
        }
    }
    names.sort();
    Ok(names)
}

/// What a source must not take in.
pub(super) struct Surroundings<'d> {
    /// The exit directory, which is no part of it.
    pub(super) apart: Option<FileId>,
    /// The same, which knows our own tombstone.
    pub(super) dir: Option<&'d ExitDir>,
    /// The directory in which its copy is: that it holds this means that it would hold itself.
    pub(super) copy: Option<FileId>,
}

/// Reads everything that is there.
pub(super) fn read(path: &Path, surroundings: &Surroundings<'_>) -> Content {
    let look = || survey(path, &mut Places::default(), surroundings.apart).signature;
    let before = look();
    if before.is_none() {
        return Content::Missing;
    }
    let mut reader = Reader {
        tree: Tree::default(),
        surroundings,
    };
    let result = reader.visit(path, PathBuf::new(), &mut Vec::new());
    match (result, look()) {
        (_, None) => Content::Missing,
        (_, after) if after != before => Content::Unsteady,
        (Ok(()), _) if reader.tree.root().is_some() => Content::Tree(reader.tree),
        (Ok(()), _) => Content::Refused("it is neither a file nor a directory".to_owned()),
        (Err(Obstacle::Itself(why)), _) => Content::Refused(why),
        (Err(Obstacle::Error(at, error)), _) => {
            let because = describe(&error);
            let why = match at.as_os_str().is_empty() {
                true => because,
                false => format!("{}: {because}", at.display()),
            };
            match error.kind() {
                // It is seen when that changes.
                std::io::ErrorKind::PermissionDenied => Content::Refused(why),
                _ => Content::Failed(why),
            }
        }
    }
}

/// Why something cannot be read.
enum Obstacle {
    /// For what it is.
    Itself(String),
    Error(PathBuf, std::io::Error),
}

struct Reader<'s> {
    tree: Tree,
    surroundings: &'s Surroundings<'s>,
}

impl Reader<'_> {
    fn visit(
        &mut self,
        path: &Path,
        relative: PathBuf,
        above: &mut Vec<FileId>,
    ) -> Result<(), Obstacle> {
        let failed = |error| Obstacle::Error(relative.clone(), error);
        let stat = there(rustix::fs::stat(path)).map_err(|errno| failed(errno.into()))?;
        let apart = self.surroundings.apart;
        let is_part = |stat: &Stat| apart != Some(FileId::of(stat)) && !self.is_own(stat);
        let Some(stat) = stat.filter(is_part) else {
            return Ok(());
        };
        let attributes = Attributes {
            // A set-user-id program of another user must not become ours.
            mode: stat.st_mode & 0o777,
            owner: Some((stat.st_uid, stat.st_gid)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let Some(file) = self.open(path).map_err(failed)? else {
                    return Ok(());
                };
                let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
                self.tree.check_limits(size).map_err(Obstacle::Itself)?;
                let mut bytes = Vec::new();
                // Not only as much as it says: some files say 0 and hold something (proc(5)).
                let mut file = file.take(SIZE_LIMIT + 1);
                file.read_to_end(&mut bytes).map_err(failed)?;
                let node = Node::File(attributes, Rc::from(bytes));
                self.tree.add(relative, node).map_err(Obstacle::Itself)
            }
            FileType::Directory => {
                let id = FileId::of(&stat);
                let shown = relative.display();
                if above.contains(&id) {
                    let why = format!("{shown}: a link to a directory above it");
                    return Err(Obstacle::Itself(why));
                }
                if self.surroundings.copy == Some(id) {
                    let why = format!("{shown}: its own copy is in there");
                    return Err(Obstacle::Itself(why));
                }
                if above.len() > DEPTH_LIMIT {
                    let why = format!("it is more than {DEPTH_LIMIT} directories deep");
                    return Err(Obstacle::Itself(why));
                }
                let names = names(path).map_err(failed)?;
                let node = Node::Directory(attributes);
                let added = self.tree.add(relative.clone(), node);
                added.map_err(Obstacle::Itself)?;
                above.push(id);
                for name in names {
                    self.visit(&path.join(&name), relative.join(&name), above)?;
                }
                above.pop();
                Ok(())
            }
            // Sockets and FIFOs are no configuration.
            _ => Ok(()),
        }
    }

    fn is_own(&self, stat: &Stat) -> bool {
        let dir = self.surroundings.dir;
        dir.is_some_and(|dir| dir.is_own(Some(FileId::of(stat))))
    }

    /// `None` if it is no file any more.
    fn open(&self, path: &Path) -> std::io::Result<Option<File>> {
        // NONBLOCK: if it has become a FIFO meanwhile it must not hang us.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        if self.is_own(&stat) {
            // It has come here since we looked. The lock on our tombstone would go with it.
            std::mem::forget(file);
            return Ok(None);
        }
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(is_file.then(|| file.into()))
    }
}
