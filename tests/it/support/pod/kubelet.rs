//! A small restart loop that plays the kubelet: a pod of containers, each a plain process, started
//! again after a fixed back-off as the restart policy says, and a memory of how each life ended.
//!
//! One thread looks after a pod, as in a real kubelet: so ends are seen in the order in which they
//! happened, and containers are started in the order in which they are due. In Kubernetes the
//! back-off grows, so no container overtakes another even if a start takes longer than the
//! back-off. Here it is fixed, so a container waits for those that were due a whole back-off before
//! it.

use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox};
use crate::support::signals::send;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{PipeReader, PipeWriter};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// From the end of a container to its next start.
pub const BACK_OFF: Duration = Duration::from_millis(200);
/// Between two checks of the kubelet on its processes.
const TICK: Duration = Duration::from_millis(5);

/// Of 128 that a user may have (`fs.inotify.max_user_instances`), the inotify instances that the
/// pods of all tests together may use: without one a follower sees everything late.
const WATCHES: usize = 96;

/// A pod's share of [`WATCHES`], given back when it is dropped.
struct WatchPermits(usize);

static IN_USE: Mutex<usize> = Mutex::new(0);
static RELEASED: Condvar = Condvar::new();

impl WatchPermits {
    fn take(count: usize) -> WatchPermits {
        let taken = IN_USE.lock().unwrap();
        let mut taken = RELEASED
            .wait_while(taken, |taken| *taken + count > WATCHES)
            .unwrap();
        *taken += count;
        WatchPermits(count)
    }
}

impl Drop for WatchPermits {
    fn drop(&mut self) {
        *IN_USE.lock().unwrap() -= self.0;
        RELEASED.notify_all();
    }
}

/// When a container is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Never,
    OnFailure,
    Always,
}

/// What a pod's author writes.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    name: String,
    /// The options of exitdir-run; `None` for a script without exitdir-run.
    options: Option<Vec<String>>,
    script: String,
    delay: Duration,
    back_off: Duration,
}

impl ContainerSpec {
    /// `exitdir-run -n NAME OPTIONS -- sh -c SCRIPT`. The options are split at spaces. In the
    /// script `$exitdir` is the binary, `$shared` a directory of the pod, and standard input stays
    /// open until the pod is gone.
    pub fn new(name: &str, options: &str, script: impl Into<String>) -> ContainerSpec {
        let options = options.split_whitespace().map(str::to_owned).collect();
        ContainerSpec {
            name: name.to_owned(),
            options: Some(options),
            script: script.into(),
            delay: Duration::ZERO,
            back_off: BACK_OFF,
        }
    }

    /// `sh -c SCRIPT`, without exitdir-run.
    pub fn bare(name: &str, script: impl Into<String>) -> ContainerSpec {
        ContainerSpec {
            options: None,
            ..ContainerSpec::new(name, "", script)
        }
    }

    /// Starts it this long after the pod.
    pub fn after(self, delay: Duration) -> ContainerSpec {
        ContainerSpec { delay, ..self }
    }

    /// Starts it again this long after its end, because it has crashed before.
    pub fn back_off(self, back_off: Duration) -> ContainerSpec {
        ContainerSpec { back_off, ..self }
    }

    /// Whether it watches, for as long as it lives or until it is born.
    fn watches(&self) -> bool {
        let words = ["--death-deps", "--birth-deps"];
        let mut options = self.options.iter().flatten();
        options.any(|word| words.contains(&word.as_str()))
    }

    fn command(&self, sandbox: &Sandbox) -> Command {
        let mut command = match &self.options {
            Some(options) => {
                let mut command = sandbox.run(["-v", "-n", &self.name]);
                command.args(options).args(["--", "sh"]);
                command
            }
            None => sandbox.command("sh"),
        };
        command.args(["-c", &self.script]);
        command
            .env("exitdir", crate::support::sandbox::binary())
            .env("shared", sandbox.path(""));
        command
    }
}

/// One life of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRun {
    pub pid: u32,
    /// The lives that were going down already before this one was started: the first lines of their
    /// tombstones.
    pub terminating: Vec<String>,
    /// When the kubelet saw its end, and the status as a shell would report it.
    pub end: Option<(Instant, i32)>,
}

/// A container and its state.
struct ContainerState {
    container: ContainerSpec,
    lives: Vec<ContainerRun>,
    child: Option<Child>,
    /// When it is to be started, or when it was.
    due: Instant,
    /// To be started at `due`.
    pending: bool,
    /// What the tombstone said of its life before the last start.
    before: Option<String>,
}

impl ContainerState {
    fn new(container: ContainerSpec, now: Instant) -> ContainerState {
        let due = now + container.delay;
        ContainerState {
            container,
            lives: Vec::new(),
            child: None,
            due,
            pending: true,
            before: None,
        }
    }

