//! What must be watched to notice the next change of a path: the file or directory itself, and
//! every directory on the way whose entries decide where the path leads.

use crate::sorted::{SortedMap, SortedSet};
use rustix::fs::FileType;
use rustix::fs::inotify::WatchFlags;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;
/// Steps on all ways into one source, to and through all links in it, and to the names in its
/// directories. A link costs little to make, and can take thousands of steps.
pub(super) const STEP_LIMIT: usize = 20_000;
/// A path of this many bytes more takes one more step: the kernel walks through all of it, and it
/// is kept in memory.
const STEP_LENGTH: usize = 64;
/// To read this many names in a directory takes one step.
pub(super) const NAMES_PER_STEP: usize = 4;

/// What is to be watched.
#[derive(Debug, Default)]
pub(super) struct WatchSet {
    /// Some of it is left out: a source has taken more than [`STEP_LIMIT`] steps.
    pub(super) is_partial: bool,
    /// Steps for the source that is being scanned.
    steps: usize,
    /// Paths, and the events that each is watched for.
    pub(super) flags: SortedMap<PathBuf, WatchFlags>,
    /// Files, and directories with all that is in them, whose content matters.
    pub(super) contents: SortedSet<PathBuf>,
    /// Entries that decide where the path of a source leads: a rename over one of them replaces the
    /// source in one step.
    pub(super) replaceable: SortedSet<PathBuf>,
    /// The same for what is in a source: the links that the kubelet replaces.
    pub(super) inner_replaceable: SortedSet<PathBuf>,
}

/// What a way leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Source,
    /// An entry in a source.
    Entry,
    ActiveFile,
}

/// Events of a directory whose entries come and go.
pub(super) fn entry_events() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
}

/// Events of a file that is written, or whose mode changes.
pub(super) fn content_events() -> WatchFlags {
    WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB
}

impl WatchSet {
    /// Adds events to those that the path is watched for.
    pub(super) fn add(&mut self, path: &Path, flags: WatchFlags) {
        let known = self.flags.get(path).copied();
        let all = known.unwrap_or(WatchFlags::empty()) | flags;
        if known != Some(all) {
            self.flags.insert(path.to_owned(), all);
        }
    }

    /// The steps of the source that is scanned next are counted from here.
    pub(super) fn begin_source(&mut self) {
        self.steps = 0;
    }

    /// Whether the source that is being scanned takes too many steps.
    pub(super) fn is_exceeded(&self) -> bool {
        self.steps > STEP_LIMIT
    }

    /// Adds the directories in which a changed entry would make the path lead elsewhere: those that
    /// hold a link on the way, the last entry, or the first entry that is missing.
    ///
    /// The path begins in the directory `from`, to which no link leads. Returns the path without
    /// links of what was found.
    pub(super) fn add_route(
        &mut self,
        from: &Path,
        path: &Path,
        destination: Destination,
    ) -> Option<PathBuf> {
        let mut at = beginning(from, path);
        let mut ahead = components(path);
        ahead.reverse();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            self.step(&at, 1)?;
            // The path leads elsewhere once this directory is moved or removed.
            self.add(&at, WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF);
            if name == ".." {
                at = parent_of_resolved(&at);
                continue;
            }
            let next = at.join(&name);
            let found = rustix::fs::lstat(&next).ok();
            match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Some(FileType::Symlink) => {}
                Some(_) if !ahead.is_empty() => {
                    at = next;
                    continue;
                }
                found => return self.add_last(&at, next, found.is_some(), destination),
            }
            self.add_replaceable(&next, destination);
            self.add(&at, entry_events());
            links += 1;
            let target = rustix::fs::readlink(&next, Vec::new()).ok();
            let target = target.map(|text| PathBuf::from(OsString::from_vec(text.into_bytes())));
            let target = target.filter(|_| links <= LINK_LIMIT)?;
            at = beginning(&at, &target);
            ahead.extend(components(&target).into_iter().rev());
        }
        Some(at)
    }

    fn add_replaceable(&mut self, entry: &Path, destination: Destination) {
        match destination {
            Destination::Source => {
                self.replaceable.insert(entry.to_owned());
            }
            Destination::Entry if entry.file_name().is_some_and(is_of_kubelet) => {
                self.inner_replaceable.insert(entry.to_owned());
            }
            Destination::Entry | Destination::ActiveFile => {}
        }
    }

    /// Whether a rename over this entry replaces a source in one step. Several volumes in one
    /// source are replaced in several steps.
    pub(super) fn is_replaceable(&self, entry: &Path) -> bool {
        let has_one = self.inner_replaceable.len() == 1;
        self.replaceable.contains(entry) || has_one && self.inner_replaceable.contains(entry)
    }

    /// Counts `count` steps and those for the length of a path. `None` if there were too many.
    pub(super) fn step(&mut self, path: &Path, count: usize) -> Option<()> {
        self.steps += count + path.as_os_str().len() / STEP_LENGTH;
        self.is_partial |= self.is_exceeded();
        (!self.is_exceeded()).then_some(())
    }

    /// Adds the directory of the entry at which the way ends. An entry that was just created may be
    /// written and closed later; one that cannot be read may get another mode (`ATTRIB`). Returns
    /// the entry if it exists.
    fn add_last(
        &mut self,
        directory: &Path,
        entry: PathBuf,
        exists: bool,
        destination: Destination,
    ) -> Option<PathBuf> {
        self.add_replaceable(&entry, destination);
        let events = entry_events() | WatchFlags::CLOSE_WRITE;
        let of_entry = match exists {
            true => WatchFlags::ATTRIB,
            false => WatchFlags::empty(),
        };
        self.add(directory, events | of_entry);
        self.contents.insert(entry.clone());
        exists.then_some(entry)
    }
}

/// Whether the name is the kubelet's own, and no part of a source.
pub(super) fn is_of_kubelet(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"..")
}

/// The directory in which the path begins.
fn beginning(from: &Path, path: &Path) -> PathBuf {
    match path.is_absolute() {
        true => PathBuf::from("/"),
        false => from.to_owned(),
    }
}

/// The directory above one whose links are all resolved, so that its name tells it.
fn parent_of_resolved(path: &Path) -> PathBuf {
    match path.file_name() {
        Some(last) if last != ".." => path.parent().map(Path::to_owned).unwrap_or_default(),
        _ => path.join(".."),
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
