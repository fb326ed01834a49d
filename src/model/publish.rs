//! One step at a time on the way to a tombstone, and the texts that are written on it.
//!
//! The programs are lists of deeds, so that a variant of the protocol is another list. They follow
//! `birth.rs` step by step.

use super::kernel::{Inode, Who};
use super::replacement::Old;
use super::world::{Lapse, World};
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{Line, Lock, LockIdentity, Tombstone, compose};
use crate::store::announce::Announcement;

/// The exit code of every leader; signallers say 0.
pub(super) const LEADERS_CODE: u8 = 7;
pub(super) const BOOT: &str = "b";
pub(super) const DEVICE: (u32, u32) = (0, 1);

/// One step of somebody who publishes a tombstone, and of a leader's life behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    OpenNursery,
    LockNursery,
    CompareNursery,
    Truncate,
    OpenName,
    AskNameLock,
    /// A signaller's: is the corpse that is to be replaced still there?
    CompareCorpse,
    Fill,
    Rename,
    CompareName,
    WriteBorn,
    WriteReady,
    /// The command is down: here a tombstone that says ready begins to be replaced.
    ReadOld,
    /// Is the tombstone that is to be replaced still there?
    CompareOld,
    /// The same life without `Ready`.
    FillAnew,
    ReadOldAgain,
    /// What others have appended to the old file since it was read first.
    CarryOver,
    CloseOld,
    ReadOwn,
    WriteDeath,
    /// The same lines, in the wrong order.
    WriteDeathDiedFirst,
}

impl Deed {
    pub(super) fn what(self) -> &'static str {
        match self {
            Deed::OpenNursery => "opens or creates .NAME.new",
            Deed::LockNursery => "tries to lock it",
            Deed::CompareNursery => "compares it with .NAME.new",
            Deed::Truncate => "truncates it",
            Deed::OpenName => "opens NAME",
            Deed::AskNameLock => "asks for the lock of that, and closes it",
            Deed::CompareCorpse => "compares NAME with the corpse",
            Deed::Fill => "writes half of the first record",
            Deed::Rename => "renames .NAME.new to NAME",
            Deed::CompareName => "compares its file with NAME",
            Deed::WriteBorn => "writes half of Born",
            Deed::WriteReady => "writes half of Ready",
            Deed::ReadOld => "reads its tombstone, which is to be replaced",
            Deed::CompareOld => "compares NAME with its old file",
            Deed::FillAnew => "writes half of the same life without Ready",
            Deed::ReadOldAgain => "reads its old file again",
            Deed::CarryOver => "writes half of what others have appended to the old file",
            Deed::CloseOld => "closes its old file",
            Deed::ReadOwn => "reads whether it was said dead",
            Deed::WriteDeath | Deed::WriteDeathDiedFirst => "writes half of the death record",
        }
    }
}

/// A supervisor's life. From `LockNursery` on nobody else is being born.
pub(super) const LEADER: &[Deed] = &[
    Deed::OpenNursery,
    Deed::LockNursery,
    Deed::CompareNursery,
    Deed::Truncate,
    Deed::OpenName,
    Deed::AskNameLock,
    Deed::Fill,
    Deed::Rename,
    Deed::CompareName,
    Deed::WriteBorn,
    Deed::ReadOwn,
    Deed::WriteDeath,
];

/// A signaller in whose eyes the name is dead or absent.
pub(super) const SIGNALLER: &[Deed] = &[
    Deed::OpenNursery,
    Deed::LockNursery,
    Deed::CompareNursery,
    Deed::Truncate,
    Deed::CompareCorpse,
    Deed::Fill,
    Deed::Rename,
    Deed::CompareName,
];

/// Somebody on the way through a list of deeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Course {
    pub(super) at: usize,
    /// The file being made, open.
    pub(super) file: Option<Inode>,
    /// One's own tombstone while its successor is made.
    pub(super) old: Option<Old>,
    /// What stood under the name: opened by a leader, the corpse that a signaller found.
    pub(super) other: Option<Inode>,
}

/// How a deed went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// The next step ends the same write.
    Half,
    /// Somebody else is writing the file.
    Blocked,
    /// Somebody else holds the lock.
    Refused,
    /// The file was taken away: begin again.
    Again,
    /// Our life was said dead.
    SaidDead,
    /// There is nothing to replace, or it cannot be: what stands there stays.
    Kept,
    Failed,
}

