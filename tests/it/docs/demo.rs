//! What `scripts/demo --keep` leaves for playing: a user's shell takes it up, more than once, and
//! in a directory of any name.

use super::absolute_binary;
use crate::support::sandbox::{Ended, Sandbox, Start, entries, repository};
use crate::support::users::{as_nobody, installed, nobody_is_permitted, set_mode};
use std::path::Path;
use std::process::Command;

/// The applets after the two lines: a Job, whose proxy ends with main.
const PLAY: &str = "
exitdir-run --name main --birth-deps proxy -- echo work &
exitdir-wait main:waiting
exitdir-run --quiet --name proxy --death-deps main -- sleep 1000 && echo ended
wait $!
";

/// The script, called in this directory, without a build.
fn keep(sandbox: &Sandbox, at: &Path, words: &[&str]) -> Command {
    let mut command = sandbox.command(repository().join("scripts/demo"));
    command
        .args(words)
        .current_dir(at)
        .env("EXITDIR_DEMO_BINARY", absolute_binary());
    command
}

/// A shell that knows nothing of exitdir, and evaluates what the script has printed.
fn play(sandbox: &Sandbox, lines: &str, script: &str) -> Ended {
    let mut shell = sandbox.command("sh");
    shell
        .env_remove("EXIT_DIR")
        .args(["-euc", &format!("{lines}{script}")])
        .finish()
}

fn kept(sandbox: &Sandbox, at: &Path, dir: &str) -> String {
    let ended = keep(sandbox, at, &["--keep", dir]).finish();
    assert_eq!(ended.status, 0, "{dir}: {}", ended.stderr);
    ended.stdout
}

#[test]
fn a_shell_that_sets_the_two_lines_of_a_kept_demo_plays_with_any_directory() {
    for dir in ["play", "with a space", "it's \"$HOME\" `x`", "a/b"] {
        let sandbox = Sandbox::new();
        let lines = kept(&sandbox, &sandbox.path("."), dir);
        let begins: Vec<&str> = lines.lines().filter_map(|line| line.get(..12)).collect();
        assert_eq!(begins, ["export PATH=", "export EXIT_"], "{lines}");
        play(&sandbox, &lines, PLAY).assert_output(0, "work\nended\n");
        assert_eq!(
            entries(&sandbox.path(dir).join("exit")),
            ["main", "proxy"],
            "{dir}"
        );
    }
}

#[test]
fn a_demo_that_is_kept_and_played_again_does_the_same() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        let lines = kept(&sandbox, &sandbox.path("."), "play");
        // Also without a sweep in between.
        for _ in 0..2 {
            play(&sandbox, &lines, PLAY).assert_output(0, "work\nended\n");
        }
    }
}

#[test]
fn to_keep_a_demo_again_removes_the_dead_and_leaves_the_living_and_other_files() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("play");
    std::fs::create_dir(&dir).expect("a fresh directory");
    sandbox.touch("play/notes");
    let lines = kept(&sandbox, &sandbox.path("."), "play");
    play(&sandbox, &lines, "exitdir-signal dead").assert_output(0, "");
    let script = format!("{lines}exec exitdir-run --name alive -- sleep 1000");
    let mut shell = sandbox.command("sh");
    let mut alive = shell.args(["-c", &script]).start();
    play(&sandbox, &lines, "exitdir-wait alive:ready").assert_output(0, "");
    assert_eq!(kept(&sandbox, &sandbox.path("."), "play"), lines);
    assert_eq!(entries(&dir.join("exit")), ["alive"]);
    assert_eq!(entries(&dir), ["bin", "exit", "notes"]);
    assert!(alive.is_running());
}

#[test]
fn a_demo_that_cannot_be_kept_prints_nothing_that_a_shell_would_evaluate() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.touch("file");
    let in_the_way = keep(&sandbox, &sandbox.path("."), &["--keep", "file"]).finish();
    // The checkout may be where another user cannot go.
    let script = std::fs::read_to_string(repository().join("scripts/demo")).expect("a script");
    let common = repository().join("scripts/arguments.sh");
    std::fs::create_dir(sandbox.path("scripts")).expect("a fresh directory");
    std::fs::copy(common, sandbox.path("scripts/arguments.sh")).expect("a copy");
    let demo = sandbox.program("scripts/demo", &script);
    let binary = installed(&sandbox);
    set_mode(&sandbox.path("scripts"), 0o755);
    set_mode(&sandbox.path("scripts/arguments.sh"), 0o644);
    let dir = sandbox.path("not-writable");
    std::fs::create_dir(&dir).expect("a fresh directory");
    set_mode(&dir, 0o755);
    let mut denied = as_nobody(&sandbox, demo);
    denied
        .current_dir(sandbox.path("."))
        .env("EXITDIR_DEMO_BINARY", binary);
    let denied = denied.arg("--keep").arg(&dir).finish();
    for (ended, reason) in [
        (in_the_way, "Not a directory"),
        (denied, "Permission denied"),
    ] {
        assert_eq!((ended.status, ended.stdout.as_str()), (1, ""));
        assert!(ended.stderr.contains(reason), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("scripts/demo: cannot prepare /"),
            "{}",
            ended.stderr
        );
    }
}
