//! How often a waiting applet wakes, and how a test knows that it sleeps.

use crate::world::{Running, Start, World, eventually};
use std::time::{Duration, Instant};

/// Whether an applet watches its directory and sleeps. Before it has looked around it does not sleep.
pub fn sleeps_in_its_watch(pid: i32) -> bool {
    has_inotify(pid) && sleeps(pid)
}

fn has_inotify(pid: i32) -> bool {
    let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    fds.flatten().any(|fd| {
        std::fs::read_link(fd.path())
            .is_ok_and(|target| target.to_string_lossy() == "anon_inode:inotify")
    })
}

/// Whether an applet sleeps.
pub fn sleeps(pid: i32) -> bool {
    let file =
        |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let state = file("stat")
        .rsplit(')')
        .next()
        .map(|rest| rest.trim_start().to_owned());
    file("comm").starts_with("exitdir") && state.is_some_and(|state| state.starts_with('S'))
}

/// Waits until an applet watches its directory and sleeps.
pub fn await_sleep(process: &Running) {
    // A user has 128 inotify instances by default, which other tests may be using up. An applet that
    // got none looks four times a second, and between these looks it is seen sleeping all the time.
    let mut asleep = 0;
    eventually("it sleeps in its watch", || {
        asleep += u32::from(sleeps(process.pid()));
        (asleep > 500 || sleeps_in_its_watch(process.pid())).then_some(())
    });
}

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
