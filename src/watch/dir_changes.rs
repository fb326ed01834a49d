//! What inotify reported about one directory since the last scan.

use super::inotify::Inotify;
use crate::sorted::SortedMap;
use rustix::fs::inotify::ReadFlags;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// How many entries are kept. If more have changed, everything is scanned.
const ENTRIES_LIMIT: usize = 4096;

/// The entries that may have changed.
#[derive(Debug, Default)]
pub(crate) struct DirChanges {
    /// Every entry may have changed: this is the first scan or a periodic one, or events were lost.
    pub(crate) everything: bool,
    /// The directory itself was removed, moved or unmounted.
    pub(super) directory_touched: bool,
    /// The directory itself is to be checked.
    pub(super) is_check_due: bool,
    /// In the order of the first event of each.
    entries: Vec<Vec<u8>>,
    /// For each entry, whether its newest event says that its writer has finished. They are as many
    /// as the queue holds, in any order.
    finished: SortedMap<Vec<u8>, bool>,
}

impl DirChanges {
    /// Reads all queued events, and keeps the entries that are of interest.
    // Not inlined: its buffer would stay on the stack during the scan.
    #[inline(never)]
    pub(super) fn drain(inotify: &Inotify, is_wanted: &dyn Fn(&[u8]) -> bool) -> DirChanges {
        let mut changes = DirChanges::default();
        inotify.drain(|event| {
            changes.everything |= event.is_overflow();
            changes.directory_touched |= event.flags.intersects(
                ReadFlags::DELETE_SELF
                    | ReadFlags::MOVE_SELF
                    | ReadFlags::IGNORED
                    | ReadFlags::UNMOUNT,
            );
            if let Some(name) = event.name.map(OsStr::as_bytes)
                && is_wanted(name)
            {
                let finished = ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO;
                changes.add(name, event.flags.intersects(finished));
            }
        });
        changes
    }

    fn add(&mut self, entry: &[u8], finished: bool) {
        if let Some(known) = self.finished.get_mut(entry) {
            *known = finished;
            return;
        }
        if self.entries.len() >= ENTRIES_LIMIT {
            self.everything = true;
            return;
        }
        self.entries.push(entry.to_vec());
        self.finished.insert(entry.to_vec(), finished);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.everything
    }

    /// The entries that had an event, in the order of the first event of each.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(Vec::as_slice)
    }

    /// Whether the writer of an entry has closed it or renamed it into place, and there was no
    /// write since.
    pub(crate) fn is_finished(&self, entry: &[u8]) -> bool {
        self.finished.get(entry).copied().unwrap_or(false)
    }
}
