//! A look at a source from outside: whether it has changed, and what has to be watched to hear of the next change.
//!
//! It asks the kernel alone and reads nothing, which is cheap. Kubernetes' volumes are directories of links
//! through `..data`, which is replaced as a whole: links are followed, and entries that begin with `..` are
//! the kubelet's own.

use super::tree::{DEPTH_LIMIT, ENTRY_LIMIT};
use crate::store::exit_dir::FileId;
use rustix::fs::inotify::WatchFlags;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// As many links as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;
/// A change that is younger may be followed by another with the same time.
const CLOCK_TICK: Duration = Duration::from_millis(50);

/// What is to be watched.
#[derive(Debug, Default)]
pub(super) struct WatchSet {
    /// Where, and for what.
    pub(super) flags: BTreeMap<PathBuf, WatchFlags>,
    /// The files, and the directories with all that is in them, whose content matters.
    pub(super) contents: BTreeSet<PathBuf>,
}

/// What a look from outside finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Another one means that something may have changed; `None` if nothing is there.
    pub(super) signature: Option<u64>,
    /// So young that the next change may have the same signature.
    pub(super) is_young: bool,
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
pub(super) fn survey(path: &Path, places: &mut WatchSet, apart: Option<FileId>) -> Scan {
    let mut surveyor = Scanner {
        places,
        apart,
        hasher: DefaultHasher::new(),
        newest: UNIX_EPOCH,
        entries: 0,
    };
    let found = surveyor.visit(path, Path::new(""), &mut Vec::new());
    let age = SystemTime::now().duration_since(surveyor.newest);
    Scan {
        signature: found.then(|| surveyor.hasher.finish()),
        is_young: found && age.is_ok_and(|age| age < CLOCK_TICK),
    }
}

/// Whether the file is there; an error if that cannot be said.
pub(super) fn exists(path: &Path, places: &mut WatchSet) -> Result<bool, Errno> {
    route(path, places);
    match rustix::fs::stat(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

struct Scanner<'p> {
    places: &'p mut WatchSet,
    apart: Option<FileId>,
    hasher: DefaultHasher,
    newest: SystemTime,
    entries: usize,
}

impl Scanner<'_> {
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

fn watch(places: &mut WatchSet, path: &Path, flags: WatchFlags) {
    let known = places.flags.get(path).copied();
    let known = known.unwrap_or(WatchFlags::empty());
    places.flags.insert(path.to_owned(), known | flags);
}

/// What the path leads to, and whether it is a link; `None` if there is nothing. Where it is a link, or the source
/// itself, a change on the way is to be heard of too.
fn look_at(
    path: &Path,
    places: &mut WatchSet,
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
pub(super) fn there(stat: Result<Stat, Errno>) -> Result<Option<Stat>, Errno> {
    match stat {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Notes the directories in which a change of an entry would lead elsewhere: those of the links on the way, of
/// the last entry, or of the first one that is missing.
fn route(path: &Path, places: &mut WatchSet) {
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
pub(super) fn names(path: &Path) -> std::io::Result<Vec<OsString>> {
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
