//! Running commands as other users, with a binary and a directory that they may use.

use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary};
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The arguments before a command that run it as a user without any rights.
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

/// A program that runs as a user without any rights.
pub fn as_nobody(sandbox: &Sandbox, program: impl AsRef<OsStr>) -> Command {
    let mut command = sandbox.command(NOBODY[0]);
    command.args(&NOBODY[1..]).arg(program);
    command
}

/// Runs a command as another user, if that is permitted. A user has few inotify instances, and
/// other tests use those of this user.
pub fn as_user(command: &mut Command, user: u32) -> &mut Command {
    if rustix::process::geteuid().is_root() {
        command.uid(user).gid(user);
    }
    command
}

/// A user of a container, as options of setpriv.
pub struct User {
    pub name: &'static str,
    options: &'static [&'static str],
}

/// The users of the containers of one pod. A root without capabilities has no more rights than any
/// other user.
pub const POD_USERS: [User; 5] = [
    User {
        name: "65532",
        options: &["--reuid=65532", "--regid=65532", "--clear-groups"],
    },
    User {
        name: "root",
        options: &["--clear-groups"],
    },
    User {
        name: "root without capabilities",
        options: &["--clear-groups", "--bounding-set=-all", "--inh-caps=-all"],
    },
    User {
        name: "1001",
        options: &["--reuid=1001", "--regid=1001", "--clear-groups"],
    },
    User {
        name: "1002",
        options: &["--reuid=1002", "--regid=1002", "--clear-groups"],
    },
];

pub fn pod_users_are_permitted() -> bool {
    POD_USERS.iter().all(|user| {
        let mut trial = Command::new("setpriv");
        let what = format!("running as {}", user.name);
        is_permitted(&what, trial.args(user.options).arg("true"))
    })
}

impl User {
    /// A program that runs as this user. The umask takes all rights of other users away from what
    /// it creates.
    pub fn command(&self, sandbox: &Sandbox, program: impl AsRef<OsStr>) -> Command {
        let mut command = sandbox.command("setpriv");
        let script = "umask 077; exec \"$0\" \"$@\"";
        command
            .args(self.options)
            .args(["--", "sh", "-c", script])
            .arg(program);
        command
    }
}

/// A copy of the binary that every user can execute.
pub fn installed(sandbox: &Sandbox) -> PathBuf {
    let bin = sandbox.path("bin");
    let ended = sandbox.command(binary()).arg("install").arg(&bin).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    set_mode(sandbox.path(".").as_path(), 0o755);
    set_mode(&bin, 0o755);
    bin.join("exitdir")
}

/// Creates an exit directory that is open to all users.
pub fn open_to_all(sandbox: &Sandbox) {
    std::fs::create_dir(sandbox.dir()).unwrap();
    set_mode(&sandbox.dir(), 0o777);
}

/// `exitdir-run` as a user who may use the files of the exit directory but may not watch it,
/// because inotify_add_watch(2) needs permission to read it. It polls its peers and watches
/// everything else.
pub fn supervisor_that_polls_its_peers(sandbox: &Sandbox) -> Option<Command> {
    if !nobody_is_permitted() {
        return None;
    }
    let program = installed(sandbox);
    set_mode(&sandbox.path("."), 0o777);
    open_to_all(sandbox);
    set_mode(&sandbox.dir(), 0o733);
    let mut command = as_nobody(sandbox, program);
    command.arg("run");
    Some(command)
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
