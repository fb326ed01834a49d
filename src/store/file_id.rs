//! Which file a name or a descriptor leads to.

use rustix::fs::Stat;
#[cfg(feature = "managed")]
use rustix::fs::Statx;

/// The identity of a file: its device and inode.
///
/// The kernel reuses an inode number after the file is gone. Two equal identities mean the same
/// file only while the file is held open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn of(stat: &Stat) -> FileId {
        FileId {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }

    /// The major and minor number of the device, as a `Lock:` line names them.
    pub(crate) fn device_numbers(self) -> (u32, u32) {
        (
            rustix::fs::major(self.device),
            rustix::fs::minor(self.device),
        )
    }

    pub(super) fn device(self) -> u64 {
        self.device
    }

    pub(crate) fn inode(self) -> u64 {
        self.inode
    }

    #[cfg(feature = "managed")]
    pub(crate) fn of_statx(stat: &Statx) -> FileId {
        FileId {
            device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
        }
    }
}
