use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::state::State;
use crate::protocol::tombstone::Tombstone;

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

fn now(who: &str, word: &str) -> Observation {
    Observation {
        name: name(who),
        ended: None,
        current: Some(life(word)),
    }
}

/// A look that found one life over and another in its place.
fn next(who: &str, ended: &str, word: &str) -> Observation {
    Observation {
        name: name(who),
        ended: Some(life(ended)),
        current: Some(life(word)),
    }
}

fn ballot(conditions: &[&str], terms: Terms) -> Evaluator {
    let conditions: Vec<Condition> = conditions
        .iter()
        .map(|text| Condition::parse(text, State::Died).unwrap())
        .collect();
    Evaluator::new(&conditions, terms, Some(&name("me")))
}

/// `?`, `no`, or the deciders.
fn verdict(ballot: &Evaluator) -> String {
    match ballot.verdict() {
        Verdict::Open => "?".to_owned(),
        Verdict::Impossible => "no".to_owned(),
        Verdict::Holds(deciders) => deciders
            .iter()
            .map(|decider| decider.name.to_string())
            .collect::<Vec<_>>()
            .join(","),
    }
}

/// Each look's news, and the verdict after it.
fn check(conditions: &[&str], terms: Terms, looks: &[(Vec<Observation>, &str)]) {
    let mut ballot = ballot(conditions, terms);
    for (at, (news, expected)) in looks.iter().enumerate() {
        ballot.observe(news);
        assert_eq!(verdict(&ballot), *expected, "{conditions:?}, look {at}");
    }
}

#[test]
fn a_condition_holds_as_soon_as_a_look_shows_it() {
    check(
        &["a"],
        ALL,
        &[(vec![now("a", "ready")], "?"), (vec![now("a", "0")], "a")],
    );
    check(&["a"], ALL, &[(vec![now("a", "1")], "a")]);
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![now("a", "waiting")], "?"),
            (vec![now("a", "born")], "?"),
            (vec![now("a", "ready")], "a"),
        ],
    );
    check(&["a:born"], ALL, &[(vec![now("a", "ready")], "a")]);
}

#[test]
fn a_death_that_was_replaced_at_once_is_heard_and_stays_heard() {
    check(
        &["a"],
        ALL,
        &[
            (vec![now("a", "ready")], "?"),
            (vec![next("a", "0", "ready")], "a"),
            (vec![now("a", "ready")], "a"),
        ],
    );
    check(
        &["a", "b"],
        ALL,
        &[
            (vec![next("a", "0", "ready")], "?"),
            (vec![now("a", "ready"), now("b", "1")], "a,b"),
        ],
    );
}

#[test]
fn what_the_living_are_is_judged_at_the_present_moment() {
    check(
        &["a:ready", "b:ready"],
        ALL,
        &[
            (vec![now("a", "ready"), now("b", "waiting")], "?"),
            (vec![now("a", "born")], "?"),
            (vec![now("b", "ready")], "?"),
            (vec![now("a", "ready")], "a,b"),
        ],
    );
}

#[test]
fn another_end_than_the_one_that_is_waited_for_makes_it_impossible() {
    for (condition, other) in [
        ("a:ok", "1"),
        ("a:failed", "0"),
        ("a:exit=3", "4"),
        ("a:lost", "0"),
    ] {
        check(&[condition], ALL, &[(vec![now("a", other)], "no")]);
        check(
            &[condition],
            ALL,
            &[
                (vec![now("a", "ready")], "?"),
                (vec![next("a", other, "waiting")], "no"),
            ],
        );
        let patient = Terms {
            keep_waiting: true,
            ..ALL
        };
        check(&[condition], patient, &[(vec![now("a", other)], "?")]);
    }
}

#[test]
fn an_older_corpse_may_come_back_but_one_that_dies_while_we_wait_does_not() {
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![now("a", "1")], "?"),
            (vec![now("a", "waiting")], "?"),
            (vec![now("a", "ready")], "a"),
        ],
    );
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![now("a", "waiting")], "?"),
            (vec![now("a", "1")], "no"),
        ],
    );
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![now("a", "waiting")], "?"),
            (vec![next("a", "1", "waiting")], "no"),
        ],
    );
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![now("a", "waiting")], "?"),
            (vec![next("a", "1", "ready")], "a"),
            (vec![now("a", "born")], "?"),
        ],
    );
    let patient = Terms {
        keep_waiting: true,
        ..ALL
    };
    check(
        &["a:ready"],
        patient,
        &[
            (vec![now("a", "waiting")], "?"),
            (vec![now("a", "1")], "?"),
            (vec![now("a", "ready")], "a"),
        ],
    );
}

