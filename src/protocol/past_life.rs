//! The earlier lives of a name and the deaths that ended them, as a tombstone lists them in one
//! line. Pure.

use crate::protocol::name::Name;
use crate::protocol::quote::json_string;
use crate::protocol::timestamp::Timestamp;
use std::fmt;

/// What stands between two items of a list.
const SEPARATOR: &str = ", ";
/// How many items of a list are read at most: four times as many as the longest list has.
const READ_LIMIT: usize = 64;
/// What stands for a comma in a name. No name contains a slash, so an older version leaves the item
/// out.
const COMMA: &str = ",/";
/// What stands in place of an exit code for a life that was lost.
const LOST: &str = "lost";
/// What stands before the code of a life whose command was not started.
const UNBORN: &str = "unborn=";

/// The death that ended other lives: whose it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Cause {
    /// The name of the life that died, or the text of the source that no longer answers.
    pub name: Name,
    /// The id of that life, or the time at which the source was judged dead; `None` if it has none,
    /// or if it was recorded by an older version.
    pub life: Option<Timestamp>,
}

/// An earlier life of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastLife {
    /// Its id.
    pub life: Timestamp,
    /// Whether its command was started.
    pub born: bool,
    /// Its exit code; `None` if it was lost.
    pub exit_code: Option<u8>,
    /// The death dependency that stopped it, if one did.
    pub cause: Option<Cause>,
}

impl Cause {
    /// Whether a life that has ended for this death has dealt with `other` too: the same death, or
    /// an earlier one of the same name.
    pub(crate) fn covers(&self, other: &Cause) -> bool {
        let ids = self.life.as_ref().zip(other.life.as_ref());
        self.name == other.name && ids.is_some_and(|(known, id)| known.has_reached(id))
    }

    /// Reads `NAME[ ID]`.
    pub(super) fn parse(text: &str) -> Option<Cause> {
        // From the right, because a kubexit name can contain a space.
        let with_id = || {
            let (name, id) = text.rsplit_once(' ')?;
            let id = Some(timestamp(id)).filter(|id| id.to_system_time().is_some());
            Some((name, Some(id?)))
        };
        let (name, life) = with_id().unwrap_or((text, None));
        let name = Name::from_cause(&name.replace(COMMA, ","))?;
        Some(Cause { name, life })
    }
}

impl PastLife {
    /// Reads `ID CODE[ CAUSE[ ID]]`. The code of a lost life is `lost`. Before the code of a life
    /// whose command was not started stands `unborn=`.
    pub(super) fn parse(text: &str) -> Option<PastLife> {
        let mut words = text.splitn(3, ' ');
        let (life, code) = (timestamp(words.next()?), words.next()?);
        let unborn = code.strip_prefix(UNBORN);
        Some(PastLife {
            life,
            born: unborn.is_none(),
            exit_code: match unborn.unwrap_or(code) {
                LOST => None,
                code => Some(code.parse().ok()?),
            },
            cause: words.next().and_then(Cause::parse),
        })
    }
}

fn timestamp(text: &str) -> Timestamp {
    Timestamp::from_recorded(text)
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name.as_str().replace(',', COMMA))?;
        match &self.life {
            Some(life) => write!(f, " {}", life.as_str()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PastLife {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unborn = if self.born { "" } else { UNBORN };
        write!(f, "{} {unborn}", self.life.as_str())?;
        match self.exit_code {
            Some(code) => write!(f, "{code}")?,
            None => f.write_str(LOST)?,
        }
        match &self.cause {
            Some(cause) => write!(f, " {cause}"),
            None => Ok(()),
        }
    }
}

/// The items as one text.
pub(super) fn join<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(SEPARATOR)
}

/// The items of a text. An item that cannot be read is left out.
pub(super) fn split<T>(text: &str, parse: fn(&str) -> Option<T>) -> Vec<T> {
    let items = text.split(SEPARATOR).take(READ_LIMIT);
    items.filter_map(parse).collect()
}

/// The items from the front whose list is at most `limit` bytes long, as it is written. An item
/// that exceeds the limit by itself is left out, so that it does not push out the others.
pub(super) fn fitting<T: fmt::Display>(mut items: Vec<T>, limit: usize) -> Vec<T> {
    items.retain(|item| json_string(&item.to_string()).len() <= limit);
    while json_string(&join(&items)).len() > limit {
        items.pop();
    }
    items
}
