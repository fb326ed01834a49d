//! Wrong usage: one sentence, 125, and, where there is a name and a directory, a tombstone that
//! says died.

use crate::support::inspect::{assert_recorded_dead, assert_sentence};
use crate::support::sandbox::{Sandbox, Start, binary, entries, words};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

#[test]
fn wrong_usage_is_one_sentence_and_125() {
    let long = format!("wait {}", "n".repeat(256));
    let cases = [
        "wait --bogus",
        "wait -z",
        "wait --any=3",
        "wait --timeout",
        "wait -t 1x",
        "wait -t -1s",
        "wait -t 1m30",
        "wait -t 1e3",
        "wait --poll soon",
        "wait .hidden",
        "wait a/b",
        "wait a:b",
        "wait a:exit=256",
        "wait a:exit=-1",
        "wait a:exit=",
        "wait a:",
        "wait n\u{e4}me",
        "wait a --",
        "wait a,,b",
        "wait -x a -- true",
        &long,
        "signal --bogus",
        "signal a b",
        "signal a/b",
        "signal .a",
        "signal -c 256 a",
        "signal -c -1 a",
        "signal -c one a",
        "signal -c 1 -r a",
        "signal a --",
        "signal --message",
        "signal -t 1 a",
        "status --bogus",
        "status a",
        "status --json=1",
        "status -d",
        "install",
        "install --bogus",
        "install a b",
        "install --sweep=1",
        "install --sweep --sweep-unfinished",
        "run --",
        "run --bogus -- true",
        "run -t 1 -- true",
        "run -n a/b -- true",
        "run -n .a -- true",
        "run -n",
        "run --name",
        "run --exit-only -- true",
        "run --missing-timeout soon -- true",
        "run --start-anyway=1 -- true",
        "run --fail-fast=1 -- true",
        "run --fail-fast --start-anyway -- true",
        "run --ready-on signal -- true",
        "run --termination-log / -- true",
        "run -n kubexit -- true",
        "signal exitdir-run",
        "wait exitdir:died",
        "frobnicate",
        "wait-",
        "Wait",
    ];
    for case in cases {
        let sandbox = Sandbox::new();
        let ended = sandbox.command(binary()).args(words(case)).finish();
        let applet = match case.split(' ').next() {
            Some(name @ ("wait" | "signal" | "status" | "install" | "run")) => {
                format!("exitdir-{name}")
            }
            _ => "exitdir".to_owned(),
        };
        assert_sentence(&ended, &applet, 125);
        assert_eq!(ended.stdout, "", "{case}");
        assert!(
            sandbox.entries().is_empty(),
            "{case}: {:?}",
            sandbox.entries()
        );
    }
}

#[test]
fn arguments_that_are_empty_or_not_utf8_are_one_sentence_and_125() {
    let invalid = OsStr::from_bytes(b"a\xff\xfe");
    let empty = OsStr::new("");
    for value in [invalid, empty] {
        for before in [
            "wait -t",
            "wait",
            "wait --poll",
            "signal",
            "signal -c",
            "run -n",
            "run --birth-deps",
            "run -e",
            "",
        ] {
            let sandbox = Sandbox::new();
            let mut command = sandbox.command(binary());
            command.args(words(before)).arg(value);
            if before.starts_with("run") {
                command.args(["--", "true"]);
            }
            let applet = words(before)
                .first()
                .map_or("exitdir".to_owned(), |name| format!("exitdir-{name}"));
            assert_sentence(&command.finish(), &applet, 125);
            assert!(
                sandbox.entries().is_empty(),
                "{before} {value:?}: {:?}",
                sandbox.entries()
            );
        }
    }
}

