//! Files with any bytes as tombstones: what they mean, and what the next life takes over from them.

use crate::fuzzing::input::Input;
use crate::protocol::compose::compose;
use crate::protocol::life::{Death, Life, LockState, ReaderContext, WriteState};
use crate::protocol::lineage::Lineage;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{SIZE_LIMIT, Tombstone};
use std::time::{Duration, UNIX_EPOCH};
use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlLoader};

const STATES: [State; 10] = [
    State::Waiting,
    State::Born,
    State::Ready,
    State::Inactive,
    State::Ok,
    State::Failed,
    State::Lost,
    State::Died,
    State::Exit(0),
    State::Exit(137),
];

/// Reads any bytes, with any lock, and begins the next life.
pub(super) fn check(input: &mut Input<'_>) {
    let (held, local, settled) = (input.flag(), input.flag(), input.flag());
    let lead = input.byte();
    let tombstone = Tombstone::parse(input.rest());
    let reader = ReaderContext {
        boot: Some("b"),
        device: (0, 1),
        inode: 1,
        local,
    };
    let lock = LockState::judge(&tombstone, held, || reader);
    let writing = if settled {
        WriteState::Settled
    } else {
        WriteState::Ongoing
    };
    let life = Life::judge(tombstone, lock, writing);
    check_states(&life);
    check_successor(&life, lead);
}

fn check_states(life: &Life) {
    let has = |state: State| life.has_state(state);
    let dead = life.death().is_some();
    assert_eq!(has(State::Died), dead);
    assert!(!(dead && life.is_alive()));
    if let Some(state) = life.state() {
        assert!(has(state), "{life:?}");
    }
    let deaths = STATES.into_iter().filter(|state| state.is_death());
    assert!(dead || !deaths.into_iter().any(has), "{life:?}");
    assert!(!(has(State::Ok) && has(State::Failed)));
    if let Some(code) = life.death().and_then(Death::code) {
        assert!(has(State::Exit(code)) && has(State::Ok) != has(State::Failed));
    }
    assert!(life.clone().into_ended().death().is_some());
}

/// The next life has a later id, a head that fits, and what a reader needs of this one.
///
/// It begins before this one or after it by up to two days, in steps of 1000 s.
fn check_successor(life: &Life, lead: u8) {
    let began = life.tombstone.life().and_then(Timestamp::to_system_time);
    let began = began.unwrap_or(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let now = (began + Duration::from_secs(u64::from(lead) * 1000))
        .checked_sub(Duration::from_secs(128_000))
        .map_or(UNIX_EPOCH, |now| now.max(UNIX_EPOCH));
    let lineage = Lineage::after(Some(life), now);
    assert!(lineage.past.len() <= 4 && lineage.fell.len() <= 16);
    let time = |id: &Timestamp| id.to_system_time();
    let (own, before) = (time(&lineage.life), life.tombstone.life().and_then(time));
    let is_plausible = |before: &_| *before <= now + Duration::from_secs(86_399);
    if let Some(before) = before.filter(is_plausible) {
        assert!(own.unwrap() > before, "{lineage:?} after {life:?}");
    }
    let text = compose(&lineage.lines());
    assert!(text.len() < SIZE_LIMIT / 2, "{text}");
    let next = Tombstone::parse(text.as_bytes());
    assert_eq!(next.life(), Some(&lineage.life));
    assert_eq!(
        (&next.past, &next.fell),
        (&lineage.past, &lineage.fell),
        "{text}"
    );
    let missed = next.missed(life.tombstone.life(), Some(now));
    assert!(missed.iter().all(|life| life.death().is_some()));
    next.missed(None, Some(now));
    next.end_of(life.tombstone.life(), Some(life.clone()));
}

/// Compares with the YAML parser, as far as the format is YAML: one simple value in each line.
pub(super) fn check_yaml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if text.len() > 4096 || !text.ends_with('\n') || !text.split_terminator('\n').all(is_simple) {
        return;
    }
    let Ok(documents) = YamlLoader::load_from_str(text) else {
        return;
    };
    let [Yaml::Hash(map)] = documents.as_slice() else {
        return;
    };
    compare_with_yaml(map, &Tombstone::parse(bytes), text);
}

fn compare_with_yaml(map: &Hash, read: &Tombstone, text: &str) {
    let time = |time: &Option<Timestamp>| time.as_ref().map(|time| time.as_str().to_owned());
    let dead = read.died.is_some();
    for (key, ours) in [
        ("Waiting", time(&read.waiting)),
        ("Born", time(&read.born)),
        ("Ready", time(&read.ready)),
        ("CauseLife", time(&read.cause_life)),
        ("Died", time(&read.died)),
        ("Replaced", time(&read.replaced)),
        ("Message", read.message.clone()),
        ("Follows", read.follows.clone()),
        ("WaitingFor", read.waiting_for.clone()),
        ("Cause", read.cause.as_ref().map(ToString::to_string)),
        ("ExitCode", read.exit_code.map(|code| code.to_string())),
    ] {
        let theirs = match map.get(&Yaml::String(key.to_owned())) {
            Some(Yaml::String(theirs)) => theirs.clone(),
            Some(Yaml::Integer(code @ 0..=255)) if key == "ExitCode" => code.to_string(),
            _ => continue,
        };
        let Some(ours) = ours else {
            let refused = matches!(key, "Cause" | "ExitCode");
            assert!(dead || refused, "{key} is {theirs:?} and is not read");
            continue;
        };
        assert_eq!(ours, theirs, "{key} in {text:?}");
    }
}

/// Whether the line is a key with a plain value or one in quotes, as programs write it.
fn is_simple(line: &str) -> bool {
    let Some((key, value)) = line.split_once(": ") else {
        return false;
    };
    // YAML has no NUL character, and the other parser takes it for the end.
    if value.contains('\0') {
        return false;
    }
    let value = value.trim_matches(' ');
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let is_json = |inner: &str| {
        let mut escaped = false;
        inner.chars().all(|c| {
            let known = !escaped || "\"\\/bfnrtu".contains(c);
            let quote = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            known && !quote
        }) && !escaped
    };
    let is_simple_value = match (inner('"'), inner('\'')) {
        (Some(inner), _) => is_json(inner),
        (None, Some(inner)) => !inner.replace("''", "").contains('\''),
        (None, None) => {
            let starts = |c: char| c.is_alphanumeric();
            value.starts_with(starts)
                && !value.contains(": ")
                && !value.contains(" #")
                && !value.ends_with(':')
        }
    };
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphabetic()) && is_simple_value
}
