//! "Look again": inotify on many paths. What was heard is only a rumour, and forgotten at once, but for one thing
//! that cannot be seen: that somebody has begun to write and has not finished.

use super::watch_set::WatchSet;
use crate::watch::inotify::{Inotify, WatchId};
use rustix::fs::FileType;
use rustix::fs::inotify::{ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

/// A watch on a number of places, or the reason why there is none.
#[derive(Debug)]
pub(super) struct Watcher {
    inotify: Result<Inotify, Errno>,
    /// The watches that are set, and where.
    set: BTreeMap<WatchId, PathBuf>,
    /// What somebody has begun to write and has not closed: by watch and name in it, whether he has written
    /// anything yet.
    unfinished: BTreeMap<(WatchId, OsString), bool>,
}

impl Watcher {
    pub(super) fn new() -> Watcher {
        Watcher {
            inotify: Inotify::new(),
            set: BTreeMap::new(),
            unfinished: BTreeMap::new(),
        }
    }

    /// Why nothing can be heard.
    pub(super) fn trouble(&self) -> Option<Errno> {
        self.inotify.as_ref().err().copied()
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().ok().map(AsFd::as_fd)
    }

    pub(super) fn inotify(&self) -> Option<&Inotify> {
        self.inotify.as_ref().ok()
    }

    /// Whether anything was heard.
    pub(super) fn listen(&mut self) -> bool {
        let Ok(inotify) = &self.inotify else {
            return false;
        };
        let mut heard = false;
        inotify.drain(|event| {
            heard = true;
            if event.is_overflow() {
                self.unfinished.clear();
            }
            let entry = (event.watch, event.name.unwrap_or_default().to_owned());
            if event.flags.contains(ReadFlags::MODIFY) {
                self.unfinished.insert(entry, true);
            } else if event.flags.contains(ReadFlags::CREATE) {
                self.unfinished.insert(entry, false);
            } else if !event.flags.contains(ReadFlags::ATTRIB) {
                // Closed, or gone; what is renamed is finished.
                self.unfinished.remove(&entry);
            }
        });
        heard
    }

    /// Whether somebody is in the middle of writing what matters.
    pub(super) fn is_being_written(&self, contents: &BTreeSet<PathBuf>) -> bool {
        self.unfinished.iter().any(|((watch, name), has_begun)| {
            let Some(place) = self.set.get(watch) else {
                return false;
            };
            let path = if name.is_empty() {
                place.clone()
            } else {
                place.join(name)
            };
            // What is made in one step is never closed: a link of either kind, a directory.
            let is_new_file = |stat: rustix::fs::Stat| {
                let kind = FileType::from_raw_mode(stat.st_mode);
                kind == FileType::RegularFile && stat.st_size == 0
            };
            let is_open = *has_begun || rustix::fs::lstat(&path).is_ok_and(is_new_file);
            is_open && contents.iter().any(|content| path.starts_with(content))
        })
    }

    /// Whoever has not finished by now is not waited for any more, until he writes again.
    pub(super) fn give_up_waiting(&mut self) {
        self.unfinished.clear();
    }

    /// Watches these places and no others. True if one of them was not watched before: look again then.
    pub(super) fn set(&mut self, places: &WatchSet) -> bool {
        let Ok(inotify) = &self.inotify else {
            return false;
        };
        let mut now = BTreeMap::new();
        for (path, flags) in &places.flags {
            // By inode: the path may lead to another one by now. Two paths to one inode are one watch.
            match inotify.add(path, *flags | WatchFlags::MASK_ADD) {
                Ok(watch) => {
                    now.insert(watch, path.clone());
                }
                Err(errno @ (Errno::NOSPC | Errno::NOMEM)) => {
                    self.inotify = Err(errno);
                    self.set.clear();
                    self.unfinished.clear();
                    return true;
                }
                // Gone since it was found, or not ours to watch: the slow look goes on.
                Err(_) => {}
            }
        }
        for old in self.set.keys().filter(|old| !now.contains_key(old)) {
            inotify.remove(*old);
        }
        self.unfinished
            .retain(|(watch, _), _| now.contains_key(watch));
        let grown = now.keys().any(|watch| !self.set.contains_key(watch));
        self.set = now;
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed::exclusion::Exclusion;
    use crate::managed::scan::scan;
    use std::fs::{File, OpenOptions};
    use std::io::Write as _;
    use std::path::Path;

    /// A directory that is watched, with one file in it.
    struct Scene {
        dir: PathBuf,
        watcher: Watcher,
        places: WatchSet,
    }

    impl Scene {
        fn new() -> Scene {
            let name = format!(
                "exitdir-watcher-{}",
                crate::sys::random::hex::<8>().unwrap()
            );
            let dir = std::env::temp_dir().join(name);
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join("file"), "text").unwrap();
            let mut places = WatchSet::default();
            scan(&dir, &mut places, Exclusion::new(None));
            let mut watcher = Watcher::new();
            assert!(watcher.set(&places));
            Scene {
                dir,
                watcher,
                places,
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.join(name)
        }

        fn is_being_written(&mut self) -> bool {
            self.watcher.listen();
            self.watcher.is_being_written(&self.places.contents)
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.dir).unwrap();
        }
    }

    #[test]
    fn a_file_is_being_written_from_its_first_change_until_it_is_closed() {
        let mut scene = Scene::new();
        for name in ["file", "new"] {
            let mut file = File::create(scene.path(name)).unwrap();
            assert!(scene.is_being_written(), "{name} is empty");
            file.write_all(b"text").unwrap();
            assert!(scene.is_being_written(), "{name} has a part");
            drop(file);
            assert!(!scene.is_being_written(), "{name} is closed");
        }
    }

    #[test]
    fn what_is_made_in_one_step_is_not_waited_for() {
        let mut scene = Scene::new();
        let outside = scene.dir.with_extension("outside");
        std::fs::write(&outside, "text").unwrap();
        std::fs::hard_link(&outside, scene.path("hard")).unwrap();
        std::os::unix::fs::symlink("file", scene.path("soft")).unwrap();
        std::fs::create_dir(scene.path("directory")).unwrap();
        std::fs::rename(&outside, scene.path("renamed")).unwrap();
        assert!(!scene.is_being_written());
    }

    #[test]
    fn who_goes_away_or_is_given_up_is_not_waited_for_until_he_writes_again() {
        let mut scene = Scene::new();
        let file = File::create(scene.path("removed")).unwrap();
        std::fs::remove_file(scene.path("removed")).unwrap();
        drop(file);
        assert!(!scene.is_being_written());
        // As flock(1) makes its file: nobody who may write ever closes it.
        let path = scene.path("lock");
        let mut lock = open_for_reading(&path);
        assert!(scene.is_being_written());
        scene.watcher.give_up_waiting();
        assert!(!scene.is_being_written());
        lock = {
            drop(lock);
            OpenOptions::new().append(true).open(&path).unwrap()
        };
        lock.write_all(b"text").unwrap();
        assert!(scene.is_being_written());
    }

    fn open_for_reading(path: &Path) -> File {
        let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::RDONLY;
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::open(path, flags, mode).unwrap().into()
    }
}
