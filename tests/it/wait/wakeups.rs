//! How often a waiting applet wakes.

use crate::support::inspect::await_sleep;
use crate::support::proc::sleep_count;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use std::time::Duration;

#[test]
fn a_waiting_applet_wakes_at_most_once_in_10_seconds_and_an_idle_supervisor_not_once_in_30() {
    const WINDOW: Duration = Duration::from_secs(30);
    const ALLOWED_WAKES: u64 = 4;
    let sandbox = Sandbox::new();
    let other = Sandbox::new();
    let watching: Vec<(&str, Running)> = vec![
        ("wait", sandbox.wait(["main"]).start()),
        ("wait for anybody", sandbox.wait([":failed"]).start()),
        (
            "run that waits to be born",
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
    // What the others did while they began was news; from here on nothing happens. The last
    // moments of a start are over when the count stands still.
    let mut before = (Vec::new(), Vec::new());
    wait_until("all of them sleep", || {
        let now = (count(&watching), count(&idle));
        let still = now == before;
        before = now;
        std::thread::sleep(Duration::from_millis(50));
        still
    });
    std::thread::sleep(WINDOW);
    let woken = |processes: &[(&str, Running)], before: &[u64], allowed: u64| {
        for ((what, process), before) in processes.iter().zip(before) {
            let woken = sleep_count(process.pid()) - before;
            assert!(woken <= allowed, "{what} woke {woken} times in {WINDOW:?}");
        }
    };
    woken(&watching, &before.0, ALLOWED_WAKES);
    woken(&idle, &before.1, 0);
}
