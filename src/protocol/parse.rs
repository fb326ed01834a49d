//! Reading a tombstone: bytes in, values out. Pure.
//!
//! Other programs write into the exit directory too, so the parser accepts any bytes. A tombstone
//! is only ever appended to, so the first value of a key counts.

use crate::protocol::name::Name;
use crate::protocol::past_life::{Cause, PastLife, split};
use crate::protocol::quote::unquote;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{FOREIGN_LIMIT, Key, Lock, RESERVED, Reason, Tombstone};
use crate::signal::Signal;
use std::borrow::Cow;

impl Tombstone {
    /// Reads a tombstone from the content of a file. Accepts any bytes and never fails.
    ///
    /// ```
    /// let text = b"Born: \"2026-11-20T21:29:27Z\"\nExitCode: 3\nDied: \"2026-11-20T21:30:00Z\"\n";
    /// let tombstone = exitdir::Tombstone::parse(text);
    /// assert_eq!(tombstone.exit_code, Some(3));
    /// assert!(tombstone.died.is_some());
    /// ```
    pub fn parse(bytes: &[u8]) -> Tombstone {
        let tombstone = Tombstone::parse_lines(bytes.get(..RESERVED).unwrap_or(bytes));
        match bytes.get(..FOREIGN_LIMIT) {
            // Only exitdir's own tombstones have a reason to be longer.
            Some(head) if tombstone.lock.is_none() => Tombstone::parse_lines(head),
            _ => tombstone,
        }
    }

    fn parse_lines(bytes: &[u8]) -> Tombstone {
        let mut tombstone = Tombstone::default();
        // Nearly always it is UTF-8, and that is quickly seen.
        let valid = std::str::from_utf8(bytes).map(Cow::Borrowed);
        let text = valid.unwrap_or_else(|_| String::from_utf8_lossy(bytes));
        for line in text.split_inclusive('\n') {
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            tombstone.has_line = true;
            let Some((key, value)) = split_line(line) else {
                continue;
            };
            let counts = match key {
                // A supervisor replaces the file also if another process records a death meanwhile.
                Key::Replaced => true,
                // kubexit sorts its keys, so its exit code follows its death.
                Key::ExitCode => tombstone.died.is_none() || tombstone.lock.is_none(),
                _ => tombstone.died.is_none(),
            };
            if counts {
                tombstone.set(key, value);
            }
        }
        tombstone
    }

    fn set(&mut self, key: Key, value: Cow<'_, str>) {
        let time = || Timestamp::from_recorded(&value);
        match key {
            Key::Waiting => set_first(&mut self.waiting, || Some(time())),
            Key::Lock => set_first(&mut self.lock, || Lock::parse(&value)),
            Key::WaitingFor => set_first(&mut self.waiting_for, || Some(value.to_string())),
            Key::Follows => set_first(&mut self.follows, || Some(value.to_string())),
            Key::Past => set_list(&mut self.past, &value, PastLife::parse),
            Key::Fell => set_list(&mut self.fell, &value, Cause::parse),
            Key::Born => set_first(&mut self.born, || Some(time())),
            Key::Ready => set_first(&mut self.ready, || Some(time())),
            Key::Inactive => set_first(&mut self.inactive, || Some(time())),
            Key::Cause => set_first(&mut self.cause, || Name::from_cause(&value)),
            Key::CauseLife => set_first(&mut self.cause_life, || Some(time())),
            Key::ExitCode => set_first(&mut self.exit_code, || parse_code(&value)),
            Key::Signal => set_first(&mut self.signal, || Signal::parse(&value)),
            Key::Reason => set_first(&mut self.reason, || Reason::parse(&value)),
            // Readiness and death can each have a message; the later one describes the present.
            Key::Message => self.message = Some(value.into_owned()),
            Key::Died => set_first(&mut self.died, || Some(time())),
            Key::Replaced => set_first(&mut self.replaced, || Some(time())),
        }
    }
}

/// The key and the decoded value of a line; `None` if the line has no key of the format.
fn split_line(line: &str) -> Option<(Key, Cow<'_, str>)> {
    let (key, value) = line.split_once(':')?;
    Some((
        Key::parse(key)?,
        unquote(value.trim_matches([' ', '\t', '\r'])),
    ))
}

fn set_first<T>(slot: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if slot.is_none() {
        *slot = value();
    }
}

fn set_list<T>(list: &mut Vec<T>, value: &str, parse: fn(&str) -> Option<T>) {
    if list.is_empty() {
        *list = split(value, parse);
    }
}

/// Another program's code can be any number: kubexit writes -1. A number that is no exit status
/// is 255.
fn parse_code(text: &str) -> Option<u8> {
    let code: i64 = text.parse().ok()?;
    Some(u8::try_from(code).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests;
