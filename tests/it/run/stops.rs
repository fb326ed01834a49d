//! How a life is told to stop, from outside or for a dependency, and what comes after the grace period. Each signal on
//! its own is tried in `signals`.

use crate::support::inspect::await_sleep;
use crate::support::listener::{ListeningLife, can_listen};
use crate::support::recorder::Recorder;
use crate::support::sandbox::{Sandbox, Start, binary};
use crate::support::signals::{HUP, INT, LAST, QUIT, TERM, USR1};

#[test]
fn a_term_from_outside_becomes_the_stop_signal_and_others_stay_what_they_are() {
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
fn a_stop_sends_nothing_if_its_signal_was_passed_on_before() {
    let traps = "for s in TERM USR1; do trap \"echo $s >> '$RECORD'\" $s; done";
    let recorder = Recorder::start(traps, |sandbox| {
        sandbox.run(["-n", "main", "--death-deps", "dep"])
    });
    recorder.running.send(TERM);
    recorder.await_entry("TERM");
    recorder.sandbox.record_death("dep", "0");
    recorder.sandbox.await_key("main", "Cause");
    // Whatever was sent with the stop comes before this.
    recorder.running.send(USR1);
    recorder.await_entry("USR1");
    recorder.let_go();
    let Recorder { sandbox, running } = recorder;
    assert_eq!(running.end().status, 5);
    assert_eq!(sandbox.lines("record"), ["up", "TERM", "USR1"]);
}

/// Options, what came from outside and what the command got for it, and what the stop sends then.
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
fn a_stop_sends_the_stop_signal_unless_it_or_what_stands_for_a_term_was_passed_on() {
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
    for (grace, deaf) in [("0", true), ("50ms", true), ("1h", false)] {
        let traps = if deaf {
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
        let (status, reason) = if deaf {
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
            deaf.then_some("KILL"),
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
            if deaf { 2 } else { 1 },
            "a stop, and KILL: {}",
            ended.stderr
        );
    }
    // A TERM from outside has no grace period: whoever sent it may send KILL.
    let recorder = Recorder::start("trap 'echo TERM >> \"$RECORD\"' TERM", |sandbox| {
        sandbox.run(["-n", "main", "--grace-period", "0"])
    });
    recorder.running.send(TERM);
    recorder.await_entry("TERM");
    recorder.let_go();
    assert_eq!(recorder.running.end().status, 5);
}

#[test]
fn what_we_were_started_with_ignored_does_not_end_a_wait() {
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
