//! A tombstone is valid YAML in every state, for a strict parser that is not ours: no key twice,
//! and every value of the type that its key promises, whatever a message holds.

use crate::support::inspect::keys;
use crate::support::readiness_life::life;
use crate::support::requirements::perl_is_here;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::{KILL, TERM};
use std::collections::BTreeMap;
use yaml_rust2::{Yaml, YamlLoader};

/// What a parser finds in a tombstone: its strings. That the rest is of the right type is checked
/// here.
#[track_caller]
fn strings(sandbox: &Sandbox, name: &str) -> BTreeMap<String, String> {
    let text = sandbox.tombstone(name);
    // The parser is lenient here: the characters that YAML calls printable, in lines.
    let strange = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{feff}'));
    assert!(!text.contains(strange), "{text:?}");
    let documents = YamlLoader::load_from_str(&text);
    let documents = documents.unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let [Yaml::Hash(map)] = documents.as_slice() else {
        panic!("not one mapping: {documents:?}");
    };
    let mut strings = BTreeMap::new();
    for (key, value) in map {
        match (key.as_str().unwrap(), value) {
            ("Waiting" | "Born" | "Ready" | "CauseLife" | "Died", Yaml::String(time)) => {
                assert!(time.ends_with('Z') && time.len() == 30, "{time}");
            }
            ("ExitCode", Yaml::Integer(0..=255)) => {}
            (
                key @ ("Lock" | "WaitingFor" | "Follows" | "Past" | "Fell" | "Cause" | "Signal"
                | "Reason" | "Message"),
                Yaml::String(value),
            ) => {
                strings.insert(key.to_owned(), value.clone());
            }
            other => panic!("{other:?} in\n{text}"),
        }
    }
    assert_eq!(map.len(), text.lines().count(), "one line a key:\n{text}");
    strings
}

/// Texts that need quotes or escapes.
const MESSAGES: [&str; 20] = [
    "",
    " ",
    "plain",
    "a: b",
    "\"quoted\" and 'so'",
    "back\\slash \\n \\u0041 \\",
    "two\nlines\n",
    "tab\tand\rreturn",
    "\u{1}\u{7}\u{8}\u{c}\u{1b}[31m\u{1f}\u{7f}",
    "\u{80}\u{85}\u{9f}\u{a0}",
    "line\u{2028}and paragraph\u{2029}",
    "\u{feff}\u{fffd}\u{fffe}\u{ffff}\u{e000}",
    "naïve Ünïcödé 日本語",
    "😀 \u{10ffff}",
    "- item",
    "# comment",
    "%YAML 1.2",
    "--- \n... \n",
    "{a: [b, *c, &d, !e]} | > @ `",
    "Died: \"2026-11-20T21:29:40.312004518Z\"\nExitCode: 7",
];

#[test]
fn a_tombstone_with_any_message_is_yaml_that_holds_this_message() {
    let sandbox = Sandbox::new();
    for (number, message) in MESSAGES.into_iter().enumerate() {
        for (name, option) in [("ready", Some("--ready")), ("dead", None)] {
            let name = format!("{name}-{number}");
            let mut signal = sandbox.signal([&name, "-m", message]);
            let ended = signal.args(option).finish();
            assert_eq!(
                (ended.status, ended.stderr.as_str()),
                (0, ""),
                "{message:?}"
            );
            assert_eq!(strings(&sandbox, &name)["Message"], message);
        }
    }
}

#[test]
fn a_long_message_is_cut_between_two_characters() {
    let sandbox = Sandbox::new();
    for (number, unit) in ["x", "\"", "\u{1}", "ü", "日", "😀"]
        .into_iter()
        .enumerate()
    {
        for start in 0..unit.len() {
            let name = format!("m-{number}-{start}");
            let message = "s".repeat(start) + &unit.repeat(2000);
            let ended = sandbox.signal([&name, "-m", &message]).finish();
            assert_eq!(ended.status, 0, "{}", ended.stderr);
            let found = &strings(&sandbox, &name)["Message"];
            assert!(found.len() > 160 && message.starts_with(found), "{found}");
        }
    }
}

#[test]
fn a_status_message_stands_only_in_the_death_record() {
    if !perl_is_here() {
        return;
    }
    // A newline would begin another field of the notification.
    let one_line = MESSAGES
        .into_iter()
        .filter(|message| !message.contains(['\n', '\r']));
    let lives: Vec<(Sandbox, &str, Running)> = one_line
        .map(|message| {
            let sandbox = Sandbox::new();
            let script = "say READY=1 \"STATUS=$status\"; touch $W/said; exec sleep 60";
            let running = life(&sandbox, "notify", script)
                .env("status", message)
                .start();
            (sandbox, message, running)
        })
        .collect();
    for (sandbox, message, running) in lives {
        sandbox.await_file("said");
        sandbox.await_key("x", "Ready");
        assert_eq!(strings(&sandbox, "x").get("Message"), None);
        running.send(TERM);
        assert_eq!(running.end().status, 143);
        assert_eq!(strings(&sandbox, "x")["Message"], message);
        assert!(keys(&sandbox, "x").ends_with("Ready ExitCode Signal Reason Message Died"));
    }
}

