//! Who plays in many tests: a command that keeps a diary, and the dead.

use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use std::process::Command;

/// A command that says in a file what happens to it, and ends when a file called `end` appears.
pub struct Diarist {
    pub sandbox: Sandbox,
    pub running: Running,
}

impl Diarist {
    /// `traps` is what it does before it says `up`.
    pub fn start(traps: &str, prepare: impl FnOnce(&Sandbox) -> Command) -> Diarist {
        let sandbox = Sandbox::new();
        let script = format!(
            "{traps}; echo up >> \"$DIARY\"; while test -d \"$SANDBOX\" && ! test -e \"$SANDBOX/end\"; do sleep 0.01; done; exit 5"
        );
        let mut command = prepare(&sandbox);
        command
            .args(["--", "sh", "-c", &script])
            .env("DIARY", sandbox.path("diary"))
            .env("SANDBOX", sandbox.path("."));
        let diarist = Diarist {
            running: command.start(),
            sandbox,
        };
        diarist.await_entry("up");
        // CMD can be quicker than the record of its birth.
        diarist.sandbox.await_key("main", "Ready");
        diarist
    }

    pub fn await_entry(&self, entry: &str) {
        wait_until(format!("the diary says {entry}"), || {
            self.sandbox.lines("diary").iter().any(|line| line == entry)
        });
    }

    pub fn diary(&self) -> Vec<String> {
        self.sandbox.lines("diary")
    }

    pub fn let_go(&self) {
        self.sandbox.touch("end");
    }
}
