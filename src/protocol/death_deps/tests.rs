use super::*;
use crate::protocol::life::{LockState, WriteState};
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Tombstone;

mod groups;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The id that a digit stands for.
fn id(digit: &str) -> String {
    format!("2026-11-20T21:29:0{digit}Z")
}

/// `c` without an id, or `c@2`: c's life 2.
fn cause(text: &str) -> Cause {
    let (who, life) = text.split_once('@').unwrap_or((text, ""));
    Cause {
        name: Name::from_cause(who).unwrap(),
        life: (!life.is_empty()).then(|| Timestamp::from_text(id(life))),
    }
}

/// A tombstone in short: `3` is alive and its life is 3, `3+c` is being stopped for c, `3+c@2` for
/// c's life 2, `3=1` died with code 1, `3+c=1` both, `3w` was not born, `3=?` died and its code is
/// not known yet.
fn life(text: &str) -> Life {
    let (text, code) = text
        .split_once('=')
        .map_or((text, None), |(text, code)| (text, Some(code)));
    let (text, stopped_for) = text
        .split_once('+')
        .map_or((text, None), |(text, word)| (text, Some(cause(word))));
    let waiting = id(text.trim_end_matches('w'));
    let mut file = format!("Waiting: \"{waiting}\"\nLock: none\n");
    if !text.ends_with('w') {
        file.push_str("Born: \"b\"\nReady: \"r\"\n");
    }
    if let Some(cause) = stopped_for {
        file.push_str(&format!("Cause: {}\n", cause.name.as_str()));
        let life = cause.life.iter().map(Timestamp::as_str);
        file.extend(life.map(|life| format!("CauseLife: {life}\n")));
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

/// `x 3`: x has the tombstone 3. `x 2=1>3=1>4`: 2=1 and then 3=1 were replaced. `x`: there is none.
fn observation(text: &str) -> Observation {
    let (who, what) = text.split_once(' ').unwrap_or((text, ""));
    let mut lives: Vec<Life> = what
        .split('>')
        .filter(|life| !life.is_empty())
        .map(life)
        .collect();
    let current = lives.pop();
    Observation {
        name: name(who),
        ended: lives,
        current,
    }
}

/// The inverse of [`cause`].
fn short(cause: &Cause, with_id: bool) -> String {
    let id = cause.life.as_ref().filter(|_| with_id);
    let digit = id.and_then(|id| id.as_str().trim_end_matches('Z').chars().next_back());
    let at = digit.map(|digit| format!("@{digit}")).unwrap_or_default();
    format!("{}{at}", cause.name.as_str())
}

/// What `me` finds in each scan, and the stop cause after it: `-`, or `CAUSE auxiliary`, or
/// `CAUSE required`, where CAUSE may leave out the id. `!x` could not be read, the source of
/// `#tcp:1@2` is dead since 2.
fn check(deaths: &[&str], births: &[&str], scans: &[(&[&str], &str)]) {
    check_after(&[], deaths, births, scans);
}

/// The same for a life whose name has fallen for these causes. One with a `!` is still dead.
fn check_after(fell: &[&str], deaths: &[&str], births: &[&str], scans: &[(&[&str], &str)]) {
    let still_dead = fell.iter().filter_map(|text| text.strip_prefix('!'));
    let still_dead: Vec<Cause> = still_dead.map(cause).collect();
    let fell: Vec<Cause> = fell
        .iter()
        .map(|text| cause(text.trim_start_matches('!')))
        .collect();
    let parse = |texts: &[&str], default| -> Vec<Item> {
        texts
            .iter()
            .map(|text| Item::parse(text, default).unwrap())
            .collect()
    };
    let mut deps = DeathDeps::new(
        &parse(deaths, State::Died),
        &parse(births, State::Ready),
        Some(&name("me")),
        &fell,
    );
    for (at, (scan, expected)) in scans.iter().enumerate() {
        let unread = scan.iter().filter_map(|text| text.strip_prefix('!'));
        let unread: Vec<Name> = unread.map(name).collect();
        let is_observation = |text: &&&str| !text.starts_with(['!', '#']);
        let read = scan.iter().filter(is_observation);
        let observations: Vec<Observation> = read.map(|text| observation(text)).collect();
        let dead = scan.iter().filter_map(|text| text.strip_prefix('#'));
        let dead: Vec<Cause> = dead.map(cause).collect();
        let source_death = |source: &Source| {
            let found = dead.iter().find(|it| it.name.as_str() == source.as_str())?;
            Some(SourceDeath {
                at: found.life.clone()?,
                why: "refused".to_owned(),
            })
        };
        let is_still_dead = |cause: &Cause| still_dead.contains(cause);
        deps.observe(&observations, &unread, &is_still_dead, &source_death);
        let found = deps.stop_cause().map_or("-".to_owned(), |cause| {
            format!(
                "{} {}",
                short(&cause.cause, expected.contains('@')),
                match cause.dependence {
                    Dependence::Auxiliary => "auxiliary",
                    Dependence::Unnamed => "unnamed",
                    Dependence::Required => "required",
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
fn a_death_for_which_an_earlier_life_has_ended_does_not_count_again() {
    let scans = |fell: &[&str], scans: &[(&[&str], &str)]| check_after(fell, &["x"], &[], scans);
    // The same accident has ended an earlier life of this name, or a later one has.
    scans(&["c@2"], &[(&["x 1+c@2=143"], "-"), (&["x 3"], "-")]);
    scans(&["c@3"], &[(&["x 1+c@2=143"], "-")]);
    // A later accident, another name, or none at all.
    scans(&["c@2"], &[(&["x 1+c@3=143"], "c@3 required")]);
    scans(&["d@2"], &[(&["x 1+c@2=143"], "c@2 required")]);
    scans(&[], &[(&["x 1+c@2=143"], "c@2 required")]);
    // It counts as long as the cause is dead and has no later life.
    scans(&["!c@2"], &[(&["x 1+c@2=143"], "c@2 required")]);
    scans(&["!c@2"], &[(&["x 1+c@1=143"], "-")]);
    // It does not matter whether the cause lives now.
    scans(
        &["c@2"],
        &[(&["x 1+c@2", "c 2=1"], "-"), (&["x 1+c@2=143"], "-")],
    );
    // An accident of x itself always counts.
    scans(&["x@1"], &[(&["x 1=1"], "x@1 required")]);
}

#[test]
fn a_cause_without_an_id_counts_unless_it_is_the_own_name() {
    let fell = ["c@2", "me@2"];
    check_after(&fell, &["x"], &[], &[(&["x 1+c=143"], "c required")]);
    check_after(&fell, &["x"], &[], &[(&["x 1+me=143"], "-")]);
    check_after(&["c"], &["x"], &[], &[(&["x 1+c@1=143"], "c@1 required")]);
}

#[test]
fn every_life_between_two_scans_is_judged() {
    let three =
        |scan: &str, expected: &str| check(&["x"], &[], &[(&["x 1"], "-"), (&[scan], expected)]);
    three("x 2=0>3=0>4=0>5", "x@2 auxiliary");
    three("x 2+me@1=143>3=7>4", "x@3 required");
    three("x 2+me@1=143>3+me@1=143>4", "-");
    // A missed life counts as not born. The life after it shows that the name is born again.
    check(
        &["x"],
        &["x"],
        &[
            (&["x"], "-"),
            (&["x 2w=1>3"], "-"),
            (&["x 3=1"], "x@3 required"),
        ],
    );
    check(
        &["x"],
        &["x"],
        &[(&["x 1"], "-"), (&["x 2w=1>3"], "x@2 required")],
    );
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
        &[(&["x 1+me=143"], "-"), (&["z 1=0"], "z unnamed")],
    );
}

#[test]
fn a_condition_without_a_name_says_which_tombstone_it_found_and_if_that_is_older() {
    let described = |death: &str, scans: &[&str]| {
        let mut deps = DeathDeps::new(&[Item::parse(death, State::Died).unwrap()], &[], None, &[]);
        for scan in scans {
            deps.observe(&[observation(scan)], &[], &|_| false, &|_| None);
        }
        deps.stop_cause().unwrap().description.clone()
    };
    let older = "x died with exit code 0 before exitdir-run began";
    assert_eq!(described(":died", &["x 1=0"]), older);
    let plain = "x died with exit code 0";
    assert_eq!(described(":died", &["x 1", "x 1=0"]), plain);
    assert_eq!(described(":died", &["x", "x 1=0"]), plain);
    assert_eq!(described("x", &["x 1=0"]), plain);
}
