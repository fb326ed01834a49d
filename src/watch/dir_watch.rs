//! A watch on the exit directory: inotify, and a periodic rescan beside it. Knows no tombstones.
//!
//! An event is only a hint: after it the caller scans for itself. Some file systems drop events
//! silently, so the rescan always runs. Where inotify is unavailable, it runs alone and more often.

use super::deferred_close::DeferredClose;
use super::dir_changes::DirChanges;
use super::inotify::Inotify;
use super::rescan;
use crate::duration::Limit;
use crate::error::describe;
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::locality::Locality;
use rustix::fs::inotify::WatchFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// What callers report to people once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchFault {
    /// inotify is unavailable; the errno says why.
    NoInotify(Errno),
    /// The directory is missing, or is not the one that was watched.
    DirectoryGone,
    /// The directory exists again, and is watched.
    DirectoryBack,
}

/// A watch on one directory.
#[derive(Debug)]
pub(crate) struct DirWatch {
    inotify: Option<Inotify>,
    /// Dropped after the descriptor that it keeps open.
    deferred_close: Option<DeferredClose>,
    /// The directory that is watched.
    directory: Option<FileId>,
    /// What the user asked for.
    poll: Option<Limit>,
    interval: Limit,
    next_scan: Option<Instant>,
    armed: bool,
    /// inotify works, and all changes of the file system are made on this machine.
    reports_everything: bool,
    /// The next scan is at everything, whatever the events say.
    scan_everything: bool,
    /// Tombstones that are removed are reported too.
    reports_removals: bool,
}

impl DirWatch {
    /// A watch that is not armed yet. `poll` is the interval that the user asked for.
    pub(crate) fn new(poll: Option<Limit>) -> DirWatch {
        DirWatch {
            inotify: None,
            deferred_close: None,
            directory: None,
            poll,
            interval: Limit::Never,
            next_scan: None,
            armed: false,
            reports_everything: false,
            scan_everything: true,
            reports_removals: false,
        }
    }

    /// Reports tombstones that are removed at once, from the next [`DirWatch::arm`] on. No
    /// condition asks for that, so without it they are noticed by a scan of everything.
    pub(crate) fn report_removals(&mut self) {
        self.reports_removals = true;
    }

    /// Begins to watch. The next [`DirWatch::take_changes`] asks for a scan of everything, so that
    /// a change before the watch was armed is not missed.
    pub(crate) fn arm(&mut self, dir: &ExitDir) -> Option<WatchFault> {
        // Kept open, so that what is watched is the directory with this identity.
        let _dir = dir.handle();
        let identity = dir.identity();
        let armed = if is_gone(&identity) {
            Err(Errno::NOENT)
        } else {
            arm_inotify(dir, self.reports_removals)
        };
        self.directory = identity.ok();
        let (inotify, fault) = match armed {
            Ok(inotify) => (Some(inotify), None),
            Err(Errno::NOENT | Errno::NOTDIR) => (None, Some(WatchFault::DirectoryGone)),
            Err(errno) => (None, Some(WatchFault::NoInotify(errno))),
        };
        if fault == Some(WatchFault::DirectoryGone) {
            self.directory = None;
        }
        self.inotify = inotify;
        self.interval = self.usual_interval(dir);
        (self.armed, self.scan_everything) = (true, true);
        fault
    }

    fn usual_interval(&mut self, dir: &ExitDir) -> Limit {
        let polling = self.inotify.is_none();
        let locality = dir.dir_locality();
        self.reports_everything = !polling && locality == Locality::Local;
        if polling && self.poll.is_none() && self.directory.is_none() {
            return Limit::After(rescan::REMOTE_INTERVAL);
        }
        rescan::interval(self.poll, polling, locality)
    }

    /// Readable when there are events. `None` without inotify.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// When to call [`DirWatch::take_changes`] even if the descriptor is silent.
    pub(crate) fn next_scan(&self) -> Option<Instant> {
        self.next_scan
    }

    /// Whether the kernel reports every change, so that [`DirWatch::take_changes`] misses none.
    pub(crate) fn reports_everything(&self) -> bool {
        self.reports_everything
    }

    /// The next [`DirWatch::take_changes`] asks for a scan of everything.
    pub(crate) fn request_full_scan(&mut self) {
        self.scan_everything = true;
    }

