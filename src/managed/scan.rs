//! A scan of a source from outside: whether it has changed, and what must be watched to notice the
//! next change.
//!
//! A scan asks the kernel for attributes and reads no file, which is cheap. Kubernetes builds its
//! volumes from links through `..data`, which it replaces as a whole: a scan follows links, and
//! skips entries that begin with `..`, which are the kubelet's own.

use super::exclusion::Exclusion;
use super::follow::{FollowError, SourceEntry, names};
use super::tree::{DEPTH_LIMIT, ENTRY_LIMIT};
use super::watch_set::{Destination, NAMES_PER_STEP, WatchSet, content_events, entry_events};
use crate::sorted::sorted;
use crate::store::file_id::FileId;
use rustix::fs::{CWD, FileType, Stat};
use rustix::io::Errno;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A change younger than this may be followed by another one with the same time.
const CLOCK_TICK: Duration = Duration::from_millis(50);

/// What a scan finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Another signature means that something may have changed; `None` if nothing exists.
    pub(super) signature: Option<u64>,
    /// The last change is so recent that the next one may leave the signature as it is.
    pub(super) is_racy: bool,
    /// It takes too many steps to follow its links: the scan is not complete.
    pub(super) is_exceeded: bool,
}

/// Scans what the path leads to, and adds to `watch_set` what must be watched for it.
pub(super) fn scan(path: &Path, watch_set: &mut WatchSet, exclusion: Exclusion<'_>) -> Scan {
    watch_set.begin_source();
    let mut scanner = Scanner {
        source: None,
        watch_set,
        exclusion,
        hasher: DefaultHasher::new(),
        newest: UNIX_EPOCH,
        entries: 0,
    };
    let place = ScanPlace {
        path,
        relative: Path::new(""),
        parent: Path::new("."),
    };
    let found = scanner.visit(&place, &mut Vec::new());
    let is_exceeded = scanner.watch_set.is_exceeded();
    let age = SystemTime::now().duration_since(scanner.newest);
    Scan {
        // What is found until then depends on the order of the entries.
        signature: found.then(|| {
            if is_exceeded {
                0
            } else {
                scanner.hasher.finish()
            }
        }),
        is_racy: found && !is_exceeded && age.is_ok_and(|age| age < CLOCK_TICK),
        is_exceeded,
    }
}

/// Where an entry is.
struct ScanPlace<'s> {
    path: &'s Path,
    /// Its path inside the source.
    relative: &'s Path,
    /// The directory that contains it, by a path without links. For the source itself, where its
    /// path begins.
    parent: &'s Path,
}

/// What the path of an entry leads to.
struct ScannedEntry {
    stat: Stat,
    is_link: bool,
    /// Its path without links.
    resolved: PathBuf,
}

struct Scanner<'s> {
    /// The source, from which its links are followed as they are when it is read.
    source: Option<SourceEntry>,
    watch_set: &'s mut WatchSet,
    exclusion: Exclusion<'s>,
    hasher: DefaultHasher,
    /// The newest change of anything that was found.
    newest: SystemTime,
    /// Names in the directories that were read.
    entries: usize,
}

