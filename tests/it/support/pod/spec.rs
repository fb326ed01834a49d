//! What a pod's author writes: containers, each with a script, a user, a hook and a probe, when
//! they are started again, and how long a stop may take.

use crate::support::pod::process::can_have_namespaces;
use crate::support::pod::users::{User, program};
use crate::support::sandbox::Sandbox;
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

/// From the end of a container to its next start.
pub const BACK_OFF: Duration = Duration::from_millis(200);

/// When a container is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Never,
    OnFailure,
    Always,
}

/// A container. Its script finds the binary in `$exitdir`, and a directory in `$shared` that
/// outlives the pod; its standard input stays open until the pod is gone.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    pub name: String,
    /// The options of exitdir-run; `None` for a script without exitdir-run.
    pub options: Option<Vec<String>>,
    pub script: String,
    pub delay: Duration,
    pub back_off: Duration,
    pub user: User,
    /// What the kubelet runs before it sends TERM.
    pub pre_stop: Option<String>,
    /// What the kubelet runs again and again until it exits with 0.
    pub readiness: Option<String>,
}

impl ContainerSpec {
    /// `exitdir-run -n NAME OPTIONS -- sh -c SCRIPT`. The options are split at spaces.
    pub fn new(name: &str, options: &str, script: impl Into<String>) -> ContainerSpec {
        let options = options.split_whitespace().map(str::to_owned).collect();
        ContainerSpec {
            name: name.to_owned(),
            options: Some(options),
            script: script.into(),
            delay: Duration::ZERO,
            back_off: BACK_OFF,
            user: User::Same,
            pre_stop: None,
            readiness: None,
        }
    }

    /// `sh -c SCRIPT`, without exitdir-run.
    pub fn bare(name: &str, script: impl Into<String>) -> ContainerSpec {
        ContainerSpec {
            options: None,
            ..ContainerSpec::new(name, "", script)
        }
    }

    /// Starts it this long after the pod, or after the init containers.
    pub fn after(self, delay: Duration) -> ContainerSpec {
        ContainerSpec { delay, ..self }
    }

    /// Starts it again this long after its end, because it has crashed before.
    pub fn back_off(self, back_off: Duration) -> ContainerSpec {
        ContainerSpec { back_off, ..self }
    }

    /// Adds options of exitdir-run.
    pub fn option(mut self, options: &str) -> ContainerSpec {
        let words = options.split_whitespace().map(str::to_owned);
        self.options.get_or_insert_default().extend(words);
        self
    }

    pub fn run_as(self, user: User) -> ContainerSpec {
        ContainerSpec { user, ..self }
    }

    pub fn pre_stop(self, script: impl Into<String>) -> ContainerSpec {
        let pre_stop = Some(script.into());
        ContainerSpec { pre_stop, ..self }
    }

    pub fn readiness(self, script: impl Into<String>) -> ContainerSpec {
        let readiness = Some(script.into());
        ContainerSpec { readiness, ..self }
    }

    /// Whether it watches, for as long as it lives or until it is born.
    pub fn watches(&self) -> bool {
        let words = ["--death-deps", "--birth-deps"];
        let mut options = self.options.iter().flatten();
        options.any(|word| words.contains(&word.as_str()))
    }

    /// What the container runs, after `before`.
    pub fn command(&self, sandbox: &Sandbox, before: &[&str]) -> Command {
        let mut words: Vec<OsString> = before.iter().map(OsString::from).collect();
        words.extend(self.user.words().iter().map(OsString::from));
        if let Some(options) = &self.options {
            words.push(program(sandbox).into());
            words.extend(["run", "-v", "-n", &self.name].map(OsString::from));
            words.extend(options.iter().map(OsString::from));
            words.push("--".into());
        }
        words.extend(["sh", "-c", &self.script].map(OsString::from));
        in_container(sandbox, &words)
    }

    /// What the kubelet runs beside the container, as its user.
    pub fn exec(&self, sandbox: &Sandbox, script: &str) -> Command {
        let mut words = self.user.words();
        words.extend(["sh", "-c", script]);
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        in_container(sandbox, &words)
    }
}

/// A command with the variables of a container.
fn in_container(sandbox: &Sandbox, words: &[OsString]) -> Command {
    let mut command = sandbox.command(&words[0]);
    command.args(&words[1..]);
    command
        .env("exitdir", program(sandbox))
        .env("shared", sandbox.path(""));
    command
}

/// A pod.
#[derive(Clone, Debug)]
pub struct PodSpec {
    pub policy: Policy,
    pub init: Vec<ContainerSpec>,
    pub containers: Vec<ContainerSpec>,
    /// From the beginning of a stop to KILL.
    pub grace: Duration,
    /// After this many restarts of all its containers together, its Job has failed.
    pub backoff_limit: Option<usize>,
    /// Each container has a PID namespace of its own: exitdir-run is PID 1, and all processes of a
    /// container end together.
    pub has_namespaces: bool,
}

impl PodSpec {
    pub fn new(policy: Policy, containers: Vec<ContainerSpec>) -> PodSpec {
        PodSpec {
            policy,
            init: Vec::new(),
            containers,
            grace: Duration::from_secs(30),
            backoff_limit: None,
            has_namespaces: false,
        }
    }

    /// Adds an init container, which runs before the containers and after earlier ones.
    pub fn init(mut self, container: ContainerSpec) -> PodSpec {
        self.init.push(container);
        self
    }

    /// Adds the init container of the examples, with an option of exitdir-install.
    pub fn sweeps(self, option: &str) -> PodSpec {
        self.init(ContainerSpec::bare(
            "exitdir",
            format!("\"$exitdir\" install {option}"),
        ))
    }

    pub fn grace(self, grace: Duration) -> PodSpec {
        PodSpec { grace, ..self }
    }

    pub fn backoff_limit(self, limit: usize) -> PodSpec {
        let backoff_limit = Some(limit);
        PodSpec {
            backoff_limit,
            ..self
        }
    }

    /// With PID namespaces, if they are permitted here.
    pub fn with_namespaces(self) -> PodSpec {
        PodSpec {
            has_namespaces: can_have_namespaces(),
            ..self
        }
    }
}
