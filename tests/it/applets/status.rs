//! `exitdir-status` as its users see it.

use crate::support::inspect::assert_sentence;
use crate::support::sandbox::{Sandbox, Start};
use crate::support::signals::KILL;

/// A directory with one life in each state.
fn populated() -> (Sandbox, Vec<crate::support::sandbox::Running>) {
    let sandbox = Sandbox::new();
    let living = vec![
        sandbox
            .run(["-n", "unborn", "--birth-deps", "never", "--", "true"])
            .start(),
        sandbox
            .run(["-n", "born", "--ready-on", "signal", "--", "sleep", "60"])
            .start(),
        sandbox.run(["-n", "Ready", "--", "sleep", "60"]).start(),
    ];
    for (name, key) in [("unborn", "Lock"), ("born", "Born"), ("Ready", "Ready")] {
        sandbox.await_key(name, key);
    }
    let lost = sandbox.run(["-n", "lost", "--", "sleep", "60"]).start();
    sandbox.await_key("lost", "Ready");
    lost.send(KILL);
    lost.end();
    sandbox.run(["-n", "ok", "--", "true"]).finish();
    sandbox
        .run(["-n", "failed", "--", "sh", "-c", "exit 3"])
        .finish();
    sandbox
        .run(["-n", "signaled", "--", "sh", "-c", "kill -9 $$"])
        .finish();
    sandbox
        .run(["-n", "proxy", "--death-deps", "failed", "--", "true"])
        .finish();
    sandbox
        .signal(["-c", "7", "-m", "by \"hand\"", "said"])
        .finish();
    (sandbox, living)
}

#[test]
fn the_table_has_one_row_for_each_tombstone_sorted_by_name() {
    let (sandbox, _living) = populated();
    let ended = sandbox.applet("status").finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let rows: Vec<Vec<&str>> = ended
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let without_age: Vec<String> = rows
        .iter()
        .map(|row| [&row[..2], &row[3..]].concat().join(" "))
        .collect();
    assert_eq!(
        without_age,
        [
            "NAME STATE CODE REASON",
            "Ready ready - -",
            "born born - -",
            "failed failed 3 exited",
            "lost lost 137 -",
            "ok ok 0 exited",
            "proxy failed 143 stopped, cause failed",
            "said failed 7 said, by \"hand\"",
            "signaled failed 137 signaled",
            "unborn waiting - for never:ready",
        ],
        "{}",
        ended.stdout
    );
    for row in &rows[1..] {
        let age = row[2];
        assert!(
            age == "-" || age.ends_with('s') && age[..age.len() - 1].parse::<u32>().is_ok(),
            "{row:?}"
        );
    }
    let head = ended.stdout.lines().next().unwrap();
    for column in ["STATE", "AGE", "CODE", "REASON"] {
        let at = head.find(column).unwrap();
        assert!(
            ended.stdout.lines().all(|line| &line[at - 1..at] == " "),
            "{column} is not aligned:\n{}",
            ended.stdout
        );
    }
}

#[test]
fn json_is_one_object_per_line() {
    let (sandbox, _living) = populated();
    let ended = sandbox.applet("status").arg("--json").finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 9);
    for line in &lines {
        assert!(
            line.starts_with("{\"name\":\"") && line.ends_with('}'),
            "{line}"
        );
    }
    for part in [
        "\"name\":\"said\"",
        "\"state\":\"failed\"",
        "\"code\":7",
        "\"reason\":\"said\"",
        "\"message\":\"by \\\"hand\\\"\"",
        "\"cause\":null",
    ] {
        assert!(lines[6].contains(part), "{part}: {}", lines[6]);
    }
    for part in [
        "\"name\":\"signaled\"",
        "\"code\":137",
        "\"signal\":\"KILL\"",
    ] {
        assert!(lines[7].contains(part), "{part}: {}", lines[7]);
    }
    let died = sandbox.key("failed", "Died").unwrap();
    assert!(
        lines[2].contains(&format!("\"died\":{died}")),
        "{}",
        lines[2]
    );
}

