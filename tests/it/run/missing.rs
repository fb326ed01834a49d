//! Death dependencies that are never seen, as with a typing error in a name: the notice, and
//! `--missing-timeout`.

use crate::support::sandbox::{Ended, Running, Sandbox, Start, words};
use crate::support::signals::TERM;
use std::io::{BufRead as _, BufReader, PipeReader};

/// A life called `name`, and the other end of its standard error.
fn begin(sandbox: &Sandbox, name: &str, options: &str) -> (Running, BufReader<PipeReader>) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let life = sandbox
        .run(["-n", name])
        .args(options.split(' '))
        .args(["--", "sleep", "60"])
        .stderr(writer)
        .start();
    sandbox.await_key(name, "Lock");
    (life, BufReader::new(reader))
}

#[test]
fn after_ten_seconds_one_line_names_the_death_dependencies_that_were_never_seen() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("main");
    let (seen, mut seen_stderr) = begin(&sandbox, "seen", "--death-deps main");
    let unseen = [
        begin(&sandbox, "runs", "--death-deps mian,main"),
        begin(&sandbox, "waits", "--birth-deps no --death-deps :lost,mian"),
    ];
    let notice = format!(
        "exitdir-run: death dependencies: no tombstone of mian was seen ({} has main, runs, seen, waits)",
        sandbox.dir().display()
    );
    for (life, stderr) in unseen {
        let mut lines = stderr.lines().map(|line| line.expect("a line"));
        let found = lines.find(|line| !line.contains("still waiting"));
        assert_eq!(found.as_ref(), Some(&notice));
        life.send(TERM);
        assert_eq!(life.end().status, 143);
        let more = lines.find(|line| line.contains("no tombstone"));
        assert_eq!(more, None, "a second notice");
    }
    seen.send(TERM);
    assert_eq!(seen.end().status, 143);
    let mut line = String::new();
    seen_stderr.read_line(&mut line).expect("the end");
    assert_eq!(line, "", "a notice where nothing is missing");
}

/// Runs `life` with these options; the command lasts until it is stopped, or for two seconds.
fn run(sandbox: &Sandbox, options: &str) -> Ended {
    let command = "trap 'exit 0' TERM; : >\"$here/started\"; sleep 2 & wait $!";
    sandbox
        .run(["-n", "life"])
        .args(words(options))
        .args(["--", "sh", "-c", command])
        .env("here", sandbox.path(""))
        .finish()
}

#[test]
fn a_life_whose_death_dependency_is_not_seen_in_time_ends_with_124_and_names_it() {
    let cases = [
        ("", true),
        ("--poll 20ms", true),
        ("--restart always", true),
        ("--birth-deps never", false),
        ("--birth-deps never --birth-timeout off", false),
        ("--active-while /nonexistent/file", false),
    ];
    for (options, starts) in cases {
        let sandbox = Sandbox::new();
        sandbox.record_ready("main");
        let deps = "--death-deps main,mian,:lost --missing-timeout 300ms";
        let ended = run(&sandbox, &format!("{deps} {options}"));
        assert_eq!(ended.status, 124, "{options}: {}", ended.stderr);
        let unseen = format!(
            "after 300ms, no tombstone of mian was seen ({} has life, main)",
            sandbox.dir().display()
        );
        let message = match starts {
            true => format!("{unseen}: stopping sh with TERM"),
            false => format!("gave up {unseen}"),
        };
        assert!(ended.stderr.contains(&message), "{options}: {ended:?}");
        let key = |key| sandbox.key("life", key);
        assert_eq!(key("Reason").as_deref(), Some("missing"), "{options}");
        assert_eq!(key("ExitCode").as_deref(), Some("124"), "{options}");
        assert!(key("Message").is_some_and(|text| text.contains(&message)));
        assert_eq!(key("Cause"), None, "{options}");
    }
}

#[test]
fn a_life_that_waits_for_a_restart_ends_when_the_missing_timeout_is_over() {
    let sandbox = Sandbox::new();
    let ended = sandbox
        .run(["-n", "life", "--restart", "always", "--death-deps", "mian"])
        .args(["--missing-timeout", "300ms", "--", "true"])
        .finish();
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert_eq!(sandbox.key("life", "Reason").as_deref(), Some("missing"));
}

#[test]
fn a_missing_timeout_of_0_decides_before_the_command_is_started() {
    let sandbox = Sandbox::new();
    let ended = run(&sandbox, "--death-deps mian --missing-timeout 0");
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert_eq!(sandbox.key("life", "Born"), None);
}

#[test]
fn a_death_dependency_that_was_seen_once_is_not_missing_even_if_it_is_gone() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("main");
    let remove = "rm \"$EXIT_DIR/main\"; sleep 1";
    let ended = sandbox
        .run(["--death-deps", "main,:lost", "--missing-timeout", "200ms"])
        .args(["--", "sh", "-c", remove])
        .finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let without_name = ["--death-deps", ":lost", "--missing-timeout", "0"];
    let ended = sandbox.run(without_name).args(["--", "true"]).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}
