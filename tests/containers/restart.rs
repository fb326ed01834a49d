//! Restarting in place and what a command leaves behind, with exitdir-run as the entry point.

use crate::engine::{SCRATCH, SHELL};
use crate::harness::{Host, TestResult};

/// Counts its starts on the volume, says that it is ready, and fails until the third.
const FLAKY: &str = "echo start >>/exit/.starts; /exitdir-signal --ready main; \
                     [ $(wc -l </exit/.starts) -ge 3 ] || exit 4; exec sleep 600";

pub fn a_command_is_restarted_in_place_while_its_follower_goes_on(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let volume = engine.memory_volume();
    let follower =
        engine
            .container(SCRATCH)
            .member(&volume, 10_002)
            .start(["wait", "--exit-code", "main"]);
    let main = engine.container(SHELL).member(&volume, 10_001).start([
        "run",
        "-n",
        "main",
        "--ready-on",
        "signal",
        "--restart",
        "on-failure",
        "--",
        "/bin/sh",
        "-c",
        FLAKY,
    ]);
    crate::support::sandbox::wait_until("it was started three times", || {
        let starts = main.exec(["/bin/cat", "/exit/.starts"]).stdout;
        starts.lines().count() == 3
    });
    main.awaits("main:ready");
    assert!(follower.is_running(), "{}", follower.log());
    main.stop();
    assert_eq!(main.end(), 143, "{}", main.log());
    assert_eq!(follower.end(), 143, "{}", follower.log());
    Ok(())
}

pub fn docker_stop_ends_a_back_off_at_once_with_143(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let recipe = engine
        .container(SHELL)
        .member(&engine.memory_volume(), 10_001);
    let failing = "echo start >>/exit/.starts; exit 3";
    let container = recipe.start([
        "run",
        "-n",
        "main",
        "--restart",
        "always",
        "--",
        "/bin/sh",
        "-c",
        failing,
    ]);
    container.awaits("main:born");
    container.stop();
    assert_eq!(container.end(), 143, "{}", container.log());
    Ok(())
}

pub fn what_a_command_leaves_behind_is_waited_for_before_it_is_said_dead(
    machine: &Host,
) -> TestResult {
    let engine = machine.engine()?;
    let volume = engine.memory_volume();
    let daemon = "trap 'sleep 1; echo done >/exit/.finished; exit' TERM; \
                  echo up >/exit/.up; while :; do sleep 0.1; done";
    let script = format!("({daemon}) & until [ -e /exit/.up ]; do sleep 0.1; done; exit 6");
    let main = engine.container(SHELL).member(&volume, 10_001).start([
        "run",
        "-n",
        "main",
        "--wait-descendants",
        "--",
        "/bin/sh",
        "-c",
        &script,
    ]);
    let follower = engine.container(SHELL).member(&volume, 10_002).start([
        "wait",
        "main",
        "--",
        "/bin/cat",
        "/exit/.finished",
    ]);
    assert_eq!(main.end(), 6, "{}", main.log());
    assert_eq!(follower.end(), 0, "{}", follower.log());
    Ok(())
}
