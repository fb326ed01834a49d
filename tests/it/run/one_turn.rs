//! What happens at the same moment: the supervisor stands still meanwhile, and finds all of it in one turn of its
//! loop. Whatever the order in which it looks, nothing is started on what does not hold any more.

use crate::support::active_app::{ActiveApp, SERVE, SLOW};
use crate::support::inspect::while_stopped;
use crate::support::proc::{await_gone, may_sleep_in};
use crate::support::sandbox::{Sandbox, Start, eventually, wait_until};
use crate::support::signals::{KILL, TERM, send};
use exitdir::State;
use rustix::fs::FlockOperation;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A command that says what it was started with, and would be ended by a HUP.
const READER: &str =
    "cat file >>saw; echo $$ >>starts; test -e fail && rm fail && exit 3; exec sleep 60";

/// A life that was active, with its configuration `1` in place.
fn configured(options: &str, script: &str) -> ActiveApp {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("f"), "1\n").unwrap();
    sandbox.touch("a");
    let app = ActiveApp::begin(sandbox, &format!("--config f=file {options}"), script);
    app.await_starts(1);
    app
}

/// One that was told to stop for a new configuration, and waits for `go`.
fn reloading(options: &str) -> ActiveApp {
    let app = configured(options, SLOW);
    app.await_state(State::Ready);
    app.configure("2\n");
    app.await_word("TERM");
    app
}

