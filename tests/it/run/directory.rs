//! The working directory is given up once nothing needs it any more.

use crate::support::namespaces::with_mounts;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Running, Sandbox, Start, binary, wait_until};
use std::path::{Path, PathBuf};

/// CMD, which is elsewhere, tells that it runs, and ends when there is a file.
const CMD: &str = "W=$PWD; cd /; : >\"$W/up\"; until [ -e \"$W/go\" ]; do sleep 0.01; done";

fn directory_of(process: &Running) -> PathBuf {
    std::fs::read_link(format!("/proc/{}/cwd", process.pid())).unwrap_or_default()
}

fn started(sandbox: &Sandbox, options: &[&str]) -> Running {
    let mut command = sandbox.run(options);
    command.args(["--", "sh", "-c", CMD]);
    let running = command.current_dir(sandbox.path(".")).start();
    sandbox.await_file("up");
    running
}

#[test]
fn the_working_directory_is_released_where_nothing_will_be_started_and_no_relative_path_opened() {
    for options in [
        &[][..],
        &[
            "--name",
            "main",
            "--death-deps",
            "other",
            "--timeout",
            "10m",
        ],
        &["--name", "main", "--ready-on", "signal"],
        &["--ready-on", "fd"],
        // Once CMD is ready, they are not tried again.
        &["--name", "main", "--ready-on", "exec:test -e up"],
        &["--name", "main", "--ready-on", "file:up"],
    ] {
        let sandbox = Sandbox::new();
        let running = started(&sandbox, options);
        wait_until(format!("{options:?}: it is released"), || {
            directory_of(&running) == Path::new("/")
        });
        sandbox.touch("go");
        assert_eq!(running.end().status, 0);
    }
}

#[test]
fn the_working_directory_is_kept_where_a_program_or_a_relative_path_may_need_it() {
    for options in [
        &["--restart", "on-failure"][..],
        &["--config", "up"],
        &["--active-while", "up"],
        &["--termination-log", "log"],
        &["--on-exit", "exec:true"],
        &["--pre-stop", "exec:true"],
        &["--name", "main", "--ready-on", "exec:test -e never"],
        &["--name", "main", "--ready-on", "file:never"],
        &["--name", "main", "--dir", "graves"],
    ] {
        let sandbox = Sandbox::new();
        sandbox.touch("up");
        let running = started(&sandbox, options);
        // It has taken a whole turn when it sleeps again after a signal.
        crate::support::inspect::await_any_sleep(&running);
        running.send(crate::support::signals::CONT);
        crate::support::inspect::await_any_sleep(&running);
        let own = std::fs::canonicalize(sandbox.path(".")).unwrap();
        assert_eq!(directory_of(&running), own, "{options:?}");
        sandbox.touch("go");
        assert_eq!(running.end().status, 0, "{options:?}");
    }
}

#[test]
fn a_file_system_in_which_it_was_started_can_be_unmounted_while_the_command_runs() {
    let sandbox = Sandbox::new();
    let trial = &mut with_mounts(&sandbox, "mkdir -p m; mount -t tmpfs tmpfs m", "true");
    if !is_permitted("a mount", trial.current_dir(sandbox.path("."))) {
        return;
    }
    let steps = "mkdir -p m; mount -t tmpfs tmpfs m; cd m; \
                 \"$0\" run sh -c 'cd ..; : >up; until [ -e go ]; do sleep 0.01; done; exit 3' & \
                 cd ..; until [ -e up ]; do sleep 0.01; done; \
                 until umount m 2>/dev/null; do sleep 0.01; done; : >go; wait $!";
    let mut command = sandbox.command("unshare");
    command.args(["-m", "sh", "-c", steps]).arg(binary());
    assert_eq!(command.current_dir(sandbox.path(".")).finish().status, 3);
}
