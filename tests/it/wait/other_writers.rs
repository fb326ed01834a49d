//! Tombstones of programs that write them in other ways than exitdir.

use crate::support::inspect::{assert_sentence, sleeps_in_its_watch, start_wait};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::tombstones::{TIME, write_tombstone};
use crate::wait::conditions::assert_states;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::time::{Duration, Instant, SystemTime};

/// A reader takes a file that is unfinished and has not changed for this long as it is.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Plays a scene with a file that is finished before it settles, and again where the machine was
/// too busy for that. The scene returns how long the file was unfinished at most, and its outcome.
fn before_it_settles<T>(scene: impl Fn() -> (Duration, Option<T>)) -> T {
    let mut tries = 0..20;
    let in_time = || {
        let (unfinished, outcome) = scene();
        outcome.filter(|_| unfinished < SETTLE_TIME)
    };
    tries
        .find_map(|_| in_time())
        .expect("a machine that writes a file within a second")
}

/// Waits until a reader has read what is there, or until that settles. Whether it was in time.
fn has_read(reader: &Running, unfinished_since: Instant) -> bool {
    let mut in_time = true;
    wait_until("the reader has read it", || {
        in_time = unfinished_since.elapsed() < SETTLE_TIME;
        sleeps_in_its_watch(reader.pid()) || !in_time
    });
    in_time
}

/// A tombstone that its writer has opened and not finished. Its time of modification is in the
/// future, so that a reader does not take it for an old one.
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
fn an_empty_or_incomplete_file_that_is_being_written_is_not_a_death() {
    let sandbox = Sandbox::new();
    for text in ["", "Bor", "Born: \"2026"] {
        let mut file = open_fresh(&sandbox, "peer", text);
        assert_states(&sandbox, "peer", "");
        let ended = sandbox.wait(["-t", "0", ":died"]).finish();
        assert_sentence(&ended, "exitdir-wait", 124);
        file.rewind().unwrap();
        file.write_all(format!("Born: {TIME}\n").as_bytes())
            .unwrap();
        assert_states(&sandbox, "peer", "born ready");
    }
}

#[test]
fn tombstones_that_are_created_empty_and_filled_soon_are_births_and_not_deaths() {
    let (sandbox, waiter, follower) = before_it_settles(create_empty_and_fill);
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

/// Two processes that wait for any death, and many births. One of the files is surely read while it
/// is empty.
fn create_empty_and_fill() -> (Duration, Option<(Sandbox, Running, Running)>) {
    let sandbox = Sandbox::new();
    let waiter = start_wait(&sandbox, &["--print", ":died"]);
    let follower = sandbox
        .run(["-n", "proxy", "--death-deps", ":died", "--", "sleep", "60"])
        .start();
    sandbox.await_key("proxy", "Ready");
    let fill = |mut file: File| {
        file.write_all(format!("Born: {TIME}\n").as_bytes())
            .unwrap();
    };
    let began = Instant::now();
    for round in 0..50 {
        fill(open_fresh(&sandbox, &format!("peer-{round}"), ""));
    }
    let file = open_fresh(&sandbox, "peer-50", "");
    let in_time = has_read(&waiter, began) && has_read(&follower, began);
    fill(file);
    let outcome = in_time.then_some((sandbox, waiter, follower));
    (began.elapsed(), outcome)
}

#[test]
fn a_tombstone_that_is_being_rewritten_keeps_its_old_state_until_it_is_closed() {
    let sandbox = Sandbox::new();
    let path = sandbox.dir().join("peer");
    write_tombstone(&sandbox, "peer", "Born: T\n");
    let waiter = start_wait(&sandbox, &["-x", "--print", "--poll", "20ms", "peer"]);
    let living = start_wait(&sandbox, &["--keep-waiting", "peer:died", "peer:exit=3"]);
    let mut file = File::create(&path).unwrap();
    // An empty file that has not been there before would count as a death after this time.
    std::thread::sleep(SETTLE_TIME + Duration::from_millis(200));
    file.write_all(format!("Born: {TIME}\nDied: {TIME}\nExitCode: 3\n").as_bytes())
        .unwrap();
    drop(file);
    let ended = waiter.end();
    ended.assert_output(3, "peer failed 3\n");
    assert_eq!(living.end().status, 0);
}

#[test]
fn died_without_a_code_is_a_death_whose_code_is_read_when_the_file_is_closed_or_left_alone() {
    let sandbox = Sandbox::new();
    let file = open_fresh(&sandbox, "peer", "Born: T\nDied: T\n");
    assert_states(&sandbox, "peer", "died");
    drop(file);
    let status = before_it_settles(|| {
        let mut file = open_fresh(&sandbox, "peer", "Born: T\nDied: T\n");
        let began = Instant::now();
        let waiter = sandbox.wait(["-x", "peer"]).start();
        let in_time = has_read(&waiter, began);
        file.write_all(b"ExitCode: 3\n").unwrap();
        drop(file);
        let unfinished = began.elapsed();
        (unfinished, in_time.then(|| waiter.end().status))
    });
    assert_eq!(status, 3);

    let file = open_fresh(&sandbox, "other", "Born: T\nDied: T\n");
    let coded = sandbox.wait(["-x", "--poll", "off", "other"]).start();
    has_read(&coded, Instant::now());
    drop(file);
    assert_eq!(coded.end().status, 255, "closed without a code");

    let _open = open_fresh(&sandbox, "third", "Born: T\nDied: T\n");
    let ended = sandbox.wait(["-x", "--poll", "off", "third"]).finish();
    assert_eq!(ended.status, 255, "left alone for a second");
}

#[test]
fn an_empty_exit_file_is_a_death_once_it_is_closed_or_left_alone_for_a_second() {
    let sandbox = Sandbox::new();
    // Created and closed: the reader sees the close and need not wait.
    for name in ["exitFile", "other"] {
        let waiter = start_wait(&sandbox, &["--print", "--poll", "off", name]);
        drop(open_fresh(&sandbox, name, ""));
        let ended = waiter.end();
        ended.assert_output(0, &format!("{name} ok 0\n"));
    }
    // Created and never closed, as the leader in the Go library does: left alone for a second.
    for name in ["early", "late"] {
        let early = (name == "early").then(|| open_fresh(&sandbox, name, ""));
        let waiter = sandbox.wait(["-x", "--poll", "off", name]).start();
        has_read(&waiter, Instant::now());
        let _leader = early.unwrap_or_else(|| open_fresh(&sandbox, name, ""));
        assert_eq!(waiter.end().status, 0, "{name}");
    }
    // Created long ago: a death at the first look.
    write_tombstone(&sandbox, "old", "");
    assert!(sandbox.holds("old:ok"));
}
