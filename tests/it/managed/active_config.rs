//! A command that runs while a file exists and has a configuration, which changes while there is no
//! command, or while it stops.

use crate::support::active_app::{ActiveApp, FAIL_ONCE, SLOW};
use crate::support::inspect::while_stopped;
use crate::support::parallel::at_once;
use crate::support::sandbox::Sandbox;
use crate::support::signals::{INT, QUIT, TERM};
use exitdir::State;
use std::fs;

impl ActiveApp {
    fn with_configuration(
        sandbox: Sandbox,
        action: &str,
        options: &str,
        script: &str,
    ) -> ActiveApp {
        sandbox.touch("a");
        fs::write(sandbox.path("f"), "1\n").unwrap();
        let options = format!("--config f=file --on-config {action} {options}");
        ActiveApp::begin(sandbox, &options, script)
    }

    fn active_with_configuration(action: &str, options: &str, script: &str) -> ActiveApp {
        let app = ActiveApp::with_configuration(Sandbox::new(), action, options, script);
        app.await_starts(1);
        app.await_state(State::Ready);
        app
    }
}

#[test]
fn the_next_start_uses_a_configuration_that_came_while_inactive() {
    at_once(&["restart", "HUP"], |action| {
        let script = format!("cat file >>seen; {SLOW}");
        let app = ActiveApp::active_with_configuration(action, "", &script);
        app.touch("go");
        app.deactivate();
        app.await_inactive();
        for text in ["2\n", "3\n"] {
            app.configure(text);
            app.await_placed(text);
        }
        assert_eq!(app.state(), Some(State::Inactive));
        app.activate();
        app.await_starts(2);
        app.await_state(State::Ready);
        assert_eq!(app.sandbox.lines("seen"), ["1", "3"]);
        assert_eq!(app.sandbox.lines("said"), ["TERM", "bye"]);
        let said = app.read("stderr");
        assert!(!said.contains("a new configuration"), "{said}");
    });
}

#[test]
fn the_restart_uses_a_configuration_that_came_during_the_back_off() {
    at_once(&["restart", "HUP"], |action| {
        let script = format!("cat file >>seen; {FAIL_ONCE}");
        let app = ActiveApp::active_with_configuration(action, "--restart always", &script);
        // The change is there when the back-off begins, however busy the machine is.
        while_stopped(&app.running, || {
            app.fail_once();
            app.configure("2\n");
        });
        app.await_starts(2);
        app.await_state(State::Ready);
        assert_eq!(app.sandbox.lines("seen"), ["1", "2"]);
        let said = app.read("stderr");
        assert!(said.contains("restarting it"), "{said}");
        assert!(!said.contains("a new configuration"), "{said}");
        assert_eq!(app.starts().len(), 2);
    });
}

#[test]
fn a_stopping_command_gets_no_signal_for_a_new_configuration() {
    let app = ActiveApp::active_with_configuration("HUP", "", SLOW);
    app.deactivate();
    app.await_word("TERM");
    app.configure("2\n");
    app.await_placed("2\n");
    app.touch("go");
    app.await_inactive();
    assert_eq!(app.sandbox.lines("said"), ["TERM", "bye"]);
    let said = app.read("stderr");
    assert!(!said.contains("a new configuration"), "{said}");
}

#[test]
fn removing_the_file_during_a_restart_leaves_the_life_inactive() {
    let app =
        ActiveApp::active_with_configuration("restart", "", &format!("cat file >>seen; {SLOW}"));
    app.configure("2\n");
    app.await_word("TERM");
    app.deactivate();
    app.await_said("a does not exist: sh stays down", 1);
    app.configure("3\n");
    app.await_placed("3\n");
    app.touch("go");
    app.await_inactive();
    app.activate();
    app.await_starts(2);
    app.await_state(State::Ready);
    assert_eq!(app.sandbox.lines("seen"), ["1", "3"]);
}

#[test]
fn a_signal_during_a_temporary_stop_ends_the_life() {
    let cases = [(true, TERM), (true, INT), (true, QUIT), (false, TERM)];
    at_once(&cases, |(is_for_configuration, signal)| {
        // It handles only the first TERM.
        let script = format!("trap '' INT QUIT; {SLOW}");
        let app = ActiveApp::active_with_configuration("restart", "-v", &script);
        if *is_for_configuration {
            app.configure("2\n");
        } else {
            app.deactivate();
        }
        app.await_word("TERM");
        app.running.send(*signal);
        app.await_said("forwarded ", 1);
        app.touch("go");
        let (ended, sandbox) = app.ended();
        assert_eq!(ended.status, 5, "{}", ended.stderr);
        assert_eq!(sandbox.lines("starts").len(), 1);
        assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("exited"));
        assert_eq!(sandbox.key("x", "Inactive"), None);
    });
}
