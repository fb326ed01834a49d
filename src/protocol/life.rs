//! Lives: what a tombstone and its lock mean together. Pure.
//!
//! [`crate::store::snapshot`] and [`crate::watch::tracker`] gather the evidence: the text, the
//! lock, and whether the writer has finished. It is judged here for every applet. The table of
//! states is in `docs/tombstone.md`.

use crate::exit;
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{Lock, Tombstone};

/// What the lock of a tombstone shows to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LockState {
    /// A process holds it: the supervisor is alive, on whichever machine.
    Held,
    /// It is free, and the reader would see it if it were held: the supervisor is gone.
    Released,
    /// There is no lock, or the reader cannot tell whether it is held. This proves nothing.
    Unknown,
}

/// What a reader sees of a tombstone's file. It decides whether a free lock means a death.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReaderContext<'a> {
    /// The boot id of the reader's machine, if it can be read.
    pub(crate) boot: Option<&'a str>,
    /// The device of the file, as major and minor number.
    pub(crate) device: (u32, u32),
    /// The inode of the file.
    pub(crate) inode: u64,
    /// Whether the file system belongs to the reader's machine alone.
    pub(crate) local: bool,
}

impl LockState {
    /// Judges the lock of a tombstone that a reader found held or free. What else it sees matters
    /// only if the lock is free.
    pub(crate) fn judge<'a>(
        tombstone: &Tombstone,
        held: bool,
        reader: impl FnOnce() -> ReaderContext<'a>,
    ) -> LockState {
        let Some(Lock::Fcntl(taken)) = &tombstone.lock else {
            return LockState::Unknown;
        };
        if held {
            return LockState::Held;
        }
        let reader = reader();
        // The supervisor released this lock when it took that of the next file.
        let (Some(boot), None) = (reader.boot, &tombstone.replaced) else {
            return LockState::Unknown;
        };
        let same_file = taken.device == reader.device && taken.inode == reader.inode;
        let same_boot = taken.boot == boot;
        // On a local disk, a lock of another boot ended with that boot: the machine was restarted.
        if same_boot && same_file || !same_boot && reader.local {
            LockState::Released
        } else {
            LockState::Unknown
        }
    }
}

/// Whether a tombstone's writer may be in the middle of writing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteState {
    /// The file changed less than a second ago, and its writer has not closed it: more may follow.
    Ongoing,
    /// The writer has closed the file, or has not changed it for a second.
    Settled,
}

/// A tombstone and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Life {
    /// What the file says.
    pub tombstone: Tombstone,
    /// What it means, together with its lock.
    pub liveness: Liveness,
}

/// Whether a life goes on. There is no fourth possibility, so a match can be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// The file has no complete line, and its writer may be about to write one. Neither alive nor
    /// dead; an empty file that stays empty for a second is dead.
    Unsettled,
    /// Not dead.
    Alive(Phase),
    /// Over.
    Dead(Death),
}

/// How far a living life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// The supervisor waits; the command was not started.
    Waiting,
    /// The command was started.
    Born,
    /// The command is ready.
    Ready,
    /// The command is deactivated.
    Inactive,
}

/// How a life ended. There is no fourth possibility, so a match can be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Death {
    /// With this exit code.
    Recorded(u8),
    /// The tombstone says `Died`, and its writer may be about to add the exit code.
    CodePending,
    /// Without a death record: the supervisor was killed, or its machine restarted.
    Lost,
}

impl Death {
    /// The exit code that counts: 137 for a lost life, as if `KILL` had ended it. `None` while the
    /// code is pending.
    pub fn code(self) -> Option<u8> {
        match self {
            Death::Recorded(code) => Some(code),
            Death::CodePending => None,
            Death::Lost => Some(exit::LOST),
        }
    }
}

impl Life {
    /// Judges a tombstone by its text, its lock, and whether its writer has finished.
    pub(crate) fn judge(tombstone: Tombstone, lock: LockState, writing: WriteState) -> Life {
        let liveness = liveness(&tombstone, lock, writing);
        Life {
            tombstone,
            liveness,
        }
    }

    /// The same life, known to be over for another reason: lost, unless it says how it died.
    pub(crate) fn into_ended(self) -> Life {
        let liveness = match self.liveness {
            Liveness::Dead(death) => Liveness::Dead(death),
            Liveness::Alive(_) | Liveness::Unsettled => Liveness::Dead(Death::Lost),
        };
        Life { liveness, ..self }
    }

    /// How the life ended, if it did.
    pub fn death(&self) -> Option<Death> {
        match self.liveness {
            Liveness::Dead(death) => Some(death),
            Liveness::Alive(_) | Liveness::Unsettled => None,
        }
    }

    /// Whether the life goes on. False also for [`Liveness::Unsettled`].
    pub fn is_alive(&self) -> bool {
        matches!(self.liveness, Liveness::Alive(_))
    }

    /// The most specific state without the exit code, as `exitdir-status` prints it; `None` for
    /// [`Liveness::Unsettled`].
    pub fn state(&self) -> Option<State> {
        self.standing().state()
    }

    /// Whether the life has this state. It can have several at once.
    pub fn has_state(&self, state: State) -> bool {
        self.standing().has_state(state)
    }

    /// What conditions ask for.
    pub(crate) fn standing(&self) -> Standing {
        Standing {
            liveness: self.liveness,
            is_born: self.tombstone.born.is_some(),
        }
    }
}

