//! What no source may take in: the exit directory, because tombstones are no configuration, and our
//! own tombstone under any other name.

use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use rustix::fs::Stat;

/// The exit directory as it is now, if there is one.
#[derive(Clone, Copy)]
pub(super) struct Exclusion<'d> {
    dir: Option<&'d ExitDir>,
    id: Option<FileId>,
}

impl<'d> Exclusion<'d> {
    /// Asks the kernel which directory has the path of the exit directory.
    pub(super) fn new(dir: Option<&'d ExitDir>) -> Exclusion<'d> {
        let id = dir.and_then(|dir| dir.identity().ok());
        Exclusion { dir, id }
    }

    pub(super) fn is_exit_dir(&self, stat: &Stat) -> bool {
        self.id == Some(FileId::of(stat))
    }

    /// Whether this process holds the lock of the file: closing another descriptor of it would drop
    /// the lock (fcntl(2)).
    pub(super) fn is_own_tombstone(&self, stat: &Stat) -> bool {
        self.is_guarded(FileId::of(stat))
    }

    /// As [`Exclusion::is_own_tombstone`].
    pub(super) fn is_guarded(&self, id: FileId) -> bool {
        self.dir.is_some_and(|dir| dir.is_guarded(id))
    }
}
