use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::state::State;
use crate::protocol::tombstone::Tombstone;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A tombstone in short: `3` lives as life 3, `3+c` is going down for c, `3=1` died with 1,
/// `3+c=1` both, `3w` was not born, `3=?` died and the code is not there yet.
fn life(text: &str) -> Life {
    let (text, code) = text
        .split_once('=')
        .map_or((text, None), |(text, code)| (text, Some(code)));
    let (text, cause) = text
        .split_once('+')
        .map_or((text, None), |(text, cause)| (text, Some(cause)));
    let mut file = format!("Waiting: \"{}\"\nLock: none\n", text.trim_end_matches('w'));
    if !text.ends_with('w') {
        file.push_str("Born: \"b\"\nReady: \"r\"\n");
    }
    if let Some(cause) = cause {
        file.push_str(&format!("Cause: {cause}\n"));
    }
    match code {
        None => {}
        Some("?") => file.push_str("Died: \"d\"\n"),
        Some(code) => file.push_str(&format!("ExitCode: {code}\nDied: \"d\"\n")),
    }
    Life::judge(
        Tombstone::parse(file.as_bytes()),
        LockState::Unknown,
        WriteState::Ongoing,
    )
}

/// `x 3` is there; `x 3=1>4` was over and replaced; `x` is gone.
fn news(text: &str) -> Observation {
    let (who, what) = text.split_once(' ').unwrap_or((text, ""));
    let (ended, now) = what
        .split_once('>')
        .map_or((None, what), |(ended, now)| (Some(ended), now));
    Observation {
        name: name(who),
        ended: ended.map(life),
        current: if now.is_empty() {
            None
        } else {
            Some(life(now))
        },
    }
}

/// Each look of `me`, and the fate after it: `-`, or `CAUSE served`, `CAUSE needed`. Of `!x` nothing could be read.
fn check(deaths: &[&str], births: &[&str], looks: &[(&[&str], &str)]) {
    let parse = |texts: &[&str], default| -> Vec<Condition> {
        texts
            .iter()
            .map(|text| Condition::parse(text, default).unwrap())
            .collect()
    };
    let mut deps = DeathDeps::new(
        &parse(deaths, State::Died),
        &parse(births, State::Ready),
        Some(&name("me")),
    );
    for (at, (look, expected)) in looks.iter().enumerate() {
        let unread = look.iter().filter_map(|text| text.strip_prefix('!'));
        let unread: Vec<Name> = unread.map(name).collect();
        let read = look.iter().filter(|text| !text.starts_with('!'));
        let look: Vec<Observation> = read.map(|text| news(text)).collect();
        deps.observe(&look);
        deps.evaluate(&look, &unread);
        let found = deps.stop_cause().map_or("-".to_owned(), |fate| {
            format!(
                "{} {}",
                fate.cause,
                if fate.dependence == Dependence::Auxiliary {
                    "served"
                } else {
                    "needed"
                }
            )
        });
        assert_eq!(found, *expected, "{deaths:?}, {births:?}, look {at}");
    }
}

#[test]
fn a_death_counts_also_if_it_came_before_us_and_if_it_was_replaced_at_once() {
    check(&["x"], &[], &[(&["x 1=0"], "x served")]);
    check(&["x"], &[], &[(&["x 1"], "-"), (&["x 1=3"], "x needed")]);
    check(&["x"], &[], &[(&["x 1"], "-"), (&["x 1=3>2"], "x needed")]);
    check(
        &["x:failed"],
        &[],
        &[(&["x 1=0"], "-"), (&["x 2"], "-"), (&["x 2=1"], "x needed")],
    );
    check(
        &["x:ready"],
        &[],
        &[(&["x 1w"], "-"), (&["x 1"], "x served")],
    );
}

#[test]
fn what_could_not_be_read_when_we_began_is_old_all_the_same() {
    let both = |looks: &[(&[&str], &str)]| check(&["x"], &["x"], looks);
    both(&[(&["!x"], "-"), (&["x 1=1"], "-"), (&["x 2"], "-")]);
    both(&[(&["!x"], "-"), (&["!x"], "-"), (&["x 1=1"], "-")]);
    both(&[(&["!x"], "-"), (&["x 1=1"], "-"), (&["x 2=1"], "x needed")]);
    both(&[(&["!x"], "-"), (&["x 1"], "-"), (&["x 1=1"], "x needed")]);
    // One that was read, and whose next life is not, is another one afterwards.
    both(&[(&["x 1=1"], "-"), (&["!x"], "-"), (&["x 2=1"], "x needed")]);
}

