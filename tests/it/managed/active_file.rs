//! A command that runs while a file exists: how the file appears and disappears, and what ends the
//! life while it is missing. `random_walk` tries the same at random.

use crate::support::active_app::{ActiveApp, SERVE};
use crate::support::inspect::keys;
use crate::support::namespaces::{in_pid_namespace, pid_namespace_is_permitted};
use crate::support::parallel::at_once;
use crate::support::proc::{is_gone, only_child};
use crate::support::requirements::strace_is_here;
use crate::support::sandbox::{Sandbox, Start, binary, wait_until};
use crate::support::signals::{HUP, INT, QUIT, TERM, send};
use crate::support::users::{as_nobody, installed, nobody_is_permitted, open_to_all, set_mode};
use exitdir::State;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

// ---------------------------------------------------------------- how the file appears

/// FILE, the script before the start, and the scripts that create and remove the file.
struct ActivationCase(&'static str, &'static str, &'static str, &'static str);

const ACTIVATION_CASES: [ActivationCase; 9] = [
    ActivationCase("a", "", ": >a", "rm a"),
    ActivationCase("a", ": >b", "mv b a", "mv a b"),
    ActivationCase("a", ": >b", "ln b a", "rm a"),
    ActivationCase("a", "", "mkdir a", "rmdir a"),
    ActivationCase("d/a", "", "mkdir d && : >d/a", "rm -r d"),
    ActivationCase(
        "d/e/a",
        "mkdir d",
        "mkdir -p b/e && : >b/e/a && mv b/e d",
        "mv d/e b; rm -r b",
    ),
    ActivationCase(
        "d/a",
        "mkdir b c; : >c/a; ln -s b d",
        "ln -s c n && mv -T n d",
        "ln -s b n && mv -T n d",
    ),
    ActivationCase("a", "ln -s b/c a", "mkdir b && : >b/c", "rm -r b"),
    ActivationCase(
        "d/a",
        "mkdir b; ln -s b ..data; ln -s ..data/a a; ln -s . d",
        ": >b/a",
        "rm b/a",
    ),
];

#[test]
fn a_command_runs_while_the_file_exists_however_it_appears_and_disappears() {
    at_once(
        &ACTIVATION_CASES,
        |ActivationCase(file, before, come, go)| {
            let sandbox = Sandbox::new();
            let shell = |sandbox: &Sandbox, script: &str| {
                let mut shell = Command::new("sh");
                let done = shell
                    .args(["-ec", script])
                    .current_dir(sandbox.path("."))
                    .status();
                assert!(done.unwrap().success(), "{script}");
            };
            shell(&sandbox, before);
            let run = sandbox.applet("run");
            let app = ActiveApp::of(sandbox, run, &format!("-n x --active-while {file}"), SERVE);
            app.await_inactive();
            assert_eq!(app.starts().len(), 0, "{file}, {come}");
            let life = app.sandbox.key("x", "Waiting");
            for round in 1..=3 {
                shell(&app.sandbox, come);
                app.await_starts(round);
                app.await_state(State::Ready);
                assert_eq!(keys(&app.sandbox, "x"), "Waiting Lock Born Ready");
                shell(&app.sandbox, go);
                app.await_inactive();
                assert_eq!(keys(&app.sandbox, "x"), "Waiting Lock Born Inactive");
            }
            assert_eq!(app.starts().len(), 3);
            assert_eq!(app.sandbox.key("x", "Waiting"), life);
            let born = app.sandbox.key("x", "Born");
            let (ended, sandbox) = app.end(TERM);
            assert_eq!(ended.status, 143, "{}", ended.stderr);
            assert_eq!(sandbox.key("x", "Waiting"), life);
            assert_eq!(sandbox.key("x", "Born"), born);
            assert_eq!(sandbox.entries(), ["x"]);
        },
    );
}

#[test]
fn a_wait_for_inactive_ends_when_the_file_is_missing_and_not_before() {
    let app = ActiveApp::active("", SERVE);
    app.await_state(State::Ready);
    let wait = |limit| {
        app.sandbox
            .wait(["x:inactive", "-t", limit])
            .finish()
            .status
    };
    assert_eq!(wait("0"), 124);
    app.deactivate();
    assert_eq!(wait("30s"), 0);
    assert_eq!(wait("0"), 0);
    app.activate();
    app.await_starts(2);
    app.await_state(State::Ready);
    assert_eq!(wait("0"), 124);
}

