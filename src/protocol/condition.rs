//! `NAME[:STATE]`: the grammar of conditions. Pure.

use crate::protocol::name::Name;
use crate::protocol::state::State;
use std::fmt;

/// What a wait or a dependency asks for: a life under `name` that has `state`. Its text is
/// `NAME[:STATE]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The name of the tombstone; `None` means every name but the reader's own.
    pub name: Option<Name>,
    /// The state that the life must have.
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

    /// Whether a life under this name can satisfy the condition.
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
        }
        for text in [
            "", ":", "main:", "-x", ".x:ok", "a b", "a:ok:b", "a,b", "a:OK",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
