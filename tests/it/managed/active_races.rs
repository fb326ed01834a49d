//! The file of `--active-while` appears and disappears during a start, a stop, a back-off, a stop
//! delay, or a grace period.

use crate::support::active_app::{ActiveApp, FAIL_ONCE, SERVE, SLOW};
use crate::support::inspect::while_stopped;
use crate::support::proc::is_gone;
use crate::support::sandbox::wait_until;
use crate::support::signals::TERM;
use exitdir::State;
use std::fs;

#[test]
fn the_last_state_of_the_file_during_a_stop_decides_about_the_next_start() {
    for is_active in [true, false] {
        let app = ActiveApp::active("", SLOW);
        app.await_state(State::Ready);
        app.deactivate();
        app.await_word("TERM");
        for round in 1..=2 {
            app.activate();
            app.await_said("a exists: starting sh", round);
            if is_active && round == 2 {
                break;
            }
            app.deactivate();
            app.await_said("a does not exist: sh stays down", round);
        }
        assert_eq!(app.starts().len(), 1, "one at a time");
        app.touch("go");
        if is_active {
            app.await_starts(2);
            app.await_state(State::Ready);
            assert_eq!(app.sandbox.key("x", "Inactive"), None);
        } else {
            app.await_inactive();
            assert_eq!(app.starts().len(), 1);
        }
        // It got TERM once.
        assert_eq!(app.sandbox.lines("said")[..2], ["TERM", "bye"]);
    }
}

#[test]
fn a_command_that_removes_the_file_itself_is_stopped() {
    let app = ActiveApp::active("", "echo $$ >>starts; rm a; exec sleep 60");
    app.await_inactive();
    app.activate();
    app.await_starts(2);
    app.await_inactive();
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn removing_the_file_ends_the_back_off_and_its_return_starts_the_command_once() {
    let app = ActiveApp::active("--restart always", FAIL_ONCE);
    // The supervisor finds both at once, so that the back-off cannot end before the file goes.
    while_stopped(&app.running, || {
        app.fail_once();
        app.deactivate();
    });
    app.await_inactive();
    app.activate();
    app.await_starts(2);
    app.await_state(State::Ready);
    let expected = [
        "sh exited with 3: restarting it",
        "a does not exist: sh stays down",
        "a exists: starting sh",
    ];
    assert_eq!(app.stderr(), expected);
    assert_eq!(app.starts().len(), 2);
}

#[test]
fn removing_the_file_while_descendants_stop_leaves_the_life_inactive() {
    // It leaves a process behind that stops only when there is a file `go`.
    const LEAVE: &str = "trap '' TERM; sh -c 'until test -e go; do sleep 0.01; done' & \
                         trap 'exit 0' TERM; echo $$ >>starts; until test -e end; do sleep 0.01; done; exit 3";
    for restarts in [true, false] {
        let app = ActiveApp::active(
            "-v -s --wait-descendants --grace-period off --restart always",
            LEAVE,
        );
        if restarts {
            // It ends by itself, and would be restarted.
            app.touch("end");
        } else {
            app.deactivate();
        }
        app.await_said("sending TERM to the processes left by sh", 1);
        assert_ne!(app.state(), Some(State::Inactive), "a descendant is left");
        if restarts {
            app.deactivate();
        }
        app.await_look();
        app.touch("go");
        app.await_inactive();
        let said = app.read("stderr");
        assert!(!said.contains("restarting it"), "{said}");
        let _ = fs::remove_file(app.sandbox.path("end"));
        app.activate();
        app.await_starts(2);
        app.await_state(State::Ready);
        assert_eq!(app.end(TERM).0.status, 0);
    }
}

#[test]
fn removing_the_file_during_the_stop_delay_ends_the_delay_and_the_life() {
    let app = ActiveApp::active("--stop-delay 1h", SERVE);
    app.await_state(State::Ready);
    app.running.send(TERM);
    app.await_said("received TERM; forwarding it to sh in 3600s", 1);
    app.deactivate();
    let (ended, sandbox) = app.ended();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert_eq!(sandbox.key("x", "Inactive"), None);
    let stopped = "exitdir-run: a does not exist: stopping sh with TERM\n";
    assert!(ended.stderr.ends_with(stopped), "{}", ended.stderr);
}

#[test]
fn a_command_that_does_not_stop_is_killed_after_the_grace_period_and_the_life_goes_on() {
    let ignores_term = "trap '' TERM; echo $$ >>starts; while test -e starts; do sleep 0.01; done";
    let app = ActiveApp::active("--grace-period 50ms", ignores_term);
    app.deactivate();
    app.await_inactive();
    app.activate();
    app.await_starts(2);
    app.await_state(State::Ready);
    let expected = [
        "a does not exist: stopping sh with TERM",
        "sh did not stop within 50ms: killing it",
        "a exists: starting sh",
    ];
    assert_eq!(app.stderr(), expected);
}

#[test]
fn the_command_follows_the_last_of_many_fast_changes_of_the_file() {
    // It stops slowly, and reports a predecessor that still runs.
    const ALONE: &str = "trap 'sleep 0.02; exit 0' TERM; \
                         if read -r before <last && grep -q \"(sh) [RSD] $PPID \" /proc/$before/stat; then echo two >>said; fi 2>>errors; \
                         echo $$ >last; echo $$ >>starts; while test -e starts; do sleep 0.01; done";
    let app = ActiveApp::start("", ALONE);
    let life = app.sandbox.await_key("x", "Waiting");
    for flap in 0..400 {
        app.activate();
        if flap % 40 == 0 {
            app.await_state(State::Ready);
        }
        app.deactivate();
        if flap % 40 == 20 {
            app.await_inactive();
        }
    }
    app.await_inactive();
    app.activate();
    app.await_state(State::Ready);
    let runs = || app.starts().iter().filter(|pid| !is_gone(pid)).count();
    wait_until("one command runs", || runs() == 1);
    assert_eq!(app.read("said"), "", "two at a time");
    assert_eq!(app.sandbox.key("x", "Waiting").unwrap(), life);
    let (ended, sandbox) = app.end(TERM);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(sandbox.key("x", "Waiting").unwrap(), life);
    assert_eq!(sandbox.entries(), ["x"]);
}
