//! `--stop-code`: the status after a stop for a dependency, as processes see it. The whole table is
//! a unit test of the machine.

use crate::support::inspect::assert_sentence;
use crate::support::sandbox::{Sandbox, Start, binary, words};
use crate::support::signals::{KILL, send};

#[test]
fn with_stop_code_cause_every_life_of_a_chain_ends_with_the_status_of_the_first() {
    for (status, death) in [(5, "5"), (137, "KILL"), (0, "0")] {
        let sandbox = Sandbox::new();
        let second = sandbox
            .run(words(
                "-n second --death-deps first --stop-code cause -- sleep 60",
            ))
            .start();
        let third = sandbox
            .run(words(
                "-n third --death-deps second --stop-code cause -- sleep 60",
            ))
            .start();
        sandbox.await_key("second", "Ready");
        sandbox.await_key("third", "Ready");
        if death == "KILL" {
            let lost = sandbox.run(words("-n first -- sleep 60")).start();
            sandbox.await_key("first", "Ready");
            send(lost.pid(), KILL);
            lost.end();
        } else {
            sandbox.record_death("first", death);
        }
        assert_eq!(second.end().status, status, "{death}");
        assert_eq!(third.end().status, status, "{death}");
        assert_eq!(sandbox.key("third", "ExitCode"), Some(status.to_string()));
    }
}

#[test]
fn with_fail_fast_the_stop_code_is_the_status_of_a_command_that_was_never_started() {
    for (stop_code, death, status) in [
        ("own", "3", 143),
        ("cause", "3", 3),
        ("42", "3", 42),
        ("cause", "0", 143),
        ("42", "0", 42),
    ] {
        let sandbox = Sandbox::new();
        sandbox.record_death("db", death);
        let ended = sandbox
            .run([
                "--birth-deps",
                "db",
                "--fail-fast",
                "--stop-code",
                stop_code,
            ])
            .args(["--", "touch", "started"])
            .finish();
        assert_eq!(
            ended.status, status,
            "{stop_code} {death}: {}",
            ended.stderr
        );
    }
}

#[test]
fn pass_code_and_its_variable_are_errors_that_name_stop_code_own() {
    let sandbox = Sandbox::new();
    for argument in ["--pass-code", "--pass-code=1"] {
        let ended = sandbox.run([argument, "--", "true"]).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains("--stop-code own"), "{}", ended.stderr);
    }
    for value in ["1", "0", "maybe"] {
        let mut run = sandbox.run(["true"]);
        let ended = run.env("EXITDIR_PASS_CODE", value).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        let names = ["EXITDIR_PASS_CODE", "--stop-code own", "EXITDIR_STOP_CODE"];
        for name in names {
            assert!(ended.stderr.contains(name), "{}", ended.stderr);
        }
    }
    let ended = sandbox
        .run(["--stop-code=own", "--", "true"])
        .env("EXITDIR_PASS_CODE", "")
        .finish();
    ended.assert_output(0, "");
    let mut kubexit = sandbox.command(binary());
    kubexit
        .args(["kubexit", "true"])
        .env("KUBEXIT_NAME", "main");
    let ended = kubexit.env("EXITDIR_PASS_CODE", "1").finish();
    assert!(ended.stderr.contains("--stop-code own"), "{}", ended.stderr);
}

#[test]
fn wrong_stop_codes_and_expected_codes_are_one_sentence_that_says_what_was_expected() {
    let sandbox = Sandbox::new();
    for wrong in ["256", "-1", "", "Own", "own,cause", "1-3", "0x1"] {
        let option = format!("--stop-code={wrong}");
        let ended = sandbox.run([option.as_str(), "true"]).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(
            ended
                .stderr
                .contains("expected own, cause or an exit status"),
            "{}",
            ended.stderr
        );
    }
    for wrong in [
        "5-3", "256", "1-", "-1", "-", "1-2-3", "1-256", "3,", "3,,4", "any-3", "ANY", "1 - 3", "",
    ] {
        let option = format!("--expect-code={wrong}");
        let ended = sandbox.run([option.as_str(), "true"]).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(
            ended.stderr.contains("a range as in 10-12, or any"),
            "{wrong}: {}",
            ended.stderr
        );
    }
}

#[test]
fn expected_codes_are_single_ones_ranges_and_any() {
    let cases = [
        ("3,10-12", "3", 0),
        ("3,10-12", "4", 4),
        ("3,10-12", "9", 9),
        ("3,10-12", "10", 0),
        ("3,10-12", "11", 0),
        ("3,10-12", "12", 0),
        ("3,10-12", "13", 13),
        ("any", "255", 0),
        ("1-255", "1", 0),
        ("7-7", "7", 0),
        ("128-255", "127", 127),
    ];
    for (expected, code, status) in cases {
        let sandbox = Sandbox::new();
        let script = format!("exit {code}");
        let ended = sandbox
            .run(["-n", "main", "-e", expected, "--", "sh", "-c", &script])
            .finish();
        assert_eq!(ended.status, status, "{expected} {code}: {}", ended.stderr);
    }
    let sandbox = Sandbox::new();
    let mut run = sandbox.run(["-e", "3", "-e", "10-12,any", "--", "sh", "-c"]);
    run.arg("kill -s TERM $$").finish().assert_output(0, "");
    // With `any`, no end of CMD is a failure.
    let options = "-e any --restart on-failure -- false";
    let ended = sandbox.run(words(options)).finish();
    ended.assert_output(0, "");
}
