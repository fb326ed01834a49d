//! Who plays in many tests: a command that keeps a diary, and the dead.

use crate::support::sandbox::{Running, Start, World, wait_until};
use std::process::Command;

/// A command that says in a file what happens to it, and ends when a file called `end` appears.
pub struct Diarist {
    pub world: World,
    pub running: Running,
}

impl Diarist {
    /// `traps` is what it does before it says `up`.
    pub fn start(traps: &str, prepare: impl FnOnce(&World) -> Command) -> Diarist {
        let world = World::new();
        let script = format!(
            "{traps}; echo up >> \"$DIARY\"; while test -d \"$WORLD\" && ! test -e \"$WORLD/end\"; do sleep 0.01; done; exit 5"
        );
        let mut command = prepare(&world);
        command
            .args(["--", "sh", "-c", &script])
            .env("DIARY", world.path("diary"))
            .env("WORLD", world.path("."));
        let diarist = Diarist {
            running: command.start(),
            world,
        };
        diarist.await_entry("up");
        // CMD can be quicker than the record of its birth.
        diarist.world.await_key("main", "Ready");
        diarist
    }

    pub fn await_entry(&self, entry: &str) {
        wait_until(format!("the diary says {entry}"), || {
            self.world.lines("diary").iter().any(|line| line == entry)
        });
    }

    pub fn diary(&self) -> Vec<String> {
        self.world.lines("diary")
    }

    pub fn let_go(&self) {
        self.world.touch("end");
    }
}
