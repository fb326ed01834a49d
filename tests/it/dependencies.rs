//! Birth and death dependencies of a life, and the readiness that others wait for. Which status follows from
//! which dependency is told in the exit table.

use crate::cast::dead;
use crate::seen::keys;
use crate::world::{Start, World};

#[test]
fn a_command_is_never_started_after_the_death_of_what_it_depends_on() {
    let world = World::new();
    dead(&world, "gone", "0");
    dead(&world, "there", "0");
    // Both hold at the first look.
    let ended = world
        .run([
            "-n",
            "a",
            "--birth-deps",
            "there:ok",
            "--death-deps",
            "gone",
            "--",
            "echo",
            "started",
        ])
        .finish();
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""));
    assert!(
        ended
            .stderr
            .contains("gone died with exit code 0: not starting echo"),
        "{}",
        ended.stderr
    );
    // While it waits.
    let waiting = world
        .run([
            "-n",
            "b",
            "--birth-deps",
            "never",
            "--death-deps",
            "later",
            "--",
            "echo",
            "started",
        ])
        .start();
    world.await_key("b", "Lock");
    dead(&world, "later", "3");
    let ended = waiting.end();
    assert_eq!((ended.status, ended.stdout.as_str()), (143, ""));
    assert_eq!(world.key("b", "Cause").as_deref(), Some("later"));
}

#[test]
fn a_name_that_is_both_dependencies_is_expected_to_come_back() {
    let world = World::new();
    dead(&world, "db", "3");
    let app = world
        .run([
            "-n",
            "app",
            "--birth-deps",
            "db",
            "--death-deps",
            "db",
            "--",
            "sleep",
            "60",
        ])
        .start();
    world.await_key("app", "Lock");
    let db = world.run(["-n", "db", "--", "sleep", "60"]).start();
    world.await_key("app", "Ready");
    db.kill(15);
    assert_eq!((db.end().status, app.end().status), (143, 143));
}

#[test]
fn readiness_on_signal_comes_from_outside() {
    let world = World::new();
    let _main = world
        .run(["-n", "main", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    let waiting = world
        .run(["-n", "app", "--birth-deps", "main", "--", "echo", "started"])
        .start();
    let born = world
        .run(["--birth-deps", "main:born", "--", "echo", "started"])
        .finish();
    assert_eq!(born.stdout, "started\n");
    world.await_key("app", "Lock");
    assert_eq!(keys(&world, "main"), "Waiting Lock Born");
    world.signal(["--ready", "main"]).finish();
    assert_eq!(waiting.end().stdout, "started\n");
    assert_eq!(keys(&world, "main"), "Waiting Lock Born Ready");
}