/// `exitdir-run -n x OPTIONS -- sh -c SCRIPT`, where `up` says that it runs.
fn run(sandbox: &Sandbox, options: &str, script: &str) -> Running {
    let script = format!("up() {{ echo >>\"$up\"; }}; {script}");
    let mut run = sandbox.run(["-n", "x"]);
    run.args(options.split_whitespace());
    run.args(["--", "sh", "-c", &script])
        .env("up", sandbox.path("up"));
    run.start()
}

fn await_up(sandbox: &Sandbox) {
    sandbox.await_file("up");
}

#[test]
fn a_tombstone_is_yaml_in_every_state_of_a_life() {
    let sandbox = Sandbox::new();
    let options = "--birth-deps there --death-deps gone --ready-on signal --grace-period 0.01";
    let life = run(
        &sandbox,
        options,
        "trap '' TERM; up; while :; do sleep 0.01; done",
    );
    let state = |key: &str, expected: &str| {
        sandbox.await_key("x", key);
        let found = strings(&sandbox, "x");
        assert_eq!(keys(&sandbox, "x"), expected);
        found
    };
    let lock = state("Lock", "Waiting Lock WaitingFor Follows")["Lock"].clone();
    assert!(lock.starts_with("fcntl "), "{lock}");
    sandbox.signal(["--ready", "there"]).finish();
    state("Born", "Waiting Lock WaitingFor Follows Born");
    await_up(&sandbox);
    sandbox.signal(["--ready", "x"]).finish();
    state("Ready", "Waiting Lock WaitingFor Follows Born Ready");
    sandbox.record_death("gone", "0");
    let cause = sandbox.await_key("x", "Cause");
    assert_eq!(
        (strings(&sandbox, "x")["Cause"].as_str(), cause.as_str()),
        ("gone", "gone")
    );
    assert_eq!(life.end().status, 137);
    let last =
        "Waiting Lock WaitingFor Follows Born Ready Cause CauseLife ExitCode Signal Reason Died";
    let found = state("Died", last);
    assert_eq!((&*found["Reason"], &*found["Signal"]), ("killed", "KILL"));
}

#[test]
fn a_tombstone_is_yaml_after_every_kind_of_end() {
    // Options, what CMD does, and what happens then.
    let cases: [(&str, &str, fn(&Sandbox, &Running), &str); 8] = [
        ("", "exit 255", |_, _| (), "exited"),
        ("", "kill -USR1 $$", |_, _| (), "signaled"),
        ("", "kill -64 $$", |_, _| (), "signaled"),
        (
            "--death-deps dep",
            "up; exec sleep 60",
            |sandbox, _| {
                await_up(sandbox);
                sandbox.record_death("dep", "3");
            },
            "stopped",
        ),
        ("--timeout 0.01", "exec sleep 60", |_, _| (), "timeout"),
        (
            "--birth-deps never,:ready --birth-timeout 0.01",
            "true",
            |_, _| (),
            "birth-timeout",
        ),
        (
            "--birth-deps never",
            "true",
            |sandbox, life| {
                sandbox.await_key("x", "Lock");
                life.send(TERM);
            },
            "interrupted",
        ),
        (
            "",
            "up; exec sleep 60",
            |sandbox, life| {
                await_up(sandbox);
                sandbox.await_key("x", "Ready");
                sandbox.signal(["-m", "by: \"hand\"\n", "x"]).finish();
                life.send(KILL);
            },
            "said",
        ),
    ];
    for (options, script, happen, reason) in cases {
        let sandbox = Sandbox::new();
        let life = run(&sandbox, options, script);
        happen(&sandbox, &life);
        life.end();
        sandbox.await_key("x", "Died");
        assert_eq!(strings(&sandbox, "x")["Reason"], reason);
    }
    for command in ["/nowhere/\"a\": b\n- c", "/nowhere/# 😀\t\u{1}"] {
        let sandbox = Sandbox::new();
        let ended = sandbox.run(["-n", "x", "--", command]).finish();
        assert_eq!(ended.status, 127, "{}", ended.stderr);
        let found = strings(&sandbox, "x");
        assert_eq!(found["Reason"], "exec-failed");
        assert!(found["Message"].contains("/nowhere/"), "{found:?}");
    }
}

#[test]
fn a_tombstone_is_yaml_after_every_restart_in_place() {
    let sandbox = Sandbox::new();
    let script = "up; while ! test -e \"$up.$(wc -l <\"$up\")\"; do sleep 0.01; done; exit 3";
    let options = "--restart always --restart-limit 1 --ready-on signal";
    let life = run(&sandbox, options, script);
    for start in 1..=2 {
        wait_until("one more start", || {
            let starts = sandbox.read("up");
            starts.len() == start
        });
        sandbox.await_key("x", "Born");
        strings(&sandbox, "x");
        assert_eq!(keys(&sandbox, "x"), "Waiting Lock Born");
        sandbox
            .signal(["--ready", "x", "-m", "a: \"b\"\n"])
            .finish();
        assert_eq!(strings(&sandbox, "x")["Message"], "a: \"b\"\n");
        assert_eq!(keys(&sandbox, "x"), "Waiting Lock Born Ready Message");
        sandbox.touch(&format!("up.{start}"));
    }
    assert_eq!(life.end().status, 3);
    assert_eq!(strings(&sandbox, "x")["Reason"], "exited");
}
