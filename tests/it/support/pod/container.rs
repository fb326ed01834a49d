//! A container and its state: its processes, and a memory of how each of its lives ended.

use crate::support::pod::process::{ContainerProcess, words_before};
use crate::support::pod::spec::{ContainerSpec, Policy};
use crate::support::sandbox::Sandbox;
use crate::support::signals::{KILL, TERM};
use std::fs::OpenOptions;
use std::io::PipeReader;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Between two tries of a probe.
const PROBE_PERIOD: Duration = Duration::from_millis(100);

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

/// How far the kubelet is with stopping a container.
struct StopProgress {
    /// The preStop hook. There is no TERM before it has ended.
    hook: Option<Child>,
    /// When it is killed.
    deadline: Instant,
}

/// A container and its state.
pub struct ContainerState {
    pub container: ContainerSpec,
    pub lives: Vec<ContainerRun>,
    process: Option<ContainerProcess>,
    stop: Option<StopProgress>,
    /// The readiness probe that runs, and when the next one begins. There is none after a success.
    probe: Option<Child>,
    probe_due: Option<Instant>,
    /// When it is to be started, or when it was.
    pub due: Instant,
    /// To be started at `due`.
    pub pending: bool,
    /// Its liveness probe has failed, so it is restarted whatever its status is.
    restarts: bool,
    /// What the tombstone said of its life before the last start.
    before: Option<String>,
}

impl ContainerState {
    pub fn new(container: ContainerSpec, now: Instant) -> ContainerState {
        let due = now + container.delay;
        ContainerState {
            container,
            lives: Vec::new(),
            process: None,
            stop: None,
            probe: None,
            probe_due: None,
            due,
            pending: true,
            restarts: false,
            before: None,
        }
    }

    pub fn start(&mut self, sandbox: &Sandbox, stdin: &PipeReader, has_namespace: bool) {
        let mut command = self.container.command(sandbox, words_before(has_namespace));
        command.stdin(Stdio::from(stdin.try_clone().unwrap()));
        self.log_output(sandbox, &mut command);
        self.before = sandbox.key(&self.container.name, "Waiting");
        let terminating = sandbox
            .entries()
            .iter()
            .filter_map(|name| terminating(sandbox, name))
            .collect();
        let process = ContainerProcess::start(command, has_namespace);
        self.lives.push(ContainerRun {
            pid: process.id(),
            terminating,
            end: None,
        });
        self.process = Some(process);
        self.pending = false;
        self.restarts = false;
        self.probe_due = self.container.readiness.as_ref().map(|_| Instant::now());
    }

    fn log_output(&self, sandbox: &Sandbox, command: &mut Command) {
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .open(sandbox.path(&log_name(&self.container.name)))
            .unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
    }

    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub fn is_over(&self) -> bool {
        !self.is_running() && !self.pending
    }

    pub fn last_status(&self) -> Option<i32> {
        Some(self.lives.last()?.end?.1)
    }

    pub fn send(&self, signal: i32) -> bool {
        if let Some(process) = &self.process {
            process.send(signal);
        }
        self.is_running()
    }

    /// Runs the preStop hook, then sends TERM, and KILL when the grace period is over.
    pub fn stop(&mut self, sandbox: &Sandbox, grace: Duration) {
        if !self.is_running() || self.stop.is_some() {
            return;
        }
        let hook = self.container.pre_stop.clone();
        let hook = hook.map(|script| self.exec(sandbox, &script));
        if hook.is_none() {
            self.send(TERM);
        }
        let deadline = Instant::now() + grace;
        self.stop = Some(StopProgress { hook, deadline });
    }

    /// Stops it because its liveness probe has failed.
    pub fn fail_liveness(&mut self, sandbox: &Sandbox, grace: Duration) -> bool {
        self.restarts = self.is_running();
        self.stop(sandbox, grace);
        self.is_running()
    }

    fn exec(&self, sandbox: &Sandbox, script: &str) -> Child {
        let mut command = self.container.exec(sandbox, script);
        self.log_output(sandbox, &mut command);
        command.spawn().unwrap()
    }

    /// Looks after its hook, its deadline, and its probe.
    pub fn attend(&mut self, sandbox: &Sandbox, now: Instant) {
        if let Some(stop) = &mut self.stop {
            let has_ended = |hook: &mut Child| hook.try_wait().unwrap().is_some();
            let is_late = stop.deadline <= now;
            if stop.hook.take_if(has_ended).is_some() {
                self.send(TERM);
            }
            if is_late {
                self.send(KILL);
            }
        }
        if let Some(probe) = &mut self.probe {
            let Some(status) = probe.try_wait().unwrap() else {
                return;
            };
            self.probe = None;
            self.probe_due = (!status.success()).then_some(now + PROBE_PERIOD);
        }
        if self.is_running() && self.stop.is_none() && self.probe_due.is_some_and(|due| due <= now)
        {
            let script = self.container.readiness.clone().unwrap();
            self.probe = Some(self.exec(sandbox, &script));
        }
    }

    /// What is executed in a container ends with it.
    fn end_execs(&mut self) {
        let hook = self.stop.take().and_then(|stop| stop.hook);
        for mut child in hook.into_iter().chain(self.probe.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.probe_due = None;
    }

    pub fn reap(&mut self, policy: Policy, now: Instant) {
        let Some(status) = self.process.as_mut().and_then(ContainerProcess::reap) else {
            return;
        };
        self.process = None;
        self.end_execs();
        self.lives.last_mut().unwrap().end = Some((now, status));
        self.due = now + self.container.back_off;
        self.pending = match policy {
            Policy::Never => false,
            Policy::OnFailure => status != 0 || self.restarts,
            Policy::Always => true,
        };
    }

    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.end();
        }
        self.end_execs();
    }

    /// Whether it was started and has not shown itself yet.
    pub fn is_starting(&self, sandbox: &Sandbox) -> bool {
        let wrapped = self.container.options.is_some();
        wrapped && self.is_running() && sandbox.key(&self.container.name, "Waiting") == self.before
    }

    /// Whether its tombstone says that it has ended with 0.
    pub fn said_ok(&self, sandbox: &Sandbox) -> bool {
        let text = sandbox.tombstone(&self.container.name);
        text.contains("\nExitCode: 0\n") && text.contains("\nDied: ")
    }

    /// What identifies its present life, if it runs, is ready and is not going down.
    pub fn ready_life(&self, sandbox: &Sandbox) -> Option<(u32, String)> {
        let pid = self.process.as_ref()?.id();
        if self.is_starting(sandbox) {
            return None;
        }
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

pub fn log_name(name: &str) -> String {
    format!("{name}.log")
}