impl World {
    /// One deed, and where it leaves the one who did it.
    pub(super) fn deed(
        &mut self,
        who: Who,
        deed: Deed,
        course: &mut Course,
        word: Option<Announcement>,
        lapse: Option<Lapse>,
    ) -> Outcome {
        let kernel = &mut self.kernel;
        let file = course.file.unwrap_or(0);
        let outcome = match deed {
            Deed::OpenNursery => {
                course.file = Some(kernel.open_nursery());
                Outcome::Done
            }
            Deed::LockNursery if kernel.lock(file, who) => Outcome::Done,
            Deed::LockNursery => Outcome::Refused,
            Deed::CompareNursery if kernel.nursery == Some(file) => Outcome::Done,
            // It was renamed or removed between the open and the lock.
            Deed::CompareNursery => {
                self.close(course, who);
                Outcome::Again
            }
            Deed::ReadOld
            | Deed::CompareOld
            | Deed::ReadOldAgain
            | Deed::CarryOver
            | Deed::CloseOld => self.replace(who, deed, course, lapse),
            Deed::Truncate => {
                kernel.truncate(file);
                Outcome::Done
            }
            Deed::OpenName => {
                course.other = kernel.name;
                Outcome::Done
            }
            Deed::AskNameLock => {
                let other = course.other.take();
                let held = other.and_then(|other| kernel.files[other].lock);
                if let Some(other) = other {
                    kernel.unlock(other, who);
                }
                if held.is_some_and(|holder| holder != who) {
                    Outcome::Refused
                } else {
                    Outcome::Done
                }
            }
            Deed::CompareCorpse if kernel.name == course.other => Outcome::Done,
            Deed::CompareCorpse => {
                self.give_up(course, who);
                self.close(course, who);
                Outcome::Again
            }
            Deed::Rename if kernel.rename() => Outcome::Done,
            Deed::Rename => Outcome::Failed,
            Deed::CompareName if kernel.name == Some(file) => Outcome::Done,
            Deed::CompareName => Outcome::Failed,
            Deed::ReadOwn if Tombstone::parse(&kernel.files[file].text).died.is_some() => {
                Outcome::SaidDead
            }
            Deed::ReadOwn => Outcome::Done,
            Deed::Fill
            | Deed::FillAnew
            | Deed::WriteBorn
            | Deed::WriteReady
            | Deed::WriteDeath
            | Deed::WriteDeathDiedFirst => {
                if matches!(deed, Deed::Fill | Deed::FillAnew) {
                    kernel.file(file).life = match who {
                        Who::Leader(at) => Some(at),
                        _ => None,
                    };
                }
                // As `compose_append` does: after half a record of somebody who was killed.
                let text = &kernel.files[file].text;
                let start = text.last().is_some_and(|last| *last != b'\n');
                let start = if start { "\n" } else { "" };
                let record = format!("{start}{}", record(who, deed, file, word));
                match kernel.write(file, who, record.as_bytes()) {
                    Some(true) => Outcome::Done,
                    Some(false) => Outcome::Half,
                    None => Outcome::Blocked,
                }
            }
        };
        if outcome == Outcome::Done {
            course.at += 1;
        }
        outcome
    }

    /// Whoever gives up removes the nursery while holding its lock.
    pub(super) fn give_up(&mut self, course: &Course, who: Who) {
        let holds = |file: Inode| self.kernel.files[file].lock == Some(who);
        if course.file.is_some_and(holds) {
            self.kernel.nursery = None;
        }
    }

    pub(super) fn close(&mut self, course: &mut Course, who: Who) {
        if let Some(file) = course.file.take() {
            self.kernel.unlock(file, who);
            self.kernel.tell_close(file);
        }
    }
}

/// A signaller's record, ready to be written.
pub(super) struct Record(Announcement, Timestamp);

impl Record {
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        match self.0 {
            Announcement::Died(code) => vec![Line::ExitCode(code), Line::Died(&self.1)],
            Announcement::Ready => vec![Line::Ready(&self.1)],
        }
    }
}

pub(super) fn said(word: Announcement) -> Record {
    Record(word, stamp("s"))
}

/// The line by which a signaller's word is known again.
pub(super) fn mark(word: Announcement) -> String {
    compose(&said(word).lines())
}

/// The text that a deed writes.
fn record(who: Who, deed: Deed, inode: Inode, word: Option<Announcement>) -> String {
    let Who::Leader(at) = who else {
        let (word, time) = (word.map(said), stamp("s"));
        let word = word.as_ref().map(Record::lines).unwrap_or_default();
        let born = matches!(word.first(), Some(Line::Ready(_))).then_some(Line::Born(&time));
        return compose(&born.into_iter().chain(word).collect::<Vec<_>>());
    };
    let time = stamp(at);
    let lock = Lock::Fcntl(LockIdentity {
        boot: BOOT.to_owned(),
        device: DEVICE,
        inode: inode as u64,
    });
    let code = Line::ExitCode(LEADERS_CODE);
    match deed {
        Deed::Fill => compose(&[Line::Waiting(&time), Line::Lock(&lock)]),
        // The command's message, if it had one, has nothing to do with the protocol.
        Deed::FillAnew => compose(&[Line::Waiting(&time), Line::Lock(&lock), Line::Born(&time)]),
        Deed::WriteBorn => compose(&[Line::Born(&time)]),
        Deed::WriteReady => compose(&[Line::Ready(&time)]),
        Deed::WriteDeath => compose(&[code, Line::Died(&time)]),
        Deed::WriteDeathDiedFirst => compose(&[Line::Died(&time), code]),
        _ => String::new(),
    }
}

pub(super) fn stamp(text: impl ToString) -> Timestamp {
    Timestamp::from_text(text.to_string())
}
