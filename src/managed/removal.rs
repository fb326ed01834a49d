//! Empties a directory of our own that no other user can enter.
//!
//! What is in it may have been made, and may still be changed, by another user. A directory that is
//! not empty is moved up, beside the one that it was in, and emptied there. So depth costs nothing,
//! no link is followed, no mount point is entered (rename(2) refuses to move it), and another
//! process can continue an interrupted removal.

use super::place::{open_listed, open_up};
use crate::sys::random;
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Removes what is in the directory, and visits at most `steps` entries, which are counted down.
/// Returns whether it is empty now.
pub(super) fn empty(top: &OwnedFd, steps: &mut u32) -> bool {
    let mut removal = Removal {
        top,
        steps,
        has_progress: true,
    };
    while std::mem::take(&mut removal.has_progress) {
        match open_listed(top, ".").and_then(|top| removal.visit(top, Depth::Top)) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    false
}

struct Removal<'t> {
    top: &'t OwnedFd,
    steps: &'t mut u32,
    /// Something was removed or moved since the last pass began.
    has_progress: bool,
}

/// Where a directory is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Top,
    Below,
}

impl Removal<'_> {
    /// Visits all entries of a directory. Returns how many there were.
    fn visit(&mut self, directory: OwnedFd, depth: Depth) -> Result<usize, Errno> {
        let mut directory = Dir::new(directory)?;
        let mut count = 0;
        while let Some(entry) = directory.read().transpose()? {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            *self.steps = self.steps.checked_sub(1).ok_or(Errno::AGAIN)?;
            let (at, name) = (directory.fd()?, Path::new(name));
            let is_gone = remove(at, name, entry.file_type())
                || match depth {
                    Depth::Top => self.descend(name),
                    Depth::Below => self.lift(at, name),
                };
            self.has_progress |= is_gone;
            count += 1;
        }
        Ok(count)
    }

    /// Empties a directory below the top and removes it.
    fn descend(&mut self, name: &Path) -> bool {
        // Errors do not count: the removal has the same reason.
        let _ = open_listed(self.top, name).and_then(|found| self.visit(found, Depth::Below));
        let removed = rustix::fs::unlinkat(self.top, name, AtFlags::REMOVEDIR);
        // Only now: as root, or with ordinary modes, no mode is ever changed.
        self.has_progress |= removed.is_err() && open_up(self.top, name);
        removed.is_ok()
    }

    /// Moves an entry to the top.
    fn lift(&self, at: impl AsFd, name: &Path) -> bool {
        let Ok(new) = random::hex::<8>() else {
            return false;
        };
        let lift = || rustix::fs::renameat(&at, name, self.top, &new);
        let lifted = match lift() {
            Err(Errno::ACCESS) if open_up(&at, name) => lift(),
            result => result,
        };
        lifted.is_ok()
    }
}

fn remove(at: impl AsFd, name: &Path, kind: FileType) -> bool {
    let remove = |flags| rustix::fs::unlinkat(&at, name, flags).is_ok();
    (kind != FileType::Directory && remove(AtFlags::empty())) || remove(AtFlags::REMOVEDIR)
}
