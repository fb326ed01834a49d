//! A managed application for the tests: a command that logs its configuration, and a supervisor
//! without periodic rescans, so that a missed event stays missed.

use crate::support::inspect::{sleep_limit, sleeps, sleeps_in_its_watch};
use crate::support::proc::{children, sleep_count};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Changes that are further apart may be two changes; those that must be one are much closer.
pub const DEBOUNCE: Duration = Duration::from_millis(100);

/// A command that logs how it got its configuration, and the configuration.
pub const SERVER: &str = "trap 'echo reloaded $(cat $CONF) >>\"$LOG\"' HUP; \
                      echo started $(cat $CONF) >>\"$LOG\"; while test -e \"$LOG\"; do sleep 0.02; done";
/// The same for one that needs no handler.
pub const SLEEPER: &str = "echo started $(cat $CONF) >>\"$LOG\"; exec sleep 60";

/// What the command gets for a new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadBy {
    Restart,
    Hup,
}

impl ReloadBy {
    pub fn words(self) -> [&'static str; 4] {
        match self {
            ReloadBy::Restart => ["--", "sh", "-c", SLEEPER],
            ReloadBy::Hup => ["--", "sh", "-c", SERVER],
        }
    }

    /// The command's line about another configuration than the first.
    pub fn line(self, text: &str) -> String {
        match self {
            ReloadBy::Restart => format!("started {text}"),
            ReloadBy::Hup => format!("reloaded {text}"),
        }
    }
}

/// `exitdir-run` with a command that logs its configuration.
pub struct ConfiguredApp {
    pub running: Running,
    pub sandbox: Sandbox,
    way: ReloadBy,
}

impl ConfiguredApp {
    /// `conf` is what the command reads.
    pub fn start(sandbox: Sandbox, way: ReloadBy, conf: &str, words: &[&str]) -> ConfiguredApp {
        let run = sandbox.applet("run");
        ConfiguredApp::of(sandbox, run, way, conf, words)
    }

    pub fn of(
        sandbox: Sandbox,
        mut run: Command,
        way: ReloadBy,
        conf: &str,
        words: &[&str],
    ) -> ConfiguredApp {
        let stderr = fs::File::create(sandbox.path("stderr")).unwrap();
        if way == ReloadBy::Hup {
            run.args(["--on-config", "HUP"]);
        }
        run.args(["--poll", "off"])
            .args(words)
            .args(way.words())
            .current_dir(sandbox.path("."))
            .env("CONF", conf)
            .env("LOG", "log")
            .stdout(Stdio::null())
            .stderr(stderr);
        let running = run.start();
        ConfiguredApp {
            running,
            sandbox,
            way,
        }
    }

    /// With a source and its copy in `run`, as most of them are.
    pub fn copying(way: ReloadBy, words: &[&str]) -> ConfiguredApp {
        let sandbox = Sandbox::new();
        write(&sandbox, "app.conf", "1");
        let config = ["--config", "app.conf=run/app.conf"];
        let app = ConfiguredApp::start(sandbox, way, "run/app.conf", &[&config, words].concat());
        app.await_log(&["started 1"]);
        app
    }

    pub fn log(&self) -> Vec<String> {
        self.sandbox.lines("log")
    }

    /// Waits for as many lines, and compares them when the supervisor is at rest.
    #[track_caller]
    pub fn await_log(&self, expected: &[&str]) {
        wait_until(format!("{expected:?}; {:?}", self.log()), || {
            self.log().len() >= expected.len()
        });
        await_rest(&self.running);
        assert_eq!(self.log(), expected, "{}", self.said());
        // The command may not have handled the last signal yet.
        let told = self.said().matches("a new configuration: ").count();
        assert_eq!(told + 1, expected.len(), "{}", self.said());
    }

    /// The lines of `exitdir-run` on standard error, without its name.
    pub fn said(&self) -> String {
        let text = self.sandbox.read("stderr");
        text.replace("exitdir-run: ", "")
    }

    #[track_caller]
    pub fn await_words(&self, words: &str) {
        wait_until(format!("{words:?} in {:?}", self.said()), || {
            self.said().contains(words)
        });
    }

    /// Replaces the source and checks that this is one change.
    #[track_caller]
    pub fn await_change(&self, text: &str) {
        let line = self.way.line(text);
        let mut expected = self.log();
        expected.push(line);
        replace(&self.sandbox, "app.conf", text);
        self.await_log(&expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

/// Waits until a supervisor has nothing to do: it sleeps until an event, or for seconds. A process
/// that an event has woken is not seen asleep, so everything that was changed before this was
/// applied, unless a check still runs. A worker process of the supervisor counts as something to
/// do.
#[track_caller]
pub fn await_rest(process: &Running) {
    await_rest_of(process.pid());
}

/// The same for a supervisor that is no child of ours.
#[track_caller]
pub fn await_rest_of(pid: i32) {
    /// Longer than changes settle, and shorter than 10 s, after which a restart counts as a
    /// success.
    const LONG: Duration = Duration::from_secs(3);
    // A supervisor without an inotify instance, of which a user has few, polls every 250 ms.
    let mut asleep = 0;
    wait_until("it sleeps for long", || {
        asleep += u32::from(sleeps(pid) && !sleeps_in_its_watch(pid));
        // If the count is the same, it has slept all the time.
        let before = sleep_count(pid);
        let sleeps_long = workers(pid).is_empty()
            && sleep_limit(pid).is_some_and(|limit| limit >= LONG)
            && sleep_count(pid) == before;
        sleeps_long || asleep > 1_000
    });
}

/// The worker processes of a supervisor: copies of itself, running or ended.
pub fn workers(supervisor: i32) -> Vec<i32> {
    let program = |pid| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let own = program(supervisor);
    let mut children = children(supervisor);
    children.retain(|child| program(*child).is_none_or(|program| Some(program) == own));
    children
}

pub fn write(sandbox: &Sandbox, name: &str, text: &str) {
    fs::write(sandbox.path(name), format!("{text}\n")).unwrap();
}

pub fn replace(sandbox: &Sandbox, name: &str, text: &str) {
    let new = format!("{name}.new");
    write(sandbox, &new, text);
    fs::rename(sandbox.path(&new), sandbox.path(name)).unwrap();
}

pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

pub fn make_fifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
}

pub fn write_check(sandbox: &Sandbox, script: &str) {
    sandbox.program("check", &format!("#!/bin/sh\n{script}\n"));
}