#[test]
fn a_life_that_came_and_went_between_two_looks_died_while_we_waited() {
    let nobody = |who| Observation {
        name: name(who),
        ended: None,
        current: None,
    };
    check(
        &["a:ready"],
        ALL,
        &[(vec![nobody("a")], "?"), (vec![now("a", "1")], "no")],
    );
    check(
        &["a:ready"],
        ALL,
        &[
            (vec![now("a", "pending")], "?"),
            (vec![now("a", "pending")], "?"),
            (vec![now("a", "1")], "no"),
        ],
    );
}

#[test]
fn one_self_is_not_anybody_but_can_be_named() {
    check(
        &[":ok"],
        ALL,
        &[(vec![now("me", "0")], "?"), (vec![now("a", "0")], "a")],
    );
    check(&["me:ok"], ALL, &[(vec![now("me", "0")], "me")]);
}

#[test]
fn anybody_is_never_impossible() {
    check(
        &[":ok"],
        ALL,
        &[(vec![now("a", "1")], "?"), (vec![now("b", "0")], "b")],
    );
    check(
        &[":ready"],
        ALL,
        &[
            (vec![now("a", "ready")], "a"),
            (vec![now("a", "1")], "?"),
            (vec![now("b", "ready")], "b"),
        ],
    );
    check(
        &[":ready", "c:ready"],
        ALL,
        &[
            (vec![now("a", "ready"), now("b", "ready")], "?"),
            (vec![now("b", "1")], "?"),
            (vec![now("c", "ready")], "a,c"),
        ],
    );
}

#[test]
fn of_any_the_first_decides_and_all_must_be_impossible() {
    let any = Terms {
        mode: Mode::Any,
        ..ALL
    };
    check(
        &["a", "b"],
        any,
        &[
            (vec![now("a", "ready")], "?"),
            (vec![now("b", "0")], "b"),
            (vec![now("a", "0")], "b"),
        ],
    );
    check(
        &["b", "a"],
        any,
        &[(vec![now("a", "0"), now("b", "0")], "b")],
    );
    check(
        &["a:ok", "b:ok"],
        any,
        &[(vec![now("a", "1")], "?"), (vec![now("b", "1")], "no")],
    );
}

#[test]
fn the_last_decider_is_the_one_that_came_last_and_at_one_look_the_last_in_order() {
    let mut at_once = ballot(&["b", "a"], ALL);
    at_once.observe(&[now("a", "1"), now("b", "2")]);
    let mut later = ballot(&["b", "a"], ALL);
    later.observe(&[now("a", "1")]);
    later.observe(&[now("b", "2")]);
    for (ballot, code) in [(at_once, 1), (later, 2)] {
        let Verdict::Holds(deciders) = ballot.verdict() else {
            panic!("does not hold")
        };
        assert_eq!(Match::last(&deciders).unwrap().exit_code(), code);
    }
}

#[test]
fn whoever_needs_the_code_waits_for_it() {
    check(&["a"], ALL, &[(vec![now("a", "pending")], "a")]);
    check(
        &["a"],
        Terms {
            need_code: true,
            ..ALL
        },
        &[(vec![now("a", "pending")], "?"), (vec![now("a", "0")], "a")],
    );
    check(
        &["a:ok"],
        ALL,
        &[(vec![now("a", "pending")], "?"), (vec![now("a", "0")], "a")],
    );
}

#[test]
fn the_explanation_says_what_does_not_hold_and_what_is_there_instead() {
    let mut ballot = ballot(&["db:ready", "main:ok", "x", ":inactive"], ALL);
    ballot.observe(&[now("db", "waiting"), now("main", "3")]);
    assert_eq!(
        ballot.explain(),
        "db:ready does not hold (db is waiting), main:ok does not hold (main died with exit code 3), \
         x:died does not hold (there is no x), \
         :inactive does not hold (db is waiting, main died with exit code 3)"
    );
}
