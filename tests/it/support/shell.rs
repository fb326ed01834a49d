//! A shell on a pseudo-terminal, with `exitdir-run` before each command or without.

use crate::support::proc::ProcStat;
use crate::support::pty::Terminal;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, binary, wait_until};
use std::process::Command;

pub const PROMPT: &str = "outer> ";
pub const INNER: &str = "inner> ";

/// An interactive shell on a terminal.
pub struct Shell<'w> {
    pub sandbox: &'w Sandbox,
    pub terminal: Terminal,
}

impl Shell<'_> {
    pub fn start(sandbox: &Sandbox) -> Shell<'_> {
        let mut command = with_exitdir_run(sandbox, "setsid");
        command
            .args([
                "--ctty",
                "bash",
                "--norc",
                "--noprofile",
                "--noediting",
                "-i",
            ])
            .env("PS1", PROMPT)
            .env("INNER", INNER)
            .env("HISTFILE", "/dev/null")
            .env("TERM", "dumb");
        let mut shell = Shell {
            sandbox,
            terminal: Terminal::start(&mut command),
        };
        assert_eq!(shell.prompt(), "");
        shell
    }

    /// Waits for the prompt, at which the shell has the terminal. Returns what was shown before it.
    pub fn prompt(&mut self) -> String {
        let shown = self.terminal.shown_until(PROMPT);
        assert!(self.has_terminal(), "a prompt without the terminal");
        plain(&shown)
    }

    /// Types a line. Returns what is shown up to the next prompt.
    pub fn ask(&mut self, line: &str) -> String {
        self.terminal.enter(line);
        self.prompt()
    }

    /// Presses a key. Returns what is shown up to the next prompt.
    pub fn press(&mut self, key: &str) -> String {
        self.terminal.press(key);
        self.prompt()
    }

    pub fn has_terminal(&self) -> bool {
        self.terminal.foreground() == self.terminal.pid()
    }

    /// All processes of the session except the shell.
    pub fn jobs(&self) -> Vec<ProcStat> {
        let mut processes = self.terminal.processes();
        processes.retain(|process| process.pid != self.terminal.pid());
        processes
    }

    /// Waits until there are jobs, and all of them are stopped.
    pub fn await_all_stopped(&self) {
        wait_until("all jobs are stopped", || {
            let jobs = self.jobs();
            !jobs.is_empty() && jobs.iter().all(ProcStat::is_stopped)
        });
    }

    pub fn await_all_running(&self) {
        wait_until("all jobs run", || {
            let jobs = self.jobs();
            !jobs.is_empty() && !jobs.iter().any(ProcStat::is_stopped)
        });
    }

    pub fn await_nobody(&self) {
        wait_until("all jobs are gone", || self.jobs().is_empty());
    }
}

/// What was shown, without what differs from one time to the next: how `exitdir-run` was typed,
/// process ids, and the empty line that a shell adds for a command that a signal has ended
/// (`exitdir-run` exits with 128+n).
pub fn plain(shown: &str) -> String {
    let mut lines = Vec::new();
    for line in shown.lines().filter(|line| !line.is_empty()) {
        let line = line.replace("exitdir-run -- ", "");
        match line.split_once("[1] ") {
            Some(("", pid)) if pid.parse::<i32>().is_ok() => lines.push("[1]".to_owned()),
            _ => lines.push(line),
        }
    }
    lines.join("\n")
}

/// A command in the test's directory that finds `exitdir-run` in its path.
pub fn with_exitdir_run(sandbox: &Sandbox, program: &str) -> Command {
    let bin = sandbox.path("bin");
    if std::fs::create_dir(&bin).is_ok() {
        std::os::unix::fs::symlink(binary(), bin.join("exitdir-run")).unwrap();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = sandbox.command(program);
    command
        .current_dir(sandbox.path("."))
        .env("PATH", format!("{}:{path}", bin.display()));
    command
}

pub fn terminals_are_possible() -> bool {
    let needed = "command -v setsid && command -v bash && command -v stty && test -c /dev/ptmx";
    is_permitted(
        "a shell on a terminal (setsid, bash, stty, /dev/ptmx)",
        Command::new("sh").args(["-c", needed]),
    )
}

/// Plays a scene in a fresh shell without and with `exitdir-run --` before the command. Checks that
/// both show the same, and returns it.
pub fn same_with_and_without(scene: impl Fn(&mut Shell<'_>, &str) -> Vec<String>) -> Vec<String> {
    let play = |with: &str| {
        let sandbox = Sandbox::new();
        scene(&mut Shell::start(&sandbox), with)
    };
    let (without, with) = (play(""), play("exitdir-run -- "));
    assert_eq!(with, without, "with exitdir-run (left) it differs");
    with
}

pub const STOPPED: &str = "[1]+  Stopped                 ";
