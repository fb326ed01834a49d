//! A container and its state: its process, and a memory of how each of its lives ended.

use crate::support::pod::spec::{ContainerSpec, Policy};
use crate::support::sandbox::Sandbox;
use std::fs::OpenOptions;
use std::io::PipeReader;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::Instant;

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
pub struct ContainerState {
    pub container: ContainerSpec,
    pub lives: Vec<ContainerRun>,
    pub child: Option<Child>,
    /// When it is to be started, or when it was.
    pub due: Instant,
    /// To be started at `due`.
    pub pending: bool,
    /// What the tombstone said of its life before the last start.
    before: Option<String>,
}

impl ContainerState {
    pub fn new(container: ContainerSpec, now: Instant) -> ContainerState {
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

    pub fn start(&mut self, sandbox: &Sandbox, stdin: &PipeReader) {
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

    pub fn reap(&mut self, policy: Policy, now: Instant) {
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
    pub fn is_starting(&self, sandbox: &Sandbox) -> bool {
        let wrapped = self.container.options.is_some();
        wrapped
            && self.child.is_some()
            && sandbox.key(&self.container.name, "Waiting") == self.before
    }

    pub fn is_over(&self) -> bool {
        self.child.is_none() && !self.pending
    }

    /// What identifies its present life, if it runs, is ready and is not going down.
    pub fn ready_life(&self, sandbox: &Sandbox) -> Option<(u32, String)> {
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

pub fn log_name(name: &str) -> String {
    format!("{name}.log")
}
