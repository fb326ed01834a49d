//! Groups (`A+B`) and sources as death dependencies.

use super::*;

#[test]
fn a_group_stops_when_its_parts_hold_at_one_moment() {
    check(
        &["x:ok+y:ok"],
        &[],
        &[
            (&["x 1=0"], "-"),
            // A new life withdraws the end of the one before it.
            (&["x 2", "y 1=0"], "-"),
            (&["x 2=0"], "x@2 auxiliary"),
        ],
    );
    check(
        &["x+y"],
        &[],
        &[
            (&["x 1=0", "y 1"], "-"),
            (&["x 2"], "-"),
            (&["y 1=0>2"], "-"),
        ],
    );
}

#[test]
fn the_cause_is_the_part_that_completed_the_group() {
    for (scans, expected) in [
        ([["x 1=0"], ["y 2=0"]], "y@2 auxiliary"),
        ([["y 2=0"], ["x 1=0"]], "x@1 auxiliary"),
        ([["y 2=0"], ["x 1+z@3=0"]], "z@3 auxiliary"),
    ] {
        let [first, second] = &scans;
        check(&["x+y"], &[], &[(first, "-"), (second, expected)]);
    }
    check(&["x+y"], &[], &[(&["y 2=0", "x 1=0"], "y@2 auxiliary")]);
}

#[test]
fn a_group_is_clean_only_if_every_part_ended_with_0() {
    for (scan, dependence) in [
        (["x 1=0", "y 1=0"], "y required"),
        (["x 1=3", "y 1=0"], "y required"),
        (["x 1=0", "y 1=3"], "y required"),
    ] {
        check(&["x+y"], &["y"], &[(&["y 1"], "-"), (&scan, dependence)]);
    }
    check(&["x+y"], &[], &[(&["x 1=3", "y 1=0"], "y required")]);
    check(&["x+y:ready"], &[], &[(&["x 1=0", "y 1"], "y required")]);
    check(&["x+:died"], &[], &[(&["x 1=0"], "x unnamed")]);
}

#[test]
fn the_rules_about_causes_and_births_hold_for_the_parts() {
    // This life caused it.
    check(&["x+y"], &[], &[(&["x 1=0", "y 1+me@1=0"], "-")]);
    // An earlier life has ended for it, and its cause lives again.
    let scans: &[(&[&str], &str)] = &[(&["x 1=0", "y 1+z@2=0"], "-")];
    check_after(&["z@2"], &["x+y"], &[], scans);
    let scans: &[(&[&str], &str)] = &[(&["x 1=0", "y 1+z@2=0"], "z required")];
    check_after(&["!z@2"], &["x+y"], &["y"], &[(&["y 0"], "-"), scans[0]]);
    // It is expected to start again.
    check(
        &["x+y"],
        &["y"],
        &[
            (&["x 1=0", "y 1=0"], "-"),
            (&["y 2"], "-"),
            (&["y 2=0"], "y required"),
        ],
    );
    check(&["x+y"], &["y+tcp:1"], &[(&["x 1=0", "y 1=0"], "-")]);
    // Its code is not known yet.
    check(
        &["x+y"],
        &[],
        &[(&["x 1=0", "y 1=?"], "-"), (&["y 1=0"], "y auxiliary")],
    );
}

#[test]
fn what_cannot_be_read_holds_no_group() {
    check(
        &["x+y"],
        &[],
        &[
            (&["x 1=0"], "-"),
            (&["!x", "y 1=0"], "-"),
            (&["x 1=0"], "x auxiliary"),
        ],
    );
}

#[test]
fn a_source_that_is_dead_stops_as_a_needed_dependency_does() {
    check(
        &["tcp:1", "x"],
        &[],
        &[(&["x 1"], "-"), (&["#tcp:1@4"], "tcp:1@4 required")],
    );
    check(
        &["http:1/a/b+x"],
        &[],
        &[
            (&["#http:1/a/b@4"], "-"),
            // It answers again.
            (&["x 1=0"], "-"),
            (&["#http:1/a/b@5"], "http:1/a/b@5 required"),
        ],
    );
    // The first in the order of the options.
    check(
        &["tcp:1", "x"],
        &[],
        &[(&["x 1=0", "#tcp:1@4"], "tcp:1 required")],
    );
}

#[test]
fn a_death_for_a_source_counts_once() {
    let scans: &[(&[&str], &str)] = &[(&["x 1+tcp:1@4=143"], "-")];
    check_after(&["tcp:1@4"], &["x"], &[], scans);
    let scans: &[(&[&str], &str)] = &[(&["x 1+tcp:1@5=143"], "tcp:1@5 required")];
    check_after(&["tcp:1@4"], &["x"], &[], scans);
}

#[test]
fn a_stop_for_a_group_describes_each_part() {
    let items = [Item::parse("x+tcp:1", State::Died).unwrap()];
    let mut deps = DeathDeps::new(&items, &[], None, &[]);
    let death = SourceDeath {
        at: Timestamp::from_text(id("4")),
        why: "connection refused".to_owned(),
    };
    deps.observe(&[observation("x 1=0")], &[], &|_| false, &|_| {
        Some(death.clone())
    });
    assert_eq!(
        deps.stop_cause().unwrap().description,
        "x died with exit code 0, tcp:1 no longer answers (connection refused)"
    );
}
