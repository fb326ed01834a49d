//! `--fail-fast` and `--start-anyway`: the end of a wait for birth dependencies that do not hold.

use crate::support::inspect::{await_sleep, keys};
use crate::support::sandbox::{Sandbox, Start, words};

#[test]
fn with_start_anyway_a_command_starts_when_the_birth_timeout_is_over() {
    for (timeout, shown) in [("100ms", "100ms"), ("0", "0s")] {
        let sandbox = Sandbox::new();
        let ended = sandbox
            .run([
                "-n",
                "app",
                "--birth-deps",
                "db",
                "--birth-timeout",
                timeout,
            ])
            .args(["--start-anyway", "--", "sh", "-c", "echo started; exit 3"])
            .finish();
        ended.assert_output(3, "started\n");
        assert_eq!(
            ended.stderr,
            format!(
                "exitdir-run: after {shown}, starting sh anyway: db:ready does not hold (there is no db)\n"
            )
        );
        let expected = "Waiting Lock WaitingFor Born Ready ExitCode Reason Died";
        assert_eq!(keys(&sandbox, "app"), expected);
    }
}

#[test]
fn with_start_anyway_a_dependency_that_holds_in_time_is_not_waited_for_any_longer() {
    let sandbox = Sandbox::new();
    let app = sandbox
        .run(["-n", "app", "--birth-deps", "db", "--start-anyway"])
        .args(["--", "echo", "started"])
        .start();
    sandbox.await_key("app", "Lock");
    await_sleep(&app);
    sandbox.record_ready("db");
    let ended = app.end();
    ended.assert_output(0, "started\n");
    assert_eq!(ended.stderr, "");
}

#[test]
fn with_start_anyway_a_death_dependency_and_a_missing_configuration_still_end_the_life() {
    let sandbox = Sandbox::new();
    sandbox.record_death("gone", "0");
    let cases = [
        ("--death-deps gone --birth-timeout 0", 0, "not starting"),
        ("--config none --birth-timeout 100ms", 124, "gave up"),
    ];
    for (options, status, message) in cases {
        let ended = sandbox
            .run(["--birth-deps", "db", "--start-anyway"])
            .args(words(options))
            .args(["--", "echo", "started"])
            .current_dir(sandbox.path("."))
            .finish();
        ended.assert_output(status, "");
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
    }
}

/// The options of a life that fails fast, how its dependency `db` has died, and its status; `None`
/// if it starts its command.
const FAILURES: &[(&str, &str, Option<i32>)] = &[
    ("--birth-deps db", "0", Some(143)),
    ("--birth-deps db", "3", Some(143)),
    ("--birth-deps db --birth-timeout off", "3", Some(143)),
    ("--birth-deps db --stop-signal INT", "3", Some(130)),
    ("--birth-deps db --stop-code own", "3", Some(143)),
    ("--birth-deps db --death-deps db", "0", Some(143)),
    ("--birth-deps other,db:ok", "3", Some(143)),
    ("--birth-deps db:ok", "0", None),
    ("--birth-deps db:died", "3", None),
    ("--birth-deps :failed", "3", None),
    ("", "3", None),
];

#[test]
fn with_fail_fast_a_birth_dependency_that_is_dead_ends_the_wait_at_once() {
    for (options, code, status) in FAILURES {
        let sandbox = Sandbox::new();
        sandbox.record_death("db", code);
        let ended = sandbox
            .run(["-n", "app", "--fail-fast"])
            .args(words(options))
            .args(["--", "echo", "started"])
            .finish();
        let Some(status) = status else {
            ended.assert_output(0, "started\n");
            continue;
        };
        ended.assert_output(*status, "");
        let message = format!("exitdir-run: db died with exit code {code}: not starting echo\n");
        assert_eq!(ended.stderr, message, "{options}");
        let key = |key| sandbox.key("app", key);
        assert_eq!(key("Cause").as_deref(), Some("db"), "{options}");
        assert_eq!(key("Reason").as_deref(), Some("stopped"), "{options}");
    }
}

#[test]
fn with_fail_fast_a_death_during_the_wait_ends_it_at_once() {
    for (options, code, status) in FAILURES {
        let Some(status) = status else {
            continue;
        };
        let sandbox = Sandbox::new();
        let app = sandbox
            .run(["-n", "app", "--fail-fast"])
            .args(words(options))
            .args(["--", "echo", "started"])
            .start();
        sandbox.await_key("app", "Lock");
        await_sleep(&app);
        sandbox.record_death("db", code);
        app.end().assert_output(*status, "");
        let cause = sandbox.key("app", "Cause");
        assert_eq!(cause.as_deref(), Some("db"), "{options}");
    }
}

#[test]
fn with_fail_fast_a_condition_without_a_name_is_still_waited_for() {
    let sandbox = Sandbox::new();
    sandbox.record_death("db", "3");
    let app = sandbox
        .run(["-n", "app", "--fail-fast", "--birth-deps", ":ready"])
        .args(["--", "echo", "started"])
        .start();
    sandbox.await_key("app", "Lock");
    await_sleep(&app);
    sandbox.record_ready("other");
    app.end().assert_output(0, "started\n");
}

#[test]
fn fail_fast_counts_only_while_the_life_is_active() {
    let sandbox = Sandbox::new();
    let app = sandbox
        .run(["-n", "app", "--fail-fast", "--birth-deps", "db"])
        .args(["--active-while", "active", "--", "echo", "started"])
        .current_dir(sandbox.path("."))
        .start();
    sandbox.await_key("app", "Inactive");
    sandbox.record_death("db", "3");
    await_sleep(&app);
    assert!(!sandbox.holds("app:died"));
    sandbox.touch("active");
    app.end().assert_output(143, "");
}
