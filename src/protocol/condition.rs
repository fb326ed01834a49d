//! `NAME[:STATE]` against tombstones: what a tombstone means, and whether a condition holds. Pure.
//!
//! The evidence (text, lock, whether the writer has finished) is gathered by [`crate::store::exit_dir`] and
//! [`crate::watch::tracker`]; here it is judged, in one place for every applet. The table of states is in
//! `docs/tombstone.md`.

use crate::exit;
use crate::protocol::name::Name;
use crate::protocol::tombstone::{Lock, Tombstone};
use std::fmt;

/// What the lock of a tombstone shows to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockState {
    /// Somebody holds it: the writer lives, wherever it is.
    Held,
    /// It is free, and the reader can judge that: the writer is gone.
    Released,
    /// It looks free from here, or there is none; that proves nothing.
    Unknown,
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug)]
pub struct ReaderContext<'a> {
    /// This machine's boot id, if it can be read.
    pub boot: Option<&'a str>,
    /// The device of the file as the reader sees it.
    pub device: (u32, u32),
    /// The inode as the reader sees it.
    pub inode: u64,
    /// Whether the file system is one of this machine alone.
    pub local: bool,
}

impl LockState {
    /// What it means that the lock of a tombstone is held or free, seen from `vantage`.
    pub fn judge(lock: Option<&Lock>, held: bool, vantage: ReaderContext<'_>) -> LockState {
        let Some(Lock::Fcntl(taken)) = lock else {
            return LockState::Unknown;
        };
        if held {
            return LockState::Held;
        }
        let Some(boot) = vantage.boot else {
            return LockState::Unknown;
        };
        let same_place = taken.device == vantage.device && taken.inode == vantage.inode;
        // On a disk of our own a lock of another boot died with that boot.
        if taken.boot == boot && same_place || taken.boot != boot && vantage.local {
            LockState::Released
        } else {
            LockState::Unknown
        }
    }
}

/// A tombstone and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// What the file says.
    pub tombstone: Tombstone,
    /// What it means, together with its lock.
    pub liveness: Liveness,
}

/// Alive, dead, or not to be told yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// Empty, and its writer may be about to fill it: neither alive nor dead.
    Unsettled,
    /// Not dead.
    Alive(Phase),
    /// Over.
    Dead(Death),
}

/// How far a living life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The supervisor waits; the command was not started.
    Waiting,
    /// The command was started.
    Born,
    /// It is ready.
    Ready,
    /// It is deactivated.
    Inactive,
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Death {
    /// With this exit code.
    Recorded(u8),
    /// The record says so, and its writer may be about to add the code.
    CodePending,
    /// Without a word: killed, out of memory, machine restarted.
    Lost,
}

impl Death {
    /// The exit code that counts: 137 for a life that was lost; `None` while it is open.
    pub fn code(self) -> Option<u8> {
        match self {
            Death::Recorded(code) => Some(code),
            Death::CodePending => None,
            Death::Lost => Some(exit::LOST),
        }
    }
}

impl Life {
    /// Judges a tombstone. `settled` says that its writer has closed the file or left it alone for a second.
    pub fn judge(tombstone: Tombstone, lock: LockState, settled: bool) -> Life {
        let liveness = liveness(&tombstone, lock, settled);
        Life {
            tombstone,
            liveness,
        }
    }

    /// The same life, found to be over although nothing in it says so.
    pub fn into_ended(self) -> Life {
        let liveness = match self.liveness {
            Liveness::Dead(death) => Liveness::Dead(death),
            Liveness::Alive(_) | Liveness::Unsettled => Liveness::Dead(Death::Lost),
        };
        Life { liveness, ..self }
    }

    /// How it ended, if it did.
    pub fn death(&self) -> Option<Death> {
        match self.liveness {
            Liveness::Dead(death) => Some(death),
            Liveness::Alive(_) | Liveness::Unsettled => None,
        }
    }

    /// Whether it lives.
    pub fn is_alive(&self) -> bool {
        matches!(self.liveness, Liveness::Alive(_))
    }

    /// The one word for this life, as status prints it; `None` while it cannot be told.
    pub fn state(&self) -> Option<State> {
        Some(match self.liveness {
            Liveness::Unsettled => return None,
            Liveness::Alive(Phase::Waiting) => State::Waiting,
            Liveness::Alive(Phase::Born) => State::Born,
            Liveness::Alive(Phase::Ready) => State::Ready,
            Liveness::Alive(Phase::Inactive) => State::Inactive,
            Liveness::Dead(Death::Recorded(0)) => State::Ok,
            Liveness::Dead(Death::Recorded(_)) => State::Failed,
            Liveness::Dead(Death::CodePending) => State::Died,
            Liveness::Dead(Death::Lost) => State::Lost,
        })
    }
}

fn liveness(tombstone: &Tombstone, lock: LockState, settled: bool) -> Liveness {
    let began = tombstone.life().is_some() || tombstone.ready.is_some();
    if tombstone.died.is_some() {
        return Liveness::Dead(match (tombstone.exit_code, settled) {
            (Some(code), _) => Death::Recorded(code),
            (None, true) => Death::Recorded(u8::MAX),
            (None, false) => Death::CodePending,
        });
    }
    if lock == LockState::Released {
        return Liveness::Dead(Death::Lost);
    }
    if !began {
        // An empty or foreign file: somebody said "exit", if it is all that they have to say.
        return if tombstone.has_line || settled {
            Liveness::Dead(Death::Recorded(
                tombstone.exit_code.unwrap_or(exit::SUCCESS),
            ))
        } else {
            Liveness::Unsettled
        };
    }
    Liveness::Alive(stage(tombstone))
}

