//! A file that appears: by creation, by rename, in a directory that is made later.
//!
//! inotify watches the nearest directory on the way that exists; a look every second runs beside it,
//! since some file systems drop events in silence.

use super::update::ReadinessUpdate;
use crate::watch::nearest_dir::NearestDirWatch;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between looks if nothing is heard.
const INTERVAL: Duration = Duration::from_secs(1);

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
        self.next_check = Instant::now() + INTERVAL;
        self.watch.drain();
        let mut is_ready = self.is_there();
        // Armed, then looked: what came in between is not missed. Directories may be made while we walk.
        while !is_ready && self.watch.arm() {
            is_ready = self.is_there();
        }
        ReadinessUpdate {
            is_ready,
            ..ReadinessUpdate::default()
        }
    }

    fn is_there(&self) -> bool {
        // What cannot be asked for may be there later.
        std::fs::metadata(&self.path).is_ok()
    }
}
