//! `exitdir-status`: how one looks into a container that has no shell.

use crate::engine::{HARDENED, SCRATCH};
use crate::harness::{Host, TestResult};
use crate::support::sandbox::Ended;

pub fn status_looks_into_a_scratch_container_from_inside_and_from_beside(
    machine: &Host,
) -> TestResult {
    let engine = machine.engine()?;
    let volume = engine.memory_volume();
    let recipe = engine.container(SCRATCH).shares(&volume).options(HARDENED);
    let container = recipe
        .clone()
        .start(["run", "-n", "main", "--", "/exitdir-wait", "doomsday"]);
    container.awaits("main:ready");
    let shows_main = |ended: &Ended| {
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let lines: Vec<Vec<&str>> = ended
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            lines[0],
            ["NAME", "STATE", "AGE", "CODE", "REASON"],
            "{}",
            ended.stdout
        );
        assert_eq!(lines[1][..2], ["main", "ready"], "{}", ended.stdout);
        assert_eq!(lines.len(), 2, "{}", ended.stdout);
    };
    shows_main(&container.exec(["/exitdir", "status"]));
    shows_main(&container.exec(["/exitdir-status"]));
    shows_main(&recipe.options(["--user", "10009:10009"]).run(["status"]));
    Ok(())
}
