//! A CMD that becomes a daemon: the recipe of docs/exitdir-run.md. A script starts the daemon and
//! stays as long as it lives.

use crate::support::proc::{await_gone, is_gone};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until, words};
use crate::support::signals::{HUP, KILL, TERM, send};

/// It goes to the background: a new session, and a parent that has ended. Where there is a file
/// `deaf`, it ignores TERM.
const DAEMON: &str = r#"#!/bin/sh
export lives='trap "echo reloaded >>log" HUP; trap "echo drained >>log; exit" TERM
    test -e deaf && trap "" TERM
    echo $$ >pid.new; mv pid.new daemon.pid; until test -e warm; do sleep 0.02; done
    echo serving >>log; : >ready; while :; do sleep 0.02; done'
setsid sh -c 'sh -c "$lives" &'
until test -s daemon.pid; do sleep 0.02; done
"#;

const STAY: &str = r#"#!/bin/sh
trap 'kill -s HUP "$(cat daemon.pid)"' HUP
trap 'asked=yes; kill -s TERM "$(cat daemon.pid)"' TERM
./daemon || exit
pid=$(cat daemon.pid)
while kill -0 "$pid" 2>/dev/null; do sleep 0.1 & wait $!; done
test "$asked"
"#;

/// The life, and the process id of its daemon.
fn begin(sandbox: &Sandbox, options: &str) -> (Running, i32) {
    sandbox.program("daemon", DAEMON);
    let stay = sandbox.program("stay", STAY);
    let mut run = sandbox.run(words("-n web -s --wait-descendants --ready-on file:ready"));
    run.args(words(options)).arg("--").arg(stay);
    let life = run.current_dir(sandbox.path(".")).start();
    sandbox.await_file("daemon.pid");
    let pid = sandbox.read("daemon.pid").trim().parse().unwrap();
    assert!(!sandbox.holds("web:ready"), "the daemon is not ready");
    sandbox.touch("warm");
    sandbox.await_key("web", "Ready");
    (life, pid)
}

#[test]
fn readiness_and_signals_are_those_of_the_daemon_and_a_stop_waits_for_it() {
    let sandbox = Sandbox::new();
    let (life, pid) = begin(&sandbox, "");
    life.send(HUP);
    wait_until("the daemon has reloaded", || {
        sandbox.read("log").contains("reloaded")
    });
    life.send(TERM);
    let ended = life.end();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(is_gone(pid), "the daemon lives");
    assert_eq!(sandbox.lines("log"), ["serving", "reloaded", "drained"]);
    assert_eq!(sandbox.key("web", "ExitCode").as_deref(), Some("0"));
}

#[test]
fn a_daemon_that_dies_unasked_ends_the_life_with_a_failure() {
    let sandbox = Sandbox::new();
    let (life, pid) = begin(&sandbox, "");
    send(pid, KILL);
    assert_eq!(life.end().status, 1);
    assert!(sandbox.holds("web:failed"));
}

#[test]
fn a_daemon_that_ignores_its_stop_is_killed_before_the_death_is_recorded() {
    let sandbox = Sandbox::new();
    sandbox.touch("deaf");
    let (life, pid) = begin(&sandbox, "--death-deps other --grace-period 200ms");
    sandbox.record_death("other", "3");
    let ended = life.end();
    assert_eq!(ended.status, 137, "{ended:?}");
    await_gone(pid);
    let killed = "killing the processes left by";
    assert!(ended.stderr.contains(killed), "{}", ended.stderr);
}
