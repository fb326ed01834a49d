//! Several things that happen at the same moment: the supervisor is stopped with a signal
//! meanwhile, and finds all of them in one turn of its loop. No command is started for a condition
//! that does not hold any more, in whichever order the supervisor looks.

use crate::support::active_app::{ActiveApp, SERVE, SLOW};
use crate::support::inspect::{stop, while_stopped};
use crate::support::proc::{await_gone, children, may_sleep_in};
use crate::support::sandbox::{Sandbox, Start, eventually, wait_until};
use crate::support::signals::{CONT, KILL, TERM, send};
use exitdir::State;
use rustix::fs::FlockOperation;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A command that writes down the configuration that it was started with. A HUP would end it.
const READER: &str =
    "cat file >>saw; echo $$ >>starts; test -e fail && rm fail && exit 3; exec sleep 60";

/// An active life with its configuration `1` in place.
fn configured(options: &str, script: &str) -> ActiveApp {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("f"), "1\n").unwrap();
    sandbox.touch("a");
    let app = ActiveApp::begin(sandbox, &format!("--config f=file {options}"), script);
    app.await_starts(1);
    app
}

/// A life whose command was told to stop for a new configuration, and waits for `go`.
fn reloading(options: &str) -> ActiveApp {
    let app = configured(options, SLOW);
    app.await_state(State::Ready);
    app.configure("2\n");
    app.await_word("TERM");
    app
}

#[test]
fn a_command_that_was_stopped_for_a_reload_stays_down_if_its_active_file_is_removed_meanwhile() {
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
fn a_command_that_is_down_is_not_started_if_a_death_dependency_dies_at_the_same_moment() {
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
fn a_signal_that_comes_while_the_tombstone_is_replaced_before_a_start_ends_the_life() {
    let mut tries = 0..20;
    let (app, next) = tries
        .find_map(|_| stopped_while_replacing())
        .expect("a machine that stops a process within 100 ms");
    app.running.send(TERM);
    drop(next);
    app.running.send(CONT);
    let (ended, sandbox) = app.ended();
    assert_eq!(ended.status, 143, "{ended:?}");
    assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("interrupted"));
}

/// An inactive life that was activated and is stopped in the replacement of its tombstone, and the
/// locked file that makes the replacement wait for 100 ms. `None` if the command was started before
/// the stop.
fn stopped_while_replacing() -> Option<(ActiveApp, fs::File)> {
    let app = configured("", SERVE);
    app.await_state(State::Ready);
    app.deactivate();
    app.await_inactive();
    let next = fs::File::create(app.sandbox.dir().join(".x.new")).unwrap();
    rustix::fs::fcntl_lock(&next, FlockOperation::NonBlockingLockExclusive).unwrap();
    app.activate();
    let pid = app.running.pid();
    wait_until("the replacement waits, or is over", || {
        may_sleep_in(pid, "nanosleep") || !children(pid).is_empty()
    });
    stop(&app.running);
    let is_down = children(pid).is_empty();
    if !is_down {
        app.running.send(CONT);
    }
    is_down.then_some((app, next))
}

#[test]
fn a_configuration_that_comes_just_before_a_start_is_in_place_at_the_start_and_sends_no_hup() {
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

    let mut tries = 0..10;
    let app = tries
        .find_map(|_| configured_at_the_end_of_a_back_off())
        .expect("a machine that stops a process within a second");
    app.await_starts(2);
    assert_started_with(app, "1\n2\n");
}

/// A life that finds a new configuration when its back-off is over. `None` if its command was
/// started again before.
fn configured_at_the_end_of_a_back_off() -> Option<ActiveApp> {
    let sandbox = Sandbox::new();
    for (name, text) in [("f", "1\n"), ("a", ""), ("fail", "")] {
        fs::write(sandbox.path(name), text).unwrap();
    }
    let options = "--config f=file --on-config HUP --restart on-failure";
    let app = ActiveApp::begin(sandbox, options, READER);
    app.await_said("restarting it", 1);
    let mut is_down = false;
    while_stopped(&app.running, || {
        is_down = children(app.running.pid()).is_empty();
        if is_down {
            std::thread::sleep(Duration::from_millis(1_100));
            app.configure("2\n");
        }
    });
    is_down.then_some(app)
}

fn assert_started_with(app: ActiveApp, saw: &str) {
    wait_until("it has read", || {
        app.read("saw").lines().count() >= saw.lines().count()
    });
    app.await_placed("2\n");
    app.await_state(State::Ready);
    // A late HUP would end the command. It is sent with the next look, for which this is the
    // reason.
    app.configure("2\n");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(app.read("saw"), saw);
    let said = app.read("stderr");
    assert!(!said.contains("a new configuration"), "{said}");
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn a_birth_dependency_that_dies_before_the_configuration_is_complete_is_waited_for_again() {
    // The dependency holds with the first scan, so exitdir-run does not watch it, and what is known
    // of it is old.
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
fn a_run_of_ten_seconds_resets_the_back_off_even_if_its_timer_could_not_fire() {
    let script = "echo $$ >>starts; test $(wc -l <starts) -gt 1 || exit 3; exec sleep 60";
    let app = ActiveApp::active("--restart always", script);
    app.await_starts(2);
    // The ten seconds have begun when it is ready.
    app.await_state(State::Ready);
    while_stopped(&app.running, || {
        std::thread::sleep(Duration::from_millis(10_200));
        send(app.starts()[1].parse().unwrap(), KILL);
        await_gone(&app.starts()[1]);
    });
    app.await_said("restarting it", 2);
    // Nothing is said of a delay: there is none.
    app.await_said("KILL: restarting it\n", 1);
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn after_the_command_has_ended_a_check_that_succeeds_puts_nothing_in_place() {
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
fn a_copy_in_the_directory_of_its_source_does_not_delay_the_start() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("f"), "1\n").unwrap();
    // The file must be so old that no writer can be in the middle of writing it.
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
fn readiness_that_is_announced_before_a_late_replacement_of_the_tombstone_stays() {
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
    // The replacement is tried again within this time.
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(app.state(), Some(State::Ready));
    assert_eq!(app.end(TERM).0.status, 143);
}
