//! The hostile user, and a tree outside of what it may change.

use crate::support::requirements::is_permitted;
use crate::support::sandbox::Sandbox;
use crate::support::users::set_mode;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The number of the hostile user.
const ATTACKER_USER: u32 = 1001;

/// The arguments before a command that run it as the hostile user.
const ATTACKER: [&str; 5] = [
    "setpriv",
    "--reuid=1001",
    "--regid=1001",
    "--clear-groups",
    "--",
];

/// Whether this machine lets a test run as root beside a hostile user.
pub fn attacker_is_permitted() -> bool {
    let what = "running beside another user";
    is_permitted(
        what,
        Command::new(ATTACKER[0]).args(&ATTACKER[1..]).arg("true"),
    )
}

/// A program that runs as the hostile user.
pub fn as_attacker(sandbox: &Sandbox, program: impl AsRef<OsStr>) -> Command {
    let mut command = sandbox.command(ATTACKER[0]);
    command.args(&ATTACKER[1..]).arg(program);
    command
}

/// Runs a shell script as the hostile user, with the top of the sandbox as working directory. It
/// must succeed.
pub fn attack(sandbox: &Sandbox, script: &str) {
    let mut shell = as_attacker(sandbox, "sh");
    shell.args(["-euc", script]).current_dir(sandbox.path("."));
    let output = shell.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the attack failed: {script}: {stderr}"
    );
}

/// Does something in a thread of the hostile user, whose number the kernel then shows as that of
/// the sender of a datagram.
pub fn as_attacker_thread<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    as_user_thread(ATTACKER_USER, action)
}

/// The same as any other user.
pub fn as_user_thread<T: Send>(user: u32, action: impl FnOnce() -> T + Send) -> T {
    let change_user = move || {
        // Of this thread only: the other threads stay root.
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user)).unwrap();
        action()
    };
    std::thread::scope(|scope| scope.spawn(change_user).join().unwrap())
}

/// Files and directories that nobody may change. Dropping it changes nothing.
pub struct Canaries {
    root: PathBuf,
    before: BTreeMap<PathBuf, String>,
}

impl Canaries {
    /// A tree of root's below the sandbox, in a directory that the hostile user may search.
    pub fn plant(sandbox: &Sandbox) -> Canaries {
        let root = sandbox.path("canaries");
        for directory in ["", "etc", "etc/ssh", "usr", "usr/bin", "empty"] {
            std::fs::create_dir(root.join(directory)).unwrap();
            set_mode(&root.join(directory), 0o755);
        }
        for (file, mode) in [
            ("etc/passwd", 0o644),
            ("etc/shadow", 0o600),
            ("etc/ssh/key", 0o600),
            ("usr/bin/su", 0o755),
            ("main", 0o644),
        ] {
            std::fs::write(root.join(file), format!("canary {file}\n")).unwrap();
            set_mode(&root.join(file), mode);
        }
        std::os::unix::fs::symlink("etc/passwd", root.join("link")).unwrap();
        let before = describe_tree(&root);
        Canaries { root, before }
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Fails if anything in the tree was created, removed, or changed in its owner, mode, times,
    /// links or content.
    pub fn assert_unchanged(&self) {
        assert_eq!(
            describe_tree(&self.root),
            self.before,
            "the canaries have changed"
        );
    }
}

/// What a tree holds: each path with all that a program could change about it.
fn describe_tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(path) = ahead.pop() {
        let stat = std::fs::symlink_metadata(&path).unwrap();
        let mut content = Vec::new();
        if stat.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            ahead.extend(entries.map(|entry| entry.unwrap().path()));
        } else if stat.is_file() {
            content = std::fs::read(&path).unwrap();
        }
        let text = format!(
            "mode {:o}, owner {}:{}, {} links, {} bytes, modified {}.{}, changed {}.{}: {content:?}",
            stat.mode(),
            stat.uid(),
            stat.gid(),
            stat.nlink(),
            stat.size(),
            stat.mtime(),
            stat.mtime_nsec(),
            stat.ctime(),
            stat.ctime_nsec(),
        );
        found.insert(path, text);
    }
    found
}
