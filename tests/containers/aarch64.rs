//! The binary for aarch64, under emulation if need be: does it run and end as it should?

use crate::engine::find;
use crate::harness::{Host, Obstacle, TestResult};
use crate::support::sandbox::{Ended, Sandbox, Start, repository};
use crate::support::signals::{KILL, TERM};
use std::path::PathBuf;
use std::process::Command;

/// Runs the binary.
pub struct Emulator {
    /// None where the machine is one itself.
    program: Option<PathBuf>,
    binary: PathBuf,
}

impl Emulator {
    pub fn find() -> Result<Emulator, Obstacle> {
        const PROGRAM: &str = "qemu-aarch64-static";
        let missing = |what: String| Obstacle::Missing(format!("no aarch64 binary to run: {what}"));
        let binary = repository().join("dist/small/aarch64/exitdir");
        if !binary.exists() {
            return Err(missing(
                "scripts/build --small makes dist/small/aarch64/exitdir".to_owned(),
            ));
        }
        let native = cfg!(target_arch = "aarch64");
        let program = find(PROGRAM);
        if program.is_none() && !native {
            return Err(missing(format!("{PROGRAM} is not installed")));
        }
        Ok(Emulator {
            program: program.filter(|_| !native),
            binary,
        })
    }

    fn applet<'w>(&self, sandbox: &Sandbox, words: impl IntoIterator<Item = &'w str>) -> Command {
        let mut command = match &self.program {
            Some(program) => {
                let mut command = sandbox.command(program);
                command.arg(&self.binary);
                command
            }
            None => sandbox.command(&self.binary),
        };
        command.args(words);
        command
    }
}

fn check(ended: &Ended, status: i32) {
    assert_eq!(ended.status, status, "{}", ended.stderr);
    assert_eq!(ended.stderr, "");
}

pub fn the_binary_says_its_version(machine: &Host) -> TestResult {
    let ended = machine
        .emulator()?
        .applet(&Sandbox::new(), ["--version"])
        .finish();
    check(&ended, 0);
    assert_eq!(
        ended.stdout,
        format!("exitdir {}\n", env!("CARGO_PKG_VERSION"))
    );
    Ok(())
}

pub fn a_signal_is_seen_by_a_wait(machine: &Host) -> TestResult {
    let (emulator, sandbox) = (machine.emulator()?, Sandbox::new());
    let wait = emulator
        .applet(&sandbox, ["wait", "--print", "--exit-code", "main"])
        .start();
    check(
        &emulator
            .applet(&sandbox, ["signal", "--code", "5", "main"])
            .finish(),
        0,
    );
    let ended = wait.end();
    check(&ended, 5);
    assert_eq!(ended.stdout, "main failed 5\n");
    Ok(())
}

pub fn a_command_runs_and_leaves_its_status(machine: &Host) -> TestResult {
    let (emulator, sandbox) = (machine.emulator()?, Sandbox::new());
    check(
        &emulator
            .applet(
                &sandbox,
                ["run", "-n", "main", "--", "/bin/sh", "-c", "exit 7"],
            )
            .finish(),
        7,
    );
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("7"));
    assert_eq!(sandbox.key("main", "Reason").as_deref(), Some("exited"));
    Ok(())
}

pub fn a_signal_is_passed_on(machine: &Host) -> TestResult {
    let (emulator, sandbox) = (machine.emulator()?, Sandbox::new());
    let run = emulator
        .applet(&sandbox, ["run", "-n", "main", "--", "/bin/sleep", "600"])
        .start();
    sandbox.await_key("main", "Born");
    run.send(TERM);
    check(&run.end(), 143);
    assert_eq!(sandbox.key("main", "Signal").as_deref(), Some("TERM"));
    Ok(())
}

pub fn a_killed_supervisor_is_lost(machine: &Host) -> TestResult {
    let (emulator, sandbox) = (machine.emulator()?, Sandbox::new());
    let follower = [
        "run",
        "-n",
        "proxy",
        "--death-deps",
        "main",
        "--quiet",
        "--",
        "/bin/sleep",
        "600",
    ];
    let main = emulator
        .applet(&sandbox, ["run", "-n", "main", "--", "/bin/sleep", "600"])
        .start();
    sandbox.await_key("main", "Born");
    let follower = emulator.applet(&sandbox, follower).start();
    sandbox.await_key("proxy", "Born");
    main.send(KILL);
    check(&follower.end(), 143);
    check(
        &emulator
            .applet(&sandbox, ["wait", "-t", "0", "main:lost"])
            .finish(),
        0,
    );
    Ok(())
}
