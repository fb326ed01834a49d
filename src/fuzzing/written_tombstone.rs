//! Any values as a tombstone: what is written is YAML, and is read back.

use crate::fuzzing::input::Input;
use crate::protocol::compose::{Line, compose, compose_append};
use crate::protocol::name::Name;
use crate::protocol::past_life::{Cause, PastLife};
use crate::protocol::quote::json_string;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{Lock, LockIdentity, Reason, SIZE_LIMIT, Tombstone};
use crate::signal::Signal;
use std::time::{Duration, UNIX_EPOCH};
use yaml_rust2::{Yaml, YamlLoader};

const NAMES: [&str; 6] = ["main", "db-1", "null", "a b", "caf\u{e9}", "1e3"];
const REASONS: [Reason; 4] = [
    Reason::Exited,
    Reason::BirthTimeout,
    Reason::Announced,
    Reason::ExecFailed,
];
/// As much of a tombstone as leaves room for any death record.
const HEAD: u64 = 6144 - 1024 - 256;

/// Writes a whole tombstone, reads it, and compares.
pub(super) fn check(input: &mut Input<'_>) {
    let values = values(input);
    let text = compose(&lines(&values));
    let read = Tombstone::parse(text.as_bytes());
    check_text(&values.message, &read.message);
    check_text(&values.follows, &read.follows);
    let expected = Tombstone {
        message: read.message.clone(),
        follows: read.follows.clone(),
        ..values.clone()
    };
    assert_eq!(read, expected, "{text}");
    if !text.is_empty() {
        check_yaml(&text, &read);
    }
    let more = values_behind(input);
    let text = text + &compose(&lines(&more));
    if read.died.is_none() && text.len() <= 4096 {
        let both = Tombstone::parse(text.as_bytes());
        assert_eq!(both, first_values(read, more), "{text}");
    }
}

/// What another program appends. Its texts are short.
fn values_behind(input: &mut Input<'_>) -> Tombstone {
    let short = |text: String| text.chars().take(99).collect();
    let values = values(input);
    Tombstone {
        message: values.message.map(short),
        follows: values.follows.map(short),
        ..values
    }
}

/// The first value of a key counts, but the last message.
fn first_values(one: Tombstone, two: Tombstone) -> Tombstone {
    Tombstone {
        waiting: one.waiting.or(two.waiting),
        lock: one.lock.or(two.lock),
        follows: one.follows.or(two.follows),
        past: if one.past.is_empty() {
            two.past
        } else {
            one.past
        },
        fell: if one.fell.is_empty() {
            two.fell
        } else {
            one.fell
        },
        born: one.born.or(two.born),
        ready: one.ready.or(two.ready),
        inactive: one.inactive.or(two.inactive),
        cause: one.cause.or(two.cause),
        cause_life: one.cause_life.or(two.cause_life),
        exit_code: one.exit_code.or(two.exit_code),
        signal: one.signal.or(two.signal),
        reason: one.reason.or(two.reason),
        message: two.message.or(one.message),
        died: two.died,
        has_line: one.has_line || two.has_line,
        ..Tombstone::default()
    }
}

/// A text is read back whole, or as far as it fits.
fn check_text(written: &Option<String>, read: &Option<String>) {
    let (Some(written), Some(read)) = (written, read) else {
        return assert_eq!(written, read);
    };
    let fits = written.len() * 6 + 2 <= 1024;
    assert!(written.starts_with(read.as_str()), "{written:?} {read:?}");
    assert!(!fits || written == read, "{written:?} {read:?}");
    assert!(written == read || read.len() > 160, "{read:?}");
}

fn check_yaml(text: &str, read: &Tombstone) {
    let documents = YamlLoader::load_from_str(text);
    let documents = documents.unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let [Yaml::Hash(map)] = documents.as_slice() else {
        panic!("not one mapping: {documents:?}");
    };
    assert_eq!(map.len(), text.lines().count(), "{text}");
    let string = |key: &str| map.get(&Yaml::String(key.to_owned()))?.as_str();
    assert_eq!(string("Message"), read.message.as_deref());
    assert_eq!(string("Follows"), read.follows.as_deref());
    assert_eq!(string("Cause"), read.cause.as_ref().map(Name::as_str));
    assert_eq!(string("Died"), read.died.as_ref().map(Timestamp::as_str));
}

/// A record that is appended fits, is whole, and says what it should.
pub(super) fn check_append(input: &mut Input<'_>) {
    let length = input.number() % 8192;
    let last = Some(input.byte());
    let values = Tombstone {
        waiting: None,
        lock: None,
        past: Vec::new(),
        fell: Vec::new(),
        follows: None,
        ..values(input)
    };
    let lines = lines(&values);
    if lines.is_empty() {
        return;
    }
    let record = compose_append(&lines, length, last);
    let is_death = values.died.is_some();
    let start = u64::from(last != Some(b'\n'));
    let Some(record) = record else {
        return assert!(!is_death && length + start + least(&lines) > HEAD);
    };
    let end = length + record.len() as u64;
    let text = record.strip_prefix('\n').unwrap_or(&record);
    assert_eq!(record.starts_with('\n'), last != Some(b'\n'));
    let read = Tombstone::parse(text.as_bytes());
    let (read_message, whole) = (read.message.clone(), read.message.is_some());
    let mut expected = Tombstone {
        message: read_message,
        ..values.clone()
    };
    expected.has_line = !text.is_empty();
    assert!(read == expected || text.is_empty() && read == Tombstone::default());
    let limit = if is_death { SIZE_LIMIT as u64 } else { HEAD };
    assert!(end <= limit || is_death && !whole, "{length} {record:?}");
    let has_room = length <= HEAD && values.born.is_none() && values.ready.is_none();
    assert!(!(is_death && has_room) || whole == values.message.is_some());
}

