//! The processes of a container. In a PID namespace they end together, as in a real container.
//! Without one, the parent death signal ends the command with its exitdir-run, and what else the
//! script has started may stay a moment longer.

use crate::support::proc::children;
use crate::support::signals::{KILL, send_if_there};
use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::Duration;

/// The words before a command that make it PID 1 of a namespace.
const NAMESPACE: [&str; 4] = ["unshare", "-pf", "--kill-child", "--"];

pub fn can_have_namespaces() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let trial = Command::new(NAMESPACE[0])
            .args(&NAMESPACE[1..])
            .arg("true")
            .output();
        trial.is_ok_and(|output| output.status.success())
    })
}

pub fn words_before(has_namespace: bool) -> &'static [&'static str] {
    if has_namespace { &NAMESPACE } else { &[] }
}

/// The first process of a container, and the others with it.
pub struct ContainerProcess {
    /// The first process, or the one that waits for it outside of its namespace.
    child: Child,
    has_namespace: bool,
    was_killed: Cell<bool>,
}

impl ContainerProcess {
    /// Starts a command that begins with [`words_before`].
    pub fn start(mut command: Command, has_namespace: bool) -> ContainerProcess {
        let child = command.spawn().unwrap();
        let mut process = ContainerProcess {
            child,
            has_namespace,
            was_killed: Cell::new(false),
        };
        // It could not be killed before.
        while has_namespace && process.first().is_none() && process.reap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        process
    }

    /// The id of the first process, as the kubelet sees it.
    fn first(&self) -> Option<i32> {
        let id = self.child.id() as i32;
        if self.has_namespace {
            children(id).first().copied()
        } else {
            Some(id)
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the first process. KILL ends all of a namespace.
    pub fn send(&self, signal: i32) {
        // It was not reaped, or the process that has reaped it was not, so it is still its own.
        if let Some(first) = self.first() {
            send_if_there(first, signal);
            self.was_killed.set(self.was_killed.get() || signal == KILL);
        }
    }

    /// The status as a shell would report it, once it has ended.
    pub fn reap(&mut self) -> Option<i32> {
        let status = self.child.try_wait().unwrap()?;
        match status.code() {
            // unshare(1) cannot die of the signal that has killed its child, and fails.
            Some(1) if self.has_namespace && self.was_killed.get() => Some(128 + KILL),
            Some(code) => Some(code),
            None => Some(128 + status.signal().unwrap()),
        }
    }

    /// Kills all of it and waits for the end.
    pub fn end(&mut self) {
        self.send(KILL);
        let _ = self.child.wait();
    }
}
