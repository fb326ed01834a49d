//! The states of the processes of a world. What leads from one state to the next is in the file of
//! each process.

use super::kernel::{Actor, Inode};
use super::setup::Mutation;
use super::steps::SIGNALLER;
use crate::protocol::life::{Death, LockState};
use crate::protocol::timestamp::Timestamp;
use crate::store::announce::Announcement;

/// The end of a process takes two steps of the kernel: `filp_close` releases the lock, then
/// notifies the watchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum ProcState {
    Running,
    Ending,
    HalfEnded,
    Ended,
}

impl ProcState {
    pub(super) fn is_ending(self) -> bool {
        matches!(self, ProcState::Ending | ProcState::HalfEnded)
    }
}

/// The process that takes a step of a program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    /// What a signaller announces.
    pub(super) announcement: Option<Announcement>,
    pub(super) mutation: Option<Mutation>,
}

/// How far a process has come in its program, and what it has open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Execution {
    pub(super) position: usize,
    /// The file that it prepares or has published, open.
    pub(super) file: Option<Inode>,
    /// It has created that file itself.
    pub(super) has_created: bool,
    /// A leader's own tombstone while it prepares the successor.
    pub(super) old: Option<OldTombstone>,
    /// The file that a leader found under the name and opened, or the dead tombstone that a
    /// signaller replaces.
    pub(super) other: Option<Inode>,
}

/// A tombstone that its leader is replacing: open, and locked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OldTombstone {
    pub(super) file: Inode,
    /// How many of its bytes the successor accounts for.
    pub(super) accounted: usize,
    /// The bytes after these, once the file was read again.
    pub(super) rest: Option<Vec<u8>>,
}

/// A supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    pub(super) proc: ProcState,
    pub(super) execution: Execution,
    /// It was born: no other leader may be born until it ends.
    pub(super) is_born: bool,
}

/// How far a process has come in reading a tombstone, system call by system call
/// (`ExitDir::read_current` and `ExitDir::read`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ReadState {
    Open,
    Read(Inode),
    QueryLock(Inode, Vec<u8>),
    ReadAgain(Inode),
    /// A death counts only if the name still leads to that file.
    CompareName(Inode, Vec<u8>),
    Complete(Reading),
    Absent,
}

/// What a complete read has found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reading {
    pub(super) file: Inode,
    pub(super) text: Vec<u8>,
    pub(super) lock: LockState,
}

impl ReadState {
    pub(super) fn description(&self) -> &'static str {
        match self {
            ReadState::Open => "opens NAME to read it",
            ReadState::Read(_) => "reads it",
            ReadState::QueryLock(..) => "queries its lock",
            ReadState::ReadAgain(_) => "reads it again",
            ReadState::CompareName(..) => "compares it with NAME",
            ReadState::Complete(_) | ReadState::Absent => "has read it",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SignallerState {
    Read(ReadState),
    OpenToAppend(Inode),
    Append(Inode),
    CompareName(Inode),
    Publish,
    /// Its record is written.
    Recorded,
    /// It has found that no record is needed.
    NotNeeded,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Signaller {
    pub(super) proc: ProcState,
    pub(super) state: SignallerState,
    pub(super) execution: Execution,
    /// Only for the invariants: the last file under the name that held the record.
    pub(super) visible_in: Option<Inode>,
}

impl Signaller {
    pub(super) fn description(&self) -> &'static str {
        match &self.state {
            SignallerState::Read(read) => read.description(),
            SignallerState::OpenToAppend(_) => "opens NAME to append",
            SignallerState::Append(_) => "writes half of its record",
            SignallerState::CompareName(_) => "compares its file with NAME",
            SignallerState::Publish => SIGNALLER
                .get(self.execution.position)
                .map_or("has published", |step| step.description()),
            SignallerState::Recorded | SignallerState::NotNeeded => "exits",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum FollowerState {
    Arm,
    Read(ReadState),
    /// Another life is under the name. The end of the old one is read from its file, which is open.
    ReadEnd(ReadState, Reading),
    Asleep,
    /// The follower was told which life has ended, and how.
    Notified(Inode, Death),
}

/// A follower that waits for `NAME:died`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Follower {
    pub(super) state: FollowerState,
    /// The file of the life that was alive when it was last read, held open, and the timestamp that
    /// identifies that life.
    pub(super) known: Option<(Inode, Option<Timestamp>)>,
}
