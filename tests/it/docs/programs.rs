//! The demo and the library's examples end as the pages say.

use super::{absolute_binary, made};
use crate::support::library_examples::example;
use crate::support::sandbox::{Ended, Sandbox, Start, entries, repository};

#[test]
fn the_demo_ends_as_it_should_and_shows_the_main_job() {
    let sandbox = Sandbox::new();
    let ended = sandbox
        .command(repository().join("scripts/demo"))
        .env("EXITDIR_DEMO_BINARY", absolute_binary())
        .env("TMPDIR", made(sandbox.path("tmp")))
        .finish();
    let text = &ended.stdout;
    assert_eq!(ended.status, 0, "{text}{}", ended.stderr);
    for line in [
        "    proxy | Cause: main",
        "    third | Cause: peer",
        "    main     exit status 0   (its work is done) ok",
        "    proxy    exit status 0   (stopped because main ended with 0) ok",
        "    peer     exit status 137 (killed) ok",
        "    third    exit status 143 (stopped because peer was lost) ok",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    assert!(!text.contains("peer  | Died"), "{text}");
    assert_eq!(
        entries(&sandbox.path("tmp")),
        Vec::<String>::new(),
        "left behind"
    );
}

#[test]
fn a_demo_that_does_not_end_as_it_should_says_so() {
    let sandbox = Sandbox::new();
    // Differs from the real binary only in the status of a stop.
    let script = format!(
        "#!/bin/sh\ncase ${{0##*/}} in exitdir-run) exec \"{0}\" run --stop-code own \"$@\";; exitdir-*) exec \"{0}\" \"${{0##*/exitdir-}}\" \"$@\";; esac\n\
         mkdir -p \"$2\" && for applet in run wait signal status; do cp \"$0\" \"$2/exitdir-$applet\"; done\n",
        absolute_binary().display()
    );
    let broken = sandbox.program("broken", &script);
    let ended = sandbox
        .command(repository().join("scripts/demo"))
        .env("EXITDIR_DEMO_BINARY", &broken)
        .env("TMPDIR", made(sandbox.path("tmp")))
        .finish();
    assert_eq!(ended.status, 1, "{}", ended.stdout);
    let wrong = "proxy    exit status 143 (stopped because main ended with 0) WRONG, expected 0";
    assert!(ended.stdout.contains(wrong), "{}", ended.stdout);
}

#[test]
fn the_follower_of_the_library_ends_with_its_leader() {
    let sandbox = Sandbox::new();
    let follower = sandbox.command(example("follower")).start();
    let leader = sandbox.command(example("leader")).finish();
    let follower = follower.end();
    assert_eq!(
        (leader.status, follower.status),
        (0, 0),
        "{}{}",
        leader.stderr,
        follower.stderr
    );
    assert_eq!(
        leader.stdout,
        "[Leader] Doing work...\n[Leader] Exiting...\n"
    );
    let ticks = ticks_before_exit(&follower);
    assert!(ticks >= 2, "{}", follower.stdout);
    assert_eq!(sandbox.entries(), ["exitFile"]);
}

#[test]
fn without_an_exit_directory_the_leader_just_works_and_the_follower_says_so() {
    let sandbox = Sandbox::new();
    let mut follower = sandbox.command(example("follower"));
    let follower = follower.env_remove("EXIT_DIR").start();
    let leader = sandbox
        .command(example("leader"))
        .env_remove("EXIT_DIR")
        .finish();
    assert_eq!(leader.status, 0, "{}", leader.stderr);
    assert_eq!(
        leader.stdout,
        "[Leader] Doing work...\n[Leader] Exiting...\n"
    );
    let mut follower = follower.end();
    let rest = follower
        .stdout
        .strip_prefix("[Follower] EXIT_DIR is not set: there is no leader to follow\n");
    follower.stdout = rest.expect("says that the feature is off").to_owned();
    assert_eq!(follower.status, 0, "{}", follower.stderr);
    assert_eq!(ticks_before_exit(&follower), 3);
}

/// Checks that a follower ticked from 0 on and then exited. Returns the number of ticks.
fn ticks_before_exit(follower: &Ended) -> usize {
    let ticks = follower.stdout.lines().count() - 1;
    let mut expected: String = (0..ticks)
        .map(|tick| format!("[Follower] Tick {tick}\n"))
        .collect();
    expected.push_str("[Follower] Exiting...\n");
    assert_eq!(follower.stdout, expected);
    ticks
}
