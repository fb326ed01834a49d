//! `NAME[:STATE]`: the grammar of conditions. Pure.

use crate::protocol::name::{Name, NameError};
use crate::protocol::state::State;
use std::fmt;
use std::str::FromStr;

/// What a wait or a dependency asks for: a life under `name` that has `state`. Its text is
/// `NAME[:STATE]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The name of the tombstone; `None` means every name but the reader's own.
    pub name: Option<Name>,
    /// The state that the life must have.
    pub state: State,
}

/// Why a text is not a [`Condition`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConditionError {
    /// The text is empty.
    Empty,
    /// The text before the colon is not a name.
    Name(NameError),
    /// This text after the colon is not a state.
    State(String),
}

impl Condition {
    /// Reads `NAME`, `NAME:STATE` or `:STATE`. A text without a state gets `default`.
    ///
    /// # Errors
    /// [`ConditionError`] if the grammar does not allow the text.
    ///
    /// ```
    /// use exitdir::{Condition, State};
    /// let condition = Condition::parse("db", State::Ready)?;
    /// assert_eq!(condition.to_string(), "db:ready");
    /// assert!(Condition::parse("db:rady", State::Ready).is_err());
    /// # Ok::<(), exitdir::ConditionError>(())
    /// ```
    pub fn parse(text: &str, default: State) -> Result<Condition, ConditionError> {
        let (name, state) = match text.split_once(':') {
            Some((name, word)) => {
                let unknown = || ConditionError::State(word.to_owned());
                (name, State::parse(word).ok_or_else(unknown)?)
            }
            None if text.is_empty() => return Err(ConditionError::Empty),
            None => (text, default),
        };
        let name = match name {
            "" => None,
            name => Some(Name::new(name).map_err(ConditionError::Name)?),
        };
        Ok(Condition { name, state })
    }

    /// Reads a condition as a tombstone lists it: always with a state, after the last colon,
    /// because names of kubexit can have colons.
    pub(crate) fn from_recorded(text: &str) -> Option<Condition> {
        let (name, word) = text.rsplit_once(':')?;
        let state = State::parse(word)?;
        let name = match name {
            "" => None,
            name => Some(Name::from_file_name(name)?),
        };
        Some(Condition { name, state })
    }

    /// Whether a life under this name can satisfy the condition.
    pub fn is_about(&self, name: &Name) -> bool {
        self.name.as_ref().is_none_or(|own| own == name)
    }
}

/// Reads a condition as `exitdir-wait` does: without a state it is `died`.
impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Condition, ConditionError> {
        Condition::parse(text, State::Died)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}:{}", self.state),
            None => write!(f, ":{}", self.state),
        }
    }
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConditionError::Empty => {
                f.write_str("an empty condition: expected NAME, NAME:STATE or :STATE")
            }
            ConditionError::Name(error) => error.fmt(f),
            ConditionError::State(word) if word.starts_with("exit") => {
                write!(
                    f,
                    "{word:?} is not a state: expected exit=N, N from 0 to 255"
                )
            }
            ConditionError::State(word) => match State::meant_by(word) {
                Some(meant) => write!(f, "{word:?} is not a state: did you mean {meant}?"),
                None => write!(
                    f,
                    "{word:?} is not a state: waiting, born, ready, inactive, ok, failed, lost, died, exit=N"
                ),
            },
        }
    }
}

impl std::error::Error for ConditionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_parsed_or_rejected_as_the_grammar_says() {
        let parse =
            |text| Condition::parse(text, State::Died).map(|condition| condition.to_string());
        for (text, meaning) in [
            ("main", "main:died"),
            ("main:ok", "main:ok"),
            (":ready", ":ready"),
            ("a.b-c_1:exit=3", "a.b-c_1:exit=3"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(meaning));
            assert_eq!(
                text.parse::<Condition>(),
                Condition::parse(text, State::Died)
            );
        }
        for text in [
            "", ":", "main:", "-x", ".x:ok", "a b", "a:ok:b", "a,b", "a:OK",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
