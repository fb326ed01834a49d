//! What `--fail-fast` ends a wait for.

use super::*;

#[test]
fn a_condition_fails_while_its_name_is_dead_in_another_way_than_it_asks_for() {
    let wait = Terms {
        keep_waiting: true,
        ..ALL
    };
    // The state that is asked for, what is there, and whether that is a failure.
    for (condition, word, fails) in [
        ("db:ready", "0", true),
        ("db:ready", "3", true),
        ("db:ready", "pending", false),
        ("db:ready", "waiting", false),
        ("db:ready", "ready", false),
        ("db:waiting", "ready", false),
        ("db:inactive", "0", true),
        ("db:died", "3", false),
        ("db:ok", "0", false),
        ("db:ok", "3", true),
        ("db:ok", "pending", false),
        ("db:exit=4", "4", false),
        ("db:exit=4", "3", true),
        ("db:lost", "3", true),
        (":ready", "3", false),
        (":ok", "3", false),
    ] {
        let mut evaluator = evaluator(&["other", condition], wait);
        assert_eq!(evaluator.failure(), None);
        evaluator.observe(&[current("db", word)]);
        let failed = evaluator.failure().map(|(name, _)| name.as_str());
        assert_eq!(failed, fails.then_some("db"), "{condition}, {word}");
        // What lives again has not failed.
        evaluator.observe(&[replaced("db", "3", "waiting")]);
        assert_eq!(evaluator.failure(), None, "{condition}, {word}");
    }
}
