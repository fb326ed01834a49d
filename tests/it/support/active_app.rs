//! An application for the tests of `--active-while`: a command that runs while a file exists and
//! records each of its starts, and a supervisor without periodic rescans, so that a missed event
//! stays missed.

use crate::support::proc::{await_gone, is_gone};
use crate::support::restart_life::without_delays;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, wait_until};
use crate::support::signals::USR1;
use exitdir::{ExitDir, Name, State};
use std::fmt::{Display, Formatter};
use std::fs;
use std::process::{Command, Stdio};

/// A command that runs until it is told to stop.
pub const SERVE: &str = "echo $$ >>starts; exec sleep 60";
/// A command that stops when there is a file `go`, and records it. A HUP during the stop would end
/// it at once.
pub const SLOW: &str = "trap 'trap - HUP; echo TERM >>said; until test -e go; do sleep 0.01; done; echo bye >>said; exit 5' TERM; \
                    trap 'echo HUP >>said' HUP; echo $$ >>starts; while test -e starts; do sleep 0.01; done";
/// A command that serves until there is a file `fail`, and fails then; its second run only serves.
pub const FAIL_ONCE: &str = "echo $$ >>starts; test $(wc -l <starts) -gt 1 && exec sleep 60; \
                             until test -e fail; do sleep 0.01; done; exit 3";

/// `exitdir-run` over a command that runs while `a` exists, in the sandbox's own directory.
pub struct ActiveApp {
    pub running: Running,
    pub sandbox: Sandbox,
}

struct WithState<'a> {
    app: &'a ActiveApp,
    what: String,
}

impl Display for WithState<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let (state, starts) = (self.app.state(), self.app.starts().len());
        let said = self.app.read("stderr");
        write!(f, "{}: {state:?} after {starts} starts: {said}", self.what)
    }
}

impl ActiveApp {
    /// `-n x --active-while a OPTIONS -- sh -c SCRIPT`.
    pub fn start(options: &str, script: &str) -> ActiveApp {
        ActiveApp::begin(Sandbox::new(), options, script)
    }

    pub fn active(options: &str, script: &str) -> ActiveApp {
        let sandbox = Sandbox::new();
        sandbox.touch("a");
        let app = ActiveApp::begin(sandbox, options, script);
        app.await_starts(1);
        app
    }

    pub fn begin(sandbox: Sandbox, options: &str, script: &str) -> ActiveApp {
        let command = sandbox.applet("run");
        ActiveApp::of(
            sandbox,
            command,
            &format!("-n x --active-while a {options}"),
            script,
        )
    }

    pub fn of(sandbox: Sandbox, mut command: Command, options: &str, script: &str) -> ActiveApp {
        let running = command
            .args(["--poll", "off"])
            .args(options.split_whitespace())
            .args(["--", "sh", "-c", script])
            .current_dir(sandbox.path("."))
            // A process that outlives the command would keep a pipe open.
            .stdout(Stdio::null())
            .stderr(fs::File::create(sandbox.path("stderr")).unwrap())
            .start();
        ActiveApp { running, sandbox }
    }

    pub fn touch(&self, name: &str) {
        self.sandbox.touch(name);
    }

    /// Lets [`FAIL_ONCE`] fail, and waits for its end.
    pub fn fail_once(&self) {
        self.touch("fail");
        await_gone(&self.starts()[0]);
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.sandbox.path(name)).unwrap();
    }

    pub fn activate(&self) {
        self.touch("a");
    }

    pub fn deactivate(&self) {
        self.remove("a");
    }

    /// Replaces the source of `--config f=file` in one step.
    pub fn configure(&self, text: &str) {
        fs::write(self.sandbox.path("f.new"), text).unwrap();
        fs::rename(self.sandbox.path("f.new"), self.sandbox.path("f")).unwrap();
    }

    pub fn await_placed(&self, text: &str) {
        wait_until(format!("{text} is in place"), || self.read("file") == text);
    }

    pub fn read(&self, name: &str) -> String {
        self.sandbox.read(name)
    }

    pub fn starts(&self) -> Vec<String> {
        self.sandbox.lines("starts")
    }

    /// What the test waits for, and the state of the application when it is printed.
    fn with_state(&self, what: String) -> impl Display {
        WithState { app: self, what }
    }

    pub fn await_starts(&self, count: usize) {
        wait_until(self.with_state(format!("start {count}")), || {
            self.starts().len() >= count
        });
    }

    pub fn state(&self) -> Option<State> {
        let life = ExitDir::new(self.sandbox.dir())
            .life(&Name::new("x").unwrap())
            .ok()??;
        life.state()
    }

    #[track_caller]
    pub fn await_state(&self, state: State) {
        wait_until(self.with_state(format!("{state:?}")), || {
            self.state() == Some(state)
        });
    }

    pub fn await_inactive(&self) {
        self.await_state(State::Inactive);
        for pid in self.starts() {
            assert!(is_gone(&pid), "inactive, and {pid} runs");
        }
    }

    pub fn await_said(&self, words: &str, count: usize) {
        let what = self.with_state(format!("{words}, {count} times"));
        wait_until(what, || self.read("stderr").matches(words).count() >= count);
    }

    /// Waits until the command has recorded a word.
    pub fn await_word(&self, word: &str) {
        wait_until(format!("the command says {word}"), || {
            self.read("said").contains(word)
        });
    }

    /// Waits until the supervisor has scanned everything that was changed before. It reports a
    /// dropped signal before a scan, and a second one after it. Needs `-v`.
    pub fn await_look(&self) {
        for _ in 0..2 {
            let count = self.read("stderr").matches("dropped USR1").count();
            self.running.send(USR1);
            self.await_said("dropped USR1", count + 1);
        }
    }

    pub fn stderr(&self) -> Vec<String> {
        let text = without_delays(&self.read("stderr"));
        let line = |line: &str| line.strip_prefix("exitdir-run: ").unwrap().to_owned();
        text.lines().map(line).collect()
    }

    /// Ends it with a signal, and checks that no command is left.
    pub fn end(self, signal: i32) -> (Ended, Sandbox) {
        self.running.send(signal);
        self.ended()
    }

    pub fn ended(self) -> (Ended, Sandbox) {
        let ActiveApp { running, sandbox } = self;
        let mut ended = running.end();
        ended.stderr = fs::read_to_string(sandbox.path("stderr")).unwrap();
        for pid in sandbox.lines("starts") {
            assert!(is_gone(&pid), "{pid} was left: {ended:?}");
        }
        (ended, sandbox)
    }
}
