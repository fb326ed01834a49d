use super::*;
use crate::protocol::compose::compose;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::name::Name;
use std::time::UNIX_EPOCH;

const NOW: u64 = 1_000_000_000;

fn at(seconds: u64, nanos: u32) -> SystemTime {
    UNIX_EPOCH + Duration::new(seconds, nanos)
}

fn id(seconds: u64, nanos: u32) -> Timestamp {
    Timestamp::from_system_time(at(seconds, nanos))
}

fn life(text: &str, lock: LockState) -> Life {
    Life::judge(Tombstone::parse(text.as_bytes()), lock, WriteState::Settled)
}

/// The life with this id, which died with 3.
fn dead(id: &Timestamp) -> Life {
    let text = format!("Waiting: {}\nExitCode: 3\nDied: d\n", id.as_str());
    life(&text, LockState::Unknown)
}

fn cause(who: &str, life: u64) -> Cause {
    Cause {
        name: Name::new(who).unwrap(),
        life: Some(id(life, 0)),
    }
}

#[test]
fn each_life_has_a_later_id_than_the_one_before() {
    let after = |previous: &Timestamp| Lineage::after(Some(&dead(previous)), at(NOW, 5)).life;
    assert_eq!(Lineage::after(None, at(NOW, 5)).life, id(NOW, 5));
    assert_eq!(after(&id(NOW, 4)), id(NOW, 5));
    assert_eq!(after(&id(NOW, 5)), id(NOW, 6));
    // The clock was set back.
    assert_eq!(after(&id(NOW + 3600, 999_999_999)), id(NOW + 3601, 0));
    assert_eq!(after(&id(NOW + 86_400, 4)), id(NOW + 86_400, 5));
    // It was wrong, or the text is no time.
    assert_eq!(after(&id(NOW + 86_400, 5)), id(NOW, 5));
    assert_eq!(after(&Timestamp::from_text("9".to_owned())), id(NOW, 5));
    let empty = life("", LockState::Unknown);
    assert_eq!(Lineage::after(Some(&empty), at(NOW, 5)).life, id(NOW, 5));
}

#[test]
fn the_last_four_lives_are_remembered_with_how_they_ended() {
    let mut previous: Option<Life> = None;
    for now in 1..=6 {
        let lineage = Lineage::after(previous.as_ref(), at(now, 0));
        let known: Vec<u64> = (1..now).rev().take(4).collect();
        let ids: Vec<Timestamp> = lineage.past.iter().map(|past| past.life.clone()).collect();
        assert_eq!(ids, known.iter().map(|at| id(*at, 0)).collect::<Vec<_>>());
        previous = Some(life(&compose(&lineage.lines()), LockState::Released));
    }
    let past = Lineage::after(previous.as_ref(), at(7, 0)).past;
    assert!(past.iter().all(|past| past.exit_code.is_none()), "{past:?}");
    for (text, code) in [
        ("ExitCode: 3\nDied: d\nExitCode: 4\n", Some(3)),
        ("Died: d\n", Some(255)),
        ("Lock: none\n", None),
    ] {
        let text = format!("Waiting: w\n{text}");
        let past = Lineage::after(Some(&life(&text, LockState::Unknown)), at(1, 0)).past;
        assert_eq!(
            past.first().map(|past| past.exit_code),
            Some(code),
            "{text}"
        );
    }
    let foreign = life("anything\n", LockState::Unknown);
    assert!(Lineage::after(Some(&foreign), at(1, 0)).past.is_empty());
}

#[test]
fn a_remembered_life_is_as_dead_as_it_was() {
    let text = "Waiting: w\nLock: none\nCause: c\nCauseLife: 2026-11-20T21:29:27Z\nExitCode: 143\nDied: d\n";
    let last = life(text, LockState::Unknown);
    let past = Lineage::after(Some(&last), at(1, 0)).past;
    let remembered = past.first().map(PastLife::to_life).unwrap();
    assert_eq!(remembered.liveness, last.liveness);
    assert_eq!(remembered.tombstone.cause(), last.tombstone.cause());
    assert_eq!(remembered.tombstone.life(), last.tombstone.life());
    assert_eq!(remembered.tombstone.born, None);
    let born = life(
        "Waiting: w\nBorn: b\nExitCode: 1\nDied: d\n",
        LockState::Unknown,
    );
    let past = Lineage::after(Some(&born), at(1, 0)).past;
    assert!(
        past.first()
            .is_some_and(|past| past.to_life().tombstone.born.is_some())
    );
    let lost = life("Waiting: w\nLock: none\n", LockState::Released);
    let past = Lineage::after(Some(&lost), at(1, 0)).past;
    let remembered = past.first().map(PastLife::to_life).unwrap();
    assert_eq!(remembered.death(), Some(Death::Lost));
}

