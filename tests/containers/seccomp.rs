//! The seccomp profile of `docs/`.

use crate::engine::{HARDENED, SHELL};
use crate::harness::{Host, TestResult};
use crate::support::sandbox::repository;

/// The status of a command that SIGSYS (31) has killed.
const KILLED_BY_PROFILE: i32 = 128 + 31;

pub fn a_command_runs_under_the_profile_and_is_killed_for_any_other_call(
    machine: &Host,
) -> TestResult {
    let engine = machine.engine()?;
    let profile = repository().join("docs/seccomp.json");
    let profile = format!("--security-opt=seccomp={}", profile.display());
    let volume = engine.memory_volume();
    // As root without `no-new-privileges`, the runtime itself makes more calls under the profile.
    for options in [&HARDENED[..], &["--user=0:0"]] {
        let recipe = engine.container(SHELL).shares(&volume);
        let recipe = recipe.options(options.iter().copied()).options([&*profile]);
        let run = |condition: &str| {
            let words = "run -n main --ready-on start -- /exitdir wait -t 1s";
            recipe.clone().run(words.split(' ').chain([condition]))
        };
        for (condition, status) in [("main:ready", 0), ("other:died", 124)] {
            let ended = run(condition);
            assert_eq!(ended.status, status, "{options:?}: {}", ended.stderr);
        }
        // It asks for its groups (getgroups(2)).
        let ended = recipe.run(["run", "--", "/bin/id"]);
        assert_eq!(ended.status, KILLED_BY_PROFILE, "{}", ended.stderr);
    }
    Ok(())
}
