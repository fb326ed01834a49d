//! Groups (`A+B`) and sources: what counts at the present moment.

use super::*;

const ANY: Terms = Terms {
    mode: Mode::Any,
    ..ALL
};

#[test]
fn a_group_holds_only_when_its_parts_hold_at_one_moment() {
    check(
        &["a:ok+b:ok"],
        ALL,
        &[
            (vec![current("a", "0")], "?"),
            // A new life withdraws what the one before it was.
            (vec![current("a", "born"), current("b", "0")], "?"),
            (vec![current("a", "0")], "a,b"),
            (vec![current("b", "ready")], "?"),
        ],
    );
    check(
        &["a+b:ready"],
        ALL,
        &[
            (
                vec![replaced("a", "0", "ready"), current("b", "ready")],
                "?",
            ),
            (vec![current("a", "3")], "a,b"),
        ],
    );
}

#[test]
fn a_part_that_can_no_longer_hold_makes_its_group_impossible() {
    check(&["a:ok+b"], ALL, &[(vec![current("a", "1")], "no")]);
    check(
        &["a:ok+b", "c"],
        ANY,
        &[
            (vec![current("a", "1")], "?"),
            (vec![current("c", "born")], "?"),
            (vec![current("c", "0")], "c"),
        ],
    );
    let both = [current("a", "1"), current("c", "1")];
    check(&["a:ok+b", "c:ok"], ANY, &[(both.to_vec(), "no")]);
    // The next life may still end well, but this one was seen.
    let replaced = replaced("a", "1", "born");
    check(&["a:ok+b"], ALL, &[(vec![replaced], "no")]);
    // Without a name any life may do.
    check(&[":ok+b"], ALL, &[(vec![current("a", "1")], "?")]);
}

#[test]
fn a_group_becomes_possible_again_when_its_part_holds() {
    check(
        &["a:ok+b:ok", "c:ok"],
        ANY,
        &[
            (vec![current("a", "1"), current("c", "1")], "no"),
            (vec![current("a", "0")], "?"),
            (vec![current("a", "born")], "?"),
        ],
    );
}

#[test]
fn the_item_that_held_first_decides_with_any() {
    check(
        &["a+b", "c"],
        ANY,
        &[
            (vec![current("a", "0")], "?"),
            (vec![current("b", "0"), current("c", "0")], "a,b"),
        ],
    );
    check(
        &["a+b", "c"],
        ANY,
        &[
            (vec![current("a", "0"), current("c", "0")], "c"),
            (vec![current("b", "0")], "c"),
        ],
    );
}

#[test]
fn another_life_takes_the_place_of_one_that_matched_a_part_without_a_name() {
    check(
        &[":failed+b:ready"],
        ALL,
        &[
            (vec![current("a", "1"), current("c", "2")], "?"),
            (vec![current("a", "born")], "?"),
            (vec![current("b", "ready")], "c,b"),
            (vec![current("c", "0")], "?"),
        ],
    );
}

#[test]
fn a_source_holds_while_it_answers() {
    let mut evaluator = evaluator(&["a:ready+tcp:1", "tcp:2"], ALL);
    let mut see = |observations: &[Observation], answering: &[&str]| {
        evaluator.take_sources(&|source| answering.contains(&source.as_str()));
        evaluator.observe(observations);
        let scan_nos: Option<Vec<u64>> = evaluator
            .decision()
            .map(|it| it.evidence.iter().map(Evidence::scan_no).collect());
        (verdict(&evaluator), scan_nos)
    };
    let open = || ("?".to_owned(), None);
    assert_eq!(see(&[current("a", "ready")], &["tcp:1"]), open());
    assert_eq!(see(&[], &["tcp:2"]), open());
    let both = see(&[], &["tcp:1", "tcp:2"]);
    assert_eq!(both, ("a".to_owned(), Some(vec![1, 3, 2])));
    assert_eq!(see(&[], &[]), open());
    let why = evaluator.explain(&|source| format!("no {source}"));
    assert_eq!(
        why,
        "tcp:1 does not hold (no tcp:1), tcp:2 does not hold (no tcp:2)"
    );
}