#[test]
fn the_latest_cause_of_each_name_is_kept() {
    let fell = |text: &str| {
        let text = format!("Waiting: w\n{text}");
        Lineage::after(Some(&life(&text, LockState::Unknown)), at(1, 0)).fell
    };
    let line = |causes: &[&Cause]| {
        let causes: Vec<Cause> = causes.iter().copied().cloned().collect();
        compose(&[Line::Fell(&causes)])
    };
    let (old, new) = (cause("c", 1), cause("c", 2));
    let stopped = |cause: &Cause| {
        let life = cause.life.as_ref().unwrap();
        compose(&[Line::Cause(&cause.name), Line::CauseLife(life)])
    };
    let other = cause("d", 1);
    let expect = |text: &str, expected: &[&Cause]| {
        let expected: Vec<Cause> = expected.iter().copied().cloned().collect();
        assert_eq!(fell(text), expected, "{text}");
    };
    expect(&line(&[&old, &other]), &[&old, &other]);
    expect(&(line(&[&other, &old]) + &stopped(&new)), &[&new, &other]);
    expect(&(line(&[&new]) + &stopped(&old)), &[&new]);
    // A cause without an id.
    expect("Cause: c\n", &[]);
    expect(&(line(&[&old]) + "Cause: c\n"), &[&old]);
}

#[test]
fn the_lists_are_bounded_and_lose_the_oldest_first() {
    let many: Vec<Cause> = (0..40).map(|at| cause(&format!("n{at}"), at)).collect();
    let text = format!("Waiting: w\n{}", compose(&[Line::Fell(&many)]));
    // The line itself is as long as any quoted text may be.
    let fell = Lineage::after(Some(&life(&text, LockState::Unknown)), at(1, 0)).fell;
    assert_eq!(fell, many[..FELL_CAUSES]);
    let long: Vec<Cause> = (0..4).map(|at| cause(&"x".repeat(240 + at), 1)).collect();
    let text = format!("Waiting: w\n{}", compose(&[Line::Fell(&long)]));
    let fell = Lineage::after(Some(&life(&text, LockState::Unknown)), at(1, 0)).fell;
    assert_eq!(fell, long[..2]);
}

#[test]
fn the_end_of_a_replaced_life_is_read_from_its_file_unless_another_file_took_its_place() {
    let old = id(NOW, 0);
    let next = Lineage::after(Some(&dead(&old)), at(NOW + 1, 0));
    let remembering = Tombstone::parse(compose(&next.lines()).as_bytes());
    let head = format!("Waiting: {}\nLock: none\n", old.as_str());
    let (died, replaced) = ("ExitCode: 0\nDied: d\n", "Replaced: r\n");
    for (records, by_past, without_past) in [
        (died.to_owned(), Some(0), Some(0)),
        (replaced.to_owned(), Some(3), None),
        // It is recorded twice, or not at all.
        (format!("{died}{replaced}"), Some(3), Some(0)),
        (format!("{replaced}{died}"), Some(3), Some(0)),
    ] {
        let held = life(&format!("{head}{records}"), LockState::Unknown);
        let end = |current: &Tombstone| current.end_of(Some(&old), Some(held.clone()));
        let code = |life: Life| life.death().and_then(Death::code);
        assert_eq!(end(&remembering).and_then(code), by_past, "{records:?}");
        let forgetful = Tombstone::default();
        assert_eq!(end(&forgetful).and_then(code), without_past, "{records:?}");
    }
    assert!(remembering.end_of(Some(&id(NOW, 1)), None).is_none());
}

#[test]
fn a_list_of_past_lives_says_nothing_new_about_the_life_that_was_seen_last() {
    let listed = |own: Timestamp, past: &[Timestamp]| {
        let past: Vec<PastLife> = past
            .iter()
            .filter_map(|id| PastLife::of(&dead(id)))
            .collect();
        let text = compose(&[Line::Waiting(&own), Line::Past(&past)]);
        Tombstone::parse(text.as_bytes())
    };
    let missed = |tombstone: &Tombstone, newest: Option<&Timestamp>, scan: Option<u64>| {
        let lives = tombstone.missed(newest, scan.map(|scan| at(scan, 0)));
        let ids = lives
            .iter()
            .filter_map(|life| life.tombstone.life().cloned());
        ids.collect::<Vec<_>>()
    };
    let wrong = id(NOW * 2, 0);
    let text = listed(id(NOW, 3), &[id(NOW, 2), id(NOW, 1), wrong.clone()]);
    let (first, second) = (id(NOW, 1), id(NOW, 2));
    assert_eq!(missed(&text, Some(&id(NOW, 3)), Some(1)), []);
    assert_eq!(missed(&text, Some(&second), Some(1)), []);
    assert_eq!(missed(&text, Some(&first), Some(1)), [id(NOW, 2)]);
    assert_eq!(
        missed(&text, Some(&wrong), Some(1)),
        [first.clone(), second.clone()]
    );
    assert_eq!(
        missed(&text, Some(&id(NOW, 0)), Some(1)),
        [first.clone(), second.clone()]
    );
    // Nothing was there at the first scan. A tombstone is published a little after its id was made.
    assert_eq!(missed(&text, None, Some(NOW + 4)), [first, second]);
    assert_eq!(missed(&text, None, Some(NOW + 6)), []);
    assert_eq!(missed(&text, None, None), []);
}

