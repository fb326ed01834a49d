//! Stops, by a signal from outside or for a dependency, and what comes after the grace period. The
//! tests of each single signal are in `forwarding`.

use crate::support::inspect::await_sleep;
use crate::support::listener::{ListeningLife, can_listen};
use crate::support::recorder::Recorder;
use crate::support::sandbox::{Sandbox, Start, binary};
use crate::support::signals::{HUP, INT, LAST, QUIT, TERM, USR1};

#[test]
fn a_received_term_becomes_the_stop_signal_and_other_signals_are_forwarded_unchanged() {
    let traps = "for s in INT HUP TERM USR1; do trap \"echo $s >> '$RECORD'\" $s; done";
    let recorder = Recorder::start(traps, |sandbox| {
        sandbox.run(["-n", "main", "--stop-signal", "INT"])
    });
    for (sent, received) in [(15, "INT"), (1, "HUP"), (10, "USR1")] {
        recorder.running.send(sent);
        recorder.await_entry(received);
    }
    assert_eq!(recorder.record(), ["up", "INT", "HUP", "USR1"]);
    recorder.let_go();
    assert_eq!(recorder.running.end().status, 5);
}

#[test]
fn a_stop_sends_nothing_if_its_signal_was_already_forwarded() {
    let traps = "for s in TERM USR1; do trap \"echo $s >> '$RECORD'\" $s; done";
    let recorder = Recorder::start(traps, |sandbox| {
        sandbox.run(["-n", "main", "--death-deps", "dep"])
    });
    recorder.running.send(TERM);
    recorder.await_entry("TERM");
    recorder.sandbox.record_death("dep", "0");
    recorder.sandbox.await_key("main", "Cause");
    // The command gets everything that the stop sends before this signal.
    recorder.running.send(USR1);
    recorder.await_entry("USR1");
    recorder.let_go();
    let Recorder { sandbox, running } = recorder;
    assert_eq!(running.end().status, 5);
    assert_eq!(sandbox.lines("record"), ["up", "TERM", "USR1"]);
}

/// Options, each signal from outside with the one that the command gets for it, and what the stop
/// then sends.
type StopCase = (&'static str, &'static [(i32, i32)], &'static [i32]);

const STOP_CASES: &[StopCase] = &[
    ("", &[], &[TERM]),
    ("", &[(TERM, TERM)], &[]),
    ("", &[(INT, INT)], &[TERM]),
    ("", &[(USR1, USR1), (HUP, HUP)], &[TERM]),
    ("--rewrite TERM:QUIT", &[], &[TERM]),
    ("--rewrite TERM:QUIT", &[(TERM, QUIT)], &[]),
    ("--rewrite TERM:QUIT", &[(QUIT, QUIT)], &[TERM]),
    ("--rewrite INT:TERM", &[(INT, TERM)], &[]),
    ("--rewrite TERM:0", &[(TERM, 0)], &[TERM]),
    ("--stop-signal QUIT", &[], &[QUIT]),
    ("--stop-signal QUIT", &[(TERM, QUIT)], &[]),
    ("--stop-signal QUIT", &[(QUIT, QUIT)], &[]),
    ("--stop-signal QUIT", &[(INT, INT)], &[QUIT]),
    ("--stop-signal QUIT --rewrite TERM:HUP", &[(TERM, HUP)], &[]),
    ("--stop-signal 33", &[(TERM, 33)], &[]),
    ("--stop-signal 33", &[], &[33]),
];

#[test]
fn a_stop_sends_the_stop_signal_unless_it_or_the_replacement_of_a_term_was_already_forwarded() {
    if !can_listen() {
        return;
    }
    for (options, from_outside, from_the_stop) in STOP_CASES {
        let life = ListeningLife::start(&format!("--death-deps dep --grace-period 1h {options}"));
        let mut expected: Vec<i32> = from_outside.iter().map(|(_, to)| *to).collect();
        for (signal, number) in *from_outside {
            match number {
                0 => life.send(&[*signal]),
                _ => life.send_and_await(*signal, *number),
            }
        }
        assert_eq!(
            life.all_received().len(),
            expected.iter().filter(|s| **s != 0).count()
        );
        expected.push(LAST);
        expected.extend(*from_the_stop);
        expected.retain(|signal| *signal != 0);
        life.trigger_stop();
        assert_eq!(life.all_received(), expected, "{options} {from_outside:?}");
    }
}

#[test]
fn a_command_that_does_not_stop_is_killed_after_the_grace_period() {
    for (grace, ignores_term) in [("0", true), ("50ms", true), ("1h", false)] {
        let traps = if ignores_term {
            "trap '' TERM"
        } else {
            "trap 'exit 6' TERM"
        };
        let recorder = Recorder::start(traps, |sandbox| {
            sandbox.run(["-n", "main", "--death-deps", "dep", "--grace-period", grace])
        });
        recorder.sandbox.record_death("dep", "3");
        let Recorder { sandbox, running } = recorder;
        let ended = running.end();
        let (status, reason) = if ignores_term {
            (137, "killed")
        } else {
            (6, "stopped")
        };
        assert_eq!(ended.status, status, "{grace}: {}", ended.stderr);
        assert_eq!(
            sandbox.key("main", "Reason").as_deref(),
            Some(reason),
            "{grace}"
        );
        assert_eq!(
            sandbox.key("main", "Signal").as_deref(),
            ignores_term.then_some("KILL"),
            "{grace}"
        );
        let lines: Vec<&str> = ended.stderr.lines().collect();
        assert!(
            lines[0].starts_with("exitdir-run: dep died with exit code 3: stopping sh with TERM"),
            "{}",
            ended.stderr
        );
        assert_eq!(
            lines.len(),
            if ignores_term { 2 } else { 1 },
            "a stop, and KILL: {}",
            ended.stderr
        );
    }
    // A TERM from outside begins no grace period: its sender may send KILL.
    let recorder = Recorder::start("trap 'echo TERM >> \"$RECORD\"' TERM", |sandbox| {
        sandbox.run(["-n", "main", "--grace-period", "0"])
    });
    recorder.running.send(TERM);
    recorder.await_entry("TERM");
    recorder.let_go();
    assert_eq!(recorder.running.end().status, 5);
}

#[test]
fn a_signal_that_was_ignored_when_exitdir_run_was_started_does_not_end_its_wait() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("env");
    let waiting = command
        .args(["--ignore-signal=HUP,INT"])
        .arg(binary())
        .args([
            "run",
            "-n",
            "main",
            "--birth-deps",
            "db",
            "--",
            "echo",
            "started",
        ])
        .start();
    await_sleep(&waiting);
    waiting.send(HUP);
    waiting.send(INT);
    sandbox.signal(["--ready", "db"]).finish();
    let ended = waiting.end();
    ended.assert_output(0, "started\n");
}
