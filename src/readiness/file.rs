//! `--ready-on file`: the command is ready when a file exists, whether it is created, renamed into
//! place, or in a directory that is created later.
//!
//! inotify watches the nearest directory above the file. The file is also checked every second,
//! because some file systems drop events silently.

use super::update::ReadinessUpdate;
use crate::watch::nearest_dir::NearestDirWatch;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The time between two checks without an event.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct FileWatch {
    path: PathBuf,
    watch: NearestDirWatch,
    next_check: Instant,
}

impl FileWatch {
    pub(super) fn new(path: &Path) -> FileWatch {
        FileWatch {
            path: path.to_owned(),
            watch: NearestDirWatch::new(path),
            next_check: Instant::now(),
        }
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.descriptor()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.next_check
    }

    pub(super) fn poll(&mut self) -> ReadinessUpdate {
        self.next_check = Instant::now() + CHECK_INTERVAL;
        self.watch.drain();
        let mut is_ready = self.exists();
        // Each new watch needs another check: the file, or a directory nearer to it, may have been
        // created before the watch was armed.
        while !is_ready && self.watch.arm() {
            is_ready = self.exists();
        }
        ReadinessUpdate {
            is_ready,
            ..ReadinessUpdate::default()
        }
    }

    fn exists(&self) -> bool {
        // Any error counts as missing: the file may become accessible later.
        rustix::fs::stat(&self.path).is_ok()
    }
}
