//! What a command waits for at each activation, and from when its timeouts count.

use crate::support::active_app::{ActiveApp, SERVE};
use crate::support::parallel::at_once;
use crate::support::sandbox::{Sandbox, Start};
use crate::support::signals::TERM;
use crate::support::users::supervisor_that_polls_its_peers;
use exitdir::State;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Long enough for an activation that is taken back before it expires.
const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn a_command_starts_when_its_file_and_its_dependency_exist_in_any_order() {
    /// The options, and the order of events: `+` creates the activation file, `-` removes it, `!`
    /// fulfils the dependency.
    struct Case(&'static str, &'static str);
    let options = ["--birth-deps dep", "--config f=file"];
    let orders = ["+!", "!+", "+-!+", "+-+!", "!-+", "-!-+"];
    let cases: Vec<Case> = options
        .into_iter()
        .flat_map(|options| orders.map(|order| Case(options, order)))
        .collect();
    at_once(&cases, |Case(options, order)| {
        let app = ActiveApp::start(options, SERVE);
        app.await_inactive();
        let (mut is_active, mut is_there) = (false, false);
        for step in order.chars() {
            match step {
                '+' => app.activate(),
                '-' => drop(fs::remove_file(app.sandbox.path("a"))),
                _ if options.contains("dep") => {
                    drop(app.sandbox.signal(["--ready", "dep"]).finish())
                }
                _ => app.configure("1"),
            }
            is_active = if step == '!' { is_active } else { step == '+' };
            is_there |= step == '!';
            if step == '!' && !options.contains("dep") {
                app.await_placed("1");
            }
            match (is_active, is_there) {
                (false, _) => app.await_inactive(),
                (true, false) => app.await_state(State::Waiting),
                (true, true) => app.await_state(State::Ready),
            }
            assert!(app.starts().is_empty() || is_active && is_there, "{order}");
        }
        app.await_starts(1);
        // The command waits for it only once.
        app.deactivate();
        app.await_inactive();
        if options.contains("dep") {
            app.sandbox.record_death("dep", "0");
        } else {
            app.remove("f");
        }
        app.activate();
        app.await_starts(2);
        app.await_state(State::Ready);
        assert_eq!(app.end(TERM).0.status, 143);
    });
}

#[test]
fn a_dependency_that_died_while_inactive_is_waited_for() {
    // It held when CMD was inactive, and is over when CMD is activated. Without a death dependency
    // it is not watched, because it held with the first scan.
    for (polled, more) in [
        (false, ""),
        (false, "--death-deps other"),
        (true, "--death-deps other"),
    ] {
        for pause in [0, 50] {
            let sandbox = Sandbox::new();
            let Some(run) = supervisor(&sandbox, polled) else {
                return;
            };
            sandbox.signal(["--ready", "dep"]).finish();
            let options = format!("-n x --active-while a --birth-deps dep {more}");
            let app = ActiveApp::of(sandbox, run, &options, SERVE);
            app.await_inactive();
            // The test passes with any pause; the longer one is harder.
            std::thread::sleep(Duration::from_millis(pause));
            app.sandbox.record_death("dep", "0");
            app.activate();
            app.await_said("a exists", 1);
            app.await_state(State::Waiting);
            assert_eq!(app.end(TERM).0.status, 143);
        }
    }
}

/// `exitdir-run`, which watches or polls the exit directory.
fn supervisor(sandbox: &Sandbox, polled: bool) -> Option<Command> {
    if polled {
        return supervisor_that_polls_its_peers(sandbox);
    }
    Some(sandbox.applet("run"))
}

#[test]
fn the_birth_timeout_counts_from_each_activation() {
    // A timeout of 0 does not begin while the file is missing.
    let app = ActiveApp::start("--birth-deps dep --birth-timeout 0", SERVE);
    app.await_inactive();
    app.activate();
    let (ended, sandbox) = app.ended();
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("birth-timeout"));
    // It begins anew at each activation.
    let app = ActiveApp::start("--birth-deps dep --birth-timeout 5s", SERVE);
    app.await_inactive();
    app.activate();
    app.await_state(State::Waiting);
    app.deactivate();
    app.await_inactive();
    let activated = Instant::now();
    app.activate();
    let (ended, _sandbox) = app.ended();
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert!(activated.elapsed() >= TIMEOUT, "{:?}", activated.elapsed());
    let gave_up = "exitdir-run: gave up after 5s: dep:ready does not hold (there is no dep)\n";
    assert!(ended.stderr.ends_with(gave_up), "{}", ended.stderr);
}

#[test]
fn the_timeout_counts_from_each_start() {
    let app = ActiveApp::active("--timeout 5s", SERVE);
    app.deactivate();
    app.await_inactive();
    let activated = Instant::now();
    app.activate();
    let (ended, sandbox) = app.ended();
    assert_eq!(ended.status, 124, "{}", ended.stderr);
    assert!(activated.elapsed() >= TIMEOUT, "{:?}", activated.elapsed());
    assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("timeout"));
}
