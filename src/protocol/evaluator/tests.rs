use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::state::State;
use crate::protocol::tombstone::Tombstone;

mod failure;
mod groups;

const ALL: Terms = Terms {
    mode: Mode::All,
    keep_waiting: false,
    need_code: false,
};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn life(word: &str) -> Life {
    let ours = "Waiting: \"w\"\nLock: none\n";
    let text = match word {
        "waiting" => ours.to_owned(),
        "born" => format!("{ours}Born: \"b\"\n"),
        "ready" => format!("{ours}Born: \"b\"\nReady: \"r\"\n"),
        "pending" => "Born: \"b\"\nDied: \"d\"\n".to_owned(),
        code => format!("{ours}ExitCode: {code}\nDied: \"d\"\n"),
    };
    Life::judge(
        Tombstone::parse(text.as_bytes()),
        LockState::Unknown,
        WriteState::Ongoing,
    )
}

fn current(who: &str, word: &str) -> Observation {
    Observation {
        name: name(who),
        ended: Vec::new(),
        current: Some(life(word)),
    }
}

/// One life has ended and another is in its place.
fn replaced(who: &str, ended: &str, word: &str) -> Observation {
    Observation {
        name: name(who),
        ended: vec![life(ended)],
        current: Some(life(word)),
    }
}

fn evaluator(conditions: &[&str], terms: Terms) -> Evaluator {
    let items: Vec<Item> = conditions
        .iter()
        .map(|text| Item::parse(text, State::Died).unwrap())
        .collect();
    Evaluator::new(&items, terms, Some(&name("me")))
}

/// `?`, `no`, or the names of the matches.
fn verdict(evaluator: &Evaluator) -> String {
    match evaluator.verdict() {
        Verdict::Open => "?".to_owned(),
        Verdict::Impossible => "no".to_owned(),
        Verdict::Holds(matches) => matches
            .iter()
            .map(|matched| matched.name.to_string())
            .collect::<Vec<_>>()
            .join(","),
    }
}

/// What each scan finds, and the verdict after it.
fn check(conditions: &[&str], terms: Terms, scans: &[(Vec<Observation>, &str)]) {
    let mut evaluator = evaluator(conditions, terms);
    for (at, (observations, expected)) in scans.iter().enumerate() {
        evaluator.observe(observations);
        assert_eq!(verdict(&evaluator), *expected, "{conditions:?}, scan {at}");
    }
}

#[test]
fn a_condition_holds_as_soon_as_a_scan_shows_it() {
    check(
        &["a"],
        ALL,
        &[
            (vec![current("a", "ready")], "?"),
            (vec![current("a", "0")], "a"),
        ],
    );
    check(&["a"], ALL, &[(vec![current("a", "1")], "a")]);
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![current("a", "waiting")], "?"),
            (vec![current("a", "born")], "?"),
            (vec![current("a", "ready")], "a"),
        ],
    );
    check(&["a:born"], ALL, &[(vec![current("a", "ready")], "a")]);
}

#[test]
fn a_death_that_was_replaced_at_once_satisfies_its_condition_for_good() {
    check(
        &["a"],
        ALL,
        &[
            (vec![current("a", "ready")], "?"),
            (vec![replaced("a", "0", "ready")], "a"),
            (vec![current("a", "ready")], "a"),
        ],
    );
    check(
        &["a", "b"],
        ALL,
        &[
            (vec![replaced("a", "0", "ready")], "?"),
            (vec![current("a", "ready"), current("b", "1")], "a,b"),
        ],
    );
}

#[test]
fn states_of_the_living_must_hold_at_the_same_time() {
    check(
        &["a:ready", "b:ready"],
        ALL,
        &[
            (vec![current("a", "ready"), current("b", "waiting")], "?"),
            (vec![current("a", "born")], "?"),
            (vec![current("b", "ready")], "?"),
            (vec![current("a", "ready")], "a,b"),
        ],
    );
}

#[test]
fn another_end_than_the_one_asked_for_makes_a_condition_impossible() {
    for (condition, other) in [
        ("a:ok", "1"),
        ("a:failed", "0"),
        ("a:exit=3", "4"),
        ("a:lost", "0"),
    ] {
        check(&[condition], ALL, &[(vec![current("a", other)], "no")]);
        check(
            &[condition],
            ALL,
            &[
                (vec![current("a", "ready")], "?"),
                (vec![replaced("a", other, "waiting")], "no"),
            ],
        );
        let keep_waiting = Terms {
            keep_waiting: true,
            ..ALL
        };
        check(
            &[condition],
            keep_waiting,
            &[(vec![current("a", other)], "?")],
        );
    }
}

#[test]
fn a_name_dead_at_the_first_scan_may_start_again_but_one_that_dies_later_may_not() {
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![current("a", "1")], "?"),
            (vec![current("a", "waiting")], "?"),
            (vec![current("a", "ready")], "a"),
        ],
    );
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![current("a", "waiting")], "?"),
            (vec![current("a", "1")], "no"),
        ],
    );
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![current("a", "waiting")], "?"),
            (vec![replaced("a", "1", "waiting")], "no"),
        ],
    );
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![current("a", "waiting")], "?"),
            (vec![replaced("a", "1", "ready")], "a"),
            (vec![current("a", "born")], "?"),
        ],
    );
    let keep_waiting = Terms {
        keep_waiting: true,
        ..ALL
    };
    check(
        &["a:ready"],
        keep_waiting,
        &[
            (vec![current("a", "waiting")], "?"),
            (vec![current("a", "1")], "?"),
            (vec![current("a", "ready")], "a"),
        ],
    );
}