    fn start(&mut self, sandbox: &Sandbox, stdin: &PipeReader) {
        let log = || {
            OpenOptions::new()
                .append(true)
                .create(true)
                .open(sandbox.path(&log_name(&self.container.name)))
        };
        let mut command = self.container.command(sandbox);
        command.stdin(Stdio::from(stdin.try_clone().unwrap()));
        command
            .stdout(Stdio::from(log().unwrap()))
            .stderr(Stdio::from(log().unwrap()));
        self.before = sandbox.key(&self.container.name, "Waiting");
        let terminating = sandbox
            .entries()
            .iter()
            .filter_map(|name| terminating(sandbox, name))
            .collect();
        let child = command.spawn().unwrap();
        self.lives.push(ContainerRun {
            pid: child.id(),
            terminating,
            end: None,
        });
        self.child = Some(child);
        self.pending = false;
    }

    fn reap(&mut self, policy: Policy, now: Instant) {
        let Some(child) = &mut self.child else { return };
        let Some(status) = child.try_wait().unwrap() else {
            return;
        };
        let status = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap());
        self.child = None;
        self.lives.last_mut().unwrap().end = Some((now, status));
        self.due = now + self.container.back_off;
        self.pending = match policy {
            Policy::Never => false,
            Policy::OnFailure => status != 0,
            Policy::Always => true,
        };
    }

    /// Whether it was started and has not shown itself yet.
    fn is_starting(&self, sandbox: &Sandbox) -> bool {
        let wrapped = self.container.options.is_some();
        wrapped
            && self.child.is_some()
            && sandbox.key(&self.container.name, "Waiting") == self.before
    }

    fn is_over(&self) -> bool {
        self.child.is_none() && !self.pending
    }

    /// What identifies its present life, if it runs, is ready and is not going down.
    fn ready_life(&self, sandbox: &Sandbox) -> Option<(u32, String)> {
        let pid = self.child.as_ref()?.id();
        let text = sandbox.tombstone(&self.container.name);
        let has = |key: &str| text.lines().any(|line| line.starts_with(key));
        let ready = has("Ready: ") && !has("Cause: ") && !has("Died: ");
        ready.then(|| (pid, text.lines().next().unwrap_or_default().to_owned()))
    }
}

/// The first line of a tombstone whose life is on its way down.
fn terminating(sandbox: &Sandbox, name: &str) -> Option<String> {
    let text = sandbox.tombstone(name);
    let is = text.contains("\nCause: ") && !text.contains("\nDied: ");
    is.then(|| text.lines().next().unwrap_or_default().to_owned())
}

fn log_name(name: &str) -> String {
    format!("{name}.log")
}

/// A pod that runs.
pub struct Pod {
    pub sandbox: Arc<Sandbox>,
    states: Arc<Mutex<Vec<ContainerState>>>,
    policy: Policy,
    began: Instant,
    over: Arc<AtomicBool>,
    kubelet: Option<JoinHandle<()>>,
    /// Closed with the pod: a process that was left behind reads the end of file then and ends.
    _stdin: PipeWriter,
    _watches: WatchPermits,
}

impl Pod {
    /// Starts the containers in a sandbox of their own.
    pub fn start(policy: Policy, containers: Vec<ContainerSpec>) -> Pod {
        Pod::start_in(Sandbox::new(), policy, containers)
    }