#[test]
fn json_has_the_death_dependencies_of_a_life() {
    let sandbox = Sandbox::new();
    sandbox.record_death("main", "0");
    let proxy = sandbox
        .run(["-n", "proxy", "--death-deps", "main,:lost", "--", "true"])
        .finish();
    assert_eq!(proxy.status, 0, "{}", proxy.stderr);
    let json = sandbox.applet("status").arg("--json").finish().stdout;
    let lines: Vec<&str> = json.lines().collect();
    assert!(lines[0].contains("\"follows\":null"), "{json}");
    let follows = "\"follows\":\"main:died,:lost\"";
    assert!(lines[1].contains(follows), "{json}");
}

#[test]
fn the_age_counts_from_the_beginning_of_the_state() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let ago = |seconds: u32| {
        let ended = sandbox
            .command("date")
            .args([
                "-u",
                "-d",
                &format!("-{seconds} seconds"),
                "+%Y-%m-%dT%H:%M:%S.000000000Z",
            ])
            .finish();
        format!("\"{}\"", ended.stdout.trim())
    };
    // In the middle of a minute, so that a slow machine does not change what is shown.
    let (old, young) = (ago(26 * 3600 + 1830), ago(3 * 3600 + 150));
    for (text, age) in [
        (format!("Waiting: {old}\nLock: none\n"), "1d2h"),
        (
            format!("Waiting: {old}\nLock: none\nBorn: {young}\n"),
            "3h2m",
        ),
        (
            format!("Waiting: {old}\nLock: none\nBorn: {old}\nReady: {young}\n"),
            "3h2m",
        ),
        (format!("Born: {young}\n"), "3h2m"),
        (
            format!("Waiting: {old}\nBorn: {old}\nExitCode: 0\nDied: {young}\n"),
            "3h2m",
        ),
        ("Born: \"yesterday\"\n".to_owned(), "-"),
        ("Born: \"2999-01-01T00:00:00Z\"\n".to_owned(), "0s"),
    ] {
        std::fs::write(sandbox.dir().join("x"), &text).unwrap();
        let stdout = sandbox.applet("status").finish().stdout;
        let row: Vec<&str> = stdout.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row[2], age, "{text}{stdout}");
    }
}

#[test]
fn nothing_is_created_and_an_empty_directory_is_an_empty_table() {
    let sandbox = Sandbox::new();
    assert_sentence(&sandbox.applet("status").finish(), "exitdir-status", 125);
    assert!(!sandbox.dir().exists());
    std::fs::create_dir(sandbox.dir()).unwrap();
    let ended = sandbox.applet("status").finish();
    assert_eq!((ended.status, ended.stdout.lines().count()), (0, 1));
    let ended = sandbox.applet("status").arg("--json").finish();
    ended.assert_output(0, "");
}

#[test]
fn names_limit_the_rows_and_a_name_without_a_tombstone_is_said_with_status_1() {
    let (sandbox, _living) = populated();
    let shown = |arguments: &[&str]| {
        let ended = sandbox.applet("status").args(arguments).finish();
        let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
        let rows: Vec<String> = ended.stdout.lines().map(first).collect();
        (ended.status, rows.join(" "), ended.stderr)
    };
    let none = String::new();
    let both = (0, "NAME ok unborn".to_owned(), none.clone());
    assert_eq!(shown(&["unborn", "ok", "unborn"]), both);
    let missing = "exitdir-status: no tombstone has the name nobody\n".to_owned();
    let one = (1, "NAME ok".to_owned(), missing.clone());
    assert_eq!(shown(&["nobody", "ok"]), one);
    assert_eq!(shown(&["nobody"]), (1, none.clone(), missing.clone()));
    let json = shown(&["--json", "ok"]);
    assert!(
        json.0 == 0 && json.1.starts_with("{\"name\":\"ok\""),
        "{json:?}"
    );
    assert_eq!(shown(&["--json", "nobody"]), (1, none, missing));
    let ended = sandbox.applet("status").args(["ok", "../ok"]).finish();
    assert_sentence(&ended, "exitdir-status", 125);
    assert!(ended.stderr.contains("not a name"), "{}", ended.stderr);
}

#[test]
fn a_row_says_what_its_life_waits_for_also_if_the_others_are_not_shown() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("db");
    let words = ["-n", "app", "--birth-deps", "db,job:ok", "--", "true"];
    let app = sandbox.run(words).start();
    sandbox.await_key("app", "Lock");
    let ended = sandbox.applet("status").arg("app").finish();
    assert!(ended.stdout.contains("for job:ok\n"), "{}", ended.stdout);
    drop(app);
}
