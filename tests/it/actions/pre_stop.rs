//! `--pre-stop`: what comes before the stop signal, and what ends it.

use crate::support::sandbox::{Sandbox, Start, wait_until};
use crate::support::shell_life::{ShellLife, positions};
use crate::support::signals::{TERM, USR1};
use std::time::{Duration, Instant};

/// A command that writes down the signals that it gets, and ends after a TERM.
const CMD: &str = "trap 'echo USR1 >>\"$W/log\"' USR1; \
                   trap 'echo TERM >>\"$W/log\"; exit 0' TERM; \
                   touch \"$W/up\"; while :; do sleep 0.02; done";

/// Writes down that it runs, and ends when there is a file `go`.
const HOOK: &str = "#!/bin/sh\n\
    echo hook $EXITDIR_NAME $EXITDIR_REASON $EXITDIR_CAUSE >>\"$W/log\"\n\
    while [ ! -e \"$W/go\" ] && [ -d \"$W\" ]; do sleep 0.02; done\n\
    echo over >>\"$W/log\"\n";

struct Life {
    life: ShellLife,
    _programs: Sandbox,
}

impl Life {
    fn start(options: &[&str], hook: &str, script: &str) -> Life {
        let programs = Sandbox::new();
        let hook = format!("exec:{}", programs.program("hook", hook).display());
        let all = [&["--death-deps", "dep", "--pre-stop", &hook], options].concat();
        let life = ShellLife::start(positions()[0], &all, script);
        life.await_file("up");
        Life {
            life,
            _programs: programs,
        }
    }

    fn log(&self) -> Vec<String> {
        self.life.lines("log")
    }

    fn await_log(&self, expected: &[&str]) {
        wait_until(format!("{expected:?}"), || self.log() == expected);
    }

    /// Waits for the end, and returns the status and the log.
    fn end(self) -> (i32, Vec<String>) {
        let ShellLife {
            running, sandbox, ..
        } = self.life;
        let ended = running.end();
        (ended.status, sandbox.lines("log"))
    }
}

#[test]
fn the_actions_end_before_the_stop_signal_of_a_dependency() {
    let life = Life::start(&[], HOOK, CMD);
    life.life.sandbox.record_death("dep", "1");
    life.await_log(&["hook main stopped dep"]);
    // Other signals are forwarded meanwhile.
    life.life.send(USR1);
    life.await_log(&["hook main stopped dep", "USR1"]);
    life.life.touch("go");
    let (status, log) = life.end();
    assert_eq!(log, ["hook main stopped dep", "USR1", "over", "TERM"]);
    assert_eq!(status, 143);
}

#[test]
fn the_actions_end_before_a_received_term_is_forwarded() {
    let life = Life::start(&[], HOOK, CMD);
    life.life.send(TERM);
    life.await_log(&["hook main"]);
    life.life.touch("go");
    let (status, log) = life.end();
    assert_eq!(
        (status, log),
        (0, ["hook main", "over", "TERM"].map(String::from).to_vec())
    );
}

#[test]
fn a_second_term_ends_the_actions_at_once() {
    for by_dependency in [false, true] {
        let life = Life::start(&["--grace-period", "1h", "--stop-delay", "1h"], HOOK, CMD);
        let first = if by_dependency {
            life.life.sandbox.record_death("dep", "1");
            "hook main stopped dep"
        } else {
            life.life.send(TERM);
            "hook main"
        };
        life.await_log(&[first]);
        life.life.send(TERM);
        let (_, log) = life.end();
        assert_eq!(log, [first, "TERM"]);
    }
}

#[test]
fn the_stop_signal_comes_half_way_through_a_short_grace_period() {
    let began = Instant::now();
    let life = Life::start(&["--grace-period", "2s"], HOOK, CMD);
    life.life.sandbox.record_death("dep", "1");
    let ShellLife {
        running, sandbox, ..
    } = life.life;
    let ended = running.end();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(sandbox.lines("log"), ["hook main stopped dep", "TERM"]);
    let late = "exitdir-run: --pre-stop takes too long: ending it\n";
    assert!(ended.stderr.contains(late), "{ended:?}");
}

#[test]
fn a_command_that_ends_ends_the_actions() {
    let script = "touch \"$W/up\"; while [ ! -e \"$W/log\" ]; do sleep 0.02; done; exit 5";
    let life = Life::start(
        &["--grace-period", "1h", "--wait-descendants"],
        HOOK,
        script,
    );
    life.life.sandbox.record_death("dep", "1");
    let (status, log) = life.end();
    assert_eq!((status, log), (5, vec!["hook main stopped dep".to_owned()]));
}

#[test]
fn a_failure_is_reported_and_the_stop_goes_on() {
    let life = Life::start(&["--pre-stop", "sleep:10ms"], "#!/bin/sh\nexit 9\n", CMD);
    life.life.sandbox.record_death("dep", "1");
    let ShellLife {
        running, sandbox, ..
    } = life.life;
    let ended = running.end();
    assert_eq!(sandbox.lines("log"), ["TERM"]);
    assert!(ended.stderr.contains("/hook exited with 9\n"), "{ended:?}");
}

#[test]
fn the_actions_run_before_a_restart_for_a_new_configuration_too() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("conf"), "1").unwrap();
    let hook = sandbox.program("hook", HOOK);
    sandbox.touch("go");
    let mut command = sandbox.run(["--pre-stop", &format!("exec:{}", hook.display())]);
    command.args(["--config", "conf", "--", "sh", "-c", CMD]);
    command
        .env("W", sandbox.path("."))
        .current_dir(sandbox.path("."));
    let running = command.start();
    for starts in 0..2 {
        sandbox.await_file("up");
        std::fs::remove_file(sandbox.path("up")).unwrap();
        if starts == 0 {
            std::fs::write(sandbox.path("conf"), "2").unwrap();
        }
    }
    assert_eq!(sandbox.lines("log"), ["hook", "over", "TERM"]);
    running.send(TERM);
    assert_eq!(running.end().status, 0);
    let log = sandbox.lines("log");
    assert_eq!(log[3..], ["hook", "over", "TERM"]);
}
