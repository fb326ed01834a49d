//! `docker stop`: TERM to PID 1, which is one of our applets. The engine would send KILL long
//! after; then the status would be 137.

use crate::engine::{SCRATCH, SHELL};
use crate::harness::{Host, TestResult};

pub fn docker_stop_reaches_a_command_that_traps_it_and_returns_its_status(
    machine: &Host,
) -> TestResult {
    let engine = machine.engine()?;
    let trapping = "trap 'exit 7' TERM; /exitdir-signal --ready main; sleep 600 & wait";
    let container = engine
        .container(SHELL)
        .member(&engine.memory_volume(), 10_001)
        .start([
            "run",
            "-n",
            "main",
            "--ready-on",
            "signal",
            "--",
            "/bin/sh",
            "-c",
            trapping,
        ]);
    container.awaits("main:ready");
    container.stop();
    assert_eq!(container.end(), 7, "{}", container.log());
    Ok(())
}

pub fn docker_stop_ends_a_command_without_a_trap_with_143(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let recipe = engine
        .container(SHELL)
        .member(&engine.memory_volume(), 10_001);
    let container = recipe.start(["run", "-n", "main", "--", "/bin/sleep", "600"]);
    container.awaits("main:born");
    container.stop();
    assert_eq!(container.end(), 143, "{}", container.log());
    Ok(())
}

pub fn docker_stop_reaches_a_command_that_waits_to_be_born(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let recipe = engine
        .container(SHELL)
        .member(&engine.memory_volume(), 10_001);
    let container = recipe.start([
        "run",
        "-n",
        "main",
        "--birth-deps",
        "db",
        "--",
        "/bin/sleep",
        "600",
    ]);
    container.awaits("main:waiting");
    container.stop();
    assert_eq!(container.end(), 143, "{}", container.log());
    Ok(())
}

pub fn docker_stop_ends_a_wait_as_pid_1_with_143(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let recipe = engine.container(SCRATCH).shares(&engine.memory_volume());
    let container = recipe.start(["wait", "--dir", "/exit/made", "doomsday"]);
    // It makes its directory only once it listens to signals.
    crate::support::sandbox::wait_until("the wait has made its directory", || {
        container
            .exec(["/exitdir", "status", "--dir", "/exit/made"])
            .status
            == 0
    });
    container.stop();
    assert_eq!(container.end(), 143, "{}", container.log());
    Ok(())
}
