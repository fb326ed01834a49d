//! "Look again": inotify on many paths. What was heard is only a rumour, and forgotten at once.

use super::source::Places;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A watch on a number of places, or the reason why there is none.
#[derive(Debug)]
pub(super) struct Watcher {
    inotify: Result<OwnedFd, Errno>,
    /// The watches that are set.
    set: BTreeSet<i32>,
}

impl Watcher {
    pub(super) fn new() -> Watcher {
        Watcher {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK),
            set: BTreeSet::new(),
        }
    }

    /// Why nothing can be heard.
    pub(super) fn trouble(&self) -> Option<Errno> {
        self.inotify.as_ref().err().copied()
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().ok().map(AsFd::as_fd)
    }

    pub(super) fn fd(&self) -> Option<&OwnedFd> {
        self.inotify.as_ref().ok()
    }

    /// Whether anything was heard.
    pub(super) fn listen(&mut self) -> bool {
        let Ok(fd) = &self.inotify else { return false };
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        let mut heard = false;
        while reader.next().is_ok() {
            heard = true;
        }
        heard
    }

    /// Watches these places and no others. True if one of them was not watched before: look again then.
    pub(super) fn set(&mut self, places: &Places) -> bool {
        let Ok(fd) = &self.inotify else { return false };
        let mut now = BTreeSet::new();
        for (path, flags) in places {
            // By inode: the path may lead to another one by now. Two paths to one inode are one watch.
            match inotify::add_watch(fd, path, *flags | WatchFlags::MASK_ADD) {
                Ok(watch) => {
                    now.insert(watch);
                }
                Err(errno @ (Errno::NOSPC | Errno::NOMEM)) => {
                    self.inotify = Err(errno);
                    self.set.clear();
                    return true;
                }
                // Gone since it was found, or not ours to watch: the slow look goes on.
                Err(_) => {}
            }
        }
        for old in self.set.difference(&now) {
            // Where the inode is gone its watch is, too.
            let _ = inotify::remove_watch(fd, *old);
        }
        let grown = !now.is_subset(&self.set);
        self.set = now;
        grown
    }
}
