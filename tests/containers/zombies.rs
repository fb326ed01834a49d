//! PID 1 inherits every orphan of its container.

use crate::engine::SHELL;
use crate::harness::{Host, TestResult};
use std::collections::BTreeMap;

/// Leaves a hundred orphans that end at once, and says when all of them were left.
const LITTER: &str = "i=0; while [ $i -lt 100 ]; do (true &); i=$((i + 1)); done";

/// How many processes are children of PID 1, by the letter of their state; without the caller.
const CENSUS: &str = "cat /proc/[0-9]*/stat 2>/dev/null";

fn census(text: &str) -> BTreeMap<char, usize> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        // PID (COMM) STATE PPID: proc_pid_stat(5).
        let (_, rest) = line.rsplit_once(") ").expect("a line of stat");
        let mut fields = rest.split(' ');
        let (state, parent) = (
            fields.next().expect("a state"),
            fields.next().expect("a parent"),
        );
        if parent == "1" {
            *counts
                .entry(state.chars().next().expect("a letter"))
                .or_default() += 1;
        }
    }
    counts
}

pub fn orphans_are_reaped_by_pid_1(machine: &Host) -> TestResult {
    let engine = machine.engine()?;
    let zombies = |container: &crate::engine::Container| {
        let ended = container.exec(["/bin/sh", "-c", CENSUS]);
        census(&ended.stdout).get(&'Z').copied().unwrap_or_default()
    };

    // A PID 1 that does not reap, as proof that these orphans become zombies.
    let careless = engine
        .container(SHELL)
        .options(["--entrypoint", "/bin/sleep"])
        .start(["600"]);
    assert_eq!(careless.exec(["/bin/sh", "-c", LITTER]).status, 0);
    crate::support::sandbox::wait_until("a hundred zombies", || zombies(&careless) >= 100);

    let work = format!("{LITTER}; /exitdir-signal --ready main; exec sleep 600");
    let recipe = engine
        .container(SHELL)
        .member(&engine.memory_volume(), 10_001);
    let careful = recipe.start([
        "run",
        "-n",
        "main",
        "--ready-on",
        "signal",
        "--",
        "/bin/sh",
        "-c",
        &work,
    ]);
    careful.awaits("main:ready");
    crate::support::sandbox::wait_until("no zombies", || zombies(&careful) == 0);
    assert!(careful.is_running());
    Ok(())
}