    /// Reads which of the wanted entries have changed. The first call asks for a scan of all.
    pub(crate) fn take_changes(
        &mut self,
        now: Instant,
        is_wanted: &dyn Fn(&[u8]) -> bool,
    ) -> DirChanges {
        let mut changes = match &self.inotify {
            Some(inotify) => DirChanges::drain(inotify, is_wanted),
            None => DirChanges::default(),
        };
        let is_due = self.next_scan.is_some_and(|at| at <= now);
        changes.is_check_due = self.scan_everything || changes.directory_touched || is_due;
        changes.everything |= changes.is_check_due;
        changes
    }

    /// Checks the directory itself if that is due. The caller scans what has changed afterwards.
    pub(crate) fn check(&mut self, dir: &ExitDir, changes: &DirChanges) -> Option<WatchFault> {
        let mut fault = None;
        if changes.is_check_due && self.armed {
            fault = self.check_directory(dir, changes.directory_touched);
        }
        // The scan comes after any arming.
        self.scan_everything = false;
        fault
    }

    /// Lets the kernel close the watch some time after it was dropped: see [`DeferredClose`].
    pub(crate) fn close_later(&mut self) {
        let deferred = self.inotify.as_ref().map(DeferredClose::new);
        // Without it, closing takes as long as it does.
        self.deferred_close = deferred.and_then(Result::ok);
    }

    /// Does without inotify from now on, so that one more descriptor is free. Returns the fault to
    /// report; `None` if there was no inotify before.
    pub(crate) fn give_up_inotify(&mut self, dir: &ExitDir) -> Option<WatchFault> {
        self.inotify.take()?;
        self.deferred_close = None;
        self.interval = self.usual_interval(dir);
        self.next_scan = self.interval.deadline(Instant::now());
        Some(WatchFault::NoInotify(Errno::MFILE))
    }

    /// Notes the processor time that a scan of everything has cost.
    pub(crate) fn record_cost(&mut self, cost: Duration) {
        self.next_scan = rescan::next_scan(self.interval, cost, Instant::now());
    }

    /// Compares the directory with the watched one. A directory that was removed or moved counts as
    /// another one even if the inode number is the same, because file systems reuse the numbers.
    fn check_directory(&mut self, dir: &ExitDir, touched: bool) -> Option<WatchFault> {
        let identity = dir.identity();
        if identity.is_err() && !is_gone(&identity) && !touched {
            // The directory cannot be examined now, but it may still exist. The scan reports why.
            return None;
        }
        match (self.directory, identity.ok()) {
            (before, now) if before == now && !touched => None,
            (Some(_), _) => {
                self.inotify = None;
                self.deferred_close = None;
                self.directory = None;
                self.interval = self.usual_interval(dir);
                Some(WatchFault::DirectoryGone)
            }
            (None, _) => Some(self.arm(dir).unwrap_or(WatchFault::DirectoryBack)),
        }
    }
}

/// The one warning where inotify is unavailable.
pub(crate) fn no_inotify(errno: Errno) -> String {
    format!(
        "inotify is unavailable ({}): polling every 250 ms",
        describe(&errno.into())
    )
}

/// Whether the directory is missing, as opposed to one that cannot be examined now.
fn is_gone(identity: &Result<FileId, Errno>) -> bool {
    // LOOP: there is a link now that is not followed.
    let gone = [Errno::NOENT, Errno::NOTDIR, Errno::STALE, Errno::LOOP];
    identity.as_ref().is_err_and(|errno| gone.contains(errno))
}

fn arm_inotify(dir: &ExitDir, removals: bool) -> Result<Inotify, Errno> {
    // Read it while a descriptor for it is free: without the boot id no lost life is noticed.
    let _ = dir.boot_id();
    let inotify = Inotify::new()?;
    let mut mask = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::MODIFY
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    if removals {
        mask |= WatchFlags::DELETE | WatchFlags::MOVED_FROM;
    }
    let handle = dir.handle()?;
    let by_handle = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let added = inotify.add(Path::new(&by_handle), mask);
    match added {
        // Without /proc: if the directory is replaced in between, the next rescan sees it.
        Err(Errno::NOENT) => inotify.add(dir.path(), mask)?,
        result => result?,
    };
    Ok(inotify)
}
