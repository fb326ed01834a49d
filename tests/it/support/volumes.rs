//! Volumes that the containers of a pod share, as different users.

use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, entries, words};
use crate::support::users::{User, installed, set_mode};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where files are in memory.
const MEMORY: &str = "/dev/shm";

pub fn memory_is_here() -> bool {
    let mut trial = Command::new("sh");
    trial.args(["-c", "[ \"$(stat -fc %T \"$0\")\" = tmpfs ]", MEMORY]);
    is_permitted("a volume in memory", &mut trial)
}

/// A volume that several containers mount.
pub struct Volume {
    sandbox: Sandbox,
    binary: PathBuf,
    /// Removed at the end.
    place: PathBuf,
    root: PathBuf,
    /// `EXIT_DIR`.
    dir: PathBuf,
}

impl Volume {
    /// An empty volume whose root has this mode. `EXIT_DIR` is a directory below it.
    pub fn new(in_memory: bool, mode: u32) -> Volume {
        let sandbox = Sandbox::new();
        let binary = installed(&sandbox);
        let place = match in_memory {
            true => Path::new(MEMORY).join(sandbox.path("").file_name().unwrap()),
            false => sandbox.path("volume"),
        };
        let root = place.join("root");
        std::fs::create_dir_all(&root).unwrap();
        set_mode(&place, 0o755);
        set_mode(&root, mode);
        let dir = root.join("tombstones");
        Volume {
            sandbox,
            binary,
            place,
            root,
            dir,
        }
    }

    /// Sets `EXIT_DIR` to another directory of the volume; `.` is its root.
    pub fn set_dir(&mut self, below: &str) {
        self.dir = self.root.join(below).components().collect();
    }

    /// An applet with arguments, for example `signal main`.
    pub fn applet(&self, user: &User, line: &str) -> Command {
        let mut command = user.command(&self.sandbox, &self.binary);
        command.args(words(line)).env("EXIT_DIR", &self.dir);
        command
    }

    /// Runs an applet, which must not fail or say anything.
    #[track_caller]
    pub fn succeed(&self, user: &User, line: &str) {
        let ended = self.applet(user, line).finish();
        let found = (ended.status, ended.stderr.as_str());
        assert_eq!(found, (0, ""), "{line} of {}", user.name);
    }

    /// Runs a shell command in the exit directory.
    #[track_caller]
    pub fn shell(&self, user: &User, script: &str) {
        let mut command = user.command(&self.sandbox, "sh");
        command.args(["-c", script]).current_dir(&self.dir);
        command.finish().assert_output(0, "");
    }

    /// The mode of the exit directory.
    pub fn mode(&self) -> u32 {
        std::fs::metadata(&self.dir).unwrap().permissions().mode() & 0o7777
    }

    /// The value of a key in a tombstone, as it stands there.
    pub fn key(&self, name: &str, key: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.dir.join(name)).ok()?;
        let mut values = text.lines().filter_map(|line| line.strip_prefix(key));
        values.find_map(|value| value.strip_prefix(": ").map(str::to_owned))
    }

    /// The path of an entry of the exit directory; of the directory itself if it is empty.
    pub fn path(&self, entry: &str) -> String {
        let path: PathBuf = self.dir.join(entry).components().collect();
        path.display().to_string()
    }

    pub fn entries(&self) -> Vec<String> {
        entries(&self.dir)
    }

    /// Removes everything from the volume.
    pub fn clear(&self) {
        for entry in std::fs::read_dir(&self.root).unwrap() {
            let path = entry.unwrap().path();
            let removed = match path.is_dir() {
                true => std::fs::remove_dir_all(&path),
                false => std::fs::remove_file(&path),
            };
            removed.unwrap();
        }
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.place);
    }
}
