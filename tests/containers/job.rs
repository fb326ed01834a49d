//! The Job: a main that works, and a proxy that serves it and would run for ever.

use crate::engine::{Engine, HARDENED, SCRATCH, SHELL};
use crate::harness::{Host, TestResult};

const MAIN: u32 = 10_001;
const PROXY: u32 = 10_002;

/// Starts both as members of one pod, and returns how main and proxy ended.
fn run_job(engine: &Engine, work: &str) -> (i32, i32) {
    let volume = engine.memory_volume();
    let main = [
        "run",
        "--name",
        "main",
        "--birth-deps",
        "proxy",
        "--",
        "/bin/sh",
        "-c",
        work,
    ];
    let proxy = [
        "run",
        "--name",
        "proxy",
        "--death-deps",
        "main",
        "--",
        "/bin/sleep",
        "600",
    ];
    let main = engine.container(SHELL).member(&volume, MAIN).start(main);
    let proxy = engine.container(SHELL).member(&volume, PROXY).start(proxy);
    (main.end(), proxy.end())
}

pub fn a_job_whose_main_exits_0_is_complete(machine: &Host) -> TestResult {
    // Also proves that a member has few rights.
    let work = "[ $(id -u) = 10001 ] || exit 91
        grep -q '^CapEff:.0000000000000000$' /proc/self/status || exit 92
        grep -q '^NoNewPrivs:.1$' /proc/self/status || exit 93
        if true 2>/dev/null >/anything; then exit 94; fi";
    assert_eq!(run_job(machine.engine()?, work), (0, 0));
    Ok(())
}

pub fn a_job_whose_main_fails_says_so_in_both_containers(machine: &Host) -> TestResult {
    assert_eq!(run_job(machine.engine()?, "exit 1"), (1, 143));
    Ok(())
}

pub fn a_job_needs_nothing_but_the_scratch_image(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let volume = engine.memory_volume();
    let recipe = engine.container(SCRATCH).shares(&volume).options(HARDENED);
    // A proxy that waits for a life that never begins, and a main that checks its environment.
    let proxy = [
        "run",
        "-n",
        "proxy",
        "--death-deps",
        "main",
        "--",
        "/exitdir-wait",
        "doomsday",
    ];
    let main = [
        "run",
        "-n",
        "main",
        "--birth-deps",
        "proxy",
        "--",
        "/exitdir-status",
    ];
    let proxy = recipe.clone().start(proxy);
    let main = recipe.start(main);
    assert_eq!(
        (main.end(), proxy.end()),
        (0, 0),
        "{}{}",
        main.log(),
        proxy.log()
    );
    let log = main.log();
    assert!(
        log.lines().any(|line| line.starts_with("proxy  ready")),
        "{log}"
    );
    Ok(())
}
