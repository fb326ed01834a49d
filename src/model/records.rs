//! The texts that leaders and the signaller write, composed by the crate itself.

use super::kernel::Inode;
use super::steps::Step;
use crate::protocol::compose::{Line, compose};
use crate::protocol::life::Life;
use crate::protocol::lineage::Lineage;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{Lock, LockIdentity};
use crate::store::announce::Announcement;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The exit code of every leader. The signaller announces 0.
pub(super) const LEADER_CODE: u8 = 7;
pub(super) const BOOT: &str = "b";
pub(super) const DEVICE: (u32, u32) = (0, 1);
/// The timestamp in all records of the signaller, by which the invariants recognise them.
pub(super) const SIGNALLER_TIME: &str = "s";
/// When the signaller publishes a tombstone, as leaders are numbered.
const SIGNALLER_BEGIN: usize = 9;

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

/// What a leader writes into a file.
pub(super) struct LeaderText {
    pub(super) leader: usize,
    pub(super) inode: Inode,
    /// What the file says that this one takes the place of.
    pub(super) before: Option<Life>,
}

impl LeaderText {
    /// The text that a step writes.
    pub(super) fn record(&self, step: Step) -> String {
        let time = timestamp(self.leader);
        let code = Line::ExitCode(LEADER_CODE);
        match step {
            Step::Fill => self.first(),
            Step::FillUnready => self.unready(),
            Step::WriteBorn => compose(&[Line::Born(&time)]),
            Step::WriteReady => compose(&[Line::Ready(&time)]),
            Step::WriteDeath => compose(&[code, Line::Died(&time)]),
            Step::WriteDeathDiedFirst => compose(&[Line::Died(&time), code]),
            _ => String::new(),
        }
    }

    fn first(&self) -> String {
        let lineage = Lineage::after(self.before.as_ref(), begin(self.leader));
        let lock = self.lock();
        let mut lines = vec![Line::Waiting(&lineage.life), Line::Lock(&lock)];
        lines.extend(lineage.past_lines());
        compose(&lines)
    }

    /// The same life without `Ready`.
    fn unready(&self) -> String {
        let lock = self.lock();
        let old = self.before.as_ref().map(|life| &life.tombstone);
        let waiting = old.and_then(|old| old.waiting.as_ref());
        let born = old.and_then(|old| old.born.as_ref());
        // The command's message, if it had one, has nothing to do with the protocol.
        let mut lines: Vec<Line<'_>> = waiting.map(Line::Waiting).into_iter().collect();
        lines.push(Line::Lock(&lock));
        lines.extend(old.into_iter().flat_map(|old| old.past_lines()));
        lines.extend(born.map(Line::Born));
        compose(&lines)
    }

    fn lock(&self) -> Lock {
        Lock::Fcntl(LockIdentity {
            boot: BOOT.to_owned(),
            device: DEVICE,
            inode: self.inode as u64,
        })
    }
}

/// The line that a leader appends to a file that it has replaced.
pub(super) fn replaced_line() -> String {
    compose(&[Line::Replaced(&timestamp("r"))])
}

/// The text of a tombstone that the signaller publishes in place of that of `before`.
pub(super) fn signaller_tombstone(announcement: Announcement, before: Option<&Life>) -> String {
    let record = AnnouncementRecord::new(announcement);
    let lineage = Lineage::after(before, begin(SIGNALLER_BEGIN));
    let mut lines = lineage.lines();
    lines.extend((announcement == Announcement::Ready).then_some(Line::Born(&record.1)));
    lines.extend(record.lines());
    compose(&lines)
}

/// What a leader's clock says when it begins its life. [`Lineage`] makes the id from it.
fn begin(number: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(number as u64)
}

fn timestamp(text: impl ToString) -> Timestamp {
    Timestamp::from_text(text.to_string())
}
