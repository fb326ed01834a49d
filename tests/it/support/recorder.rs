//! What many tests use: a command that keeps a record, and dead tombstones.

use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use std::process::Command;

/// A command that says in a file what happens to it, and ends when a file called `end` appears.
pub struct Recorder {
    pub sandbox: Sandbox,
    pub running: Running,
}

impl Recorder {
    /// `traps` is what it does before it says `up`.
    pub fn start(traps: &str, prepare: impl FnOnce(&Sandbox) -> Command) -> Recorder {
        let sandbox = Sandbox::new();
        let script = format!(
            "{traps}; echo up >> \"$RECORD\"; while test -d \"$SANDBOX\" && ! test -e \"$SANDBOX/end\"; do sleep 0.01; done; exit 5"
        );
        let mut command = prepare(&sandbox);
        command
            .args(["--", "sh", "-c", &script])
            .env("RECORD", sandbox.path("record"))
            .env("SANDBOX", sandbox.path("."));
        let recorder = Recorder {
            running: command.start(),
            sandbox,
        };
        recorder.await_entry("up");
        // CMD can run before its birth is recorded.
        recorder.sandbox.await_key("main", "Ready");
        recorder
    }

    pub fn await_entry(&self, entry: &str) {
        wait_until(format!("the record says {entry}"), || {
            self.sandbox
                .lines("record")
                .iter()
                .any(|line| line == entry)
        });
    }

    pub fn record(&self) -> Vec<String> {
        self.sandbox.lines("record")
    }

    pub fn let_go(&self) {
        self.sandbox.touch("end");
    }
}
