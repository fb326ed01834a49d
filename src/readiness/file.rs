//! A file that appears: by creation, by rename, in a directory that is made later.
//!
//! inotify watches the nearest directory on the way that exists; a look every second runs beside it,
//! since some file systems drop events in silence.

use super::ReadinessUpdate;
use crate::store::exit_dir::FileId;
use crate::watch::inotify::Inotify;
use rustix::fs::FileType;
use rustix::fs::inotify::WatchFlags;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between looks if nothing is heard.
const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct FileWatch {
    path: PathBuf,
    /// The watch, and the directory that it is on.
    watch: Option<(Inotify, FileId)>,
    next_look: Instant,
}

impl FileWatch {
    pub(super) fn new(path: &Path) -> FileWatch {
        FileWatch {
            path: path.to_owned(),
            watch: None,
            next_look: Instant::now(),
        }
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(|(inotify, _)| inotify.as_fd())
    }

    pub(super) fn deadline(&self) -> Instant {
        self.next_look
    }

    pub(super) fn look(&mut self) -> ReadinessUpdate {
        self.next_look = Instant::now() + INTERVAL;
        if let Some((inotify, _)) = &self.watch {
            // That something happened is enough.
            inotify.drain(|_| {});
        }
        let mut ready = self.is_there();
        // Armed, then looked: what came in between is not missed. Directories may be made while we walk.
        while !ready && self.arm() {
            ready = self.is_there();
        }
        ReadinessUpdate {
            ready,
            ..ReadinessUpdate::default()
        }
    }

    fn is_there(&self) -> bool {
        // What cannot be asked for may be there later.
        std::fs::metadata(&self.path).is_ok()
    }

    /// Watches the nearest directory that exists; false if it was watched before, or cannot be.
    fn arm(&mut self) -> bool {
        let mut ancestors = self.path.ancestors().skip(1).map(or_here);
        let nearest = ancestors.find_map(|path| Some((path, directory(path)?)));
        let watched = self.watch.as_ref().map(|(_, id)| *id);
        match nearest {
            Some((_, id)) if watched == Some(id) => false,
            Some((path, id)) => {
                self.watch = arm(path).map(|inotify| (inotify, id));
                self.watch.is_some()
            }
            None => false,
        }
    }
}

/// The parent of a bare name is the empty path, which means here.
fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

/// Which directory is there; `None` if there is none.
fn directory(path: &Path) -> Option<FileId> {
    let stat = rustix::fs::stat(path).ok()?;
    let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    is_dir.then(|| FileId::of(&stat))
}

/// `None` where inotify is not to be had: the look every second goes on.
fn arm(path: &Path) -> Option<Inotify> {
    let inotify = Inotify::new().ok()?;
    let mask = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    inotify.add(path, mask).ok()?;
    Some(inotify)
}
