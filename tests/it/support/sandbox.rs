//! What every test needs: a directory of its own, the binary under test, processes that end with
//! the test, and waiting for a condition with a generous deadline. Nothing here sleeps and hopes
//! for the best.

use crate::support::signals::send;
use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine that is busy with other tests and with a dozen
/// compilers.
pub const CONDITION_TIMEOUT: Duration = Duration::from_secs(120);

/// The binary under test: the static one that `scripts/test` has built, or cargo's.
pub fn binary() -> PathBuf {
    std::env::var_os("EXITDIR_TEST_BINARY").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_exitdir")),
        PathBuf::from,
    )
}

/// The checkout that is tested.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A directory for one test, removed with everything in it at the end.
pub struct Sandbox {
    root: PathBuf,
    dir: PathBuf,
}

impl Sandbox {
    pub fn new() -> Sandbox {
        Sandbox::below(&std::env::temp_dir(), Path::new("graveyard"))
    }

    /// A sandbox in another place, with an exit directory of this path in it.
    pub fn below(base: &Path, dir: &Path) -> Sandbox {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = base.join(format!("exitdir-it-{}-{count}", std::process::id()));
        std::fs::create_dir(&root).expect("a fresh directory");
        let dir = root.join(dir);
        Sandbox { root, dir }
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The text of a file; empty if there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The lines of a file; none if there is no file.
    pub fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    /// Makes an empty file.
    #[track_caller]
    pub fn touch(&self, name: &str) {
        std::fs::write(self.path(name), "").expect("a file");
    }

    #[track_caller]
    pub fn await_file(&self, name: &str) {
        wait_until(format!("there is {name}"), || self.path(name).exists());
    }

    /// An executable file, written by a separate process. If this process wrote it, a child that
    /// another test forks meanwhile would hold it open for writing, and it could not be executed
    /// (ETXTBSY).
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        let script = "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"";
        let path = self.path(name);
        let mut writer = Command::new("sh");
        writer.args(["-c", script]).arg(&path).arg(text);
        assert!(writer.status().expect("a shell").success());
        path
    }

    /// The exit directory. It does not exist yet.
    pub fn dir(&self) -> PathBuf {
        self.dir.clone()
    }

    /// `exitdir APPLET`, with `EXIT_DIR` set and every variable `EXITDIR_*` and `KUBEXIT_*` unset.
    pub fn applet(&self, applet: &str) -> Command {
        let mut command = self.command(binary());
        command.arg(applet);
        command
    }

    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        // Those of the tests too: `EXITDIR_TEST_BINARY` and the like.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("EXITDIR_") || text.starts_with("KUBEXIT_") {
                command.env_remove(&name);
            }
        }
        command
            .env("EXIT_DIR", self.dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// `exitdir-run` with these arguments.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.applet("run");
        command.args(arguments);
        command
    }

    /// `exitdir-wait` with these arguments.
    pub fn wait<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.applet("wait");
        command.args(arguments);
        command
    }

    /// `exitdir-signal` with these arguments.
    pub fn signal<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.applet("signal");
        command.args(arguments);
        command
    }

    /// `exitdir-signal -c CODE NAME`.
    #[track_caller]
    pub fn record_death(&self, name: &str, code: &str) {
        self.signal(["-c", code, name])
            .finish()
            .assert_output(0, "");
    }

    /// `exitdir-signal --ready NAME`.
    #[track_caller]
    pub fn record_ready(&self, name: &str) {
        self.signal(["--ready", name]).finish().assert_output(0, "");
    }

    /// The text of a tombstone; empty if there is none.
    pub fn tombstone(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir().join(name)).unwrap_or_default()
    }

    /// The value of a key in a tombstone, as it stands there.
    pub fn key(&self, name: &str, key: &str) -> Option<String> {
        let text = self.tombstone(name);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))?;
        Some(line.to_owned())
    }

    /// Waits until a tombstone has a key.
    pub fn await_key(&self, name: &str, key: &str) -> String {
        eventually(format!("{name} has {key}"), || self.key(name, key))
    }

    /// Whether a condition holds at this moment.
    #[track_caller]
    pub fn holds(&self, condition: &str) -> bool {
        let ended = self.wait([condition, "-t", "0"]).finish();
        // 1: it can no longer hold.
        assert!(
            [0, 1, 124].contains(&ended.status),
            "{condition}: {ended:?}"
        );
        ended.status == 0
    }

    /// The names of everything in the exit directory, hidden or not, sorted.
    pub fn entries(&self) -> Vec<String> {
        entries(&self.dir())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// The arguments of a command line without quotes.
pub fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

pub fn entries(dir: &Path) -> Vec<String> {
    let Ok(found) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut names: Vec<String> = found
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Asks until there is an answer. If there is none in time, the test fails with `what`, which may
/// describe the state at that moment.
#[track_caller]
pub fn eventually<T>(what: impl Display, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            began.elapsed() < CONDITION_TIMEOUT,
            "never came true: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until something holds.
#[track_caller]
pub fn wait_until(what: impl Display, mut holds: impl FnMut() -> bool) {
    eventually(what, || holds().then_some(()));
}

/// A process that does not outlive its test.
pub struct Running {
    child: Option<Child>,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// As a shell would report it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    #[track_caller]
    pub fn assert_output(&self, status: i32, stdout: &str) {
        let found = (self.status, self.stdout.as_str());
        assert_eq!(found, (status, stdout), "{}", self.stderr);
    }
}

impl Running {
    pub fn pid(&self) -> i32 {
        self.child.as_ref().expect("running").id() as i32
    }

    /// Sends a signal that has a name.
    #[track_caller]
    pub fn send(&self, signal: i32) {
        send(self.pid(), signal);
    }

    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .expect("running")
            .try_wait()
            .expect("waitable")
            .is_none()
    }

    /// Waits for the end, with a deadline.
    pub fn end(mut self) -> Ended {
        let mut child = self.child.take().expect("running");
        let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let began = Instant::now();
        let status = loop {
            match child.try_wait().expect("waitable") {
                Some(status) => break status,
                None if began.elapsed() > CONDITION_TIMEOUT => {
                    let stands = where_it_stands(child.id());
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("did not end: {stands}; stderr: {}", after_the_end(stderr));
                }
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        Ended {
            status: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: stdout.join().expect("reader"),
            stderr: stderr.join().expect("reader"),
        }
    }
}

/// What a process has said that was killed. A process that it left behind may keep the stream open.
fn after_the_end(reader: std::thread::JoinHandle<String>) -> String {
    let began = Instant::now();
    while !reader.is_finished() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    match reader.is_finished() {
        true => reader.join().expect("reader"),
        false => "unknown, because another process keeps it open".to_owned(),
    }
}

/// What the kernel says about a process that should have ended.
fn where_it_stands(pid: u32) -> String {
    let of = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
    let said = |name: &str| of(name).unwrap_or_else(|error| error.to_string());
    let state = said("status");
    let state = state.lines().find(|line| line.starts_with("State"));
    let words = said("cmdline").replace('\0', " ");
    let [call, place, stack] = ["syscall", "wchan", "stack"].map(said);
    format!("{words}: {state:?}, in call {call} at {place}:\n{stack}")
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Shorthands on `Command`.
pub trait Start {
    fn start(&mut self) -> Running;
    fn finish(&mut self) -> Ended;
}

impl Start for Command {
    fn start(&mut self) -> Running {
        Running {
            child: Some(self.spawn().expect("spawnable")),
        }
    }

    fn finish(&mut self) -> Ended {
        self.start().end()
    }
}
