//! What a tombstone can say: its keys, their values, and how long it may be. Pure.
//!
//! [`crate::protocol::compose`] writes the text and [`crate::protocol::parse`] reads it.
//! [`crate::protocol::life`] decides what a tombstone means together with its lock. The format is
//! documented in `docs/tombstone.md`.

use crate::protocol::name::Name;
use crate::protocol::past_life::{Cause, PastLife};
use crate::protocol::timestamp::Timestamp;
use crate::signal::Signal;
use std::fmt;

/// The longest tombstone that exitdir writes. In bytes.
pub(crate) const SIZE_LIMIT: usize = 6144;
/// How much of another program's file is read. In bytes.
pub(crate) const FOREIGN_LIMIT: usize = 4096;
/// How much space a tombstone reserves, and how much of exitdir's own is read: two writers that
/// append at the same time can exceed [`SIZE_LIMIT`]. In bytes.
pub(crate) const RESERVED: usize = 8192;

/// What a tombstone says. `docs/tombstone.md` describes each line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tombstone {
    /// When the supervisor began. This time identifies the life: it is the life's id. Each new life
    /// of a name has a later one.
    pub waiting: Option<Timestamp>,
    /// Which lock the supervisor holds; `None` if another program wrote the file, such as kubexit.
    pub lock: Option<Lock>,
    /// The conditions that must hold before the command starts, separated by commas.
    pub waiting_for: Option<String>,
    /// The death dependencies, separated by commas.
    pub follows: Option<String>,
    /// The last lives of this name before this one, the newest first.
    pub past: Vec<PastLife>,
    /// For other names the latest death that ended an earlier life of this name, the newest first.
    pub fell: Vec<Cause>,
    /// When the command was started.
    pub born: Option<Timestamp>,
    /// When the command became ready.
    pub ready: Option<Timestamp>,
    /// The death dependency for which the supervisor stops its command: the one that died first, if
    /// that one had itself been stopped for another. It is a life, or the text of a source.
    pub cause: Option<Name>,
    /// The id of the life that `cause` names, or when the source was judged dead.
    pub cause_life: Option<Timestamp>,
    /// The exit code. A number outside 0 to 255 in the file is 255 here.
    pub exit_code: Option<u8>,
    /// The signal that ended the command.
    pub signal: Option<Signal>,
    /// Why the life ended.
    pub reason: Option<Reason>,
    /// When the command was deactivated.
    pub inactive: Option<Timestamp>,
    /// Free text; the last one, if there are several.
    pub message: Option<String>,
    /// When the life ended.
    pub died: Option<Timestamp>,
    /// When the supervisor replaced this file by another one for the same life.
    pub replaced: Option<Timestamp>,
    /// Whether the file has at least one complete line. A file without one may be about to be
    /// written.
    pub has_line: bool,
}

impl Tombstone {
    /// What is known of a file that cannot be read: as much as of an empty one.
    pub(crate) fn unreadable() -> Tombstone {
        Tombstone {
            reason: Some(Reason::Unreadable),
            ..Tombstone::default()
        }
    }

    pub(crate) fn is_unreadable(&self) -> bool {
        self.reason == Some(Reason::Unreadable)
    }

    /// The time that identifies the life: `Waiting`, or `Born` if another program wrote the file.
    pub fn life(&self) -> Option<&Timestamp> {
        self.waiting.as_ref().or(self.born.as_ref())
    }

    /// The death dependency that stopped the life, together with its id.
    pub(crate) fn cause(&self) -> Option<Cause> {
        Some(Cause {
            name: self.cause.clone()?,
            life: self.cause_life.clone(),
        })
    }
}

/// The keys of the format. Every line is `Key: value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Waiting,
    Lock,
    WaitingFor,
    Follows,
    Past,
    Fell,
    Born,
    Ready,
    Inactive,
    Cause,
    CauseLife,
    ExitCode,
    Signal,
    Reason,
    Message,
    Died,
    Replaced,
}

