//! The texts that leaders and the signaller write, composed by the crate itself.

use super::kernel::Inode;
use super::steps::Step;
use crate::protocol::compose::{Line, compose};
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{Lock, LockIdentity};
use crate::store::announce::Announcement;

/// The exit code of every leader. The signaller announces 0.
pub(super) const LEADER_CODE: u8 = 7;
pub(super) const BOOT: &str = "b";
pub(super) const DEVICE: (u32, u32) = (0, 1);
/// The timestamp in all records of the signaller, by which the invariants recognise them.
pub(super) const SIGNALLER_TIME: &str = "s";

/// The signaller's announcement and its time.
pub(super) struct AnnouncementRecord(Announcement, Timestamp);

impl AnnouncementRecord {
    pub(super) fn new(announcement: Announcement) -> AnnouncementRecord {
        AnnouncementRecord(announcement, timestamp(SIGNALLER_TIME))
    }

    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        match self.0 {
            Announcement::Died(code) => vec![Line::ExitCode(code), Line::Died(&self.1)],
            Announcement::Ready => vec![Line::Ready(&self.1)],
        }
    }

    /// Whether a tombstone holds the record.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let record = compose(&self.lines());
        text.windows(record.len())
            .any(|window| window == record.as_bytes())
    }
}

/// The text that a step of a leader writes.
pub(super) fn leader_record(leader: usize, step: Step, inode: Inode) -> String {
    let time = timestamp(leader);
    let lock = Lock::Fcntl(LockIdentity {
        boot: BOOT.to_owned(),
        device: DEVICE,
        inode: inode as u64,
    });
    let code = Line::ExitCode(LEADER_CODE);
    match step {
        Step::Fill => compose(&[Line::Waiting(&time), Line::Lock(&lock)]),
        // The command's message, if it had one, has nothing to do with the protocol.
        Step::FillUnready => compose(&[Line::Waiting(&time), Line::Lock(&lock), Line::Born(&time)]),
        Step::WriteBorn => compose(&[Line::Born(&time)]),
        Step::WriteReady => compose(&[Line::Ready(&time)]),
        Step::WriteDeath => compose(&[code, Line::Died(&time)]),
        Step::WriteDeathDiedFirst => compose(&[Line::Died(&time), code]),
        _ => String::new(),
    }
}

/// The text of a tombstone that the signaller publishes.
pub(super) fn signaller_tombstone(announcement: Announcement) -> String {
    let record = AnnouncementRecord::new(announcement);
    let born = Line::Born(&record.1);
    let born = (announcement == Announcement::Ready).then_some(born);
    compose(&born.into_iter().chain(record.lines()).collect::<Vec<_>>())
}

fn timestamp(text: impl ToString) -> Timestamp {
    Timestamp::from_text(text.to_string())
}
