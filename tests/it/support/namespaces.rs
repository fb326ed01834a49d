//! Commands in namespaces of their own: as PID 1, with mounts of their own, and with less inotify.

use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, binary};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// The arguments before a command that run it as PID 1 of a namespace. It is a child of the started
/// process.
pub const PID_NAMESPACE: [&str; 4] = ["unshare", "-pf", "--mount-proc", "--kill-child"];

pub fn pid_namespace_is_permitted() -> bool {
    let [program, options @ ..] = PID_NAMESPACE;
    is_permitted(
        "a PID namespace",
        Command::new(program).args(options).arg("true"),
    )
}

pub fn in_pid_namespace(sandbox: &Sandbox, program: impl AsRef<OsStr>) -> Command {
    let mut command = sandbox.command(PID_NAMESPACE[0]);
    command.args(&PID_NAMESPACE[1..]).arg(program);
    command
}

/// A program behind a script that mounts something, in a mount namespace. If a step of the script
/// fails, the program does not run.
pub fn with_mounts(sandbox: &Sandbox, script: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = sandbox.command("unshare");
    let script = format!("set -e; {script}; exec \"$@\"");
    command.args(["-m", "sh", "-c", &script, "sh"]).arg(program);
    command
}

/// Makes the exit directory a file system of 16 KiB.
pub const SMALL_DISK: &str = "mount -t tmpfs -o size=16k tmpfs \"$EXIT_DIR\"";

/// Makes the exit directory read-only.
pub const READ_ONLY: &str =
    "mount --bind \"$EXIT_DIR\" \"$EXIT_DIR\"; mount -o remount,bind,ro \"$EXIT_DIR\"";

/// These take inotify away from one tree of processes.
pub const NO_INSTANCES: &str = "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$@\"";
pub const NO_WATCHES: &str = "echo 0 >/proc/sys/user/max_inotify_watches && exec \"$@\"";

/// A program with one of these limits; `None` where that is not possible, and then the test is
/// skipped by name.
pub fn with_less_inotify(sandbox: &Sandbox, script: &str, program: &Path) -> Option<Command> {
    let inside = |program: &Path| {
        let mut command = sandbox.command("unshare");
        command.args(["-Ur", "sh", "-c", script, "sh"]).arg(program);
        command
    };
    let trial = &mut inside(&binary());
    is_permitted("a user namespace", trial.arg("--version")).then(|| inside(program))
}
