//! A look at a source from outside: whether it has changed, and what has to be watched to hear of the next change.
//!
//! It asks the kernel alone and reads nothing, which is cheap. Kubernetes' volumes are directories of links
//! through `..data`, which is replaced as a whole: links are followed, and entries that begin with `..` are
//! the kubelet's own.

use super::tree::{DEPTH_LIMIT, ENTRY_LIMIT};
use super::watch_set::{WatchSet, content_events, entry_events};
use crate::store::exit_dir::FileId;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::hash::{Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A change that is younger may be followed by another with the same time.
const CLOCK_TICK: Duration = Duration::from_millis(50);

/// What a look from outside finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Another one means that something may have changed; `None` if nothing is there.
    pub(super) signature: Option<u64>,
    /// So young that the next change may have the same signature.
    pub(super) is_young: bool,
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
    places.add_route(path);
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
            FileType::RegularFile if is_source || is_link => {
                self.places.add(path, content_events());
            }
            FileType::Directory if !above.contains(&id) && above.len() <= DEPTH_LIMIT => {
                self.places.add(path, entry_events() | content_events());
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
        places.add_route(path);
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