fn stage(tombstone: &Tombstone) -> Phase {
    if tombstone.inactive.is_some() {
        return Phase::Inactive;
    }
    if tombstone.born.is_none() {
        return Phase::Waiting;
    }
    // A tombstone that nobody locked is another program's, and kubexit knows no readiness.
    let ready = tombstone.ready.is_some() || tombstone.lock.is_none();
    if ready && tombstone.cause.is_none() {
        Phase::Ready
    } else {
        Phase::Born
    }
}

/// What one look at a name found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) name: Name,
    /// A life that was alive when last seen, and is over and replaced.
    pub(crate) ended: Option<Life>,
    /// What is there now.
    pub(crate) current: Option<Life>,
}

/// What a condition asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Not dead, and the command was not started yet.
    Waiting,
    /// The command was started, and it is not dead.
    Born,
    /// Started, ready, not on its way down, not dead.
    Ready,
    /// Deactivated and not dead.
    Inactive,
    /// Dead with exit code 0.
    Ok,
    /// Dead with another code, or lost.
    Failed,
    /// Dead without a word.
    Lost,
    /// Dead.
    Died,
    /// Dead with this exit code.
    Exit(u8),
}

impl State {
    const WORDS: [(&'static str, State); 8] = [
        ("waiting", State::Waiting),
        ("born", State::Born),
        ("ready", State::Ready),
        ("inactive", State::Inactive),
        ("ok", State::Ok),
        ("failed", State::Failed),
        ("lost", State::Lost),
        ("died", State::Died),
    ];

    /// Reads the word after the colon of a condition.
    pub fn parse(text: &str) -> Option<State> {
        if let Some(code) = text.strip_prefix("exit=") {
            let plain = !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit());
            return plain.then(|| code.parse().ok().map(State::Exit))?;
        }
        State::WORDS
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, state)| *state)
    }

    /// Whether this is a way of being dead: what is dead stays so, what lives can change.
    pub fn is_death(self) -> bool {
        match self {
            State::Waiting | State::Born | State::Ready | State::Inactive => false,
            State::Ok | State::Failed | State::Lost | State::Died | State::Exit(_) => true,
        }
    }

    /// Whether the life has this state.
    pub fn matches(self, life: &Life) -> bool {
        match (life.liveness, self) {
            (Liveness::Unsettled, _) => false,
            (Liveness::Alive(stage), state) => stage_matches(stage, state, &life.tombstone),
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

fn stage_matches(stage: Phase, state: State, tombstone: &Tombstone) -> bool {
    match state {
        State::Waiting => tombstone.born.is_none(),
        State::Born => tombstone.born.is_some(),
        State::Ready => stage == Phase::Ready,
        State::Inactive => stage == Phase::Inactive,
        State::Ok | State::Failed | State::Lost | State::Died | State::Exit(_) => false,
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Exit(code) => write!(f, "exit={code}"),
            other => {
                let word = State::WORDS.iter().find(|(_, state)| state == other);
                f.write_str(word.map_or("", |(word, _)| word))
            }
        }
    }
}

/// Something that a tombstone can satisfy: `NAME[:STATE]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// Whose tombstone; `None` means any but one's own.
    pub name: Option<Name>,
    /// In which state.
    pub state: State,
}

impl Condition {
    /// Reads `NAME`, `NAME:STATE` or `:STATE`; without a state it is `default`.
    ///
    /// # Errors
    /// The sentence that says what is wrong with the text.
    ///
    /// ```
    /// use exitdir::{Condition, State};
    /// let condition = Condition::parse("db:ready", State::Died)?;
    /// assert_eq!(condition.to_string(), "db:ready");
    /// assert!(Condition::parse("db:rady", State::Died).is_err());
    /// # Ok::<(), String>(())
    /// ```
    pub fn parse(text: &str, default: State) -> Result<Condition, String> {
        let (name, state) = match text.split_once(':') {
            Some((name, word)) => (name, State::parse(word).ok_or_else(|| unknown_state(word))?),
            None if text.is_empty() => {
                return Err("an empty condition: expected NAME, NAME:STATE or :STATE".to_owned());
            }
            None => (text, default),
        };
        if name.is_empty() {
            return Ok(Condition { name: None, state });
        }
        let name =
            Name::new(name).ok_or_else(|| format!("{name:?} is not a name: {NAME_GRAMMAR}"))?;
        Ok(Condition {
            name: Some(name),
            state,
        })
    }

    /// Whether the condition asks about this name.
    pub fn is_about(&self, name: &Name) -> bool {
        self.name.as_ref().is_none_or(|own| own == name)
    }
}

/// The grammar of names, for messages.
pub(crate) const NAME_GRAMMAR: &str = "1 to 255 of A-Z a-z 0-9 . _ -, not beginning with . or -";

fn unknown_state(word: &str) -> String {
    format!(
        "{word:?} is not a state: waiting, born, ready, inactive, ok, failed, lost, died, exit=N"
    )
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}:{}", self.state),
            None => write!(f, ":{}", self.state),
        }
    }
}

#[cfg(test)]
mod tests;
