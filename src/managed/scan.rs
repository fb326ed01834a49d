//! A scan of a source from outside: whether it has changed, and what must be watched to notice the
//! next change.
//!
//! A scan asks the kernel for attributes and reads no file, which is cheap. Kubernetes builds its
//! volumes from links through `..data`, which it replaces as a whole: a scan follows links, and
//! skips entries that begin with `..`, which are the kubelet's own.

use super::exclusion::Exclusion;
use super::follow::{FollowError, SourceEntry, names};
use super::tree::{DEPTH_LIMIT, ENTRY_LIMIT};
use super::watch_set::{WatchSet, content_events, entry_events};
use crate::store::file_id::FileId;
use rustix::fs::{CWD, FileType, Stat};
use rustix::io::Errno;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
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
}

/// Scans what the path leads to, and adds to `watch_set` what must be watched for it.
pub(super) fn scan(path: &Path, watch_set: &mut WatchSet, exclusion: Exclusion<'_>) -> Scan {
    let mut scanner = Scanner {
        source: None,
        watch_set,
        exclusion,
        hasher: DefaultHasher::new(),
        newest: UNIX_EPOCH,
        entries: 0,
    };
    let found = scanner.visit(path, Path::new(""), &mut Vec::new());
    let age = SystemTime::now().duration_since(scanner.newest);
    Scan {
        signature: found.then(|| scanner.hasher.finish()),
        is_racy: found && age.is_ok_and(|age| age < CLOCK_TICK),
    }
}

struct Scanner<'s> {
    /// The source, from which its links are followed as they are when it is read.
    source: Option<SourceEntry>,
    watch_set: &'s mut WatchSet,
    exclusion: Exclusion<'s>,
    hasher: DefaultHasher,
    /// The newest change of anything that was found.
    newest: SystemTime,
    entries: usize,
}

impl Scanner<'_> {
    /// Visits one entry, whose path inside the source is `relative`, and what is below it. `above`
    /// are the directories that contain it. Returns whether it exists.
    fn visit(&mut self, path: &Path, relative: &Path, above: &mut Vec<FileId>) -> bool {
        let is_source = above.is_empty();
        let (stat, is_link) = match self.follow(path, relative, is_source) {
            Ok(Some(found)) => found,
            Ok(None) => return false,
            // Reading the source reports it.
            Err(error) => {
                (relative, error).hash(&mut self.hasher);
                return true;
            }
        };
        if self.exclusion.is_exit_dir(&stat) {
            return true;
        }
        self.hash(relative, &stat);
        if is_source || is_link {
            self.watch_set.contents.insert(path.to_owned());
        }
        let id = FileId::of(&stat);
        match FileType::from_raw_mode(stat.st_mode) {
            // The watch on a directory reports writes to its files. This file is in no directory
            // that is watched for writes.
            FileType::RegularFile if is_source || is_link => {
                self.watch_set.add(path, content_events());
            }
            FileType::Directory if !above.contains(&id) && above.len() <= DEPTH_LIMIT => {
                self.watch_set.add(path, entry_events() | content_events());
                above.push(id);
                self.visit_entries(path, relative, above);
                above.pop();
            }
            _ => {}
        }
        true
    }

    fn visit_entries(&mut self, path: &Path, relative: &Path, above: &mut Vec<FileId>) {
        let mut names = names(CWD, path, ENTRY_LIMIT).unwrap_or_default();
        names.sort_unstable();
        for name in names {
            // Reading the source reports that there are too many.
            if self.entries > ENTRY_LIMIT {
                break;
            }
            self.visit(&path.join(&name), &relative.join(&name), above);
        }
    }

    /// What the path leads to, and whether it is a link; `None` if nothing exists. For a link, and
    /// for the source itself, a change on the way must be noticed too.
    fn follow(
        &mut self,
        path: &Path,
        relative: &Path,
        is_source: bool,
    ) -> Result<Option<(Stat, bool)>, FollowError> {
        let entry = rustix::fs::lstat(path);
        let is_symlink = |stat: Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let is_link = entry.is_ok_and(is_symlink);
        if is_source || is_link {
            self.watch_set.add_route(path);
        }
        let found = if is_source {
            self.source = SourceEntry::of_source(path)?;
            self.source.as_ref().map(|source| source.stat)
        } else if let Some(source) = self.source.as_ref().filter(|_| is_link) {
            source.entry(relative)?.map(|entry| entry.stat)
        } else {
            entry.map(Some).or_else(|errno| match errno {
                Errno::NOENT | Errno::NOTDIR => Ok(None),
                errno => Err(errno),
            })?
        };
        Ok(found.map(|stat| (stat, is_link)))
    }

    fn hash(&mut self, relative: &Path, stat: &Stat) {
        self.entries += 1;
        relative.hash(&mut self.hasher);
        let (seconds, fraction) = (stat.st_mtime, stat.st_mtime_nsec);
        (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mode).hash(&mut self.hasher);
        (seconds, fraction, stat.st_ctime, stat.st_ctime_nsec).hash(&mut self.hasher);
        #[allow(clippy::unnecessary_cast, clippy::useless_conversion)] // by architecture
        let changed = time(stat.st_ctime as i64, stat.st_ctime_nsec as u64);
        self.newest = self.newest.max(changed.unwrap_or(UNIX_EPOCH));
    }
}

fn time(seconds: i64, fraction: u64) -> Option<SystemTime> {
    let whole = UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))?;
    whole.checked_add(Duration::from_nanos(fraction))
}
