//! A watch on the nearest directory above a path that exists: a file appears there, or the first
//! directory that is missing on the way to it. Links on the way are not watched.

use crate::store::file_id::FileId;
use crate::watch::inotify::Inotify;
use rustix::fs::FileType;
use rustix::fs::inotify::WatchFlags;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// A watch for one path, which may not exist.
pub(crate) struct NearestDirWatch {
    path: PathBuf,
    /// The watch, and the directory that it is on.
    watch: Option<(Inotify, FileId)>,
}

impl NearestDirWatch {
    /// A watch that is not armed yet.
    pub(crate) fn new(path: &Path) -> NearestDirWatch {
        NearestDirWatch {
            path: path.to_owned(),
            watch: None,
        }
    }

    /// Readable when an entry of the directory has changed; `None` while there is no watch.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(|(inotify, _)| inotify.as_fd())
    }

    /// Discards the queued events: each says only that the path must be looked at again.
    pub(crate) fn drain(&self) {
        if let Some((inotify, _)) = &self.watch {
            inotify.drain(|_| {});
        }
    }

    /// Watches the nearest directory that exists. Returns true if it was not watched before: the
    /// path may have been created in between, so look again. Returns false if that directory is
    /// watched already, or where inotify is unavailable.
    pub(crate) fn arm(&mut self) -> bool {
        let mut above = ancestors(&self.path).skip(1);
        let nearest = above.find_map(|path| Some((path, directory_id(path)?)));
        let watched = self.watch.as_ref().map(|(_, id)| *id);
        match nearest {
            Some((_, id)) if watched == Some(id) => false,
            Some((path, id)) => {
                self.watch = watch(path).map(|inotify| (inotify, id));
                self.watch.is_some()
            }
            None => false,
        }
    }
}

/// The path and everything above it, upwards. The directory above a bare name is `.`.
pub(crate) fn ancestors(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors().map(or_here)
}

fn or_here(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

/// Which directory is there; `None` if there is none.
fn directory_id(path: &Path) -> Option<FileId> {
    let stat = rustix::fs::stat(path).ok()?;
    let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    is_dir.then(|| FileId::of(&stat))
}

/// `None` where inotify is unavailable.
fn watch(path: &Path) -> Option<Inotify> {
    let inotify = Inotify::new().ok()?;
    let flags = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    inotify.add(path, flags).ok()?;
    Some(inotify)
}