    /// Starts the containers in the sandbox of an earlier pod.
    pub fn start_in(sandbox: Sandbox, policy: Policy, containers: Vec<ContainerSpec>) -> Pod {
        let watches = WatchPermits::take(containers.iter().filter(|one| one.watches()).count());
        let began = Instant::now();
        let (reader, writer) = std::io::pipe().unwrap();
        let states = containers
            .into_iter()
            .map(|container| ContainerState::new(container, began))
            .collect();
        let mut pod = Pod {
            sandbox: Arc::new(sandbox),
            states: Arc::new(Mutex::new(states)),
            policy,
            began,
            over: Arc::new(AtomicBool::new(false)),
            kubelet: None,
            _stdin: writer,
            _watches: watches,
        };
        let (sandbox, states, over) = (pod.sandbox.clone(), pod.states.clone(), pod.over.clone());
        pod.kubelet = Some(std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                reconcile(&mut states.lock().unwrap(), &sandbox, policy, &reader);
                std::thread::sleep(TICK);
            }
        }));
        pod
    }

    /// Sends a signal to the process of a container, if it runs.
    pub fn send(&self, name: &str, signal: i32) -> bool {
        let mut states = self.lock();
        let state = states
            .iter_mut()
            .find(|state| state.container.name == name)
            .unwrap();
        let Some(child) = &state.child else {
            return false;
        };
        // It was not reaped, so the id is still its own.
        send(child.id() as i32, signal);
        true
    }

    /// All lives of a container, the present one included.
    pub fn lives(&self, name: &str) -> Vec<ContainerRun> {
        let states = self.lock();
        states
            .iter()
            .find(|state| state.container.name == name)
            .unwrap()
            .lives
            .clone()
    }

    /// With which statuses the lives of a container ended.
    pub fn statuses(&self, name: &str) -> Vec<i32> {
        self.lives(name)
            .iter()
            .filter_map(|life| Some(life.end?.1))
            .collect()
    }

    /// How often exitdir-run has started the command of a container.
    pub fn starts(&self, name: &str) -> usize {
        let log = self.sandbox.read(&log_name(name));
        log.matches("exitdir-run: started ").count()
    }

    /// Waits until no container runs or will be started again.
    pub fn await_end(&self) {
        self.eventually("the pod ends", || {
            self.lock()
                .iter()
                .all(ContainerState::is_over)
                .then_some(())
        });
    }

    /// Waits until a container has ended this many times.
    pub fn await_ends(&self, name: &str, count: usize) {
        self.eventually(&format!("{name} ends"), || {
            (self.statuses(name).len() >= count).then_some(())
        });
    }

    /// Waits until every container runs and is ready.
    pub fn await_ready(&self) {
        self.eventually("all are ready", || self.ready_lives());
    }

    /// Waits until every container runs, is ready, and is still the same at three checks, further
    /// apart than the back-off.
    pub fn settle(&self) {
        let mut before = None;
        let mut same = 0;
        self.eventually("all are back and stay", || {
            let now = self.ready_lives();
            same = if now.is_some() && now == before {
                same + 1
            } else {
                0
            };
            before = now;
            std::thread::sleep(BACK_OFF + Duration::from_millis(50));
            (same == 2).then_some(())
        });
    }

    fn ready_lives(&self) -> Option<Vec<(u32, String)>> {
        self.lock()
            .iter()
            .map(|state| state.ready_life(&self.sandbox))
            .collect()
    }

    /// Asks until there is an answer.
    pub fn eventually<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(
                began.elapsed() < CONDITION_TIMEOUT,
                "never came true: {what}"
            );
            std::thread::sleep(TICK);
        }
    }

    /// The state of the pod, to find out why a test failed.
    fn report(&self) -> String {
        let mut text = format!(
            "pod, restart policy {:?}, {:?} old\n",
            self.policy,
            self.began.elapsed()
        );
        for state in self.lock().iter() {
            let name = &state.container.name;
            let _ = writeln!(
                text,
                "--- {name} {:?}, after {:?}",
                state.container.options, state.container.delay
            );
            let _ = writeln!(text, "{}", state.container.script);
            for life in &state.lives {
                let end = life
                    .end
                    .map(|(at, status)| (at.duration_since(self.began), status));
                let _ = writeln!(text, "process {}, ended {end:?}", life.pid);
            }
            let log = self.sandbox.read(&log_name(name));
            let _ = write!(
                text,
                "tombstone:\n{}output:\n{log}",
                self.sandbox.tombstone(name)
            );
        }
        let _ = writeln!(text, "exit directory: {:?}", self.sandbox.entries());
        text
    }

    /// Ends the pod and returns its sandbox.
    pub fn into_sandbox(mut self) -> Sandbox {
        self.stop();
        let sandbox = self.sandbox.clone();
        drop(self);
        Arc::into_inner(sandbox).expect("the kubelet has ended")
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(kubelet) = self.kubelet.take() {
            let _ = kubelet.join();
        }
        for child in self
            .lock()
            .iter_mut()
            .filter_map(|state| state.child.as_mut())
        {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ContainerState>> {
        self.states
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.report());
        }
        self.stop();
    }
}

/// One round of the kubelet: reaps containers that have ended, and starts those that are due.
fn reconcile(states: &mut [ContainerState], sandbox: &Sandbox, policy: Policy, stdin: &PipeReader) {
    let now = Instant::now();
    states.iter_mut().for_each(|state| state.reap(policy, now));
    let mut due: Vec<usize> = (0..states.len())
        .filter(|at| states[*at].pending && states[*at].due <= now)
        .collect();
    due.sort_by_key(|at| states[*at].due);
    for at in due {
        let turn = states[at].due;
        let overtakes =
            |other: &ContainerState| other.due + BACK_OFF <= turn && other.is_starting(sandbox);
        if !states.iter().any(overtakes) {
            states[at].start(sandbox, stdin);
        }
    }
}
