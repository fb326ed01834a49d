//! What a pod's author writes: containers, each with a script, and when they are started again.

use crate::support::sandbox::Sandbox;
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

/// What a pod's author writes.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    pub name: String,
    /// The options of exitdir-run; `None` for a script without exitdir-run.
    pub options: Option<Vec<String>>,
    pub script: String,
    pub delay: Duration,
    pub back_off: Duration,
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
    pub fn watches(&self) -> bool {
        let words = ["--death-deps", "--birth-deps"];
        let mut options = self.options.iter().flatten();
        options.any(|word| words.contains(&word.as_str()))
    }

    pub fn command(&self, sandbox: &Sandbox) -> Command {
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
