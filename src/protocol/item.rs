//! An item of a list of conditions: one condition, or several joined by `+` that must hold at one
//! moment. A condition is about a life or about a source. Pure.

use crate::protocol::condition::{Condition, ConditionError};
use crate::protocol::name::Name;
use crate::protocol::source::Source;
use crate::protocol::state::State;
use std::fmt;

/// The longest text of a source, as of a name: tombstones list them. In bytes.
const LONGEST_SOURCE: usize = 255;

/// What a part of an item is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Life(Condition),
    Source(Source),
}

/// Conditions that must hold at one moment. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) parts: Vec<Part>,
}

impl Item {
    /// Reads `A`, or `A+B`. A life without a state gets `default`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn parse(text: &str, default: State) -> Result<Item, String> {
        let parts = text
            .split('+')
            .map(|part| Part::parse(part.trim(), default));
        let parts = parts.collect::<Result<Vec<Part>, String>>()?;
        Ok(Item { parts })
    }

    /// `:died`, the default of a wait.
    pub(crate) fn any_death() -> Item {
        Item::from(Condition {
            name: None,
            state: State::Died,
        })
    }

    /// Reads an item as a tombstone lists it: each life has a state.
    pub(crate) fn from_recorded(text: &str) -> Option<Item> {
        let parts: Option<Vec<Part>> = text.split('+').map(Part::from_recorded).collect();
        // A name of kubexit can have a plus sign.
        let whole = || Some(vec![Part::Life(Condition::from_recorded(text)?)]);
        Some(Item {
            parts: parts.or_else(whole)?,
        })
    }

    /// The condition, if it is the only part and is about a life.
    pub(crate) fn single_life(&self) -> Option<&Condition> {
        match self.parts.as_slice() {
            [Part::Life(condition)] => Some(condition),
            _ => None,
        }
    }

    pub(crate) fn is_group(&self) -> bool {
        self.parts.len() > 1
    }
}

impl Part {
    fn parse(text: &str, default: State) -> Result<Part, String> {
        if text.is_empty() {
            return Err("empty condition: a comma or a plus sign too many".to_owned());
        }
        if text.contains(|c: char| c.is_whitespace()) {
            return Err("no blanks inside a condition".to_owned());
        }
        match Condition::parse(text, default) {
            Err(_) if Source::is_prefixed(text) => parse_source(text).map(Part::Source),
            Err(ConditionError::State(word)) => Err(unknown_state(text, word)),
            parsed => parsed.map(Part::Life).map_err(|error| error.to_string()),
        }
    }

    fn from_recorded(text: &str) -> Option<Part> {
        let life = Condition::from_recorded(text).map(Part::Life);
        life.or_else(|| Source::parse(text).ok().map(Part::Source))
    }

    pub(crate) fn life(&self) -> Option<&Condition> {
        match self {
            Part::Life(condition) => Some(condition),
            Part::Source(_) => None,
        }
    }

    pub(crate) fn source(&self) -> Option<&Source> {
        match self {
            Part::Source(source) => Some(source),
            Part::Life(_) => None,
        }
    }
}

fn parse_source(text: &str) -> Result<Source, String> {
    if text.len() > LONGEST_SOURCE {
        return Err(format!("a source has at most {LONGEST_SOURCE} bytes"));
    }
    Source::parse(text)
}

/// What was probably meant by a condition whose state is none.
fn unknown_state(text: &str, word: String) -> String {
    let as_source = |prefix: &&str| Source::parse(&format!("{prefix}{text}")).is_ok();
    match ["tcp:", "http:"].into_iter().find(as_source) {
        Some(prefix) => format!("{word:?} is not a state: did you mean {prefix}{text}?"),
        None => ConditionError::State(word).to_string(),
    }
}

/// All parts of a list of items.
pub(crate) fn parts(items: &[Item]) -> impl Iterator<Item = &Part> {
    items.iter().flat_map(|item| &item.parts)
}

/// The names that a list of items names.
pub(crate) fn names(items: &[Item]) -> impl Iterator<Item = &Name> {
    parts(items).filter_map(|part| part.life()?.name.as_ref())
}

impl From<Condition> for Item {
    fn from(condition: Condition) -> Item {
        Item {
            parts: vec![Part::Life(condition)],
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Life(condition) => condition.fmt(f),
            Part::Source(source) => source.fmt(f),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "+" })?;
            part.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
