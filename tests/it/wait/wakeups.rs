//! How often a waiting applet wakes.

use crate::support::inspect::{await_sleep, sleeps};
use crate::support::proc::sleep_count;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use std::time::{Duration, Instant};

#[test]
fn a_waiting_applet_wakes_once_in_10_seconds_and_an_idle_supervisor_does_not_wake() {
    const WINDOW: Duration = Duration::from_secs(30);
    const RESCAN_SECONDS: u64 = 10;
    let sandbox = Sandbox::new();
    let other = Sandbox::new();
    let watching: Vec<(&str, Running)> = vec![
        ("wait", sandbox.wait(["main"]).start()),
        ("wait for any name", sandbox.wait([":failed"]).start()),
        (
            "run that waits for a birth dependency",
            sandbox
                .run(["-n", "unborn", "--birth-deps", "main:ready", "--", "true"])
                .start(),
        ),
        (
            "run with a death dependency",
            sandbox
                .run(["-n", "proxy", "--death-deps", "main", "--", "sleep", "60"])
                .start(),
        ),
    ];
    let idle: Vec<(&str, Running)> = vec![
        (
            "run that only supervises",
            other.run(["--", "sleep", "60"]).start(),
        ),
        (
            "run without dependencies",
            other.run(["-n", "main", "--", "sleep", "60"]).start(),
        ),
        (
            "run that restarts, and waits for descendants",
            other
                .run(["-n", "again", "--restart=always", "--wait-descendants"])
                .args(["--", "sleep", "60"])
                .start(),
        ),
    ];
    sandbox.await_key("unborn", "Lock");
    sandbox.await_key("proxy", "Ready");
    other.await_key("main", "Ready");
    other.await_key("again", "Ready");
    watching
        .iter()
        .for_each(|(_, process)| await_sleep(process));
    let count = |processes: &[(&str, Running)]| -> Vec<u64> {
        let counts = processes
            .iter()
            .map(|(_, process)| sleep_count(process.pid()));
        counts.collect()
    };
    // The processes wake each other while they start. This is over when all of them sleep and none
    // has woken between two looks: one that still has something to do is ready to run, even where
    // it gets no processor.
    let mut before = (Vec::new(), Vec::new());
    let mut since = Instant::now();
    wait_until("all of them sleep", || {
        let all = || watching.iter().chain(&idle);
        let asleep = all().all(|(_, process)| sleeps(process.pid()));
        since = Instant::now();
        let now = (count(&watching), count(&idle));
        let still = now == before && asleep;
        before = now;
        std::thread::sleep(Duration::from_millis(50));
        still && all().all(|(_, process)| sleeps(process.pid()))
    });
    std::thread::sleep(WINDOW);
    let assert_woken =
        |processes: &[(&str, Running)], before: &[u64], allowed: &dyn Fn() -> u64| {
            for ((what, process), before) in processes.iter().zip(before) {
                let woken = sleep_count(process.pid()) - before;
                let allowed = allowed();
                let elapsed = since.elapsed();
                assert!(woken <= allowed, "{what} woke {woken} times in {elapsed:?}");
            }
        };
    // The time is looked at after the count: a busy machine makes this test longer, not the bound
    // tighter.
    assert_woken(&watching, &before.0, &|| {
        since.elapsed().as_secs() / RESCAN_SECONDS + 1
    });
    assert_woken(&idle, &before.1, &|| 0);
}
