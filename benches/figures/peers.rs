//! How each supervisor of the report is told to run a program: exitdir's, those that Debian ships,
//! and the floor.

use crate::bench::{Bench, peer, quiet};
use std::path::Path;
use std::process::Command;

pub(crate) const OURS: &str = "exitdir-run";
/// The same with a tombstone and a death dependency, in memory.
pub(crate) const FOLLOWING: &str = "exitdir-run, following";
/// The least that a program must do for the same result (`benches/floor/`).
pub(crate) const FLOOR: &str = "(floor)";
/// Run a program as their child, forward signals to it, and exit with its status.
pub(crate) const SUPERVISORS: [&str; 6] = [
    "tini-static",
    "tini",
    "catatonit",
    "dumb-init",
    "s6-supervise",
    "busybox sh",
];

/// Runs the program `$0`, forwards TERM to it, and exits with its status.
const SHELL: &str = "\"$0\" & c=$!; trap \"kill $c\" TERM; wait \"$c\" || wait \"$c\"";

/// The command line that lets a supervisor run the program. `None` if it is not installed. The
/// directory belongs to this command line alone.
pub(crate) fn supervise(bench: &Bench, name: &str, program: &Path, dir: &Path) -> Option<Command> {
    let mut command = match name {
        OURS => bench.applet(OURS),
        FOLLOWING => {
            let mut command = bench.applet(OURS);
            command.arg("--dir").arg(dir.join("followed"));
            command.args(["--name", "sidecar", "--death-deps", "main"]);
            command
        }
        FLOOR => {
            let mut command = quiet(&bench.floor);
            command.arg("run").arg(program);
            return Some(command);
        }
        "s6-supervise" => {
            let mut command = quiet(peer(name)?);
            command.arg(service(program, dir)?);
            return Some(command);
        }
        "busybox sh" => {
            let mut command = quiet(peer("busybox")?);
            command.args(["sh", "-c", SHELL]).arg(program);
            return Some(command);
        }
        name => quiet(peer(name)?),
    };
    command.arg("--").arg(program);
    Some(command)
}

/// The directory of a service of s6, whose program is `run`.
fn service(program: &Path, dir: &Path) -> Option<std::path::PathBuf> {
    let service = dir.join("service");
    std::fs::create_dir_all(&service).ok()?;
    let run = service.join("run");
    if !run.exists() {
        std::os::unix::fs::symlink(program, run).ok()?;
    }
    Some(service)
}