#[test]
fn a_life_that_began_and_ended_between_two_scans_died_during_the_wait() {
    let missing = |who| Observation {
        name: name(who),
        ended: Vec::new(),
        current: None,
    };
    check(
        &["a:ready"],
        ALL,
        &[(vec![missing("a")], "?"), (vec![current("a", "1")], "no")],
    );
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![current("a", "pending")], "?"),
            (vec![current("a", "pending")], "?"),
            (vec![current("a", "1")], "no"),
        ],
    );
}

#[test]
fn a_condition_without_a_name_does_not_cover_the_own_name() {
    check(
        &[":ok"],
        ALL,
        &[
            (vec![current("me", "0")], "?"),
            (vec![current("a", "0")], "a"),
        ],
    );
    check(&["me:ok"], ALL, &[(vec![current("me", "0")], "me")]);
    // Nor does it take the place of a match that no longer holds.
    check(
        &[":ready", "me:ready"],
        ALL,
        &[
            (vec![current("me", "ready"), current("a", "ready")], "a,me"),
            (vec![current("a", "1")], "?"),
        ],
    );
}

#[test]
fn another_life_takes_the_place_of_a_match_that_was_lost() {
    let three = |words: [&str; 3]| {
        let names = ["a", "b", "c"].into_iter();
        names
            .zip(words)
            .map(|(who, word)| current(who, word))
            .collect()
    };
    check(
        &[":ready"],
        ALL,
        &[
            (three(["ready", "ready", "ready"]), "a"),
            (vec![current("a", "born")], "b"),
            (three(["born", "born", "ready"]), "c"),
            (three(["born", "ready", "born"]), "b"),
            (three(["born", "born", "born"]), "?"),
            (three(["born", "born", "ready"]), "c"),
        ],
    );
}

#[test]
fn a_condition_without_a_name_is_never_impossible() {
    check(
        &[":ok"],
        ALL,
        &[
            (vec![current("a", "1")], "?"),
            (vec![current("b", "0")], "b"),
        ],
    );
    check(
        &[":ready"],
        ALL,
        &[
            (vec![current("a", "ready")], "a"),
            (vec![current("a", "1")], "?"),
            (vec![current("b", "ready")], "b"),
        ],
    );
    check(
        &[":ready", "c:ready"],
        ALL,
        &[
            (vec![current("a", "ready"), current("b", "ready")], "?"),
            (vec![current("b", "1")], "?"),
            (vec![current("c", "ready")], "a,c"),
        ],
    );
}

#[test]
fn with_any_the_first_match_decides_and_only_all_conditions_together_are_impossible() {
    let any = Terms {
        mode: Mode::Any,
        ..ALL
    };
    check(
        &["a", "b"],
        any,
        &[
            (vec![current("a", "ready")], "?"),
            (vec![current("b", "0")], "b"),
            (vec![current("a", "0")], "b"),
        ],
    );
    check(
        &["b", "a"],
        any,
        &[(vec![current("a", "0"), current("b", "0")], "b")],
    );
    check(
        &["a:ok", "b:ok"],
        any,
        &[
            (vec![current("a", "1")], "?"),
            (vec![current("b", "1")], "no"),
        ],
    );
}

#[test]
fn the_last_match_is_the_latest_and_within_one_scan_the_last_in_order() {
    let mut at_once = evaluator(&["b", "a"], ALL);
    at_once.observe(&[current("a", "1"), current("b", "2")]);
    let mut later = evaluator(&["b", "a"], ALL);
    later.observe(&[current("a", "1")]);
    later.observe(&[current("b", "2")]);
    for (evaluator, code) in [(at_once, 1), (later, 2)] {
        let Verdict::Holds(matches) = evaluator.verdict() else {
            panic!("does not hold")
        };
        assert_eq!(Match::last(&matches).unwrap().exit_code(), code);
    }
}

#[test]
fn a_wait_that_needs_the_code_waits_for_it() {
    check(&["a"], ALL, &[(vec![current("a", "pending")], "a")]);
    check(
        &["a"],
        Terms {
            need_code: true,
            ..ALL
        },
        &[
            (vec![current("a", "pending")], "?"),
            (vec![current("a", "0")], "a"),
        ],
    );
    check(
        &["a:ok"],
        ALL,
        &[
            (vec![current("a", "pending")], "?"),
            (vec![current("a", "0")], "a"),
        ],
    );
}

#[test]
fn an_explanation_names_the_unmet_conditions_and_the_present_states() {
    let mut evaluator = evaluator(&["db:ready", "main:ok", "x", ":inactive"], ALL);
    evaluator.observe(&[current("db", "waiting"), current("main", "3")]);
    assert_eq!(
        evaluator.explain(&|_| String::new()),
        "db:ready does not hold (db is waiting), main:ok does not hold (main died with exit code 3), \
         x:died does not hold (there is no x), \
         :inactive does not hold (db is waiting, main died with exit code 3)"
    );
}
