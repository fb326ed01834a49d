//! `--start-anyway`: the end of a wait for birth dependencies that do not hold.

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