/// What conditions ask about a life, without its text: it is small, so one can be kept for each of
/// many names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) liveness: Liveness,
    /// The command was started.
    pub(crate) is_born: bool,
}

impl Standing {
    /// As [`Life::state`].
    pub(crate) fn state(self) -> Option<State> {
        Some(match self.liveness {
            Liveness::Unsettled => return None,
            Liveness::Alive(Phase::Waiting) => State::Waiting,
            Liveness::Alive(Phase::Born) => State::Born,
            Liveness::Alive(Phase::Ready) => State::Ready,
            Liveness::Alive(Phase::Inactive) => State::Inactive,
            Liveness::Dead(Death::Recorded(exit::SUCCESS)) => State::Ok,
            Liveness::Dead(Death::Recorded(_)) => State::Failed,
            Liveness::Dead(Death::CodePending) => State::Died,
            Liveness::Dead(Death::Lost) => State::Lost,
        })
    }

    /// As [`Life::has_state`].
    pub(crate) fn has_state(self, state: State) -> bool {
        match (self.liveness, state) {
            (Liveness::Unsettled, _) => false,
            (Liveness::Alive(phase), state) => phase_has_state(phase, state, self.is_born),
            (Liveness::Dead(_), State::Died) => true,
            (Liveness::Dead(death), State::Lost) => death == Death::Lost,
            (Liveness::Dead(death), State::Ok) => death.code() == Some(exit::SUCCESS),
            (Liveness::Dead(death), State::Failed) => {
                death.code().is_some_and(|code| code != exit::SUCCESS)
            }
            (Liveness::Dead(death), State::Exit(code)) => death.code() == Some(code),
            (Liveness::Dead(_), State::Waiting | State::Born | State::Ready | State::Inactive) => {
                false
            }
        }
    }
}

/// What later decisions need of a life: its id, its cause and its liveness, without the text of its
/// tombstone. One is kept for each of many names.
#[derive(Clone, Debug)]
pub(crate) struct Remnant {
    pub(crate) standing: Standing,
    pub(crate) id: Option<Timestamp>,
    /// The id is the time in `Waiting`.
    has_waiting: bool,
    cause: Option<Box<Cause>>,
}

impl Remnant {
    pub(crate) fn of(life: &Life) -> Remnant {
        Remnant {
            standing: life.standing(),
            id: life.tombstone.life().cloned(),
            has_waiting: life.tombstone.waiting.is_some(),
            cause: life.tombstone.cause().map(Box::new),
        }
    }

    /// The life, as far as it was kept.
    pub(crate) fn to_life(&self) -> Life {
        let cause = self.cause.as_deref();
        Life {
            tombstone: Tombstone {
                waiting: self.id.clone().filter(|_| self.has_waiting),
                born: self.id.clone().filter(|_| self.standing.is_born),
                cause: cause.map(|cause| cause.name.clone()),
                cause_life: cause.and_then(|cause| cause.life.clone()),
                has_line: true,
                ..Tombstone::default()
            },
            liveness: self.standing.liveness,
        }
    }
}

fn phase_has_state(phase: Phase, state: State, is_born: bool) -> bool {
    match state {
        State::Waiting => !is_born,
        State::Born => is_born,
        State::Ready => phase == Phase::Ready,
        State::Inactive => phase == Phase::Inactive,
        State::Ok | State::Failed | State::Lost | State::Died | State::Exit(_) => false,
    }
}

fn liveness(tombstone: &Tombstone, lock: LockState, writing: WriteState) -> Liveness {
    if tombstone.died.is_some() {
        return Liveness::Dead(match (tombstone.exit_code, writing) {
            (Some(code), _) => Death::Recorded(code),
            (None, WriteState::Settled) => Death::Recorded(u8::MAX),
            (None, WriteState::Ongoing) => Death::CodePending,
        });
    }
    if lock == LockState::Released {
        return Liveness::Dead(Death::Lost);
    }
    if tombstone.life().is_some() || tombstone.ready.is_some() {
        return Liveness::Alive(phase(tombstone));
    }
    // An empty or foreign file means "exit", once its writer has written all of it.
    if tombstone.has_line || writing == WriteState::Settled {
        let code = tombstone.exit_code.unwrap_or(exit::SUCCESS);
        return Liveness::Dead(Death::Recorded(code));
    }
    Liveness::Unsettled
}

fn phase(tombstone: &Tombstone) -> Phase {
    if tombstone.inactive.is_some() {
        return Phase::Inactive;
    }
    if tombstone.born.is_none() {
        return Phase::Waiting;
    }
    // Without a Lock line it is another program's, and kubexit has no readiness: born means ready.
    let ready = tombstone.ready.is_some() || tombstone.lock.is_none();
    if ready && tombstone.cause.is_none() {
        Phase::Ready
    } else {
        Phase::Born
    }
}

/// What one read of a name found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) name: Name,
    /// The lives that have ended and been replaced since the last read, the oldest first.
    pub(crate) ended: Vec<Life>,
    /// The life that is there now.
    pub(crate) current: Option<Life>,
}

impl Observation {
    /// All lives that were observed, the oldest first.
    pub(crate) fn lives(&self) -> impl Iterator<Item = &Life> {
        self.ended.iter().chain(&self.current)
    }
}

#[cfg(test)]
mod tests;
