//! Whether a file system belongs to this machine alone.

use rustix::fs::FsWord;
use std::os::fd::AsFd;
#[cfg(feature = "cli")]
use std::path::Path;

const TMPFS: FsWord = 0x0102_1994;
const RAMFS: FsWord = 0x8584_58f6;
pub(super) const BTRFS: FsWord = 0x9123_683e;

/// Whether a file is lost with the machine's memory anyway. False if fstatfs(2) fails.
pub(super) fn is_in_memory(file: impl AsFd) -> bool {
    rustix::fs::fstatfs(file).is_ok_and(|fs| matches!(fs.f_type, TMPFS | RAMFS))
}

/// Whether only this machine writes to a file system. Only then do events report every change, and
/// a free lock of another boot means that its holder is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locality {
    Local,
    Remote,
}

impl Locality {
    /// The locality of the file system that `path` is on; remote if statfs(2) fails.
    #[cfg(feature = "cli")]
    pub(crate) fn of_path(path: &Path) -> Locality {
        rustix::fs::statfs(path).map_or(Locality::Remote, |fs| Locality::of_magic(fs.f_type))
    }

    /// The locality of the file system that a file is on; remote if fstatfs(2) fails.
    pub(super) fn of_file(file: impl AsFd) -> Locality {
        rustix::fs::fstatfs(file).map_or(Locality::Remote, |fs| Locality::of_magic(fs.f_type))
    }

    /// By the magic number of statfs(2). A file system that is not in the list counts as remote.
    pub(super) fn of_magic(magic: FsWord) -> Locality {
        match magic {
            TMPFS | RAMFS | BTRFS
            | 0xef53 | 0x5846_5342 // ext4, xfs
            | 0xf2f5_2010 | 0x2fc1_2fc1 | 0xca45_1a4e // f2fs, zfs, bcachefs
            | 0x794c_7630 // overlay
            => Locality::Local,
            _ => Locality::Remote,
        }
    }
}
