//! The record of a death is on the disk before exitdir ends, and only that end waits for the disk.

use crate::support::requirements::{is_permitted, strace_can_inject, strace_is_here};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::syscalls::{NONE, points, strace_log, traced};
use crate::support::volumes::memory_is_here;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether tests have a disk. In memory nothing is made durable.
fn disk_is_here() -> bool {
    let mut trial = Command::new("sh");
    trial.args(["-c", "[ \"$(stat -fc %T \"$0\")\" != tmpfs ]"]);
    is_permitted("a directory on a disk", trial.arg(std::env::temp_dir()))
}

/// What a traced process did from its death record on: `write`, `fsync FILE`, `exit_group`. A path
/// of a file that was renamed later is the one at the time of the call.
fn calls_from_the_record(sandbox: &Sandbox, dir: &Path) -> Vec<String> {
    let points = points(&strace_log(sandbox));
    let mut calls = Vec::new();
    for point in points {
        let died = point.line.contains("Died: ");
        match point.call.as_str() {
            "write" if died => calls.push("write".to_owned()),
            "fsync" => {
                let (_, path) = point.line.split_once('<').expect("a path");
                let (path, _) = path.split_once('>').expect("the end of a path");
                let path = Path::new(path).strip_prefix(dir).expect("in it");
                let file = match point.line.contains("(deleted)") {
                    true => "what was removed".to_owned(),
                    false => path.display().to_string(),
                };
                calls.push(format!("fsync {file}"));
            }
            "exit_group" => calls.push("exit_group".to_owned()),
            _ => {}
        }
    }
    calls
}

/// Command lines of processes that record a death of `main`.
const RECORDERS: [&[&str]; 8] = [
    &["run", "-n", "main", "--", "true"],
    &["run", "-n", "main", "--death-deps", "x", "--", "false"],
    &["run", "-n", "main", "--exit-only", "--", "true"],
    // A life that cannot begin.
    &["run", "-n", "main", "--bogus", "--", "true"],
    &["run", "-n", "main", "--", "sh", "-c", "exit 3"],
    &["signal", "main"],
    &["signal", "--code", "3", "main"],
    &["signal", "living"],
];

#[test]
fn a_death_is_durable_before_the_process_ends() {
    if !strace_is_here() || !disk_is_here() {
        return;
    }
    for words in RECORDERS {
        let sandbox = Sandbox::new();
        let _living = sandbox.run(["-n", "living", "--", "sleep", "60"]).start();
        sandbox.await_key("living", "Ready");
        traced(&sandbox, NONE, words).finish();
        let name = match words.last() {
            Some(&"living") => "living",
            _ => "main",
        };
        let expected = ["write", &format!("fsync {name}"), "fsync ", "exit_group"];
        let calls = calls_from_the_record(&sandbox, &sandbox.dir());
        assert_eq!(calls, expected, "{words:?}: {}", strace_log(&sandbox));
    }
}

#[test]
fn a_death_that_is_published_again_is_durable() {
    if !strace_is_here() || !disk_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let removes = "rm \"$EXIT_DIR/main\"";
    let words = ["run", "-n", "main", "--", "sh", "-c", removes];
    traced(&sandbox, NONE, &words).finish();
    let calls = calls_from_the_record(&sandbox, &sandbox.dir());
    let expected = ["write", "write", "fsync main", "fsync ", "exit_group"];
    assert_eq!(calls, expected, "{}", strace_log(&sandbox));
    assert!(sandbox.holds("main:ok"));
}

/// Removes a directory at the end.
struct InMemory(PathBuf);

impl Drop for InMemory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn nothing_is_made_durable_in_memory() {
    if !strace_is_here() || !memory_is_here() {
        return;
    }
    for words in RECORDERS.iter().filter(|words| !words.contains(&"living")) {
        let sandbox = Sandbox::new();
        let name = sandbox.path("").file_name().unwrap().to_owned();
        let dir = InMemory(Path::new("/dev/shm").join(name));
        let mut command = traced(&sandbox, NONE, words);
        command.env("EXIT_DIR", &dir.0).finish();
        let calls = calls_from_the_record(&sandbox, &dir.0);
        assert_eq!(calls, ["write", "exit_group"], "{words:?}");
    }
}

/// `exitdir-run -n main -- true` whose disk takes longer than the test.
fn with_a_slow_disk(sandbox: &Sandbox) -> Running {
    let slow = ["-e", "inject=fsync:delay_enter=600000000"];
    traced(sandbox, &slow, &["run", "-n", "main", "--", "true"]).start()
}

#[test]
fn neither_a_follower_nor_the_next_life_waits_for_the_disk() {
    if !strace_can_inject() || !disk_is_here() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut dying = with_a_slow_disk(&sandbox);
    sandbox.wait(["main:ok"]).finish().assert_output(0, "");
    wait_until("it waits for the disk", || {
        strace_log(&sandbox).contains("fsync(")
    });
    let next = sandbox.run(["-n", "main", "--", "true"]).finish();
    assert_eq!((next.status, next.stderr.as_str()), (0, ""));
    assert!(dying.is_running());
}

#[test]
fn a_signal_while_the_disk_works_changes_nothing() {
    if !strace_can_inject() || !disk_is_here() {
        return;
    }
    for signal in ["TERM", "HUP", "INT", "USR1"] {
        let sandbox = Sandbox::new();
        let inject = format!("inject=fsync:signal={signal}:when=1");
        let words = ["run", "-n", "main", "--", "sh", "-c", "exit 3"];
        let ended = traced(&sandbox, &["-e", &inject], &words).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (3, ""), "{signal}");
        assert!(
            strace_log(&sandbox).contains("fsync("),
            "{signal}: no call was hit"
        );
    }
}

#[test]
fn a_disk_that_fails_is_no_failure_of_the_command() {
    if !strace_can_inject() || !disk_is_here() {
        return;
    }
    for (errno, says) in [("EIO", true), ("EINVAL", false)] {
        let sandbox = Sandbox::new();
        let inject = format!("inject=fsync:error={errno}");
        let words = ["run", "-n", "main", "--", "true"];
        let ended = traced(&sandbox, &["-e", &inject], &words).finish();
        assert_eq!(ended.status, 0, "{ended:?}");
        let path = sandbox.dir().join("main");
        let sentence = format!("exitdir-run: cannot save {}: ", path.display());
        let said = ended
            .stderr
            .lines()
            .filter(|line| line.starts_with(&sentence));
        assert_eq!(said.count(), usize::from(says), "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), usize::from(says), "{ended:?}");
        assert!(sandbox.holds("main:ok"));
    }
}
