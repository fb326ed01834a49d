//! `--stop-delay`: how long a TERM is held back, and what ends the delay.

use crate::support::listener::{LET_GO, ListeningLife, blocked, can_listen, command_of, listening};
use crate::support::sandbox::{Sandbox, Start, wait_until};
use crate::support::signals::{HUP, INT, LAST, QUIT, TERM, USR1, USR2};
use std::time::{Duration, Instant};

/// What happens to a life that holds a TERM back.
enum NextStep {
    Gets(i32),
    StopIsTriggered,
}

/// Options, what happens after a TERM, and all that the command gets then, sorted.
type DelayCase = (&'static str, &'static [NextStep], &'static [i32]);

const DELAY_CASES: &[DelayCase] = &[
    ("", &[], &[]),
    // Others are passed on meanwhile.
    (
        "",
        &[
            NextStep::Gets(USR1),
            NextStep::Gets(HUP),
            NextStep::Gets(32),
        ],
        &[HUP, USR1, 32],
    ),
    // What ends the delay.
    ("", &[NextStep::Gets(TERM)], &[TERM]),
    (
        "",
        &[NextStep::Gets(TERM), NextStep::Gets(TERM)],
        &[TERM, TERM],
    ),
    ("", &[NextStep::Gets(INT)], &[INT, TERM]),
    ("", &[NextStep::Gets(QUIT)], &[QUIT, TERM]),
    ("", &[NextStep::StopIsTriggered], &[TERM]),
    (
        "",
        &[NextStep::Gets(USR1), NextStep::StopIsTriggered],
        &[USR1, TERM],
    ),
    (
        "",
        &[NextStep::StopIsTriggered, NextStep::Gets(TERM)],
        &[TERM, TERM],
    ),
    (
        "",
        &[NextStep::Gets(TERM), NextStep::StopIsTriggered],
        &[TERM],
    ),
    (
        "",
        &[
            NextStep::Gets(INT),
            NextStep::StopIsTriggered,
            NextStep::Gets(TERM),
        ],
        &[INT, TERM, TERM],
    ),
    // What is held back is what the command would have got.
    ("--stop-signal QUIT", &[NextStep::Gets(TERM)], &[QUIT]),
    ("--stop-signal QUIT", &[NextStep::StopIsTriggered], &[QUIT]),
    ("--rewrite TERM:USR2", &[NextStep::Gets(TERM)], &[USR2]),
    ("--rewrite TERM:USR2", &[NextStep::StopIsTriggered], &[TERM]),
    ("--rewrite TERM:0", &[NextStep::Gets(INT)], &[INT]),
    ("--rewrite INT:0", &[NextStep::Gets(INT)], &[TERM]),
];

#[test]
fn a_second_term_or_any_other_stop_ends_the_stop_delay_of_a_term() {
    if !can_listen() {
        return;
    }
    for (options, then, expected) in DELAY_CASES {
        let life = ListeningLife::start(&format!(
            "--stop-delay 1h --death-deps dep --grace-period 1h {options}"
        ));
        life.send(&[TERM]);
        assert_eq!(life.all_received(), [], "{options}: held back");
        for what in *then {
            match what {
                NextStep::Gets(signal) => life.send(&[*signal]),
                NextStep::StopIsTriggered => life.trigger_stop(),
            }
            // One by one: the kernel would merge two of the same number.
            life.all_received();
        }
        let mut received = life.all_received();
        received.retain(|signal| *signal != LAST);
        received.sort_unstable();
        assert_eq!(received, *expected, "{options}");
    }
}

/// An image may name another signal than TERM for its stop, and the runtime then sends that.
#[test]
fn what_reaches_the_command_as_the_stop_signal_is_held_back_like_a_term() {
    if !can_listen() {
        return;
    }
    for (options, received, sent, message) in [
        (
            "--stop-signal QUIT",
            QUIT,
            QUIT,
            "received QUIT; forwarding it to",
        ),
        (
            "--stop-signal QUIT",
            TERM,
            QUIT,
            "received TERM; forwarding QUIT to",
        ),
        (
            "--stop-signal USR1",
            USR1,
            USR1,
            "received USR1; forwarding it to",
        ),
        (
            "--rewrite INT:TERM",
            INT,
            TERM,
            "received INT; forwarding TERM to",
        ),
    ] {
        let life = ListeningLife::start(&format!(
            "--stop-delay 1h --death-deps dep --grace-period 1h {options}"
        ));
        life.send(&[received]);
        assert_eq!(life.all_received(), [], "{options}: held back");
        life.trigger_stop();
        let mut got = life.all_received();
        got.retain(|signal| *signal != LAST);
        assert_eq!(got, [sent], "{options}");
        let (ended, _) = life.end();
        assert!(ended.stderr.contains(message), "{options}: {ended:?}");
    }
}

#[test]
fn a_term_comes_when_the_stop_delay_is_over_and_not_before() {
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start("--stop-delay 300ms");
    let began = Instant::now();
    life.send_and_await(TERM, TERM);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(life.all_received(), [TERM]);
    // A second TERM is not held back.
    life.send_and_await(TERM, TERM);
    let (ended, _) = life.end();
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn a_timeout_ends_the_stop_delay() {
    if !can_listen() {
        return;
    }
    // If the timeout is over before this TERM is sent, the command gets the TERM of the stop alone.
    // The command blocks all signals from the beginning, so that it also gets one that comes before
    // it listens.
    let sandbox = Sandbox::new();
    let options = "--stop-delay 1h --timeout 500ms --grace-period 1h";
    let line = blocked(listening(&sandbox, options, ""));
    let running = command_of(&sandbox, &[], &line).start();
    let pid = running.pid();
    let life = ListeningLife::of(sandbox, running, pid);
    life.send(&[TERM]);
    wait_until("the time is over", || life.received().contains(&TERM));
    let (ended, sandbox) = life.end();
    assert_eq!(ended.status, 124, "{ended:?}");
    assert_eq!(sandbox.key("main", "Reason").as_deref(), Some("timeout"));
}

#[test]
fn a_command_that_ends_during_the_stop_delay_ends_the_life_at_once_and_is_not_started_again() {
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start("--stop-delay 1h --restart always");
    life.send(&[TERM]);
    assert_eq!(life.all_received(), []);
    let (ended, sandbox) = life.end();
    assert_eq!(ended.status, LET_GO, "{ended:?}");
    assert_eq!(sandbox.key("main", "Reason").as_deref(), Some("exited"));
    let log = std::fs::read_to_string(sandbox.path("cmd")).unwrap();
    assert_eq!(log.matches("up").count(), 1);
}