impl Scanner<'_> {
    /// Visits one entry and what is below it. `above` are the directories that contain it. Returns
    /// whether it exists.
    fn visit(&mut self, place: &ScanPlace<'_>, above: &mut Vec<FileId>) -> bool {
        let is_source = above.is_empty();
        let found = match self.follow(place, is_source) {
            Ok(Some(found)) => found,
            Ok(None) => return false,
            // Reading the source reports it.
            Err(error) => {
                (place.relative, error).hash(&mut self.hasher);
                return true;
            }
        };
        let (stat, is_link) = (found.stat, found.is_link);
        if self.exclusion.is_exit_dir(&stat) {
            return true;
        }
        self.hash(place.relative, &stat);
        // If it is too long, the scan ends after it.
        let _ = self.watch_set.step(place.relative, 0);
        if is_source || is_link {
            self.watch_set.contents.insert(place.path.to_owned());
        }
        let id = FileId::of(&stat);
        match FileType::from_raw_mode(stat.st_mode) {
            // The watch on a directory reports writes to its files. This file is in no directory
            // that is watched for writes.
            FileType::RegularFile if is_source || is_link => {
                self.watch_set.add(place.path, content_events());
            }
            FileType::Directory if !above.contains(&id) && above.len() <= DEPTH_LIMIT => {
                let events = entry_events() | content_events();
                self.watch_set.add(place.path, events);
                above.push(id);
                self.visit_entries(place, &found.resolved, above);
                above.pop();
            }
            _ => {}
        }
        true
    }

    fn visit_entries(&mut self, place: &ScanPlace<'_>, resolved: &Path, above: &mut Vec<FileId>) {
        let (room, mut seen) = (ENTRY_LIMIT.saturating_sub(self.entries), 0);
        // Reading the source reports that there are too many, or why they cannot be read.
        let names = names(CWD, place.path, room, &mut seen);
        names.as_ref().err().hash(&mut self.hasher);
        let names = names.unwrap_or_default();
        self.entries += names.len();
        // Those that are skipped count too: any number of links may lead to this directory.
        let _ = self.watch_set.step(Path::new(""), seen / NAMES_PER_STEP);
        for name in sorted(names) {
            if self.watch_set.is_exceeded() {
                break;
            }
            let entry = ScanPlace {
                path: &place.path.join(&name),
                relative: &place.relative.join(&name),
                parent: resolved,
            };
            self.visit(&entry, above);
        }
    }

    /// What the path leads to; `None` if nothing exists. For a link, and for the source itself, a
    /// change on the way must be noticed too.
    fn follow(
        &mut self,
        place: &ScanPlace<'_>,
        is_source: bool,
    ) -> Result<Option<ScannedEntry>, FollowError> {
        let path = place.path;
        let entry = rustix::fs::lstat(path);
        let is_link = entry.is_ok_and(is_symlink);
        let name = Path::new(path.file_name().unwrap_or_default());
        let routes = &mut *self.watch_set;
        let end = match (is_source, is_link) {
            (true, _) => routes.add_route(place.parent, path, Destination::Source),
            (false, true) => routes.add_route(place.parent, name, Destination::Entry),
            (false, false) => None,
        };
        let resolved = end.unwrap_or_else(|| place.parent.join(name));
        let stat = if is_source {
            self.source = SourceEntry::of_source(path)?;
            self.source.as_ref().map(|source| source.stat)
        } else if self.watch_set.is_exceeded() {
            None
        } else if let Some(source) = self.source.as_ref().filter(|_| is_link) {
            // The link is reached from the source, directory by directory.
            let depth = place.relative.components().count();
            match self.watch_set.step(place.relative, depth) {
                Some(()) => source.entry(place.relative)?.map(|entry| entry.stat),
                None => None,
            }
        } else {
            entry.map(Some).or_else(|errno| match errno {
                Errno::NOENT | Errno::NOTDIR => Ok(None),
                errno => Err(errno),
            })?
        };
        Ok(stat.map(|stat| ScannedEntry {
            stat,
            is_link,
            resolved,
        }))
    }

    fn hash(&mut self, relative: &Path, stat: &Stat) {
        relative.hash(&mut self.hasher);
        (stat.st_dev, stat.st_ino, stat.st_mode).hash(&mut self.hasher);
        // What is in a directory is scanned. Its size and times tell of entries that are skipped
        // too, such as those that the kubelet removes after it has replaced `..data`.
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            (stat.st_size, stat.st_mtime, stat.st_mtime_nsec).hash(&mut self.hasher);
            (stat.st_ctime, stat.st_ctime_nsec).hash(&mut self.hasher);
        }
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // by architecture
        let changed = time(stat.st_ctime as i64, stat.st_ctime_nsec as u64);
        self.newest = self.newest.max(changed.unwrap_or(UNIX_EPOCH));
    }
}

fn is_symlink(stat: Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

fn time(seconds: i64, fraction: u64) -> Option<SystemTime> {
    let whole = UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))?;
    whole.checked_add(Duration::from_nanos(fraction))
}
