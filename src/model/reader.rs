//! Reading a tombstone, as `store/exit_dir.rs` does. What a lock means is asked of the crate
//! itself.

use super::kernel::Inode;
use super::process::{ReadState, Reading};
use super::records::{BOOT, DEVICE};
use super::setup::{Mutation, Setup};
use super::world::World;
use crate::protocol::life::{LockState, ReaderContext};
use crate::protocol::tombstone::Tombstone;

/// The device number of the directory behind a mount.
const REMOTE_DEVICE: (u32, u32) = (0, 2);

/// How a reader came to the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadBy {
    /// By its name, which can lead to another file at the next step.
    Name,
    /// By a descriptor that was open already.
    Descriptor,
}

/// Where a reader is, and what can go wrong for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mount {
    pub(super) is_remote: bool,
    pub(super) mutation: Option<Mutation>,
}

impl Mount {
    /// The mount of the directory itself, and a reader without mistakes.
    pub(super) const LOCAL: Mount = Mount {
        is_remote: false,
        mutation: None,
    };

    pub(super) fn of_follower(setup: &Setup) -> Mount {
        Mount {
            is_remote: setup.remote_follower,
            mutation: setup.mutation,
        }
    }

    fn has(self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}

impl World {
    /// The next state of a read.
    pub(super) fn read(&self, read: &ReadState, by: ReadBy, mount: Mount) -> ReadState {
        let text = |file: &Inode| self.kernel.files[*file].text.clone();
        match read {
            ReadState::Open => self.kernel.name.map_or(ReadState::Absent, ReadState::Read),
            ReadState::Read(file) => after_first_read(*file, text(file), by, mount),
            ReadState::QueryLock(file, text) => match self.lock_state(*file, text, mount) {
                LockState::Released if mount.has(Mutation::NoReadAgain) => {
                    ReadState::CompareName(*file, text.clone())
                }
                LockState::Released => ReadState::ReadAgain(*file),
                other => complete(*file, text.clone(), other),
            },
            ReadState::ReadAgain(file) => after_second_read(*file, text(file), by, mount),
            ReadState::CompareName(file, _)
                if by == ReadBy::Name && self.kernel.name != Some(*file) =>
            {
                ReadState::Open
            }
            ReadState::CompareName(file, text) => {
                complete(*file, text.clone(), LockState::Released)
            }
            ReadState::Complete(_) | ReadState::Absent => read.clone(),
        }
    }

    pub(super) fn lock_state(&self, file: Inode, text: &[u8], mount: Mount) -> LockState {
        let tombstone = Tombstone::parse(text);
        let held = !mount.is_remote && self.kernel.files[file].lock.is_some();
        let device = if mount.is_remote && !mount.has(Mutation::TrustRemoteLocks) {
            REMOTE_DEVICE
        } else {
            DEVICE
        };
        let context = ReaderContext {
            boot: Some(BOOT),
            device,
            inode: file as u64,
            local: !mount.is_remote,
        };
        LockState::judge(&tombstone, held, || context)
    }
}

fn after_first_read(file: Inode, text: Vec<u8>, by: ReadBy, mount: Mount) -> ReadState {
    let tombstone = Tombstone::parse(&text);
    let compares = by == ReadBy::Name && !mount.has(Mutation::NoCompareBeforeDied);
    if tombstone.died.is_some() && compares {
        ReadState::CompareName(file, text)
    } else if tombstone.died.is_none() && tombstone.lock.is_some() {
        ReadState::QueryLock(file, text)
    } else {
        complete(file, text, LockState::Unknown)
    }
}

fn after_second_read(file: Inode, text: Vec<u8>, by: ReadBy, mount: Mount) -> ReadState {
    let no_compare = if Tombstone::parse(&text).died.is_some() {
        Mutation::NoCompareBeforeDied
    } else {
        Mutation::NoCompareBeforeLost
    };
    if by == ReadBy::Name && !mount.has(no_compare) {
        ReadState::CompareName(file, text)
    } else {
        complete(file, text, LockState::Released)
    }
}

fn complete(file: Inode, text: Vec<u8>, lock: LockState) -> ReadState {
    ReadState::Complete(Reading { file, text, lock })
}