/// The length of a record without its message.
fn least(lines: &[Line<'_>]) -> u64 {
    let is_message = |line: &Line<'_>| matches!(line, Line::Message(_));
    let others = lines.iter().copied().filter(|line| !is_message(line));
    compose(&others.collect::<Vec<_>>()).len() as u64
}

fn values(input: &mut Input<'_>) -> Tombstone {
    let wanted = u16::from(input.byte()) << 8 | u16::from(input.byte());
    let is_wanted = |bit: u16| wanted & 1 << bit != 0;
    let mut tombstone = Tombstone {
        waiting: is_wanted(0).then(|| time(input)),
        lock: is_wanted(1).then(|| lock(input)),
        follows: is_wanted(2).then(|| long_text(input)),
        born: is_wanted(3).then(|| time(input)),
        ready: is_wanted(4).then(|| time(input)),
        inactive: is_wanted(5).then(|| time(input)),
        cause: is_wanted(6).then(|| name(input)),
        cause_life: is_wanted(7).then(|| time(input)),
        exit_code: is_wanted(8).then(|| input.byte()),
        signal: is_wanted(9).then(|| signal(input)),
        reason: is_wanted(10).then(|| input.pick(&REASONS)),
        message: is_wanted(11).then(|| long_text(input)),
        died: is_wanted(12).then(|| time(input)),
        ..Tombstone::default()
    };
    if is_wanted(13) {
        tombstone.fell = fitting((0..=input.byte() % 4).map(|_| cause(input)).collect());
    }
    if is_wanted(14) {
        tombstone.past = fitting((0..=input.byte() % 4).map(|_| past_life(input)).collect());
    }
    tombstone.has_line = !lines(&tombstone).is_empty();
    tombstone
}

fn lines(values: &Tombstone) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    lines.extend(values.waiting.as_ref().map(Line::Waiting));
    lines.extend(values.lock.as_ref().map(Line::Lock));
    lines.extend(values.follows.as_deref().map(Line::Follows));
    lines.extend(values.past_lines());
    lines.extend(values.born.as_ref().map(Line::Born));
    lines.extend(values.ready.as_ref().map(Line::Ready));
    lines.extend(values.inactive.as_ref().map(Line::Inactive));
    lines.extend(values.cause.as_ref().map(Line::Cause));
    lines.extend(values.cause_life.as_ref().map(Line::CauseLife));
    lines.extend(values.exit_code.map(Line::ExitCode));
    lines.extend(values.signal.map(Line::Signal));
    lines.extend(values.reason.map(Line::Reason));
    lines.extend(values.message.as_deref().map(Line::Message));
    lines.extend(values.died.as_ref().map(Line::Died));
    lines
}

/// As many items as a lineage hands on.
fn fitting<T: ToString>(mut items: Vec<T>) -> Vec<T> {
    let length = |item: &T| json_string(&item.to_string()).len();
    while items.iter().map(length).sum::<usize>() > 800 {
        items.pop();
    }
    items
}

/// A time of a clock.
fn time(input: &mut Input<'_>) -> Timestamp {
    let since = Duration::from_nanos(input.number());
    Timestamp::from_system_time(UNIX_EPOCH + since)
}

fn lock(input: &mut Input<'_>) -> Lock {
    if input.flag() {
        return Lock::Unavailable;
    }
    Lock::Fcntl(LockIdentity {
        boot: format!("{:08x}-{:04x}", input.number(), input.byte()),
        device: (u32::from(input.byte()), u32::from(input.byte())),
        inode: input.number(),
    })
}

fn long_text(input: &mut Input<'_>) -> String {
    let text = input.text();
    text.repeat(1 + usize::from(input.byte() % 16))
}

/// A name that the program kubexit accepts.
fn name(input: &mut Input<'_>) -> Name {
    let name = Name::from_file_name(&input.word(&NAMES));
    name.unwrap_or_else(|| Name::new("x").unwrap())
}

fn signal(input: &mut Input<'_>) -> Signal {
    Signal::from_number(i32::from(input.byte() % 64) + 1).unwrap()
}

fn cause(input: &mut Input<'_>) -> Cause {
    Cause {
        name: name(input),
        life: input.flag().then(|| time(input)),
    }
}

fn past_life(input: &mut Input<'_>) -> PastLife {
    PastLife {
        life: time(input),
        born: input.flag(),
        exit_code: input.flag().then(|| input.byte()),
        cause: input.flag().then(|| cause(input)),
    }
}
