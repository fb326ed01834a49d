//! inotify on all paths of a managed application. Events are only hints that something may have
//! changed: they are read and dropped. One thing is remembered, because no scan can see it: that a
//! writer has not closed its file yet.

use super::watch_set::WatchSet;
use crate::sorted::{SortedMap, SortedSet};
use crate::store::locality::Locality;
use crate::watch::deferred_close::DeferredClose;
use crate::watch::inotify::{Inotify, WatchId};
use crate::watch::nearest_dir;
use rustix::fs::FileType;
use rustix::fs::inotify::{ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// The watches, or the reason why there are none.
#[derive(Debug)]
pub(super) struct Watcher {
    inotify: Result<Inotify, Errno>,
    /// Dropped after the descriptor that it closes later.
    deferred_close: Option<DeferredClose>,
    watches: SortedMap<WatchId, PathBuf>,
    /// Files that a writer has not closed, by their directory's watch and their name in it; the
    /// name is empty where the file itself is watched.
    open_files: SortedMap<(WatchId, OsString), WriterEvent>,
    /// The paths whose content matters.
    contents: SortedSet<PathBuf>,
    /// The locality of all paths together, as of the last scan.
    locality: Locality,
}

/// What a writer that has not closed its file has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriterEvent {
    Created,
    Written,
}

impl Watcher {
    pub(super) fn new() -> Watcher {
        Watcher {
            inotify: Inotify::new(),
            deferred_close: None,
            watches: SortedMap::default(),
            open_files: SortedMap::default(),
            contents: SortedSet::default(),
            locality: Locality::Remote,
        }
    }

    /// Why there are no events.
    pub(super) fn fault(&self) -> Option<Errno> {
        self.inotify.as_ref().err().copied()
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().ok().map(AsFd::as_fd)
    }

    /// Leaves closing to the kernel, as [`crate::watch::dir_watch::DirWatch::close_later`] does.
    pub(super) fn close_later(&mut self) {
        let inotify = self.inotify.as_ref().ok();
        // Without it, closing takes as long as it does.
        self.deferred_close = inotify.map(DeferredClose::new).and_then(Result::ok);
    }

    /// Reads all queued events. Returns whether there were any.
    pub(super) fn read_events(&mut self) -> bool {
        let Ok(inotify) = &self.inotify else {
            return false;
        };
        let mut has_events = false;
        inotify.drain(|event| {
            has_events = true;
            if event.is_overflow() {
                self.open_files.clear();
            }
            let file = (event.watch, event.name.unwrap_or_default().to_owned());
            if event.flags.contains(ReadFlags::MODIFY) {
                self.open_files.insert(file, WriterEvent::Written);
            } else if event.flags.contains(ReadFlags::CREATE) {
                self.open_files.insert(file, WriterEvent::Created);
            } else if !event.flags.contains(ReadFlags::ATTRIB) {
                // Closed or removed; a file that is renamed is complete.
                self.open_files.remove(&file);
            }
        });
        has_events
    }

    /// Whether a writer has a file open whose content matters.
    pub(super) fn is_being_written(&self) -> bool {
        self.open_files.iter().any(|((watch, name), state)| {
            let Some(watched) = self.watches.get(watch) else {
                return false;
            };
            let path = if name.is_empty() {
                watched.clone()
            } else {
                watched.join(name)
            };
            // No close follows where an entry is made in one step: a link of either kind, a
            // directory.
            let is_open = *state == WriterEvent::Written || is_empty_file(&path);
            is_open
                && self
                    .contents
                    .iter()
                    .any(|content| path.starts_with(content))
        })
    }

    /// Stops waiting for writers that have files open now, until they write again.
    pub(super) fn forget_writers(&mut self) {
        self.open_files.clear();
    }

    /// Watches these paths and no others. Returns true if one of them was not watched before: a
    /// change before the watch was added needs another scan.
    pub(super) fn watch(&mut self, watch_set: WatchSet) -> bool {
        self.contents = watch_set.contents;
        let Ok(inotify) = &self.inotify else {
            return false;
        };
        let mut watches = SortedMap::default();
        for (path, flags) in watch_set.flags.into_entries() {
            // Watches are by inode: two paths to one inode are one watch, which needs the flags of
            // both.
            match inotify.add(&path, flags | WatchFlags::MASK_ADD) {
                Ok(watch) => {
                    watches.insert(watch, path);
                }
                Err(errno @ (Errno::NOSPC | Errno::NOMEM)) => {
                    self.inotify = Err(errno);
                    self.watches.clear();
                    self.open_files.clear();
                    return true;
                }
                // Removed since the scan, or not permitted: the periodic rescan covers it.
                Err(_) => {}
            }
        }
        for old in self.watches.keys().filter(|old| !watches.contains_key(old)) {
            inotify.remove(*old);
        }
        self.open_files
            .retain_keys(|(watch, _)| watches.contains_key(watch));
        let has_grown = watches
            .keys()
            .any(|watch| !self.watches.contains_key(watch));
        self.watches = watches;
        has_grown
    }

    /// Finds out whether all paths are on file systems whose changes are all made on this machine.
    pub(super) fn find_locality<'a>(&mut self, mut paths: impl Iterator<Item = &'a Path>) {
        let is_remote = |path: &Path| locality(path) == Locality::Remote;
        self.locality = if paths.any(is_remote) {
            Locality::Remote
        } else {
            Locality::Local
        };
    }

    pub(super) fn locality(&self) -> Locality {
        self.locality
    }

    /// Whether no change happens without an event.
    pub(super) fn reports_all_changes(&self) -> bool {
        self.fault().is_none() && self.locality == Locality::Local
    }
}

fn is_empty_file(path: &Path) -> bool {
    rustix::fs::lstat(path).is_ok_and(|stat| {
        let kind = FileType::from_raw_mode(stat.st_mode);
        kind == FileType::RegularFile && stat.st_size == 0
    })
}

/// The locality of the nearest directory that exists.
fn locality(path: &Path) -> Locality {
    let nearest = nearest_dir::ancestors(path).find(|path| path.exists());
    Locality::of_path(nearest.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests;
