//! Which conditions hold for which lives and for which texts of tombstones.

use crate::support::inspect::{assert_sentence, await_sleep, start_wait};
use crate::support::proc::descriptors;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::{KILL, TERM};
use crate::support::tombstones::write_tombstone;

const WORDS: [&str; 9] = [
    "waiting", "born", "ready", "inactive", "ok", "failed", "lost", "died", "exit=3",
];

/// Checks that of all states exactly these hold for a name.
#[track_caller]
pub fn assert_states(sandbox: &Sandbox, name: &str, expected: &str) {
    let found: Vec<&str> = WORDS
        .into_iter()
        .filter(|word| sandbox.holds(&format!("{name}:{word}")))
        .collect();
    assert_eq!(
        found.join(" "),
        expected,
        "{name}: {}",
        sandbox.tombstone(name)
    );
}

#[test]
fn every_state_holds_for_the_lives_that_it_describes() {
    let sandbox = Sandbox::new();
    let _waiting = sandbox
        .run(["-n", "w", "--birth-deps", "never", "--", "true"])
        .start();
    let _born = sandbox
        .run(["-n", "b", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    let _ready = sandbox.run(["-n", "r", "--", "sleep", "60"]).start();
    let lost = sandbox.run(["-n", "l", "--", "sleep", "60"]).start();
    for (name, key) in [
        ("w", "Waiting"),
        ("b", "Born"),
        ("r", "Ready"),
        ("l", "Ready"),
    ] {
        sandbox.await_key(name, key);
    }
    lost.send(KILL);
    lost.end();
    assert_eq!(sandbox.run(["-n", "o", "--", "true"]).finish().status, 0);
    assert_eq!(
        sandbox
            .run(["-n", "f", "--", "sh", "-c", "exit 3"])
            .finish()
            .status,
        3
    );
    for (name, expected) in [
        ("w", "waiting"),
        ("b", "born"),
        ("r", "born ready"),
        ("l", "failed lost died"),
        ("o", "ok died"),
        ("f", "failed died exit=3"),
        ("absent", ""),
    ] {
        assert_states(&sandbox, name, expected);
    }
}

#[test]
fn every_state_holds_for_the_texts_that_it_describes() {
    let sandbox = Sandbox::new();
    for (text, expected) in [
        ("Waiting: T\nLock: none\n", "waiting"),
        ("Waiting: T\nLock: none\nReady: T\n", "waiting"),
        ("Waiting: T\nLock: none\nBorn: T\n", "born"),
        ("Waiting: T\nLock: none\nBorn: T\nReady: T\n", "born ready"),
        (
            "Waiting: T\nLock: none\nBorn: T\nReady: T\nCause: x\n",
            "born",
        ),
        (
            "Waiting: T\nLock: none\nBorn: T\nInactive: T\n",
            "born inactive",
        ),
        ("Waiting: T\nLock: none\nBorn: T\nExitCode: 3\n", "born"),
        (
            "Waiting: T\nLock: none\nBorn: T\nExitCode: 3\nDied: T\n",
            "failed died exit=3",
        ),
        (
            "Waiting: T\nLock: none\nBorn: T\nExitCode: 3\nDied: T",
            "born",
        ),
        (
            "Waiting: T\nLock: none\nBorn: T\nExitCode: 3\nDied: T\nExitCode: 0\nDied: T\n",
            "failed died exit=3",
        ),
        (
            "Waiting: T\nLock: none\nBorn: T\nExitCode: 3\nExitCode: 0\nDied: T\n",
            "failed died exit=3",
        ),
        ("Unknown: x\nnonsense\n\nBorn: T\nLock: none\n", "born"),
        // Those of kubexit and of other programs.
        ("Born: T\n", "born ready"),
        ("Born: T\nDied: T\nExitCode: 0\n", "ok died"),
        ("Born: T\nDied: T\nExitCode: 3\n", "failed died exit=3"),
        ("Born: T\nDied: T\nExitCode: -1\n", "failed died"),
        ("Born: T\nDied: T\n", "failed died"),
        ("", "ok died"),
        ("exit", "ok died"),
        ("exit\n", "ok died"),
        ("ExitCode: 3\n", "failed died exit=3"),
    ] {
        write_tombstone(&sandbox, "x", text);
        assert_states(&sandbox, "x", expected);
    }
    write_tombstone(&sandbox, "x", "Born: T\nDied: T\nExitCode: -1\n");
    assert_eq!(sandbox.wait(["-x", "x"]).finish().status, 255);
}

#[test]
fn a_condition_without_a_state_means_died_and_one_without_a_name_any_name_but_ones_own() {
    let sandbox = Sandbox::new();
    write_tombstone(&sandbox, "main", "Born: T\nExitCode: 3\nDied: T\n");
    write_tombstone(&sandbox, "db", "Born: T\n");
    for (arguments, own, status) in [
        (&["main"][..], None, 0),
        (&["db"], None, 124),
        (&[], None, 0),
        (&[":died"], None, 0),
        (&[":exit=3"], None, 0),
        (&[":ok"], None, 124),
        (&[":ready"], None, 0),
        (&[":waiting"], None, 124),
        (&[":ready"], Some("db"), 124),
        (&[":ready"], Some("main"), 0),
        (&[], Some("main"), 124),
        (&["main"], Some("main"), 0),
        (&["main", ":ready"], Some("main"), 0),
    ] {
        let ended = sandbox
            .wait(["-t", "0"])
            .args(arguments)
            .envs(own.map(|own| ("EXITDIR_NAME", own)))
            .finish();
        assert_eq!(
            ended.status, status,
            "{arguments:?} as {own:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn all_conditions_must_hold_but_with_any_one_of_them_is_enough() {
    let sandbox = Sandbox::new();
    write_tombstone(&sandbox, "a", "Born: T\nExitCode: 3\nDied: T\n");
    write_tombstone(&sandbox, "b", "Born: T\n");
    for (conditions, all, any) in [
        (&["a", "b:born"][..], 0, 0),
        (&["a", "b"], 124, 0),
        (&["b", "c"], 124, 124),
        (&["a:ok", "b"], 1, 124),
        (&["a:ok", "a:exit=4"], 1, 1),
        (&["a:ok", "b:ready"], 1, 0),
    ] {
        assert_eq!(
            sandbox.wait(["-t", "0"]).args(conditions).finish().status,
            all,
            "all of {conditions:?}"
        );
        assert_eq!(
            sandbox
                .wait(["-t", "0", "--any"])
                .args(conditions)
                .finish()
                .status,
            any,
            "any of {conditions:?}"
        );
        assert_eq!(
            sandbox.wait(["-t0", "-a"]).args(conditions).finish().status,
            any,
            "any of {conditions:?}"
        );
    }
}

#[test]
fn a_wait_that_fails_says_in_one_line_which_conditions_do_not_hold_and_why() {
    let sandbox = Sandbox::new();
    let _db = sandbox
        .run(["-n", "db", "--birth-deps", "never", "--", "true"])
        .start();
    sandbox.await_key("db", "Lock");
    write_tombstone(&sandbox, "main", "Born: T\nExitCode: 3\nDied: T\n");
    for (arguments, status, line) in [
        (
            &["-t", "0.01", "db:ready"][..],
            124,
            "timed out after 10ms: db:ready does not hold (db is waiting)",
        ),
        (
            &["-t", "0.01s", "db:ready", "main", "x:ok"],
            124,
            "timed out after 10ms: db:ready does not hold (db is waiting), x:ok does not hold (there is no x)",
        ),
        (
            &["main:ok"],
            1,
            "the conditions can no longer hold: main:ok does not hold (main died with exit code 3)",
        ),
        (
            &["main:exit=4", "db"],
            1,
            "the conditions can no longer hold: main:exit=4 does not hold (main died with exit code 3), db:died does not hold (db is waiting)",
        ),
    ] {
        let ended = sandbox.wait(arguments).finish();
        assert_sentence(&ended, "exitdir-wait", status);
        assert_eq!(ended.stderr, format!("exitdir-wait: {line}\n"));
    }
    let ended = sandbox.wait(["-t", "0", "db"]).finish();
    assert_eq!(
        ended.stderr,
        "exitdir-wait: timed out after 0s: db:died does not hold (db is waiting)\n"
    );
}

#[test]
fn a_condition_that_can_no_longer_hold_ends_the_wait_with_1_unless_it_is_told_to_keep_waiting() {
    let sandbox = Sandbox::new();
    write_tombstone(&sandbox, "main", "Born: T\nExitCode: 3\nDied: T\n");
    for condition in ["main:ok", "main:exit=4", "main:lost"] {
        assert_eq!(
            sandbox.wait(["-t", "0", condition]).finish().status,
            1,
            "{condition}"
        );
        assert_eq!(
            sandbox
                .wait(["-t", "0", "--keep-waiting", condition])
                .finish()
                .status,
            124,
            "{condition}"
        );
    }
    // A life that died before the wait began may be followed by another one.
    for condition in ["main:ready", "main:born", "main:waiting"] {
        assert_eq!(
            sandbox.wait(["-t", "0", condition]).finish().status,
            124,
            "{condition}"
        );
    }
    let for_success = start_wait(&sandbox, &["--keep-waiting", "main:ok"]);
    let for_ready = start_wait(&sandbox, &["main:ready"]);
    let dying = start_wait(&sandbox, &["db:ready"]);
    let keeping = start_wait(&sandbox, &["db:ready", "--keep-waiting"]);

    let db = sandbox
        .run(["-n", "db", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    sandbox.await_key("db", "Born");
    await_states(&dying, &sandbox);
    db.send(TERM);
    assert_eq!(db.end().status, 143);
    assert_sentence(&dying.end(), "exitdir-wait", 1);

    let _db = sandbox.run(["-n", "db", "--", "sleep", "60"]).start();
    assert_eq!(keeping.end().status, 0);
    assert_eq!(sandbox.run(["-n", "main", "--", "true"]).finish().status, 0);
    assert_eq!(for_success.end().status, 0);
    drop(for_ready);
}

/// Waits until a waiter has seen everything that has happened so far: it has nothing to read and
/// sleeps.
fn await_states(waiter: &Running, sandbox: &Sandbox) {
    let held = sandbox.dir().join("db");
    wait_until("the waiter holds the tombstone open", || {
        descriptors(waiter.pid()).contains(&held)
    });
    await_sleep(waiter);
}
