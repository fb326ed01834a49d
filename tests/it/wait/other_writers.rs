//! Beside programs that write their tombstones in other ways.

use crate::support::inspect::{assert_sentence, start_wait};
use crate::support::sandbox::{Sandbox, Start, wait_until};
use crate::support::tombstones::{TIME, write_tombstone};
use crate::wait::conditions::assert_states;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::time::{Duration, SystemTime};

/// A tombstone that its writer has opened and not finished; never older than this moment.
fn open_fresh(sandbox: &Sandbox, name: &str, text: &str) -> File {
    std::fs::create_dir_all(sandbox.dir()).unwrap();
    let mut file = File::create(sandbox.dir().join(name)).unwrap();
    file.write_all(text.replace(": T", &format!(": {TIME}")).as_bytes())
        .unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(3600))
        .unwrap();
    file
}

#[test]
fn a_file_that_is_empty_for_a_moment_is_not_a_death() {
    let sandbox = Sandbox::new();
    for text in ["", "Bor", "Born: \"2026"] {
        let mut file = open_fresh(&sandbox, "kubexit", text);
        assert_states(&sandbox, "kubexit", "");
        let ended = sandbox.wait(["-t", "0", ":died"]).finish();
        assert_sentence(&ended, "exitdir-wait", 124);
        file.rewind().unwrap();
        file.write_all(format!("Born: {TIME}\n").as_bytes())
            .unwrap();
        assert_states(&sandbox, "kubexit", "born ready");
    }
}

#[test]
fn a_follower_takes_tombstones_that_are_created_empty_and_filled_at_once_for_births() {
    let sandbox = Sandbox::new();
    let waiter = start_wait(&sandbox, &["--print", ":died"]);
    let follower = sandbox
        .run(["-n", "proxy", "--death-deps", ":died", "--", "sleep", "60"])
        .start();
    sandbox.await_key("proxy", "Ready");
    for round in 0..50 {
        let mut file = File::create(sandbox.dir().join(format!("peer-{round}"))).unwrap();
        file.write_all(format!("Born: {TIME}\n").as_bytes())
            .unwrap();
    }
    // As kubexit does it: emptied, and written anew with the death.
    std::fs::write(
        sandbox.dir().join("peer-7"),
        format!("Born: {TIME}\nDied: {TIME}\nExitCode: 3\n"),
    )
    .unwrap();
    let ended = waiter.end();
    ended.assert_output(0, "peer-7 failed 3\n");
    let ended = follower.end();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert_eq!(sandbox.key("proxy", "Cause").as_deref(), Some("peer-7"));
}

#[test]
fn a_tombstone_that_is_being_rewritten_is_what_it_was() {
    let sandbox = Sandbox::new();
    let path = sandbox.dir().join("peer");
    write_tombstone(&sandbox, "peer", "Born: T\n");
    let waiter = start_wait(&sandbox, &["-x", "--print", "--poll", "20ms", "peer"]);
    let living = start_wait(&sandbox, &["--keep-waiting", "peer:died", "peer:exit=3"]);
    let mut file = File::create(&path).unwrap();
    // Longer than the second after which an empty file that nobody finished is a death.
    let began = std::time::Instant::now();
    wait_until("a good second has passed", || {
        began.elapsed() > Duration::from_millis(1200)
    });
    file.write_all(format!("Born: {TIME}\nDied: {TIME}\nExitCode: 3\n").as_bytes())
        .unwrap();
    drop(file);
    let ended = waiter.end();
    ended.assert_output(3, "peer failed 3\n");
    assert_eq!(living.end().status, 0);
}

#[test]
fn died_without_a_code_is_a_death_whose_code_comes_with_the_end_of_the_writing() {
    let sandbox = Sandbox::new();
    let mut file = open_fresh(&sandbox, "peer", "Born: T\nDied: T\n");
    assert_states(&sandbox, "peer", "died");
    let coded = start_wait(&sandbox, &["-x", "peer"]);
    file.write_all(b"ExitCode: 3\n").unwrap();
    drop(file);
    assert_eq!(coded.end().status, 3);

    let file = open_fresh(&sandbox, "other", "Born: T\nDied: T\n");
    let coded = start_wait(&sandbox, &["-x", "--poll", "off", "other"]);
    drop(file);
    assert_eq!(coded.end().status, 255, "closed without a code");

    let _open = open_fresh(&sandbox, "third", "Born: T\nDied: T\n");
    let ended = sandbox.wait(["-x", "--poll", "off", "third"]).finish();
    assert_eq!(ended.status, 255, "left alone for a second");
}

#[test]
fn an_exit_file_that_is_touched_is_a_death_when_it_is_closed_or_left_alone() {
    let sandbox = Sandbox::new();
    // Created and closed: the close is seen, nothing needs to time out.
    for name in ["exitFile", "other"] {
        let waiter = start_wait(&sandbox, &["--print", "--poll", "off", name]);
        drop(open_fresh(&sandbox, name, ""));
        let ended = waiter.end();
        ended.assert_output(0, &format!("{name} ok 0\n"));
    }
    // Created and never closed, as the Go library's leader does: left alone for a second.
    for name in ["early", "late"] {
        let early = (name == "early").then(|| open_fresh(&sandbox, name, ""));
        let waiter = start_wait(&sandbox, &["-x", "--poll", "off", name]);
        let _leader = early.unwrap_or_else(|| open_fresh(&sandbox, name, ""));
        assert_eq!(waiter.end().status, 0, "{name}");
    }
    // Touched long ago: at the first look.
    write_tombstone(&sandbox, "old", "");
    assert!(sandbox.holds("old:ok"));
}