#[test]
fn wrong_usage_of_exitdir_run_leaves_a_dead_tombstone() {
    let cases = [
        "--bogus",
        "-z",
        "--name=main --bogus=3",
        "--grace-period soon",
        "--birth-timeout -1",
        "--timeout 1x",
        "--poll often",
        "--stop-signal FOO",
        "--stop-signal 65",
        "-e 256",
        "-e 1,two",
        "--birth-deps a:b",
        "--birth-deps a,,b",
        "--death-deps a,\u{a0},b",
        "--death-deps a/b",
        "--death-deps .a",
        "--death-deps main",
        "--birth-deps main:ready",
        "--ready-on never",
        "--quiet=1",
    ];
    for case in cases {
        let sandbox = Sandbox::new();
        let ended = sandbox
            .run(["-n", "main"])
            .args(words(case))
            .args(["--", "touch"])
            .arg(sandbox.path("started"))
            .finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert_recorded_dead(&sandbox, "main", 125);
        assert!(!sandbox.path("started").exists(), "{case}: CMD was started");
        let sentence = sandbox.key("main", "Message").unwrap_or_default();
        assert!(
            sentence.len() > 10,
            "{case}: the tombstone does not say why: {}",
            sandbox.tombstone("main")
        );
    }
    for case in ["", "--"] {
        let sandbox = Sandbox::new();
        assert_sentence(
            &sandbox.run(["-n", "main"]).args(words(case)).finish(),
            "exitdir-run",
            125,
        );
        assert_recorded_dead(&sandbox, "main", 125);
    }
}

#[test]
fn every_bad_variable_is_named_and_the_tombstone_says_died() {
    let cases = [
        ("EXIT_ONLY", "yes"),
        ("BIRTH_DEPS", "a:b"),
        ("BIRTH_TIMEOUT", "x"),
        ("DEATH_DEPS", ","),
        ("GRACE_PERIOD", "-1"),
        ("STOP_SIGNAL", "FOO"),
        ("TIMEOUT", "1x"),
        ("STOP_CODE", "none"),
        ("EXPECT_CODE", "256"),
        ("GROUP", "on"),
        ("READY_ON", "never"),
        ("POLL", "often"),
        ("VERBOSE", "yes"),
        ("QUIET", "TRUE"),
    ];
    for (option, bad) in cases {
        for value in [OsString::from(bad), OsStr::from_bytes(b"\xff").to_owned()] {
            let variable = format!("EXITDIR_{option}");
            let sandbox = Sandbox::new();
            let ended = sandbox
                .run(["-n", "main", "--", "true"])
                .env(&variable, &value)
                .finish();
            assert_sentence(&ended, "exitdir-run", 125);
            assert!(
                ended.stderr.contains(&format!("{variable} is ")),
                "{}",
                ended.stderr
            );
            assert_recorded_dead(&sandbox, "main", 125);
        }
    }
}

#[test]
fn a_bad_name_in_the_environment_is_one_sentence_and_125() {
    for applet in ["run", "wait", "signal"] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.applet(applet);
        if applet == "run" {
            command.arg("true");
        }
        let ended = command.env("EXITDIR_NAME", "bad/name").finish();
        assert_sentence(&ended, &format!("exitdir-{applet}"), 125);
        assert!(ended.stderr.contains("EXITDIR_NAME"), "{}", ended.stderr);
        assert!(sandbox.entries().is_empty());
    }
}

#[test]
fn wrong_usage_does_not_touch_the_tombstone_of_a_running_life() {
    let sandbox = Sandbox::new();
    let mut living = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
    sandbox.await_key("main", "Ready");
    let before = sandbox.tombstone("main");
    assert_sentence(
        &sandbox
            .run(["-n", "main", "--bogus", "--", "true"])
            .finish(),
        "exitdir-run",
        125,
    );
    assert_eq!(sandbox.tombstone("main"), before);
    assert_eq!(sandbox.entries(), ["main"]);
    assert!(living.is_running());
}

#[test]
fn without_an_exit_directory_the_sentence_says_what_to_set() {
    let cases = [
        "wait",
        "wait main",
        "signal",
        "status",
        "install --sweep",
        "run -n main -- true",
        "run --death-deps a -- true",
        "run --birth-deps a -- true",
        "run -n main --exit-only -- true",
    ];
    let sandbox = Sandbox::new();
    for case in cases {
        let mut command = sandbox.command(binary());
        let ended = command.args(words(case)).env_remove("EXIT_DIR").finish();
        assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
        assert!(
            ended.stderr.contains("EXIT_DIR") && ended.stderr.contains("--dir"),
            "{}",
            ended.stderr
        );
    }
    let ended = sandbox
        .run(["--", "sh", "-c", "exit 4"])
        .env_remove("EXIT_DIR")
        .finish();
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (4, ""),
        "without a directory exitdir-run only supervises"
    );
    assert!(entries(&sandbox.path(".")).is_empty());
}