#[test]
fn a_command_that_was_stopped_for_a_reload_stays_down_if_the_file_went_meanwhile() {
    let app = reloading("-v");
    while_stopped(&app.running, || {
        app.deactivate();
        app.touch("go");
        await_gone(&app.starts()[0]);
    });
    app.await_inactive();
    let said = app.read("stderr");
    assert_eq!(said.matches("run: started sh").count(), 1, "{said}");
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn a_command_that_is_down_is_not_started_on_a_death_of_the_same_moment() {
    let app = reloading("--death-deps dep");
    while_stopped(&app.running, || {
        app.sandbox.record_death("dep", "0");
        app.touch("go");
        await_gone(&app.starts()[0]);
    });
    let (ended, sandbox) = app.ended();
    let starts = fs::read_to_string(sandbox.path("starts")).unwrap();
    assert_eq!((ended.status, starts.lines().count()), (0, 1), "{ended:?}");

    let app = configured("--death-deps dep", SERVE);
    app.deactivate();
    app.await_inactive();
    while_stopped(&app.running, || {
        app.activate();
        app.sandbox.record_death("dep", "1");
    });
    let (ended, sandbox) = app.ended();
    let starts = fs::read_to_string(sandbox.path("starts")).unwrap();
    assert_eq!(
        (ended.status, starts.lines().count()),
        (143, 1),
        "{ended:?}"
    );
    assert!(
        ended.stderr.ends_with("not restarting sh\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_signal_that_came_while_the_command_was_down_is_not_for_the_next_one() {
    let app = configured("", SERVE);
    app.await_state(State::Ready);
    app.deactivate();
    app.await_inactive();
    // Whoever has locked this holds up the replacement of the tombstone, for a while.
    let next = fs::File::create(app.sandbox.dir().join(".x.new")).unwrap();
    rustix::fs::fcntl_lock(&next, FlockOperation::NonBlockingLockExclusive).unwrap();
    app.activate();
    wait_until("its replacement is held up", || {
        may_sleep_in(app.running.pid(), "nanosleep")
    });
    app.running.send(TERM);
    drop(next);
    let (ended, sandbox) = app.ended();
    assert_eq!(ended.status, 143, "{ended:?}");
    assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("interrupted"));
}

#[test]
fn what_a_command_is_configured_with_just_before_its_start_is_what_it_is_started_with() {
    // When it is activated again, when a dependency is ready, and when a back-off is over.
    let app = configured("--on-config HUP", READER);
    app.deactivate();
    app.await_inactive();
    app.configure("2\n");
    app.activate();
    app.await_starts(2);
    assert_started_with(app, "1\n2\n");

    let app = {
        let sandbox = Sandbox::new();
        fs::write(sandbox.path("f"), "1\n").unwrap();
        sandbox.touch("a");
        let options = "--config f=file --on-config HUP --birth-deps dep";
        ActiveApp::begin(sandbox, options, READER)
    };
    app.await_placed("1\n");
    app.configure("2\n");
    app.sandbox.signal(["--ready", "dep"]).finish();
    app.await_starts(1);
    assert_started_with(app, "2\n");

    let app = {
        let sandbox = Sandbox::new();
        for (name, text) in [("f", "1\n"), ("a", ""), ("fail", "")] {
            fs::write(sandbox.path(name), text).unwrap();
        }
        let options = "--config f=file --on-config HUP --restart on-failure";
        ActiveApp::begin(sandbox, options, READER)
    };
    app.await_said("restarting it in 1s", 1);
    while_stopped(&app.running, || {
        // Its back-off is over when it goes on.
        std::thread::sleep(Duration::from_millis(1_100));
        app.configure("2\n");
    });
    app.await_starts(2);
    assert_started_with(app, "1\n2\n");
}

fn assert_started_with(app: ActiveApp, saw: &str) {
    wait_until("it has read", || {
        app.read("saw").lines().count() >= saw.lines().count()
    });
    app.await_placed("2\n");
    app.await_state(State::Ready);
    // What would come late is a HUP, which would end it.
    app.configure("2\n");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(app.read("saw"), saw);
    let said = app.read("stderr");
    assert!(!said.contains("a new configuration"), "{said}");
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn a_dependency_that_dies_before_the_configuration_is_complete_is_waited_for() {
    // The dependency holds with the first scan, so it is not watched, and what is known of it is old.
    for _ in 0..5 {
        let sandbox = Sandbox::new();
        sandbox.signal(["--ready", "dep"]).finish();
        let options = "-v -n x --config f=file --birth-deps dep";
        let run = sandbox.applet("run");
        let app = ActiveApp::of(sandbox, run, options, SERVE);
        app.await_state(State::Waiting);
        // The start waits until the configuration has not changed for a moment.
        while_repeated(
            || app.configure("1\n"),
            || app.sandbox.record_death("dep", "0"),
        );
        app.await_placed("1\n");
        app.await_look();
        assert_eq!((app.state(), app.starts().len()), (Some(State::Waiting), 0));
        assert_eq!(app.end(TERM).0.status, 143);
    }
}

/// Does one thing again and again until the other one is done, and once more after it.
fn while_repeated(repeated: impl Fn() + Sync, other: impl FnOnce()) {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                repeated();
                std::thread::sleep(Duration::from_millis(5));
            }
            repeated();
        });
        other();
        is_done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_command_that_ran_for_ten_seconds_is_forgiven_even_if_nobody_looked_at_the_clock() {
    let script = "echo $$ >>starts; test $(wc -l <starts) -gt 1 || exit 3; exec sleep 60";
    let app = ActiveApp::active("--restart always", script);
    app.await_starts(2);
    // By then its ten seconds have begun.
    app.await_state(State::Ready);
    while_stopped(&app.running, || {
        std::thread::sleep(Duration::from_millis(10_200));
        send(app.starts()[1].parse().unwrap(), KILL);
        await_gone(&app.starts()[1]);
    });
    app.await_said("restarting it in", 2);
    let said = app.read("stderr");
    assert_eq!(said.matches("restarting it in 1s").count(), 2, "{said}");
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn nothing_is_put_in_place_after_the_death() {
    let sandbox = Sandbox::new();
    let check = sandbox.program(
        "check",
        "#!/bin/sh\ngrep -q 1 \"$1\" || { echo $$ >checking; until test -e go; do sleep 0.01; done; }\n",
    );
    for (name, text) in [("f", "1\n"), ("a", "")] {
        fs::write(sandbox.path(name), text).unwrap();
    }
    let options = format!("--config f=file --config-check {}", check.display());
    let app = ActiveApp::begin(sandbox, &options, SERVE);
    app.await_starts(1);
    app.configure("2\n");
    let checking = eventually("the check runs", || {
        Some(app.read("checking").trim().to_owned()).filter(|pid| !pid.is_empty())
    });
    while_stopped(&app.running, || {
        send(app.starts()[0].parse().unwrap(), KILL);
        await_gone(&app.starts()[0]);
        app.touch("go");
        await_gone(&checking);
    });
    let (ended, sandbox) = app.ended();
    assert_eq!(ended.status, 137, "{ended:?}");
    assert_eq!(fs::read_to_string(sandbox.path("file")).unwrap(), "1\n");
}

#[test]
fn a_copy_beside_its_source_is_no_reason_to_give_up() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("f"), "1\n").unwrap();
    // Nobody can be in the middle of writing it any more.
    std::thread::sleep(Duration::from_millis(300));
    let mut run = sandbox.run(["--birth-timeout", "0", "--config", "f=file"]);
    let run = run
        .args(["--", "cat", "file"])
        .current_dir(sandbox.path("."));
    let ended = run.finish();
    let all = (ended.status, ended.stdout.as_str(), ended.stderr.as_str());
    assert_eq!(all, (0, "1\n", ""));
}

#[test]
fn a_readiness_that_was_signalled_stays_also_where_the_tombstone_could_not_be_replaced() {
    let app = configured("--ready-on signal", SERVE);
    let ready = || app.sandbox.record_ready("x");
    app.await_state(State::Born);
    ready();
    let next = fs::File::create(app.sandbox.dir().join(".x.new")).unwrap();
    rustix::fs::fcntl_lock(&next, FlockOperation::NonBlockingLockExclusive).unwrap();
    app.configure("2\n");
    app.await_starts(2);
    ready();
    drop(next);
    // For longer than it takes to try again.
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(app.state(), Some(State::Ready));
    assert_eq!(app.end(TERM).0.status, 143);
}
