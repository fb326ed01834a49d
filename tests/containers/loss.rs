//! A main that is killed without a death record, and its follower, which would run for ever.

use crate::engine::{Container, Engine, SHELL};
use crate::harness::{Host, TestResult};
use std::time::{SystemTime, UNIX_EPOCH};

/// In milliseconds, half the interval of a periodic rescan: a follower that ends within it was
/// woken by an event.
const MAX_REACTION_MS: i64 = 5_000;

/// Asks for far more than [`LITTLE_MEMORY`].
const GREED: &str = "dd if=/dev/zero of=/dev/null bs=256M count=1";
const LITTLE_MEMORY: [&str; 4] = ["--memory", "16m", "--memory-swap", "16m"];

/// A main that is running, its follower, and a third container that is asked for their states.
struct FollowedPod<'e> {
    main: Container<'e>,
    follower: Container<'e>,
    witness: Container<'e>,
}

impl<'e> FollowedPod<'e> {
    fn start<'w>(
        engine: &'e Engine,
        options: impl IntoIterator<Item = &'w str>,
        work: &str,
    ) -> FollowedPod<'e> {
        let volume = engine.memory_volume();
        let main = [
            "run",
            "-n",
            "main",
            "--birth-deps",
            "follower",
            "--",
            "/bin/sh",
            "-c",
            work,
        ];
        let follower = [
            "run",
            "-n",
            "follower",
            "--death-deps",
            "main",
            "--",
            "/bin/sleep",
            "600",
        ];
        let witness = engine
            .container(SHELL)
            .member(&volume, 10_003)
            .start(["wait", "doomsday"]);
        let main = engine
            .container(SHELL)
            .member(&volume, 10_001)
            .options(options)
            .start(main);
        let follower = engine
            .container(SHELL)
            .member(&volume, 10_002)
            .start(follower);
        FollowedPod {
            main,
            follower,
            witness,
        }
    }

    /// Main has died or is about to: the follower must end, and all must see this state.
    fn assert_followed(&self, state: &str) {
        assert_eq!(self.main.end(), 137, "{}", self.main.log());
        assert_eq!(self.follower.end(), 143, "{}", self.follower.log());
        self.witness.awaits(&format!("main:{state}"));
        let after =
            milliseconds(self.follower.finished_at()) - milliseconds(self.main.finished_at());
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        // The engine may notice the two ends in either order.
        println!("{name}: the follower ended {after} ms after main");
        assert!(after.abs() < MAX_REACTION_MS, "{after}");
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time
        .duration_since(UNIX_EPOCH)
        .expect("a clock that was set");
    i64::try_from(since.as_millis()).expect("this age")
}

pub fn a_follower_ends_when_the_engine_kills_main(machine: &Host) -> TestResult {
    let pod = FollowedPod::start(machine.engine()?, [], "sleep 600");
    pod.witness.awaits("main:born");
    pod.main.kill("KILL");
    pod.assert_followed("lost");
    assert!(!pod.main.ran_out_of_memory());
    Ok(())
}

/// Lets main run out of memory until the engine has noticed the reason. On a busy machine the
/// container and its memory statistics can be gone before the engine reads them.
fn starve(engine: &Engine, work: &str, state: &str) {
    const ROUNDS: usize = 5;
    let noticed = (0..ROUNDS).any(|_| {
        let pod = FollowedPod::start(engine, LITTLE_MEMORY, work);
        pod.assert_followed(state);
        pod.main.ran_out_of_memory()
    });
    assert!(noticed, "OOMKilled in none of {ROUNDS} rounds");
}

pub fn a_follower_ends_when_main_runs_out_of_memory(machine: &Host) -> TestResult {
    // The kernel kills the largest process, so exitdir-run can record the death. Where it kills all
    // of a container (cgroup v2), the released lock shows it.
    starve(machine.engine()?, &format!("exec {GREED}"), "failed");
    Ok(())
}

pub fn a_follower_ends_when_the_supervisor_itself_is_the_one_out_of_memory(
    machine: &Host,
) -> TestResult {
    // The kernel kills the process with the most memory, and 1000 counts as all of the container's.
    // So that no process has more, two share it: one that holds half and cannot go on, and then one
    // that wants all.
    let half = "dd if=/dev/zero bs=8M count=1";
    let first_to_go = format!(
        "echo 1000 >/proc/1/oom_score_adj && {half} | {{ dd of=/dev/null bs=1 count=1; {GREED}; sleep 600; }}"
    );
    starve(machine.engine()?, &first_to_go, "lost");
    Ok(())
}
