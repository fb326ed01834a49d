use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::state::State;
use crate::protocol::tombstone::Tombstone;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A tombstone in short: `3` is alive and its life is 3, `3+c` is being stopped for c, `3=1` died
/// with code 1, `3+c=1` both, `3w` was not born, `3=?` died and its code is not known yet.
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

/// `x 3`: x has the tombstone 3. `x 3=1>4`: 3=1 was replaced by 4. `x`: there is none.
fn observation(text: &str) -> Observation {
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

/// What `me` finds in each scan, and the stop cause after it: `-`, or `CAUSE auxiliary`, or
/// `CAUSE required`. `!x` could not be read.
fn check(deaths: &[&str], births: &[&str], scans: &[(&[&str], &str)]) {
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
    for (at, (scan, expected)) in scans.iter().enumerate() {
        let unread = scan.iter().filter_map(|text| text.strip_prefix('!'));
        let unread: Vec<Name> = unread.map(name).collect();
        let read = scan.iter().filter(|text| !text.starts_with('!'));
        let observations: Vec<Observation> = read.map(|text| observation(text)).collect();
        deps.observe(&observations);
        deps.evaluate(&observations, &unread);
        let found = deps.stop_cause().map_or("-".to_owned(), |cause| {
            format!(
                "{} {}",
                cause.cause,
                if cause.dependence == Dependence::Auxiliary {
                    "auxiliary"
                } else {
                    "required"
                }
            )
        });
        assert_eq!(found, *expected, "{deaths:?}, {births:?}, scan {at}");
    }
}

#[test]
fn a_death_counts_even_if_it_was_there_before_or_was_replaced_at_once() {
    check(&["x"], &[], &[(&["x 1=0"], "x auxiliary")]);
    check(&["x"], &[], &[(&["x 1"], "-"), (&["x 1=3"], "x required")]);
    check(
        &["x"],
        &[],
        &[(&["x 1"], "-"), (&["x 1=3>2"], "x required")],
    );
    check(
        &["x:failed"],
        &[],
        &[
            (&["x 1=0"], "-"),
            (&["x 2"], "-"),
            (&["x 2=1"], "x required"),
        ],
    );
    check(
        &["x:ready"],
        &[],
        &[(&["x 1w"], "-"), (&["x 1"], "x auxiliary")],
    );
}

#[test]
fn the_first_successful_read_of_an_unreadable_name_is_its_initial_state() {
    let both = |scans: &[(&[&str], &str)]| check(&["x"], &["x"], scans);
    both(&[(&["!x"], "-"), (&["x 1=1"], "-"), (&["x 2"], "-")]);
    both(&[(&["!x"], "-"), (&["!x"], "-"), (&["x 1=1"], "-")]);
    both(&[
        (&["!x"], "-"),
        (&["x 1=1"], "-"),
        (&["x 2=1"], "x required"),
    ]);
    both(&[(&["!x"], "-"), (&["x 1"], "-"), (&["x 1=1"], "x required")]);
    // x was read at the first scan, so the life after the failed read is a new one.
    both(&[
        (&["x 1=1"], "-"),
        (&["!x"], "-"),
        (&["x 2=1"], "x required"),
    ]);
}

#[test]
fn a_death_never_counts_for_the_life_that_it_names_as_its_cause() {
    check(&["x"], &[], &[(&["x 1+me=143"], "-")]);
    check(
        &["x"],
        &[],
        &[
            (&["x 1"], "-"),
            (&["x 1+me"], "-"),
            (&["x 1+me=143"], "-"),
            (&["x 2"], "-"),
            (&["x 2=1"], "x required"),
        ],
    );
    check(
        &["x"],
        &[],
        &[(&["x 1"], "-"), (&["x 1+me=143>2=1"], "x required")],
    );
}

#[test]
fn a_cause_recorded_during_the_watch_is_passed_on() {
    check(
        &["x"],
        &[],
        &[
            (&["x 1"], "-"),
            (&["x 1+c"], "-"),
            (&["x 1+c=143"], "c required"),
        ],
    );
    check(
        &["x"],
        &[],
        &[
            (&["x 1", "c 1"], "-"),
            (&["x 1+c=143>2", "c 2"], "c required"),
        ],
    );
}

#[test]
fn a_death_with_an_initial_cause_no_longer_counts_once_the_cause_lives_again() {
    check(
        &["x"],
        &[],
        &[(&["x 1+c=143", "c 2"], "-"), (&["x 2", "c 2"], "-")],
    );
    check(&["x"], &[], &[(&["x 1+c=143", "c 1=1"], "c required")]);
    check(
        &["x"],
        &[],
        &[
            (&["x 1+c", "c 1=1"], "-"),
            (&["c 2"], "-"),
            (&["x 1+c=143"], "-"),
            (&["x 2"], "-"),
            (&["x 2=1"], "x required"),
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
        &[(&["x 1+c", "c 1=1"], "-"), (&["x 1+c=143"], "c required")],
    );
}

#[test]
fn causes_that_were_there_at_the_first_scan_are_watched() {
    let mut deps = DeathDeps::new(&[Condition::parse("x", State::Died).unwrap()], &[], None);
    deps.observe(&[observation("x 1+c=143")]);
    assert_eq!(deps.causes().map(Name::as_str).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_birth_dependencys_death_counts_only_after_it_was_born_and_is_required() {
    check(
        &["x"],
        &["x"],
        &[
            (&["x 1=1"], "-"),
            (&["x 1=1"], "-"),
            (&["x 2w"], "-"),
            (&["x 2"], "-"),
            (&["x 2=0"], "x required"),
        ],
    );
    check(
        &["x"],
        &["x"],
        &[
            (&["x 1=1"], "-"),
            (&["x 2w=125"], "-"),
            (&["x 3=0"], "x required"),
        ],
    );
    check(
        &["x"],
        &["x"],
        &[
            (&["x"], "-"),
            (&["x 1w=125"], "-"),
            (&["x 2"], "-"),
            (&["x 2=1"], "x required"),
        ],
    );
    check(
        &["x:failed"],
        &["x"],
        &[(&["x 1"], "-"), (&["x 1=1>2"], "x required")],
    );
}

#[test]
fn birth_and_death_dependencies_are_matched_by_name_and_not_by_state() {
    check(
        &["x:failed"],
        &["x:born"],
        &[
            (&["x 1=1"], "-"),
            (&["x 2"], "-"),
            (&["x 2=1"], "x required"),
        ],
    );
    check(&["x", "y"], &["x"], &[(&["x 1=1", "y 1=0"], "y auxiliary")]);
    check(
        &[":died"],
        &[":ready"],
        &[(&["x 1"], "-"), (&["x 1=0"], "x required")],
    );
    check(
        &[":died"],
        &[":ready"],
        &[
            (&["x 1=0"], "-"),
            (&["x 2"], "-"),
            (&["x 2=0"], "x required"),
        ],
    );
    check(&["x"], &[":ready"], &[(&["x 1=0"], "x auxiliary")]);
}

#[test]
fn of_several_that_hold_the_first_in_the_order_of_the_options_decides() {
    check(&["x", "y"], &[], &[(&["y 1=0", "x 1=1"], "x required")]);
    check(&["y", "x"], &[], &[(&["y 1=0", "x 1=1"], "y auxiliary")]);
}

#[test]
fn a_death_counts_only_once_its_code_is_known() {
    check(
        &["x"],
        &[],
        &[(&["x 1=?"], "-"), (&["x 1=0"], "x auxiliary")],
    );
}

#[test]
fn a_condition_without_a_name_covers_every_name_by_the_same_rules() {
    check(
        &[":failed"],
        &[],
        &[(&["x 1=0", "y 1"], "-"), (&["y 1=1"], "y required")],
    );
    check(
        &[":died"],
        &[],
        &[(&["x 1+me=143"], "-"), (&["z 1=0"], "z auxiliary")],
    );
}
