//! The example entry point of entrypoint-framework, as the command line of
//! docs/guides/migrating.md: random events, as its own test has them.

use crate::support::managed_app::await_rest;
use crate::support::proc::{await_gone, is_gone};
use crate::support::random::{Random, seed};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until, words};
use crate::support::signals::{KILL, TERM, USR1, send_if_there};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The options of the page, with the paths of the test.
const OPTIONS: &str = "--active-while isactive --config-tar config.tar=old --stop-signal KILL \
                       --restart always --birth-timeout off -v --";
/// It records its start with its configuration, and each USR1.
const COMMAND: &str = r#"trap 'echo "$$" >>signals' USR1; echo "$$ $(cat old/f0)" >>starts
    while test -e starts; do sleep 0.02; done"#;
/// Each kill costs a delay, which doubles.
const MAX_KILLS: usize = 2;
const EVENTS: usize = 25;

struct EntryPoint {
    sandbox: Sandbox,
    running: Running,
    is_active: bool,
    /// The newest configuration; 0 for none.
    version: u32,
    kills: usize,
}

impl EntryPoint {
    fn start() -> EntryPoint {
        let sandbox = Sandbox::new();
        let mut run = sandbox.run(words(OPTIONS));
        run.env_remove("EXIT_DIR").args(["sh", "-c", COMMAND]);
        let running = run.current_dir(sandbox.path(".")).start();
        EntryPoint {
            sandbox,
            running,
            is_active: false,
            version: 0,
            kills: 0,
        }
    }

    /// The newest start: the process id, and its configuration.
    fn newest(&self) -> Option<(i32, u32)> {
        let starts = self.sandbox.path("starts");
        let text = fs::read_to_string(starts).unwrap_or_default();
        let (pid, version) = text.lines().last()?.split_once(' ')?;
        Some((pid.parse().ok()?, version.parse().ok()?))
    }

    fn runs(&self) -> Option<(i32, u32)> {
        self.newest().filter(|(pid, _)| !is_gone(pid))
    }

    /// A command runs if it is active and there is a configuration, and then with the newest one.
    fn settle(&self, trace: &[&str]) {
        let expected = Some(self.version).filter(|version| self.is_active && *version > 0);
        wait_until(format!("{expected:?} after {trace:?}"), || {
            self.runs().map(|(_, version)| version) == expected
        });
    }

    fn update(&mut self) {
        self.version += 1;
        fs::write(self.sandbox.path("f0"), self.version.to_string()).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["-cf", "config.new", "f0"]);
        let made = tar.current_dir(self.sandbox.path(".")).status().unwrap();
        assert!(made.success());
        fs::rename(
            self.sandbox.path("config.new"),
            self.sandbox.path("config.tar"),
        )
        .unwrap();
    }

    fn toggle(&mut self) {
        self.is_active = !self.is_active;
        if self.is_active {
            self.sandbox.touch("isactive");
        } else {
            fs::remove_file(self.sandbox.path("isactive")).unwrap();
        }
    }

    /// The command is killed by another program, and started again.
    fn kill(&mut self) {
        let Some((pid, _)) = self.runs().filter(|_| self.kills < MAX_KILLS) else {
            return;
        };
        self.kills += 1;
        send_if_there(pid, KILL);
        await_gone(pid);
    }

    /// A signal that exitdir-run receives reaches the command.
    fn signal(&self, trace: &[&str]) {
        self.settle(trace);
        if self.runs().is_none() {
            return;
        }
        let count = || {
            let text = fs::read_to_string(self.sandbox.path("signals"));
            text.unwrap_or_default().lines().count()
        };
        let before = count();
        // One that arrives while the command is replaced is lost.
        wait_until(format!("the signal after {trace:?}"), || {
            self.settle(trace);
            self.running.send(USR1);
            std::thread::sleep(Duration::from_millis(50));
            count() > before
        });
    }
}

#[test]
fn the_entry_point_of_entrypoint_framework_follows_random_events() {
    let seed = seed();
    let mut random = Random::new(&format!("entry point {seed}"));
    let mut entry = EntryPoint::start();
    let mut trace: Vec<&str> = vec!["seed"];
    for _ in 0..EVENTS {
        let event = random.pick(&["start or stop", "update", "kill", "signal"]);
        trace.push(event);
        match event {
            "start or stop" => entry.toggle(),
            "update" => entry.update(),
            "kill" => entry.kill(),
            _ => entry.signal(&trace),
        }
        // Without a pause, the next event comes in the middle of this one.
        if random.flip() {
            entry.settle(&trace);
        }
    }
    trace.push("the end");
    entry.settle(&trace);
    // A command that is not started yet looks like one that was stopped.
    await_rest(&entry.running);
    entry.settle(&trace);
    let runs = entry.runs();
    entry.running.send(TERM);
    let ended = entry.running.end();
    // KILL for the command, or the TERM itself where there is none.
    let status = if runs.is_some() { 137 } else { 143 };
    assert_eq!(ended.status, status, "EXITDIR_TEST_SEED={seed}: {ended:?}");
    runs.inspect(|(pid, _)| assert!(is_gone(pid), "the command lives on"));
}
