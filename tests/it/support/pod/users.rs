//! The users that the containers of a pod run as, and the volumes that they share.

use crate::support::requirements::{is_permitted, skip};
use crate::support::sandbox::{Sandbox, binary};
use crate::support::users::{installed, set_mode};
use std::ffi::OsStr;
use std::fs::create_dir;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// That of the test.
    Same,
    /// Not root.
    Id(&'static str),
    /// As in a container with `drop: [ALL]`.
    RootWithoutCapabilities,
}

impl User {
    /// The words before a command that make it this user's.
    pub fn words(self) -> Vec<&'static str> {
        let others = match self {
            User::Same => return Vec::new(),
            User::Id(id) => ["--reuid", id, "--regid", id],
            User::RootWithoutCapabilities => ["--bounding-set", "-all", "--inh-caps", "-all"],
        };
        let mut words = vec!["setpriv", "--clear-groups", "--no-new-privs"];
        words.extend(others);
        words.push("--");
        words
    }

    fn command(self, program: impl AsRef<OsStr>) -> Command {
        let words = self.words();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(program);
        command
    }
}

/// Whether containers can have other users than the test. If not, the test is skipped by name.
pub fn users_are_permitted() -> bool {
    let all = [User::Id("1001"), User::RootWithoutCapabilities];
    all.into_iter()
        .all(|user| is_permitted("running as another user", &mut user.command("true")))
}

/// Sees to it that every user can execute the binary of a sandbox, as [`program`] finds it.
fn share_binary(sandbox: &Sandbox) {
    let mut trial = User::Id("1001").command(binary());
    let is_shared = trial.arg("--version").output();
    if !is_shared.is_ok_and(|output| output.status.success()) {
        installed(sandbox);
    }
}

/// The binary that the containers of a sandbox execute.
pub fn program(sandbox: &Sandbox) -> PathBuf {
    let copy = sandbox.path("bin/exitdir");
    if copy.exists() { copy } else { binary() }
}

/// Where a volume of a pod lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    Disk,
    Memory,
}

/// An `emptyDir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    pub medium: Medium,
    pub mode: u32,
    /// The exit directory, below the place where the volume is mounted; empty for that place
    /// itself.
    pub exit_dir: &'static str,
}

/// A file system in memory that every Linux has.
const SHARED_MEMORY: &str = "/dev/shm";

impl Volume {
    /// As Kubernetes makes it, with the exit directory that the examples have.
    pub fn new(medium: Medium) -> Volume {
        let mode = match medium {
            Medium::Disk => 0o777,
            Medium::Memory => 0o1777,
        };
        Volume {
            medium,
            mode,
            exit_dir: "tombstones",
        }
    }

    /// A sandbox with this volume. `None` if there is no such medium here, and then the test is
    /// skipped by name.
    pub fn sandbox(self) -> Option<Sandbox> {
        let base = match self.medium {
            Medium::Disk => std::env::temp_dir(),
            Medium::Memory => memory()?,
        };
        let sandbox = Sandbox::below(&base, &Path::new("volume").join(self.exit_dir));
        self.make(&sandbox);
        share_binary(&sandbox);
        set_mode(&sandbox.path(""), 0o777);
        Some(sandbox)
    }

    /// Removes everything in it, as a node does that has lost its memory.
    pub fn lose(self, sandbox: &Sandbox) {
        std::fs::remove_dir_all(sandbox.path("volume")).unwrap();
        self.make(sandbox);
    }

    fn make(self, sandbox: &Sandbox) {
        let volume = sandbox.path("volume");
        create_dir(&volume).unwrap();
        set_mode(&volume, self.mode);
    }
}

fn memory() -> Option<PathBuf> {
    let tmpfs = 0x0102_1994;
    let is_one = rustix::fs::statfs(SHARED_MEMORY).is_ok_and(|found| found.f_type == tmpfs);
    if !is_one {
        skip("a directory in memory");
    }
    is_one.then(|| PathBuf::from(SHARED_MEMORY))
}