#[test]
fn every_start_and_stop_for_the_file_is_one_line_unless_quiet() {
    for (option, said) in [("", true), ("-q", false)] {
        let app = ActiveApp::start(option, SERVE);
        app.await_inactive();
        for round in 1..=2 {
            app.activate();
            app.await_starts(round);
            app.await_state(State::Ready);
            app.deactivate();
            app.await_inactive();
        }
        let (ended, _sandbox) = app.end(TERM);
        let expected = [
            "exitdir-run: a does not exist: sh stays down\n",
            "exitdir-run: a exists: starting sh\n",
            "exitdir-run: a does not exist: stopping sh with TERM\n",
            "exitdir-run: a exists: starting sh\n",
            "exitdir-run: a does not exist: stopping sh with TERM\n",
            "exitdir-run: received TERM while sh was not running: exiting\n",
        ];
        let expected = if said {
            expected.concat()
        } else {
            String::new()
        };
        assert_eq!(ended.stderr, expected);
    }
    // A file that exists from the start is not reported.
    let app = ActiveApp::active("", SERVE);
    app.await_state(State::Ready);
    let (ended, sandbox) = app.end(TERM);
    assert_eq!((ended.status, ended.stderr.as_str()), (143, ""));
    assert_eq!(sandbox.key("x", "Inactive"), None);
}

#[test]
fn a_file_that_cannot_be_checked_causes_one_warning_and_no_change() {
    const COMPLAINT: &str = "cannot check whether a exists: ";
    let sandbox = Sandbox::new();
    symlink("a", sandbox.path("a")).unwrap();
    let app = ActiveApp::begin(sandbox, "", SERVE);
    app.await_inactive();
    app.await_said(COMPLAINT, 1);
    app.remove("a");
    app.activate();
    app.await_starts(1);
    app.await_state(State::Ready);
    symlink("b", app.sandbox.path("b")).unwrap();
    fs::rename(app.sandbox.path("b"), app.sandbox.path("a")).unwrap();
    symlink("a", app.sandbox.path("b")).unwrap();
    symlink("b", app.sandbox.path("c")).unwrap();
    fs::rename(app.sandbox.path("c"), app.sandbox.path("a")).unwrap();
    app.remove("a");
    app.await_inactive();
    let (ended, _sandbox) = app.end(TERM);
    assert_eq!(
        ended.stderr.matches("cannot check").count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn activation_works_without_a_name_and_an_exit_directory() {
    let sandbox = Sandbox::new();
    let mut run = sandbox.applet("run");
    run.env_remove("EXIT_DIR");
    let app = ActiveApp::of(sandbox, run, "--active-while a", SERVE);
    app.await_said("stays down", 1);
    for round in 1..=2 {
        app.activate();
        app.await_starts(round);
        app.deactivate();
        wait_until("it is stopped", || is_gone(app.starts().last().unwrap()));
    }
    assert_eq!(app.end(TERM).0.status, 143);
}

#[test]
fn as_pid_1_the_supervisor_stays_while_inactive() {
    if !pid_namespace_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut run = in_pid_namespace(&sandbox, binary());
    run.arg("run");
    // The supervisor reaps the orphan of the first command, and does not take it for the command.
    let script = "sleep 0.01 & echo $$ >>inside; exec sleep 60";
    let app = ActiveApp::of(sandbox, run, "-n x --active-while a", script);
    for round in 1..=3 {
        app.await_state(State::Inactive);
        app.activate();
        app.await_state(State::Ready);
        wait_until("it is started", || {
            app.sandbox.lines("inside").len() == round
        });
        app.deactivate();
    }
    app.await_state(State::Inactive);
    send(only_child("the supervisor", app.running.pid()), TERM);
    let (ended, sandbox) = app.ended();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("interrupted"));
}

// ---------------------------------------------------------------- readiness

#[test]
fn readiness_ends_with_the_command_and_must_be_announced_again() {
    let speaks =
        "echo $$ >>starts; until test -e speak; do sleep 0.01; done; echo >&3; exec sleep 60";
    at_once(
        &[("fd", speaks), ("file:speak", SERVE), ("signal", SERVE)],
        |(source, script)| {
            let app = ActiveApp::start(&format!("--ready-on {source}"), script);
            for round in 1..=2 {
                app.await_inactive();
                app.activate();
                app.await_starts(round);
                app.await_state(State::Born);
                if *source == "signal" {
                    app.sandbox.record_ready("x");
                } else {
                    app.touch("speak");
                }
                app.await_state(State::Ready);
                let _ = fs::remove_file(app.sandbox.path("speak"));
                app.deactivate();
            }
            app.await_inactive();
            assert_eq!(keys(&app.sandbox, "x"), "Waiting Lock Born Inactive");
        },
    );
}

// ---------------------------------------------------------------- what ends a life without a
// command

/// Two inactive lives: one that has never started its command, and one that has.
fn both(options: &str) -> [ActiveApp; 2] {
    let fresh = ActiveApp::start(options, SERVE);
    fresh.await_inactive();
    let tried = ActiveApp::active(options, SERVE);
    tried.await_state(State::Ready);
    tried.deactivate();
    tried.await_inactive();
    [fresh, tried]
}

#[test]
fn a_terminating_signal_ends_an_inactive_life_and_others_are_dropped() {
    at_once(&[HUP, INT, QUIT, TERM], |signal| {
        for app in both("-v") {
            app.await_look();
            let (ended, sandbox) = app.end(*signal);
            assert_eq!(ended.status, 128 + signal, "{}", ended.stderr);
            let code = sandbox.key("x", "ExitCode").unwrap();
            assert_eq!(code, (128 + signal).to_string());
            assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("interrupted"));
            assert!(
                ended
                    .stderr
                    .ends_with(" while sh was not running: exiting\n")
            );
        }
    });
}

