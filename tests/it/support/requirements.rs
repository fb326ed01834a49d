//! What a test may do on this machine, and running the binary as somebody without any rights.

use crate::support::sandbox::{Start, World, binary};
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether something can be done here at all. If not, the test is skipped in the open; under CI that is a failure.
pub fn is_permitted(what: &str, trial: &mut Command) -> bool {
    let permitted = trial.output().is_ok_and(|output| output.status.success());
    if !permitted {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        assert!(
            std::env::var_os("CI").is_none(),
            "{test}: {what} is not possible here"
        );
        // Not eprintln, whose output a test that passes does not show.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED {test}: {what} is not possible here"
        );
    }
    permitted
}

/// The words before a command that make it run as a user without any rights.
pub const NOBODY: [&str; 6] = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--no-new-privs",
    "--",
];

pub fn nobody_is_permitted() -> bool {
    is_permitted(
        "running as another user",
        Command::new(NOBODY[0]).args(&NOBODY[1..]).arg("true"),
    )
}

/// A program as a user without any rights.
pub fn as_nobody(world: &World, program: impl AsRef<OsStr>) -> Command {
    let mut command = world.command(NOBODY[0]);
    command.args(&NOBODY[1..]).arg(program);
    command
}

/// The binary where every user can execute it.
pub fn installed(world: &World) -> PathBuf {
    let bin = world.path("bin");
    let ended = world.command(binary()).arg("install").arg(&bin).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    set_mode(world.path(".").as_path(), 0o755);
    set_mode(&bin, 0o755);
    bin.join("exitdir")
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// How inotify is taken away from one tree of processes.
pub const NO_INSTANCES: &str = "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$@\"";
pub const ONE_INSTANCE: &str = "echo 1 >/proc/sys/user/max_inotify_instances && exec \"$@\"";
pub const NO_WATCHES: &str = "echo 0 >/proc/sys/user/max_inotify_watches && exec \"$@\"";

/// A program that finds no inotify; `None`, said loudly, where that is not possible.
pub fn deprived(world: &World, script: &str, program: &Path) -> Option<Command> {
    let inside = |program: &Path| {
        let mut command = world.command("unshare");
        command.args(["-Ur", "sh", "-c", script, "sh"]).arg(program);
        command
    };
    let trial = &mut inside(&binary());
    is_permitted("a user namespace", trial.arg("--version")).then(|| inside(program))
}
