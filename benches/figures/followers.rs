//! Programs that wait for a death: exitdir's, one that uses inotifywait, and the floor.

use crate::bench::{Bench, Outcome, peer, quiet};
use crate::peers::FLOOR;
use crate::process::Process;
use crate::samples::Contestant;
use std::path::Path;
use std::process::{Command, Stdio};

/// The name that dies.
pub(crate) const NAME: &str = "main";

/// What a program does when it notices the death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follower {
    /// It exits.
    Waiter,
    /// It ends the command that it runs, and exits.
    Supervisor,
}

/// How the death shows in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// A tombstone is renamed into it.
    Renamed,
    /// The process that holds the tombstone open is killed.
    Crashed,
}

impl Death {
    /// The name of the event for inotifywait.
    fn event(self) -> &'static str {
        match self {
            Death::Renamed => "moved_to",
            Death::Crashed => "close_write",
        }
    }
}

impl Follower {
    pub(crate) fn ours(self) -> &'static str {
        match self {
            Follower::Waiter => "exitdir-wait",
            Follower::Supervisor => "exitdir-run",
        }
    }

    pub(crate) fn peer(self) -> &'static str {
        match self {
            Follower::Waiter => "inotifywait",
            Follower::Supervisor => "busybox sh with inotifywait",
        }
    }

    /// The programs that wait for the death of `main` in the directory.
    pub(crate) fn contestants(self, bench: &Bench, death: Death, dir: &Path) -> Vec<Contestant> {
        let mut contestants = vec![
            Contestant::new(self.ours(), self.exitdir(bench, dir)),
            Contestant::new(FLOOR, self.floor(bench, death, dir)),
        ];
        let theirs = self.inotifywait(bench, death, dir);
        contestants.extend(theirs.map(|command| Contestant::new(self.peer(), command)));
        contestants
    }

    fn exitdir(self, bench: &Bench, dir: &Path) -> Command {
        let mut command = bench.applet(self.ours());
        command.arg("--dir").arg(dir);
        match self {
            Follower::Waiter => command.arg(NAME),
            Follower::Supervisor => {
                command.args(["--quiet", "--death-deps", NAME, "--"]);
                command.arg(&bench.echo)
            }
        };
        command
    }

    fn floor(self, bench: &Bench, death: Death, dir: &Path) -> Command {
        let mut command = quiet(&bench.floor);
        let word = match (self, death) {
            (Follower::Waiter, Death::Renamed) => "wait",
            (Follower::Waiter, Death::Crashed) => "event",
            (Follower::Supervisor, Death::Renamed) => "follow",
            (Follower::Supervisor, Death::Crashed) => "closed",
        };
        command.arg(word).arg(dir);
        if death == Death::Renamed {
            command.arg(dir.join(NAME));
        }
        if self == Follower::Supervisor {
            command.arg(&bench.echo);
        }
        command
    }

    fn inotifywait(self, bench: &Bench, death: Death, dir: &Path) -> Option<Command> {
        let program = peer("inotifywait")?;
        let mut command = match self {
            Follower::Waiter => quiet(program),
            Follower::Supervisor => {
                let script = "\"$0\" & c=$!; \"$@\"; kill \"$c\"; wait \"$c\"";
                let mut command = quiet(peer("busybox")?);
                command.args(["sh", "-c", script]).arg(&bench.echo);
                command.arg(program);
                command
            }
        };
        command.args(["-qq", "-e", death.event()]).arg(dir);
        Some(command)
    }

    /// Starts one of them. Returns when it waits.
    pub(crate) fn start(self, command: &mut Command) -> Outcome<Process> {
        if self == Follower::Waiter {
            return Process::start_waiting(command, Process::is_waiting);
        }
        let command = command.stdout(Stdio::piped());
        let is_there = |process: &Process| process.is_waiting() && process.has_child("echo");
        let mut process = Process::start_waiting(command, is_there)?;
        // The command writes it when it is ready for TERM.
        process.await_byte()?;
        Ok(process)
    }
}
