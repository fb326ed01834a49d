//! A life for the tests of restarts in place: a command that leaves a trace of each of its starts,
//! and what can be seen of it from outside.
//!
//! Each restart takes a second at least, so lives are lived side by side. A file `mark` has a line
//! with the process id for each start of the command.

use crate::support::sandbox::{Running, Sandbox, Start, binary, wait_until};
use crate::support::signals::{KILL, send};
use std::fs::File;
use std::process::Command;

/// A command that runs until it is told to end, or killed.
pub const SERVE: &str = "echo $$ >>\"$mark\"; exec sleep 60";
/// A command that fails at once.
pub const FAIL: &str = "echo $$ >>\"$mark\"; exit 3";

/// `exitdir-run -n x OPTIONS -- sh -c SCRIPT`. In the script `$mark` is the file of starts and
/// `$exitdir` the binary.
pub fn life(sandbox: &Sandbox, options: &str, script: &str) -> Command {
    nameless(sandbox, &format!("-n x {options}"), script)
}

pub fn nameless(sandbox: &Sandbox, options: &str, script: &str) -> Command {
    let mut command = sandbox.run(options.split_whitespace());
    command.args(["--", "sh", "-c", script]);
    with_variables(sandbox, &mut command);
    command
}

pub fn with_variables(sandbox: &Sandbox, command: &mut Command) {
    command
        .env("mark", sandbox.path("mark"))
        .env("exitdir", binary());
}

/// The process ids of the command so far.
pub fn starts(sandbox: &Sandbox) -> Vec<String> {
    let text = sandbox.read("mark");
    text.lines().map(str::to_owned).collect()
}

pub fn await_starts(sandbox: &Sandbox, count: usize) {
    wait_until(format!("start {count}"), || starts(sandbox).len() >= count);
}

/// Waits until the command was started this often, and the tombstone says that it is ready.
pub fn await_up(sandbox: &Sandbox, count: usize) {
    await_starts(sandbox, count);
    sandbox.await_key("x", "Ready");
}

/// Waits until the command, started this often so far, is down, and the tombstone says so.
pub fn await_down(sandbox: &Sandbox, count: usize) {
    await_starts(sandbox, count);
    wait_until("the command is down", || is_down(sandbox));
}

pub fn is_down(sandbox: &Sandbox) -> bool {
    let text = sandbox.tombstone("x");
    text.contains("\nBorn: ") && !text.contains("\nReady: ")
}

/// Kills the command as it runs now.
pub fn kill_command(sandbox: &Sandbox) {
    let pid = starts(sandbox).last().unwrap().parse().unwrap();
    send(pid, KILL);
}

/// Sends standard error to a file that can be read while the process lives.
pub fn with_log(sandbox: &Sandbox, mut command: Command) -> Running {
    command
        .stderr(File::create(sandbox.path("log")).unwrap())
        .start()
}

pub fn log(sandbox: &Sandbox) -> String {
    std::fs::read_to_string(sandbox.path("log")).unwrap()
}

pub fn await_log(sandbox: &Sandbox, words: &str) {
    wait_until(words, || log(sandbox).contains(words));
}

/// No key stands there twice.
#[track_caller]
pub fn assert_once(text: &str) {
    let mut keys: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count, "a key stands there twice:\n{text}");
}
