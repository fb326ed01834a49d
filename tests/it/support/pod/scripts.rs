//! What the containers of a pod do, in the shell: how they stop, which accidents they have, and how
//! they pass the time.

use crate::support::pod::handle::Pod;
use crate::support::signals::{KILL, USR1, USR2};
use std::time::Duration;

/// What a command does at TERM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopManner {
    /// As many servers do.
    ExitsZero,
    /// As a program without a handler does.
    DiesOfIt,
    /// As shells and runtimes do that translate it.
    Exits143,
}

pub const STOP_MANNERS: [StopManner; 3] = [
    StopManner::ExitsZero,
    StopManner::DiesOfIt,
    StopManner::Exits143,
];

/// How a container fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accident {
    /// CMD exits with 3.
    Crash,
    /// CMD is killed.
    CommandKilled,
    /// exitdir-run is killed, as the OOM killer would.
    SupervisorKilled,
}

pub const ACCIDENTS: [Accident; 3] = [
    Accident::Crash,
    Accident::CommandKilled,
    Accident::SupervisorKilled,
];

impl Accident {
    /// The shell code that causes it.
    pub fn script(self) -> &'static str {
        match self {
            Accident::Crash => "exit 3",
            Accident::CommandKilled => "kill -KILL $$",
            Accident::SupervisorKilled => "kill -KILL $PPID; read -r line",
        }
    }

    /// The perl code that causes it.
    pub fn perl(self) -> &'static str {
        match self {
            Accident::Crash => "exit 3",
            Accident::CommandKilled => "kill KILL => $$",
            Accident::SupervisorKilled => "kill KILL => getppid; sleep",
        }
    }

    /// Causes it in a container whose script is a server of [`crate::support::pod::servers`].
    pub fn trigger(self, pod: &Pod, name: &str) -> bool {
        let signal = match self {
            Accident::Crash => USR1,
            Accident::CommandKilled => USR2,
            Accident::SupervisorKilled => KILL,
        };
        pod.send(name, signal)
    }

    /// The status that the kubelet sees.
    pub fn status(self) -> i32 {
        match self {
            Accident::Crash => 3,
            Accident::CommandKilled | Accident::SupervisorKilled => 137,
        }
    }
}

/// Traps for a command that stops slowly, and can be made to fail.
pub fn traps(manner: StopManner, takes: Duration) -> String {
    let end = match manner {
        StopManner::ExitsZero => "exit 0",
        StopManner::DiesOfIt => "trap - TERM; kill -TERM $$",
        StopManner::Exits143 => "exit 143",
    };
    format!(
        "trap 'sleep {}; {end}' TERM; trap 'exit 3' USR1; trap 'kill -KILL $$' USR2; ",
        takes.as_secs_f64()
    )
}

/// Serves as long as the pod is there.
pub const SERVE: &str = "exec 3<&0; read -r line <&3 & wait $!";

pub fn becomes_ready(name: &str, after: Duration) -> String {
    format!("{}; \"$exitdir\" signal --ready {name}; ", pause(after))
}

/// Sleeps so that a trap runs at once.
pub fn pause(time: Duration) -> String {
    format!("sleep {} & wait $!", time.as_secs_f64())
}

/// A script that does something else in its first run or runs.
pub fn for_the_first(times: usize, action: &str) -> String {
    let all: Vec<String> = (0..times)
        .map(|time| {
            format!(
                "[ -e \"$shared/been-{time}\" ] || {{ : >\"$shared/been-{time}\"; {action}; }}; "
            )
        })
        .collect();
    all.concat()
}
