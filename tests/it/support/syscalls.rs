//! The system calls of a process, as strace shows them: where a test can inject a kill or an error.

use crate::support::sandbox::{Sandbox, binary};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Command;

/// One system call of a process: its name, and its number among the calls of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    pub call: String,
    pub when: usize,
    /// The call as strace shows it, with the paths of its descriptors.
    pub line: String,
}

/// The binary under test under strace. `-f` is not given: the command is another process.
pub fn traced<S: AsRef<OsStr>>(sandbox: &Sandbox, options: &[S], words: &[&str]) -> Command {
    let mut command = sandbox.command("strace");
    command
        .args(["-y", "-s", "300", "-o"])
        .arg(log_path(sandbox));
    command.args(options).arg(binary()).args(words);
    command
}

/// No options for strace.
pub const NONE: &[&str] = &[];

fn log_path(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.path("strace.log")
}

/// What strace saw.
pub fn strace_log(sandbox: &Sandbox) -> String {
    let bytes = std::fs::read(log_path(sandbox)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The calls of a log in their order, without the `execve` that began the process.
pub fn points(log: &str) -> Vec<Point> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    let calls = log.lines().filter_map(|line| {
        let (call, _) = line.split_once('(')?;
        let is_name = call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        (is_name && call != "execve").then_some((call, line))
    });
    calls
        .map(|(call, line)| {
            let when = count.entry(call).or_default();
            *when += 1;
            Point {
                call: call.to_owned(),
                when: *when,
                line: line.to_owned(),
            }
        })
        .collect()
}

/// The points after the first call that contains these words.
pub fn points_since(words: &str, mut points: Vec<Point>) -> Vec<Point> {
    let first = points.iter().position(|point| point.line.contains(words));
    points.split_off(first.expect("a call with these words"))
}
