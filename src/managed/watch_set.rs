//! What must be watched to notice the next change of a path: the file or directory itself, and
//! every directory on the way whose entries decide where the path leads.

use crate::sorted::{SortedMap, SortedSet};
use rustix::fs::FileType;
use rustix::fs::inotify::WatchFlags;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;

/// What is to be watched.
#[derive(Debug, Default)]
pub(super) struct WatchSet {
    /// Paths, and the events that each is watched for.
    pub(super) flags: SortedMap<PathBuf, WatchFlags>,
    /// Files, and directories with all that is in them, whose content matters.
    pub(super) contents: SortedSet<PathBuf>,
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
        let known = known.unwrap_or(WatchFlags::empty());
        self.flags.insert(path.to_owned(), known | flags);
    }

    /// Adds the directories in which a changed entry would make the path lead elsewhere: those that
    /// hold a link on the way, the last entry, or the first entry that is missing.
    pub(super) fn add_route(&mut self, path: &Path) {
        let mut at = PathBuf::from(if path.is_absolute() { "/" } else { "." });
        let mut ahead = components(path);
        ahead.reverse();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            // The path leads elsewhere once this directory is moved or removed.
            self.add(&at, WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF);
            if name == ".." {
                at = parent_of_resolved(&at);
                continue;
            }
            let next = at.join(&name);
            let found = rustix::fs::lstat(&next);
            match found.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
                Ok(FileType::Symlink) => {}
                Ok(_) if !ahead.is_empty() => {
                    at = next;
                    continue;
                }
                Ok(_) => return self.add_last(&at, next, WatchFlags::ATTRIB),
                Err(_) => return self.add_last(&at, next, WatchFlags::empty()),
            }
            self.add(&at, entry_events());
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

    /// Adds the directory of the entry at which the way ends. An entry that was just created may be
    /// written and closed later; one that cannot be read may get another mode (`ATTRIB`).
    fn add_last(&mut self, directory: &Path, entry: PathBuf, flags: WatchFlags) {
        self.add(directory, entry_events() | WatchFlags::CLOSE_WRITE | flags);
        self.contents.insert(entry);
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
