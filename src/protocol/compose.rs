//! Writing a tombstone: values in, text out. Pure.

use crate::protocol::name::Name;
use crate::protocol::past_life::{Cause, PastLife, join};
use crate::protocol::quote::{QUOTED_LIMIT, plain, quote};
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{Key, Lock, Reason, SIZE_LIMIT};
use crate::signal::Signal;

/// The most that records before the death record may fill, so that a death record always has room.
/// In bytes.
const HEAD_LIMIT: usize = SIZE_LIMIT - DEATH_LIMIT;
/// The longest death record: a message, and less than 256 bytes of other lines. In bytes.
const DEATH_LIMIT: usize = QUOTED_LIMIT + 256;

/// Room for the lines that are written at once. In bytes.
const USUAL_SIZE: usize = 256;

/// One line of a tombstone, to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line<'a> {
    Waiting(&'a Timestamp),
    Lock(&'a Lock),
    WaitingFor(&'a str),
    Follows(&'a str),
    Past(&'a [PastLife]),
    Fell(&'a [Cause]),
    Born(&'a Timestamp),
    Ready(&'a Timestamp),
    Inactive(&'a Timestamp),
    Cause(&'a Name),
    CauseLife(&'a Timestamp),
    ExitCode(u8),
    Signal(Signal),
    Reason(Reason),
    Message(&'a str),
    Died(&'a Timestamp),
    Replaced(&'a Timestamp),
}

impl Line<'_> {
    fn write(self, out: &mut String) {
        let (key, value) = match self {
            Line::Waiting(time) => (Key::Waiting, quote(time.as_str())),
            Line::Lock(lock) => (Key::Lock, lock.to_string()),
            Line::WaitingFor(conditions) => (Key::WaitingFor, quote(conditions)),
            Line::Follows(conditions) => (Key::Follows, quote(conditions)),
            Line::Past(lives) => (Key::Past, quote(&join(lives))),
            Line::Fell(causes) => (Key::Fell, quote(&join(causes))),
            Line::Born(time) => (Key::Born, quote(time.as_str())),
            Line::Ready(time) => (Key::Ready, quote(time.as_str())),
            Line::Inactive(time) => (Key::Inactive, quote(time.as_str())),
            Line::Cause(name) => (Key::Cause, plain(name.as_str())),
            Line::CauseLife(life) => (Key::CauseLife, quote(life.as_str())),
            Line::ExitCode(code) => (Key::ExitCode, code.to_string()),
            Line::Signal(signal) => (Key::Signal, signal.to_string()),
            Line::Reason(reason) => (Key::Reason, reason.as_str().to_owned()),
            Line::Message(text) => (Key::Message, quote(text)),
            Line::Died(time) => (Key::Died, quote(time.as_str())),
            Line::Replaced(time) => (Key::Replaced, quote(time.as_str())),
        };
        out.push_str(key.as_str());
        out.push_str(": ");
        out.push_str(&value);
        out.push('\n');
    }
}

/// The text of the lines.
pub(crate) fn compose(lines: &[Line<'_>]) -> String {
    let mut out = String::with_capacity(USUAL_SIZE);
    for line in lines {
        line.write(&mut out);
    }
    out
}

/// The record to append to a file of `length` bytes whose last byte is `last`; `None` if the file
/// has no room for it.
///
/// A record before the death record leaves room for the death record. A record that does not fit
/// loses its message first. A death record is written in any case, beyond the limit if necessary.
pub(crate) fn compose_append(lines: &[Line<'_>], length: u64, last: Option<u8>) -> Option<String> {
    // A writer that was killed may have left an incomplete line.
    let start = if last.is_none_or(|byte| byte == b'\n') {
        ""
    } else {
        "\n"
    };
    let is_death = lines.iter().any(|line| matches!(line, Line::Died(_)));
    let limit = if is_death { SIZE_LIMIT } else { HEAD_LIMIT };
    let fits = |text: &String| {
        usize::try_from(length).is_ok_and(|at| at.saturating_add(text.len()) <= limit)
    };
    let whole = format!("{start}{}", compose(lines));
    if fits(&whole) {
        return Some(whole);
    }
    let is_message = |line: &Line<'_>| matches!(line, Line::Message(_));
    let other_lines = lines.iter().copied().filter(|line| !is_message(line));
    let short = format!("{start}{}", compose(&other_lines.collect::<Vec<_>>()));
    (is_death || fits(&short)).then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::tombstone::Tombstone;
    use std::time::{Duration, UNIX_EPOCH};

    fn time(seconds: u64) -> Timestamp {
        Timestamp::from_system_time(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn the_death_record_always_has_room() {
        let long = "x".repeat(2000);
        let mut file = compose(&[Line::Waiting(&time(1)), Line::Lock(&Lock::Unavailable)]);
        let ready = time(2);
        let mut dropped = 0;
        for _ in 0..200 {
            match compose_append(
                &[Line::Ready(&ready), Line::Message(&long)],
                file.len() as u64,
                Some(b'\n'),
            ) {
                Some(record) => file.push_str(&record),
                None => dropped += 1,
            }
        }
        assert!(dropped > 0, "records that do not fit are dropped");
        let died = time(3);
        let lines = [
            Line::ExitCode(143),
            Line::Signal(Signal::TERM),
            Line::Reason(Reason::BirthTimeout),
            Line::Message(&long),
            Line::Died(&died),
        ];
        let record = compose_append(&lines, file.len() as u64, Some(b'\n')).unwrap();
        assert!(record.contains("Message"));
        file.push_str(&record);
        assert!(file.len() <= SIZE_LIMIT, "{}", file.len());
    }

    #[test]
    fn a_death_without_room_is_recorded_without_its_message() {
        let died = time(3);
        let lines = [Line::ExitCode(1), Line::Message("why"), Line::Died(&died)];
        let record = compose_append(&lines, SIZE_LIMIT as u64, Some(b'\n')).unwrap();
        assert!(record.contains("Died") && !record.contains("Message"));
    }

    #[test]
    fn a_record_after_an_incomplete_line_begins_with_a_newline() {
        let born = time(1);
        let append = |length, last| compose_append(&[Line::Born(&born)], length, last).unwrap();
        assert!(append(0, None).starts_with("Born"));
        assert!(append(5, Some(b'\n')).starts_with("Born"));
        assert!(append(5, Some(b'x')).starts_with("\nBorn"));
    }

    #[test]
    fn every_yaml_reader_takes_a_cause_for_text() {
        for (name, written) in [
            ("main", "main"),
            ("a.b-c_1", "a.b-c_1"),
            ("null", "\"null\""),
            ("No", "\"No\""),
            ("1e3", "\"1e3\""),
            ("2026-11-20", "\"2026-11-20\""),
            ("_", "\"_\""),
        ] {
            let cause = Name::new(name).unwrap();
            let text = compose(&[Line::Cause(&cause)]);
            assert_eq!(text, format!("Cause: {written}\n"));
            assert_eq!(Tombstone::parse(text.as_bytes()).cause, Some(cause));
        }
    }
}
