use super::*;
use crate::protocol::compose::{Line, compose};
use crate::protocol::tombstone::LockIdentity;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_system_time(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn lock() -> Lock {
    Lock::Fcntl(LockIdentity {
        boot: "6f1c9a3e-b".to_owned(),
        device: (8, 1),
        inode: 131,
    })
}

fn cause(who: &str, life: Option<u64>) -> Cause {
    Cause {
        name: Name::from_file_name(who).unwrap(),
        life: life.map(time),
    }
}

fn past_life(life: u64, exit_code: Option<u8>, cause: Option<Cause>) -> PastLife {
    PastLife {
        life: time(life),
        born: life > 0,
        exit_code,
        cause,
    }
}

#[test]
fn every_value_is_read_back_as_it_was_written() {
    let message =
        "\"quotes\", \\, a\nnewline, a: colon, \u{1}, \u{7f}, \u{85}, \u{2028}, \u{1f980}";
    let fell = [cause("main", Some(1)), cause("db", Some(2))];
    let past = [
        past_life(2, Some(143), Some(cause("main", Some(1)))),
        past_life(1, None, None),
        past_life(0, Some(0), Some(cause("db", None))),
        past_life(0, Some(3), Some(cause("a b Z", None))),
        past_life(0, Some(4), Some(cause("a b", Some(3)))),
    ];
    let text = compose(&[
        Line::Waiting(&time(1)),
        Line::Lock(&lock()),
        Line::Follows("main,db:failed"),
        Line::Past(&past),
        Line::Fell(&fell),
        Line::Born(&time(2)),
        Line::Ready(&time(3)),
        Line::Cause(&name("main")),
        Line::CauseLife(&time(1)),
        Line::ExitCode(143),
        Line::Signal(Signal::TERM),
        Line::Reason(Reason::Stopped),
        Line::Message(message),
        Line::Died(&time(4)),
    ]);
    let read = Tombstone::parse(text.as_bytes());
    assert_eq!(
        read,
        Tombstone {
            waiting: Some(time(1)),
            lock: Some(lock()),
            born: Some(time(2)),
            ready: Some(time(3)),
            follows: Some("main,db:failed".to_owned()),
            past: past.to_vec(),
            fell: fell.to_vec(),
            cause: Some(name("main")),
            cause_life: Some(time(1)),
            replaced: None,
            exit_code: Some(143),
            signal: Some(Signal::TERM),
            reason: Some(Reason::Stopped),
            inactive: None,
            waiting_for: None,
            message: Some(message.to_owned()),
            died: Some(time(4)),
            has_line: true,
        }
    );
    assert!(text.is_ascii() || text.contains('\u{1f980}'));
    assert_eq!(
        text.lines().count(),
        14,
        "one line for each key, whatever its value"
    );
}

#[test]
fn the_first_value_of_a_key_counts_but_the_last_message() {
    let read = Tombstone::parse(
        b"ExitCode: 1\nMessage: a\nExitCode: 2\nMessage: b\nDied: x\nExitCode: 3\nMessage: c\n",
    );
    assert_eq!(
        (read.exit_code, read.message.as_deref()),
        (Some(1), Some("b"))
    );
}

#[test]
fn after_a_death_only_a_foreign_tombstones_missing_code_is_read() {
    let parse = |text: &str| {
        let read = Tombstone::parse(text.as_bytes());
        (read.exit_code, read.reason)
    };
    assert_eq!(
        parse("Born: b\nDied: d\nExitCode: 3\nReason: said\nExitCode: 4\n"),
        (Some(3), None)
    );
    assert_eq!(
        parse("Born: b\nExitCode: 1\nDied: d\nExitCode: 3\n"),
        (Some(1), None)
    );
    assert_eq!(parse("Lock: none\nDied: d\nExitCode: 3\n"), (None, None));
}

#[test]
fn a_last_line_without_its_newline_is_ignored() {
    let whole = b"Born: \"b\"\nExitCode: 12\nDied: \"d\"\n";
    let without = Tombstone::parse(&whole[..whole.len() - 1]);
    assert_eq!((without.exit_code, without.died), (Some(12), None));
    let cut = Tombstone::parse(b"Born: \"b\"\nExitCode: 1");
    assert_eq!(cut.exit_code, None);
    assert!(!Tombstone::parse(b"Died: x").has_line);
}

#[test]
fn values_of_other_programs_are_read() {
    for (text, code) in [
        ("0", Some(0)),
        ("255", Some(255)),
        ("-1", Some(255)),
        ("256", Some(255)),
        ("x", None),
        ("", None),
    ] {
        let file = format!("ExitCode: {text}\n");
        assert_eq!(
            Tombstone::parse(file.as_bytes()).exit_code,
            code,
            "{text:?}"
        );
    }
    for text in [
        "Born: 2026-11-20T21:29:27Z\n",
        "Born: '2026-11-20T21:29:27Z'\n",
        "Born:  \"2026-11-20T21:29:27Z\"\r\n",
    ] {
        let born = Tombstone::parse(text.as_bytes()).born.unwrap();
        assert_eq!(born.as_str(), "2026-11-20T21:29:27Z", "{text:?}");
    }
}

#[test]
fn the_parser_accepts_any_bytes() {
    let words: [&[u8]; 12] = [
        b"Died",
        b"Born",
        b"ExitCode",
        b"Lock",
        b": ",
        b"\n",
        b"\"",
        b"\\u",
        b"\xff\xfe",
        b"\0",
        b"fcntl a 1:2 3",
        b"-99999999999999999999",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..12 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(words[(state % 12) as usize]);
        }
        let read = Tombstone::parse(&bytes);
        assert_eq!(read.has_line, bytes.contains(&b'\n'));
    }
    for byte in 0..=255_u8 {
        Tombstone::parse(&[byte; 5000]);
    }
}

