//! `--rewrite` and `--stop-signal`: the number with which a signal from outside reaches the
//! command.
use crate::support::inspect::assert_sentence;
use crate::support::listener::{ListeningLife, can_listen, command_of, listening};
use crate::support::sandbox::{Sandbox, Start};
use crate::support::signals::{CHLD, CONT, HUP, INT, KILL, QUIT, TERM, TSTP, TTIN, USR1, USR2};

/// Options, and the number that the command gets for each signal; 0 for none.
type RewriteCase = (&'static str, &'static [(i32, i32)]);

const REWRITE_CASES: &[RewriteCase] = &[
    ("--rewrite USR1:USR2", &[(USR1, USR2), (USR2, USR2)]),
    ("--rewrite sigusr1:12", &[(USR1, USR2)]),
    ("--rewrite TERM:QUIT", &[(TERM, QUIT), (INT, INT)]),
    ("--rewrite HUP:0", &[(HUP, 0), (INT, INT)]),
    ("--rewrite TERM:0", &[(TERM, 0), (TERM, 0)]),
    // Rewrites are not applied to the result of another rewrite.
    (
        "--rewrite USR1:USR2,USR2:USR1",
        &[(USR1, USR2), (USR2, USR1)],
    ),
    (
        "--rewrite USR1:USR2 --rewrite USR2:0",
        &[(USR1, USR2), (USR2, 0)],
    ),
    // The last rewrite of a signal counts.
    ("--rewrite USR1:USR2,USR1:HUP", &[(USR1, HUP)]),
    ("--rewrite USR1:0 --rewrite USR1:HUP", &[(USR1, HUP)]),
    (
        "--rewrite USR1:HUP --rewrite USR1:0,HUP:34",
        &[(USR1, 0), (HUP, 34)],
    ),
    (
        "--rewrite 32:63,33:0,RTMIN+3:TERM",
        &[(32, 63), (33, 0), (37, TERM)],
    ),
    (
        "--rewrite TSTP:USR1,CONT:0,TTIN:32",
        &[(TSTP, USR1), (CONT, 0), (TTIN, 32)],
    ),
    ("--rewrite USR1:CHLD", &[(USR1, CHLD)]),
    (
        "--stop-signal QUIT",
        &[(TERM, QUIT), (QUIT, QUIT), (INT, INT)],
    ),
    ("--stop-signal RTMIN+3", &[(TERM, 37)]),
    ("--stop-signal 32", &[(TERM, 32)]),
    ("--stop-signal QUIT --rewrite TERM:HUP", &[(TERM, HUP)]),
    (
        "--stop-signal QUIT --rewrite INT:TERM",
        &[(INT, TERM), (TERM, QUIT)],
    ),
];

#[track_caller]
fn assert_gets(life: &ListeningLife, what: &str, sent: &[(i32, i32)]) {
    for (signal, number) in sent {
        if *number == 0 {
            life.send(&[*signal]);
        } else {
            life.send_and_await(*signal, *number);
        }
    }
    let expected: Vec<i32> = sent
        .iter()
        .map(|(_, to)| *to)
        .filter(|to| *to != 0)
        .collect();
    assert_eq!(life.all_received(), expected, "{what}: {sent:?}");
}

#[test]
fn a_rewritten_signal_is_forwarded_with_its_new_number_or_not_at_all() {
    if !can_listen() {
        return;
    }
    for (options, sent) in REWRITE_CASES {
        let life = ListeningLife::start(options);
        assert_gets(&life, options, sent);
    }
}

#[test]
fn rewrites_come_from_the_variable_unless_the_command_line_has_some() {
    if !can_listen() {
        return;
    }
    let cases: [(&str, &[(i32, i32)]); 2] = [
        ("", &[(USR1, USR2), (HUP, 0)]),
        ("--rewrite USR1:INT", &[(USR1, INT), (HUP, HUP)]),
    ];
    for (options, sent) in cases {
        let sandbox = Sandbox::new();
        let line = listening(&sandbox, options, "");
        let running = command_of(&sandbox, &[], &line)
            .env("EXITDIR_REWRITE", "USR1:USR2,HUP:0")
            .start();
        let life = ListeningLife {
            pid: running.pid(),
            running,
            sandbox,
        };
        life.await_up();
        assert_gets(&life, options, sent);
    }
}

#[test]
fn a_signal_can_be_rewritten_to_kill_and_the_reason_is_then_exited_and_not_killed() {
    if !can_listen() {
        return;
    }
    let life = ListeningLife::start("--rewrite USR1:KILL");
    life.send(&[USR1]);
    let ListeningLife {
        running, sandbox, ..
    } = life;
    assert_eq!(running.end().status, 128 + KILL);
    let key = |key| sandbox.key("main", key);
    assert_eq!(key("Reason").as_deref(), Some("exited"));
    assert_eq!(key("Signal").as_deref(), Some("KILL"));
}

#[test]
fn a_wrong_rewrite_is_a_usage_error() {
    let wrong = [
        "KILL:TERM",
        "STOP:TERM",
        "CHLD:TERM",
        "KILL:0",
        "9:15",
        "17:0",
        "TERM",
        "TERM:",
        ":TERM",
        ":",
        "TERM:65",
        "65:TERM",
        "0:TERM",
        "0:0",
        "FOO:TERM",
        "TERM:FOO",
        "TERM:HUP:INT",
        "TERM=HUP",
        "USR1:USR2,KILL:0",
        "TERM:-1",
        "TERM:00",
        "RTMAX+1:0",
    ];
    for text in wrong {
        let sandbox = Sandbox::new();
        let ended = sandbox.run(["--rewrite", text, "--", "true"]).finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(ended.stderr.contains("--rewrite"), "{text}: {ended:?}");
        let ended = sandbox
            .run(["--", "true"])
            .env("EXITDIR_REWRITE", text)
            .finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert!(
            ended.stderr.contains("EXITDIR_REWRITE"),
            "{text}: {ended:?}"
        );
    }
}