#[test]
fn a_death_dependency_decides_the_exit_status_of_an_inactive_life() {
    let needed = "-v --birth-deps dep --death-deps dep";
    let cases = [
        ("-v --death-deps dep", "0", 0, "died with exit code 0"),
        ("-v --death-deps dep", "3", 143, "died with exit code 3"),
        (
            "-v --death-deps dep --stop-signal INT",
            "3",
            130,
            "died with exit code 3",
        ),
        (needed, "0", 143, "died with exit code 0"),
        (needed, "3", 143, "died with exit code 3"),
    ];
    at_once(&cases, |(options, code, status, what)| {
        for is_fresh in [true, false] {
            let app = ActiveApp::start(options, SERVE);
            app.await_inactive();
            app.sandbox.signal(["--ready", "dep"]).finish();
            // With `--birth-deps` only the death of a life that was seen alive counts.
            app.await_look();
            if !is_fresh {
                app.activate();
                app.await_starts(1);
                app.deactivate();
                app.await_inactive();
            }
            app.sandbox.record_death("dep", code);
            let (ended, sandbox) = app.ended();
            assert_eq!(ended.status, *status, "{options}: {}", ended.stderr);
            let action = if is_fresh { "starting" } else { "restarting" };
            let sentence = format!("exitdir-run: dep {what}: not {action} sh\n");
            assert!(ended.stderr.ends_with(&sentence), "{}", ended.stderr);
            assert_eq!(sandbox.key("x", "Cause").as_deref(), Some("dep"));
            assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("stopped"));
        }
    });
}

#[test]
fn a_delayed_scan_does_not_postpone_the_next_one() {
    let sandbox = Sandbox::new();
    if !strace_is_here() {
        return;
    }
    sandbox.touch("a");
    // A scan takes a second, and hardly any processor time.
    let mut run = sandbox.command("strace");
    run.args(["-e", "inject=newfstatat:delay_enter=300000", "-o", "trace"])
        .arg(binary())
        .arg("run");
    let options = "-n x --active-while a --death-deps dep";
    let app = ActiveApp::of(sandbox, run, options, SERVE);
    app.await_starts(1);
    let since = Instant::now();
    app.deactivate();
    app.await_inactive();
    // A pause of 19 times the scan's duration would take half a minute; without it, this takes 5 s.
    assert!(
        since.elapsed() < Duration::from_secs(20),
        "{:?}",
        since.elapsed()
    );
    app.sandbox.record_death("dep", "0");
    assert_eq!(app.ended().0.status, 0);
}

#[test]
fn a_tombstone_that_cannot_be_replaced_is_replaced_later() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    open_to_all(&sandbox);
    set_mode(&sandbox.path("."), 0o777);
    sandbox.touch("a");
    let mut run = as_nobody(&sandbox, &binary);
    run.arg("run");
    let app = ActiveApp::of(sandbox, run, "-n x --active-while a", SERVE);
    app.await_starts(1);
    app.await_state(State::Ready);
    set_mode(&app.sandbox.dir(), 0o555);
    app.deactivate();
    app.await_said("cannot", 1);
    assert!(app.sandbox.key("x", "Ready").is_some());
    set_mode(&app.sandbox.dir(), 0o777);
    app.await_inactive();
    // The supervisor does not write an outdated state later.
    set_mode(&app.sandbox.dir(), 0o555);
    app.activate();
    app.await_starts(2);
    set_mode(&app.sandbox.dir(), 0o777);
    app.await_state(State::Ready);
    assert_eq!(app.end(TERM).0.status, 143);
}