#[test]
fn a_tombstone_says_died_only_once_its_death_record_is_complete() {
    let text = compose(&[
        Line::Waiting(&time(1)),
        Line::Lock(&lock()),
        Line::ExitCode(3),
        Line::Message("m"),
        Line::Died(&time(2)),
    ]);
    for end in 0..text.len() {
        assert_eq!(
            Tombstone::parse(&text.as_bytes()[..end]).died,
            None,
            "{end}"
        );
    }
    assert!(Tombstone::parse(text.as_bytes()).died.is_some());
}

#[test]
fn of_a_foreign_file_4096_bytes_are_read_and_of_our_own_8192() {
    let mut foreign = vec![b'#'; FOREIGN_LIMIT - 1];
    foreign.push(b'\n');
    foreign.extend_from_slice(b"Died: x\n");
    assert_eq!(Tombstone::parse(&foreign).died, None);
    let mut ours = b"Lock: none\n".to_vec();
    ours.extend_from_slice(&foreign);
    assert!(Tombstone::parse(&ours).died.is_some());
}

#[test]
fn the_present_time_identifies_a_life() {
    let text = compose(&[Line::Waiting(&Timestamp::from_system_time(
        SystemTime::now(),
    ))]);
    let read = Tombstone::parse(text.as_bytes());
    assert!(read.life().and_then(Timestamp::to_system_time).is_some());
}

#[test]
fn a_replaced_file_says_so_even_after_a_death() {
    for text in [
        "Waiting: w\nLock: none\nReplaced: r\n",
        "Waiting: w\nLock: none\nExitCode: 0\nDied: d\nReplaced: r\n",
        "Waiting: w\nLock: none\nReplaced: r\nExitCode: 0\nDied: d\n",
    ] {
        let tombstone = Tombstone::parse(text.as_bytes());
        let replaced = Timestamp::from_text("r".to_owned());
        assert_eq!(tombstone.replaced, Some(replaced), "{text:?}");
    }
}
