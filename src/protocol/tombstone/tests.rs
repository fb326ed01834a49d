use super::*;
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

#[test]
fn what_is_written_is_read_back() {
    let message =
        "\"quotes\", \\, a\nnewline, a: colon, \u{1}, \u{7f}, \u{85}, \u{2028}, \u{1f980}";
    let text = compose(&[
        Line::Waiting(&time(1)),
        Line::Lock(&lock()),
        Line::Born(&time(2)),
        Line::Ready(&time(3)),
        Line::Cause(&name("main")),
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
            cause: Some(name("main")),
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
        10,
        "one line for each key, whatever is in it"
    );
}

#[test]
fn every_reason_is_read_back() {
    for reason in Reason::ALL {
        let text = compose(&[Line::Reason(reason)]);
        assert_eq!(Tombstone::parse(text.as_bytes()).reason, Some(reason));
    }
}

#[test]
fn the_first_value_of_a_key_counts_and_of_a_message_the_last() {
    let read = Tombstone::parse(
        b"ExitCode: 1\nMessage: a\nExitCode: 2\nMessage: b\nDied: x\nExitCode: 3\nMessage: c\n",
    );
    assert_eq!(
        (read.exit_code, read.message.as_deref()),
        (Some(1), Some("b"))
    );
}

#[test]
fn after_the_death_only_the_code_of_a_foreign_tombstone_is_read_if_it_has_none() {
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
fn other_peoples_values_are_read_as_they_mean_them() {
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
fn json_escapes_are_undone_and_broken_ones_do_no_harm() {
    for (value, text) in [
        (r#""\u00e9""#, "\u{e9}"),
        (r#""\ud83e\udd80""#, "\u{1f980}"),
        (r#""\ud83e""#, "\u{fffd}"),
        (r#""\ud83ex""#, "\u{fffd}x"),
        (r#""\ud83e\u0041""#, "\u{fffd}A"),
        (r#""\u12""#, "\u{fffd}"),
        (r#""\b\f\/\q""#, "\u{8}\u{c}/q"),
        (r#""open"#, "\"open"),
        (r#"""#, "\""),
        (r#""end\""#, "end"),
        ("", ""),
        ("'it''s'", "it's"),
    ] {
        let file = format!("Message: {value}\n");
        assert_eq!(
            Tombstone::parse(file.as_bytes()).message.as_deref(),
            Some(text),
            "{value}"
        );
    }
}

#[test]
fn any_bytes_at_all_are_taken() {
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
fn every_prefix_of_a_tombstone_is_alive_until_the_death_record_is_whole() {
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
fn of_a_foreign_file_4096_bytes_are_read_and_of_ours_twice_that() {
    let mut foreign = vec![b'#'; SIZE_LIMIT - 1];
    foreign.push(b'\n');
    foreign.extend_from_slice(b"Died: x\n");
    assert_eq!(Tombstone::parse(&foreign).died, None);
    let mut ours = b"Lock: none\n".to_vec();
    ours.extend_from_slice(&foreign);
    assert!(Tombstone::parse(&ours).died.is_some());
}

#[test]
fn a_message_takes_at_most_1024_bytes_with_its_quotes_and_escapes() {
    for text in [
        "x".repeat(5000),
        "\"".repeat(5000),
        "\u{1}".repeat(5000),
        "\u{1f980}".repeat(5000),
    ] {
        let quoted = quote(&text);
        assert!(
            quoted.len() <= MESSAGE_LIMIT && quoted.len() > MESSAGE_LIMIT - 8,
            "{}",
            quoted.len()
        );
        let file = format!("Message: {quoted}\n");
        let read = Tombstone::parse(file.as_bytes()).message.unwrap();
        assert!(text.starts_with(&read), "cut at a whole character");
    }
}

#[test]
fn the_death_record_always_has_room() {
    let long = "x".repeat(2000);
    let mut file = compose(&[Line::Waiting(&time(1)), Line::Lock(&lock())]);
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
    assert!(dropped > 0, "what does not fit is dropped");
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
fn a_death_is_said_even_where_there_is_no_room() {
    let died = time(3);
    let lines = [Line::ExitCode(1), Line::Message("why"), Line::Died(&died)];
    let record = compose_append(&lines, SIZE_LIMIT as u64, Some(b'\n')).unwrap();
    assert!(record.contains("Died") && !record.contains("Message"));
}

#[test]
fn an_appender_that_finds_no_newline_begins_with_one() {
    let born = time(1);
    let append = |length, last| compose_append(&[Line::Born(&born)], length, last).unwrap();
    assert!(append(0, None).starts_with("Born"));
    assert!(append(5, Some(b'\n')).starts_with("Born"));
    assert!(append(5, Some(b'x')).starts_with("\nBorn"));
}

#[test]
fn a_lock_line_is_read_back_and_what_is_none_is_no_lock() {
    for lock in [lock(), Lock::Unavailable] {
        assert_eq!(Lock::parse(&lock.to_string()), Some(lock));
    }
    for text in [
        "",
        "fcntl",
        "fcntl b 8:1",
        "fcntl b 8 131",
        "fcntl b 8:1 131 x",
        "flock b 8:1 131",
        "fcntl b a:1 131",
        "None",
    ] {
        assert_eq!(Lock::parse(text), None, "{text:?}");
    }
}

#[test]
fn the_wall_clock_of_now_names_a_life() {
    let text = compose(&[Line::Waiting(&Timestamp::from_system_time(
        SystemTime::now(),
    ))]);
    let read = Tombstone::parse(text.as_bytes());
    assert!(read.life().and_then(Timestamp::to_system_time).is_some());
}

#[test]
fn a_cause_is_a_name_to_every_reader_of_yaml() {
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