#[test]
fn a_death_that_names_a_cause_never_counts_for_that_cause() {
    check(&["x"], &[], &[(&["x 1+me=143"], "-")]);
    check(
        &["x"],
        &[],
        &[
            (&["x 1"], "-"),
            (&["x 1+me"], "-"),
            (&["x 1+me=143"], "-"),
            (&["x 2"], "-"),
            (&["x 2=1"], "x needed"),
        ],
    );
    check(
        &["x"],
        &[],
        &[(&["x 1"], "-"), (&["x 1+me=143>2=1"], "x needed")],
    );
}

#[test]
fn a_cause_that_was_written_while_we_watched_is_inherited() {
    check(
        &["x"],
        &[],
        &[
            (&["x 1"], "-"),
            (&["x 1+c"], "-"),
            (&["x 1+c=143"], "c needed"),
        ],
    );
    check(
        &["x"],
        &[],
        &[
            (&["x 1", "c 1"], "-"),
            (&["x 1+c=143>2", "c 2"], "c needed"),
        ],
    );
}

#[test]
fn a_life_that_was_going_down_already_is_over_as_soon_as_its_cause_lives_again() {
    check(
        &["x"],
        &[],
        &[(&["x 1+c=143", "c 2"], "-"), (&["x 2", "c 2"], "-")],
    );
    check(&["x"], &[], &[(&["x 1+c=143", "c 1=1"], "c needed")]);
    check(
        &["x"],
        &[],
        &[
            (&["x 1+c", "c 1=1"], "-"),
            (&["c 2"], "-"),
            (&["x 1+c=143"], "-"),
            (&["x 2"], "-"),
            (&["x 2=1"], "x needed"),
        ],
    );
    check(
        &["x"],
        &[],
        &[
            (&["x 1+c", "c 2"], "-"),
            (&["c 2=1"], "-"),
            (&["x 1+c=143"], "-"),
        ],
    );
    check(
        &["x"],
        &[],
        &[(&["x 1+c", "c 1=1"], "-"), (&["x 1+c=143"], "c needed")],
    );
}

#[test]
fn the_causes_of_what_was_struck_before_us_are_to_be_followed() {
    let mut deps = DeathDeps::new(&[Condition::parse("x", State::Died).unwrap()], &[], None);
    deps.observe(&[news("x 1+c=143")]);
    assert_eq!(deps.causes().map(Name::as_str).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_birth_dependency_is_expected_to_come_back_and_then_its_death_is_a_need() {
    check(
        &["x"],
        &["x"],
        &[
            (&["x 1=1"], "-"),
            (&["x 1=1"], "-"),
            (&["x 2w"], "-"),
            (&["x 2"], "-"),
            (&["x 2=0"], "x needed"),
        ],
    );
    check(
        &["x"],
        &["x"],
        &[
            (&["x 1=1"], "-"),
            (&["x 2w=125"], "-"),
            (&["x 3=0"], "x needed"),
        ],
    );
    check(
        &["x"],
        &["x"],
        &[
            (&["x"], "-"),
            (&["x 1w=125"], "-"),
            (&["x 2"], "-"),
            (&["x 2=1"], "x needed"),
        ],
    );
    check(
        &["x:failed"],
        &["x"],
        &[(&["x 1"], "-"), (&["x 1=1>2"], "x needed")],
    );
}

#[test]
fn names_are_compared_not_conditions() {
    check(
        &["x:failed"],
        &["x:born"],
        &[(&["x 1=1"], "-"), (&["x 2"], "-"), (&["x 2=1"], "x needed")],
    );
    check(&["x", "y"], &["x"], &[(&["x 1=1", "y 1=0"], "y served")]);
    check(
        &[":died"],
        &[":ready"],
        &[(&["x 1"], "-"), (&["x 1=0"], "x needed")],
    );
    check(
        &[":died"],
        &[":ready"],
        &[(&["x 1=0"], "-"), (&["x 2"], "-"), (&["x 2=0"], "x needed")],
    );
    check(&["x"], &[":ready"], &[(&["x 1=0"], "x served")]);
}

#[test]
fn of_several_that_hold_at_once_the_first_in_the_order_of_the_options_decides() {
    check(&["x", "y"], &[], &[(&["y 1=0", "x 1=1"], "x needed")]);
    check(&["y", "x"], &[], &[(&["y 1=0", "x 1=1"], "y served")]);
}

#[test]
fn a_death_whose_code_is_not_there_yet_is_waited_for() {
    check(&["x"], &[], &[(&["x 1=?"], "-"), (&["x 1=0"], "x served")]);
}

#[test]
fn anybody_means_anybody_and_the_rules_for_causes_hold_for_each() {
    check(
        &[":failed"],
        &[],
        &[(&["x 1=0", "y 1"], "-"), (&["y 1=1"], "y needed")],
    );
    check(
        &[":died"],
        &[],
        &[(&["x 1+me=143"], "-"), (&["z 1=0"], "z served")],
    );
}
