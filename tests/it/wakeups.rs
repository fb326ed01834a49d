//! How often a waiting applet wakes.

use crate::seen::await_sleep;
use crate::world::{Running, Start, World, eventually};
use std::time::{Duration, Instant};

/// How often a process went to sleep of its own accord, and so how often it woke.
fn count_sleeps(process: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn a_waiting_applet_wakes_at_most_once_in_10_seconds() {
    const WINDOW: Duration = Duration::from_secs(21);
    const ALLOWED: u64 = 3;
    let world = World::new();
    let other = World::new();
    let waiting: Vec<(&str, Running)> = vec![
        ("wait", world.wait(["main"]).start()),
        ("wait for anybody", world.wait([":failed"]).start()),
        (
            "run that waits to be born",
            world
                .run(["-n", "unborn", "--birth-deps", "main:ready", "--", "true"])
                .start(),
        ),
        (
            "run with a death dependency",
            world
                .run(["-n", "proxy", "--death-deps", "main", "--", "sleep", "60"])
                .start(),
        ),
        (
            "run that only supervises",
            other.run(["--", "sleep", "60"]).start(),
        ),
        (
            "run without dependencies",
            other.run(["-n", "main", "--", "sleep", "60"]).start(),
        ),
    ];
    world.await_key("unborn", "Lock");
    world.await_key("proxy", "Ready");
    other.await_key("main", "Ready");
    waiting[..4]
        .iter()
        .for_each(|(_, process)| await_sleep(process));
    let began = Instant::now();
    // What the others did while they began was news; from here on nothing happens. The last
    // moments of a start are over when the count stands still.
    let mut before: Vec<u64> = Vec::new();
    eventually("all of them sleep", || {
        let now: Vec<u64> = waiting
            .iter()
            .map(|(_, process)| count_sleeps(process))
            .collect();
        let still = now == before;
        before = now;
        std::thread::sleep(Duration::from_millis(50));
        still.then_some(())
    });
    std::thread::sleep(WINDOW.saturating_sub(began.elapsed()));
    for ((what, process), before) in waiting.iter().zip(before) {
        let woken = count_sleeps(process) - before;
        assert!(woken <= ALLOWED, "{what} woke {woken} times in {WINDOW:?}");
    }
}
