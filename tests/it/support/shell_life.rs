//! A life whose command is a shell script that leaves processes behind, as PID 1 or not.

use crate::support::namespaces::{in_pid_namespace, pid_namespace_is_permitted};
use crate::support::proc::only_child;
use crate::support::sandbox::{Running, Sandbox, Start, binary, wait_until};
use crate::support::signals::send;

/// Where exitdir-run runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    Pid1,
    /// Somewhere in the tree of processes.
    Inside,
}

/// All places that are possible on this machine.
pub fn positions() -> Vec<Position> {
    if pid_namespace_is_permitted() {
        vec![Position::Inside, Position::Pid1]
    } else {
        vec![Position::Inside]
    }
}

/// `exitdir-run -n main OPTIONS -- sh -c SCRIPT` somewhere. In the script `$W` is a directory, and
/// what it starts has no part in the standard streams.
pub struct ShellLife {
    pub sandbox: Sandbox,
    pub running: Running,
    pub position: Position,
}

impl ShellLife {
    pub fn start(position: Position, options: &[&str], script: &str) -> ShellLife {
        ShellLife::leaving(position, options, "", script)
    }

    /// In this script `$DAEMON` is another one, for `sh -c`.
    pub fn leaving(position: Position, options: &[&str], daemon: &str, script: &str) -> ShellLife {
        let sandbox = Sandbox::new();
        let mut command = match position {
            Position::Inside => sandbox.command(binary()),
            Position::Pid1 => in_pid_namespace(&sandbox, binary()),
        };
        command
            .args(["run", "-n", "main"])
            .args(options)
            .args(["--", "sh", "-c"])
            .arg(format!("exec >/dev/null 2>&1 </dev/null; {script}"))
            .env("W", sandbox.path("."))
            .env("DAEMON", daemon);
        ShellLife {
            running: command.start(),
            sandbox,
            position,
        }
    }

    /// The process id of exitdir-run, as the test sees it.
    pub fn supervisor(&self) -> i32 {
        match self.position {
            Position::Inside => self.running.pid(),
            Position::Pid1 => only_child("the namespace has a PID 1", self.running.pid()),
        }
    }

    pub fn send(&self, signal: i32) {
        send(self.supervisor(), signal);
    }

    /// Creates the file that a process waits for.
    pub fn touch(&self, name: &str) {
        self.sandbox.touch(name);
    }

    pub fn await_file(&self, name: &str) {
        wait_until(format!("{name} ({:?})", self.position), || {
            self.sandbox.path(name).exists()
        });
    }

    pub fn has(&self, name: &str) -> bool {
        self.sandbox.path(name).exists()
    }

    /// The lines of a file.
    pub fn lines(&self, name: &str) -> Vec<String> {
        self.sandbox.lines(name)
    }
}
