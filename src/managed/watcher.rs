//! inotify on all paths of a managed application. Events are only hints that something may have
//! changed: they are read and dropped. One thing is remembered, because no scan can see it: that a
//! writer has not closed its file yet. One thing is told: whether a source was replaced in one step
//! or written in place.

use super::debounce::Hint;
use super::watch_set::{WatchSet, content_events, is_of_kubelet};
use crate::error::describe;
use crate::sorted::{SortedMap, SortedSet};
use crate::store::locality::Locality;
use crate::watch::deferred_close::DeferredClose;
use crate::watch::inotify::{Inotify, InotifyEvent, WatchId};
use crate::watch::nearest_dir;
use rustix::fs::FileType;
use rustix::fs::inotify::{ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// As many files that a writer has not closed are remembered. With more, the upper bound on
/// debouncing decides.
const OPEN_FILES_LIMIT: usize = 1_024;
/// As many paths to one inode are remembered: any number of links can lead to it, and each event
/// asks for all of them.
const PATHS_LIMIT: usize = 8;

/// The watches, or the reason why there are none.
#[derive(Debug)]
pub(super) struct Watcher {
    inotify: Result<Inotify, Errno>,
    /// Dropped after the descriptor that it closes later.
    deferred_close: Option<DeferredClose>,
    watches: SortedMap<WatchId, ManagedWatch>,
    /// Files that a writer has not closed, by their directory's watch and their name in it; the
    /// name is empty where the file itself is watched.
    open_files: SortedSet<(WatchId, OsString)>,
    /// There were more open files than are remembered.
    has_more_open_files: bool,
    /// What is watched, without the flags.
    watch_set: WatchSet,
    /// Not everything is watched that should be.
    is_partial: bool,
    /// The first path that cannot be watched, and why; whether that was reported.
    refused: Option<(PathBuf, Errno)>,
    is_refusal_reported: bool,
    /// The locality of all paths together, as of the last scan.
    locality: Locality,
}

/// A file or directory that is watched.
#[derive(Debug, Default)]
struct ManagedWatch {
    /// The paths to it, one with links and one without, for example.
    paths: Vec<PathBuf>,
    /// There are more than [`PATHS_LIMIT`]. Then every event may be about content, and no rename is
    /// known to replace a source.
    has_more_paths: bool,
    /// The content of all that is in it matters.
    is_content: bool,
}

impl ManagedWatch {
    /// The paths of an entry, or of the file itself.
    fn paths_of<'n>(&'n self, name: Option<&'n OsStr>) -> impl Iterator<Item = PathBuf> + 'n {
        self.paths.iter().map(move |path| match name {
            None => path.clone(),
            Some(name) => path.join(name),
        })
    }

    fn add(&mut self, path: PathBuf, is_content: bool) {
        self.is_content |= is_content;
        match self.paths.len() < PATHS_LIMIT {
            true => self.paths.push(path),
            false => self.has_more_paths = true,
        }
    }

    /// Whether the content of the entry matters.
    fn matters(&self, name: Option<&OsStr>, watch_set: &WatchSet) -> bool {
        let is_listed = |path| watch_set.contents.contains(&path);
        self.is_content || self.has_more_paths || self.paths_of(name).any(is_listed)
    }

    /// Whether a rename to this name replaces a source in one step.
    fn is_replaceable(&self, name: Option<&OsStr>, watch_set: &WatchSet) -> bool {
        let is_listed = |path: PathBuf| watch_set.is_replaceable(&path);
        !self.has_more_paths && self.paths_of(name).any(is_listed)
    }

    /// Whether the event says that a writer has opened a file, which it closes later.
    fn is_opened(&self, event: &InotifyEvent<'_>) -> bool {
        // All paths lead to the same file.
        let is_empty = || {
            self.paths_of(event.name)
                .next()
                .is_some_and(|path| is_empty_file(&path))
        };
        // No close follows where an entry is made in one step: a link of either kind, a directory.
        event.flags.contains(ReadFlags::MODIFY)
            || event.flags.contains(ReadFlags::CREATE) && is_empty()
    }
}

impl Watcher {
    pub(super) fn new() -> Watcher {
        Watcher {
            inotify: Inotify::new(),
            deferred_close: None,
            watches: SortedMap::default(),
            open_files: SortedSet::default(),
            has_more_open_files: false,
            watch_set: WatchSet::default(),
            is_partial: false,
            refused: None,
            is_refusal_reported: false,
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

    /// Reads all queued events. Returns what they say, if there were any.
    pub(super) fn read_events(&mut self) -> Option<Hint> {
        let trusts_events = self.reports_all_changes();
        let Ok(inotify) = &self.inotify else {
            return None;
        };
        let mut hint = None;
        let (watches, watch_set) = (&self.watches, &self.watch_set);
        let (open_files, has_more) = (&mut self.open_files, &mut self.has_more_open_files);
        inotify.drain(|event| {
            hint.get_or_insert(Hint::None);
            if event.is_overflow() {
                open_files.clear();
                hint = Some(Hint::Written);
            }
            let Some(watch) = watches.get(&event.watch) else {
                return;
            };
            let matters = watch.matters(event.name, watch_set);
            let replaces = || trusts_events && watch.is_replaceable(event.name, watch_set);
            hint = hint_of(&event, matters, replaces).or(hint);
            let file = (event.watch, event.name.unwrap_or_default().to_owned());
            if matters && watch.is_opened(&event) {
                if open_files.len() < OPEN_FILES_LIMIT {
                    open_files.insert(file);
                } else {
                    *has_more |= !open_files.contains(&file);
                }
            } else if !event
                .flags
                .intersects(ReadFlags::ATTRIB | ReadFlags::MODIFY)
            {
                // Closed or removed; a file that is renamed is complete.
                open_files.remove(&file);
            }
        });
        hint
    }

    /// Whether a writer has a file open whose content matters.
    pub(super) fn is_being_written(&self) -> bool {
        self.has_more_open_files || !self.open_files.is_empty()
    }

    /// Stops waiting for writers that have files open now, until they write again.
    pub(super) fn forget_writers(&mut self) {
        self.open_files.clear();
        self.has_more_open_files = false;
    }

    /// Watches these paths and no others. Returns true if one of them was not watched before: a
    /// change before the watch was added needs another scan.
    pub(super) fn watch(&mut self, mut watch_set: WatchSet) -> bool {
        let flags = std::mem::take(&mut watch_set.flags);
        let is_partial = watch_set.is_partial;
        self.watch_set = watch_set;
        let Ok(inotify) = &self.inotify else {
            return false;
        };
        let mut watches: SortedMap<WatchId, ManagedWatch> = SortedMap::default();
        self.refused = None;
        for (path, flags) in flags.into_entries() {
            let is_content = flags.contains(WatchFlags::MODIFY);
            // Watches are by inode: two paths to one inode are one watch, which needs the flags of
            // both.
            match inotify.add(&path, flags | WatchFlags::MASK_ADD) {
                Ok(id) => {
                    if let Some(watch) = watches.get_or_add(&id) {
                        watch.add(path, is_content);
                    }
                }
                Err(errno @ (Errno::NOSPC | Errno::NOMEM)) => {
                    self.inotify = Err(errno);
                    self.watches.clear();
                    self.forget_writers();
                    return true;
                }
                // Removed since the scan: there is an event for that.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                // A file that may not be read: reading reports it, and its directory a new mode.
                Err(Errno::ACCESS) if flags == content_events() => {}
                Err(errno) => {
                    self.refused.get_or_insert((path, errno));
                }
            }
        }
        self.is_partial = is_partial || self.refused.is_some();
        self.replace_watches(watches)
    }

    /// Returns whether there are new ones.
    fn replace_watches(&mut self, watches: SortedMap<WatchId, ManagedWatch>) -> bool {
        let old = std::mem::replace(&mut self.watches, watches);
        let watches = &self.watches;
        if let Ok(inotify) = &self.inotify {
            let gone = old.keys().filter(|one| !watches.contains_key(one));
            gone.for_each(|one| inotify.remove(*one));
        }
        self.open_files
            .retain(|(watch, _)| watches.contains_key(watch));
        watches.keys().any(|watch| !old.contains_key(watch))
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

    /// Whether not everything is watched that should be.
    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// A warning about the first path that cannot be watched, once.
    pub(super) fn take_refusal(&mut self) -> Option<String> {
        let (path, errno) = self.refused.as_ref()?;
        let is_new = !std::mem::replace(&mut self.is_refusal_reported, true);
        let why = describe(&(*errno).into());
        let path = path.display();
        is_new.then(|| format!("cannot watch {path} ({why}): looking for changes every second"))
    }

    /// Whether no change happens without an event.
    pub(super) fn reports_all_changes(&self) -> bool {
        self.fault().is_none() && !self.is_partial && self.locality == Locality::Local
    }
}

/// What an event says about the content, if it says something. `matters` is whether the content of
/// the entry matters, and `replaces` whether a rename to it replaces a source.
fn hint_of(
    event: &InotifyEvent<'_>,
    matters: bool,
    replaces: impl FnOnce() -> bool,
) -> Option<Hint> {
    match kind_of(event) {
        EventKind::Rename if replaces() => Some(Hint::Replaced),
        EventKind::Rename | EventKind::Write if matters => Some(Hint::Written),
        EventKind::Rename | EventKind::Write | EventKind::Other => None,
    }
}

/// What an event may say about the content of a source.
enum EventKind {
    /// An entry was renamed to this name.
    Rename,
    /// Something was written, created or changed.
    Write,
    /// Something ends: an old version goes after it was replaced.
    Other,
}

fn kind_of(event: &InotifyEvent<'_>) -> EventKind {
    let writes = ReadFlags::MODIFY | ReadFlags::CREATE | ReadFlags::CLOSE_WRITE;
    match event.name {
        Some(name) if is_of_kubelet(name) && !event.flags.contains(ReadFlags::MOVED_TO) => {
            EventKind::Other
        }
        Some(_) if event.flags.contains(ReadFlags::MOVED_TO) => EventKind::Rename,
        // A file that is replaced loses its name, which is an `ATTRIB` of the file itself.
        Some(_) if event.flags.intersects(writes | ReadFlags::ATTRIB) => EventKind::Write,
        None if event.flags.intersects(writes) => EventKind::Write,
        Some(_) | None => EventKind::Other,
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