impl Key {
    const ALL: [Key; 17] = [
        Key::Waiting,
        Key::Lock,
        Key::WaitingFor,
        Key::Follows,
        Key::Past,
        Key::Fell,
        Key::Born,
        Key::Ready,
        Key::Inactive,
        Key::Cause,
        Key::CauseLife,
        Key::ExitCode,
        Key::Signal,
        Key::Reason,
        Key::Message,
        Key::Died,
        Key::Replaced,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Key::Waiting => "Waiting",
            Key::Lock => "Lock",
            Key::WaitingFor => "WaitingFor",
            Key::Follows => "Follows",
            Key::Past => "Past",
            Key::Fell => "Fell",
            Key::Born => "Born",
            Key::Ready => "Ready",
            Key::Inactive => "Inactive",
            Key::Cause => "Cause",
            Key::CauseLife => "CauseLife",
            Key::ExitCode => "ExitCode",
            Key::Signal => "Signal",
            Key::Reason => "Reason",
            Key::Message => "Message",
            Key::Died => "Died",
            Key::Replaced => "Replaced",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Key> {
        Key::ALL.into_iter().find(|key| key.as_str() == text)
    }
}

/// The value of the `Lock:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lock {
    /// The supervisor holds an exclusive fcntl(2) lock on this file.
    Fcntl(LockIdentity),
    /// The file system has no locks, or the machine has no boot id: no reader can notice that the
    /// supervisor was killed.
    Unavailable,
}

/// The file and the boot for which a lock was taken. A reader that sees other ones cannot conclude
/// anything from a free lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockIdentity {
    /// The boot id of the kernel (random(4)).
    pub boot: String,
    /// The device of the file, as major and minor number.
    pub device: (u32, u32),
    /// The inode of the file.
    pub inode: u64,
}

impl fmt::Display for LockIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.device;
        write!(f, "fcntl {} {major}:{minor} {}", self.boot, self.inode)
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lock::Fcntl(identity) => identity.fmt(f),
            Lock::Unavailable => f.write_str("none"),
        }
    }
}

impl Lock {
    pub(super) fn parse(text: &str) -> Option<Lock> {
        if text == "none" {
            return Some(Lock::Unavailable);
        }
        let mut words = text.split(' ');
        let ("fcntl", Some(boot), Some(device), Some(inode), None) = (
            words.next()?,
            words.next(),
            words.next(),
            words.next(),
            words.next(),
        ) else {
            return None;
        };
        let (major, minor) = device.split_once(':')?;
        Some(Lock::Fcntl(LockIdentity {
            boot: boot.to_owned(),
            device: (major.parse().ok()?, minor.parse().ok()?),
            inode: inode.parse().ok()?,
        }))
    }
}

/// The value of the `Reason:` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The command ended by itself, or after a signal that was forwarded to it.
    Exited,
    /// A signal that the supervisor did not send ended the command.
    Signaled,
    /// The command was stopped, or never started, for a death dependency.
    Stopped,
    /// The command was stopped for a death dependency, and that took `KILL`.
    Killed,
    /// The command had run for `--timeout` and was stopped.
    Timeout,
    /// The birth dependencies did not hold within `--birth-timeout`.
    BirthTimeout,
    /// A death dependency was not seen within `--missing-timeout`; `Message` says which.
    Missing,
    /// The command could not be executed; `Message` says why.
    ExecFailed,
    /// A signal ended the supervisor while the command was down.
    Interrupted,
    /// `exitdir-signal` or [`ExitDir::signal`](crate::ExitDir::signal) wrote the record. The word
    /// in the file is `said`.
    Announced,
    /// The file cannot be read, so it is not known what it says. No file has this word.
    Unreadable,
}

impl Reason {
    const ALL: [Reason; 10] = [
        Reason::Exited,
        Reason::Signaled,
        Reason::Stopped,
        Reason::Killed,
        Reason::Timeout,
        Reason::BirthTimeout,
        Reason::Missing,
        Reason::ExecFailed,
        Reason::Interrupted,
        Reason::Announced,
    ];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Exited => "exited",
            Reason::Signaled => "signaled",
            Reason::Stopped => "stopped",
            Reason::Killed => "killed",
            Reason::Timeout => "timeout",
            Reason::BirthTimeout => "birth-timeout",
            Reason::Missing => "missing",
            Reason::ExecFailed => "exec-failed",
            Reason::Interrupted => "interrupted",
            Reason::Announced => "said",
            Reason::Unreadable => "unreadable",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Reason> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_reason_is_read_back_from_its_word() {
        for key in Key::ALL {
            assert_eq!(Key::parse(key.as_str()), Some(key));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
    }

    #[test]
    fn a_lock_line_is_read_back_and_other_text_is_no_lock() {
        let lock = Lock::Fcntl(LockIdentity {
            boot: "6f1c9a3e-b".to_owned(),
            device: (8, 1),
            inode: 131,
        });
        for lock in [lock, Lock::Unavailable] {
            assert_eq!(Lock::parse(&lock.to_string()), Some(lock));
        }
        for text in [
            "",
            "fcntl",
            "fcntl b 8:1",
            "fcntl b 8 131",
            "fcntl b 8:1 131 x",
            "flock b 8:1 131",
            "fcntl b a:1 131",
            "None",
        ] {
            assert_eq!(Lock::parse(text), None, "{text:?}");
        }
    }
}