#[test]
fn a_name_with_a_comma_is_remembered_as_it_is() {
    for name in ["a, b", "a,", ", 1", "a,, b c"] {
        let text = format!("Waiting: \"{}\"\nCause: \"{name}\"\n", id(1, 0).as_str());
        let life_id = id(2, 0);
        let text = format!("{text}CauseLife: \"{}\"\nDied: d\n", life_id.as_str());
        let lineage = Lineage::after(Some(&life(&text, LockState::Unknown)), at(NOW, 0));
        let known = Cause {
            name: Name::from_file_name(name).unwrap(),
            life: Some(life_id),
        };
        let read = Tombstone::parse(compose(&lineage.lines()).as_bytes());
        assert_eq!(read.fell, std::slice::from_ref(&known));
        assert_eq!(read.past.len(), 1);
        assert_eq!(read.past[0].cause, Some(known));
    }
}

#[test]
fn an_id_that_a_list_cannot_hold_does_not_spoil_the_list() {
    let main = cause("main", 3);
    for hostile in ["x".repeat(2000), "1, 2".to_owned(), "a b".to_owned()] {
        let text = format!(
            "Lock: none\nWaiting: \"{hostile}\"\nFell: \"{main}\"\nCause: other\nCauseLife: \"{hostile}\"\nDied: d\n"
        );
        let lineage = Lineage::after(Some(&life(&text, LockState::Unknown)), at(NOW, 0));
        assert!(
            lineage.fell.contains(&main),
            "{hostile}: {:?}",
            lineage.fell
        );
        let read = Tombstone::parse(compose(&lineage.lines()).as_bytes());
        assert_eq!((read.fell, read.past), (lineage.fell, lineage.past));
    }
}

#[test]
fn a_list_of_hostile_length_is_read_in_part_and_an_item_without_room_is_left_out() {
    let many = "1970-01-01T00:00:01Z 0, ".repeat(200);
    let past = Tombstone::parse(format!("Lock: none\nPast: \"{many}\"\n").as_bytes()).past;
    assert_eq!(past.len(), 64);
    // Escapes of JSON make it longer than the list may be.
    let wide = Cause {
        name: Name::from_file_name(&"\u{1}".repeat(250)).unwrap(),
        life: Some(id(1, 0)),
    };
    let main = cause("main", 3);
    let kept = crate::protocol::past_life::fitting(vec![wide, main.clone()], FELL_LIMIT);
    assert_eq!(kept, [main]);
}

#[test]
fn an_id_in_the_far_future_ends_with_the_tombstone_that_has_it() {
    for forged in [
        "9999-12-31T23:59:59.999999999Z",
        "999999999-12-31T23:59:59Z",
        "2262-04-11T23:47:16.854775807Z",
    ] {
        let text = format!("Waiting: \"{forged}\"\nPast: \"{forged} 0 main {forged}\"\n");
        let forged = life(&text, LockState::Unknown);
        let lineage = Lineage::after(Some(&forged), at(NOW, 0));
        assert_eq!(lineage.life, id(NOW, 0));
        let next = life(&compose(&lineage.lines()), LockState::Unknown);
        // The real life is another one, and its end is seen.
        assert!(
            next.tombstone
                .missed(forged.tombstone.life(), Some(at(NOW, 0)))
                .is_empty()
        );
        let later = Lineage::after(Some(&next), at(NOW + 1, 0));
        let later = life(&compose(&later.lines()), LockState::Unknown);
        let missed = later
            .tombstone
            .missed(forged.tombstone.life(), Some(at(NOW, 0)));
        assert_eq!(missed.len(), 1, "{missed:?}");
        assert_eq!(missed[0].tombstone.life(), Some(&lineage.life));
    }
}
