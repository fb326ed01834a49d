//! A life for the tests of restarts in place: a command that records each of its starts, and what
//! can be seen of it from outside.
//!
//! Each restart takes a second at least, so lives run side by side. A file `mark` has a line
//! with the process id for each start of the command.

use crate::support::inspect::stop;
use crate::support::proc::{ProcStat, children};
use crate::support::sandbox::{Running, Sandbox, Start, binary, wait_until};
use crate::support::signals::{CONT, KILL, send, send_if_there};
use std::fs::File;
use std::process::Command;

/// A command that runs until it is told to end, or killed.
pub const SERVE: &str = "echo $$ >>\"$mark\"; exec sleep 60";
/// A command that fails at once.
pub const FAIL: &str = "echo $$ >>\"$mark\"; exit 3";

/// Messages without what is left of restart delays: on a busy machine a run takes long, and little
/// or nothing is left.
pub fn without_delays(messages: &str) -> String {
    let cut = |line: &str| match line.find("restarting it in ") {
        Some(at) => format!("{}restarting it\n", &line[..at]),
        None => format!("{line}\n"),
    };
    messages.lines().map(cut).collect()
}

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

/// Waits until the command has ended after its start of this number, and its tombstone has been
/// replaced. On a busy machine the command may already run again.
pub fn await_down(sandbox: &Sandbox, count: usize) {
    await_starts(sandbox, count);
    wait_until("the command is down", || {
        is_down(sandbox) || starts(sandbox).len() > count
    });
}

/// Does something during a back-off, however busy the machine is: `exitdir-run` is stopped with a
/// signal meanwhile. Returns how often the command had been started by then.
pub fn while_down(run: &Running, sandbox: &Sandbox, action: impl FnOnce()) -> usize {
    wait_until("exitdir-run is stopped during a back-off", || {
        stop(run);
        let running = children(run.pid());
        if running.is_empty() && !starts(sandbox).is_empty() {
            return true;
        }
        run.send(CONT);
        // The back-off was over before exitdir-run was stopped. `SERVE` would run on.
        let serves = |pid: &&i32| ProcStat::of(**pid).is_some_and(|found| found.name == "sleep");
        let serving = running.iter().find(serves);
        serving.inspect(|pid| send_if_there(**pid, KILL));
        false
    });
    let count = starts(sandbox).len();
    action();
    run.send(CONT);
    count
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

/// Checks that no key is there twice.
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
