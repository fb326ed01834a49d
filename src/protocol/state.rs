//! The states that a condition can ask for, and their words. Pure.

use crate::spelling;
use std::fmt;

/// A state of a life, as conditions and `exitdir-status` name it.
///
/// Several states can hold at once: a life that is ready is also born, and a life with exit code 3
/// is failed and died too. `docs/tombstone.md` has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Not dead, and the command was not started yet.
    Waiting,
    /// The command was started, and the life is not dead.
    Born,
    /// The command was started and is ready; no stop has begun.
    Ready,
    /// The command is deactivated, and the life is not dead.
    Inactive,
    /// Dead with exit code 0.
    Ok,
    /// Dead with another exit code, or lost.
    Failed,
    /// Ended without a death record: its lock is free.
    Lost,
    /// Dead.
    Died,
    /// Dead with this exit code, 0 to 255.
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

    /// Reads the word after the colon of a condition; `None` for any other text.
    pub fn parse(text: &str) -> Option<State> {
        if let Some(code) = text.strip_prefix("exit=") {
            // `u8::from_str` also takes a leading plus sign.
            let is_number = !code.is_empty() && code.bytes().all(|b| b.is_ascii_digit());
            return is_number.then(|| code.parse().ok().map(State::Exit))?;
        }
        State::WORDS
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, state)| *state)
    }

    /// The word that was probably meant by another text.
    pub(crate) fn meant_by(text: &str) -> Option<&'static str> {
        spelling::meant(text, &State::WORDS.map(|(word, _)| word))
    }

    /// Whether only a dead life can have this state. A death is final; the other states can change.
    pub fn is_death(self) -> bool {
        match self {
            State::Waiting | State::Born | State::Ready | State::Inactive => false,
            State::Ok | State::Failed | State::Lost | State::Died | State::Exit(_) => true,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_back_from_its_word() {
        let states = State::WORDS.map(|(_, state)| state);
        for state in states.into_iter().chain([State::Exit(0), State::Exit(255)]) {
            assert_eq!(State::parse(&state.to_string()), Some(state));
        }
    }

    #[test]
    fn other_words_are_no_states() {
        for text in [
            "", "dead", "Died", "exit", "exit=", "exit=256", "exit=-1", "exit=+1", "exit=3 ",
            "ready ",
        ] {
            assert_eq!(State::parse(text), None, "{text:?}");
        }
    }
}
