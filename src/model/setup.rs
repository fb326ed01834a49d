//! What a world begins with, and which mistake its protocol has.

use super::steps::{LEADER, Program};
use crate::store::announce::Announcement;

/// A deliberate mistake in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutation {
    ScanBeforeArm,
    NoReadAgain,
    NoCompareAfterAppend,
    /// `IN_CLOSE_WRITE` is taken for the death itself.
    TrustEvents,
    IgnoreOverflow,
    NoRescan,
    /// A released lock counts as a death even if it was taken on another machine.
    TrustRemoteLocks,
    /// Events come before the release, as with `flock` and open-file-description locks.
    UnlockAfterEvent,
    /// A released lock counts as a death even if another file has the name by then.
    NoCompareBeforeLost,
    /// A recorded death counts even if another file has the name by then.
    NoCompareBeforeDied,
    /// The follower does not read what a tombstone says of earlier lives.
    NoPast,
    /// Half a death record is accounted for, and the other half carried over.
    SplitRecord,
}

/// Which processes can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Killable {
    /// Only the first leader ends at all. The others stay alive once they are born.
    FirstLeader,
    LeadersAndSignaller,
}

/// Which processes there are, and what can go wrong.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) leaders: usize,
    pub(super) program: Program,
    /// How many steps of it the first leader has taken before anything else happens.
    pub(super) steps_taken: usize,
    pub(super) killable: Killable,
    pub(super) signaller: Option<Announcement>,
    pub(super) follower: bool,
    /// How many files of its own a neighbour writes.
    pub(super) neighbour_writes: usize,
    pub(super) queue_limit: usize,
    /// As [`super::kernel::Kernel::tear`].
    pub(super) tear: usize,
    /// Events can be lost without notice, so the follower also rescans at times.
    pub(super) lossy_events: bool,
    /// The follower sees the directory through a mount that locks do not cross.
    pub(super) remote_follower: bool,
    /// A record must not be lost even with a leader that is killed while it replaces its tombstone.
    pub(super) no_excuse: bool,
    pub(super) mutation: Option<Mutation>,
}

impl Default for Setup {
    /// One leader that can be killed, one follower, and no mistake.
    fn default() -> Setup {
        Setup {
            leaders: 1,
            program: Program::new(LEADER),
            steps_taken: 0,
            killable: Killable::FirstLeader,
            signaller: None,
            follower: true,
            neighbour_writes: 0,
            queue_limit: 16,
            tear: 0,
            lossy_events: false,
            remote_follower: false,
            no_excuse: false,
            mutation: None,
        }
    }
}

impl Setup {
    pub(super) fn with_mutation(self, mutation: Mutation) -> Setup {
        Setup {
            mutation: Some(mutation),
            ..self
        }
    }

    pub(super) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(super) fn rescans(&self) -> bool {
        self.lossy_events && !self.has(Mutation::NoRescan)
    }
}
