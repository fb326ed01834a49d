//! What ends a life whose command is restarted in place: a stop during the back-off, a stop while
//! the command runs, and what does not count as a stop.

use crate::support::parallel::{WORKERS, for_each};
use crate::support::restart_life::{
    FAIL, SERVE, assert_once, await_down, await_log, await_up, kill_command, life, log, starts,
    while_down, with_log,
};
use crate::support::sandbox::{Running, Sandbox, Start};
use crate::support::signals::{HUP, INT, QUIT, TERM, USR1, send};

#[test]
fn a_stop_during_the_back_off_ends_the_life_without_another_start() {
    struct Case(&'static str, &'static str, i32, &'static str);
    let cases = [
        Case("", "kill -TERM", 143, "interrupted"),
        Case("", "kill -INT", 130, "interrupted"),
        Case("", "kill -QUIT", 131, "interrupted"),
        Case("", "kill -HUP", 129, "interrupted"),
        // A rewrite concerns only what the command gets.
        Case("--rewrite TERM:0", "kill -TERM", 143, "interrupted"),
        Case("--death-deps y", "y 0", 0, "stopped"),
        Case("--death-deps y", "y 4", 143, "stopped"),
        Case("--death-deps y --stop-signal INT", "y 4", 130, "stopped"),
        Case("--death-deps y --birth-deps y:born", "y 0", 143, "stopped"),
        Case("--death-deps y --stop-code own", "y 0", 3, "stopped"),
    ];
    for_each(WORKERS, &cases, |Case(options, action, status, reason)| {
        let sandbox = Sandbox::new();
        let mut y = sandbox.run(["-n", "y", "--", "sleep", "60"]).start();
        sandbox.await_key("y", "Ready");
        let run = life(&sandbox, &format!("--restart always {options}"), FAIL).start();
        await_down(&sandbox, 1);
        let count = while_down(&run, &sandbox, || match action.strip_prefix("kill -") {
            Some(name) => send_named(&run, name),
            None => sandbox.record_death("y", action.strip_prefix("y ").unwrap()),
        });
        let context = format!("{options:?} {action:?}");
        let ended = run.end();
        let text = sandbox.tombstone("x");
        assert_eq!(ended.status, *status, "{context}: {ended:?}");
        assert_eq!(starts(&sandbox).len(), count, "{context}: {ended:?}");
        assert_once(&text);
        let record = format!("\nExitCode: {status}\nReason: {reason}\nDied: ");
        assert!(text.contains(&record), "{context}: {text}");
        assert_eq!(
            text.contains("\nCause: \"y\"\n"),
            *reason == "stopped",
            "{text}"
        );
        assert!(y.is_running());
    });
}

fn send_named(process: &Running, name: &str) {
    let signal = match name {
        "TERM" => TERM,
        "INT" => INT,
        "QUIT" => QUIT,
        "HUP" => HUP,
        "USR1" => USR1,
        other => panic!("{other}"),
    };
    process.send(signal);
}

#[test]
fn any_other_signal_during_the_back_off_is_dropped_and_the_command_is_started_again() {
    let sandbox = Sandbox::new();
    let run = with_log(&sandbox, life(&sandbox, "-v --restart always", SERVE));
    await_up(&sandbox, 1);
    kill_command(&sandbox);
    await_log(&sandbox, "restarting it");
    let count = while_down(&run, &sandbox, || send_named(&run, "USR1"));
    await_log(&sandbox, "dropped USR1");
    await_up(&sandbox, count + 1);
    run.send(TERM);
    assert_eq!(run.end().status, 143);
}

#[test]
fn after_a_stop_of_a_running_command_there_is_no_restart() {
    const OBEYS: &str =
        "trap 'exit 0' TERM INT QUIT USR1; echo $$ >>\"$mark\"; while :; do sleep 0.02; done";
    struct Case(&'static str, &'static str, &'static str, i32);
    let cases = [
        Case("", SERVE, "TERM", 143),
        Case("", SERVE, "INT", 130),
        Case("", SERVE, "QUIT", 131),
        Case("", OBEYS, "TERM", 0),
        Case("", OBEYS, "INT", 0),
        Case("", OBEYS, "QUIT", 0),
        Case("--rewrite TERM:USR1", OBEYS, "TERM", 0),
        Case("--stop-signal USR1", OBEYS, "TERM", 0),
        Case("--stop-delay 20ms", SERVE, "TERM", 143),
        Case("--timeout 100ms", OBEYS, "", 124),
        Case("--death-deps y", OBEYS, "y", 0),
        Case("--death-deps y:exit=0", SERVE, "y", 0),
        Case("--death-deps y --birth-deps y:born", OBEYS, "y", 143),
    ];
    for_each(WORKERS, &cases, |Case(options, script, action, status)| {
        let sandbox = Sandbox::new();
        let _y = sandbox.run(["-n", "y", "--", "sleep", "60"]).start();
        sandbox.await_key("y", "Ready");
        let run = life(&sandbox, &format!("--restart always {options}"), script).start();
        // On a busy machine the timeout can be over before the command has left its mark.
        let least = if action.is_empty() { 0 } else { 1 };
        if least == 1 {
            await_up(&sandbox, 1);
        }
        match *action {
            "" => {}
            "y" => sandbox.record_death("y", "0"),
            name => send_named(&run, name),
        }
        let ended = run.end();
        let context = format!("{options:?} {action:?} {script:?}: {ended:?}");
        assert_eq!(ended.status, *status, "{context}");
        assert!((least..=1).contains(&starts(&sandbox).len()), "{context}");
        assert!(!ended.stderr.contains("restarting"), "{context}");
        assert_once(&sandbox.tombstone("x"));
    });
}

#[test]
fn after_a_term_that_is_rewritten_to_nothing_a_command_that_ends_is_not_restarted() {
    let sandbox = Sandbox::new();
    let options = "-v --restart always --rewrite TERM:0";
    let run = with_log(&sandbox, life(&sandbox, options, SERVE));
    await_up(&sandbox, 1);
    run.send(TERM);
    await_log(&sandbox, "dropped TERM");
    kill_command(&sandbox);
    assert_eq!(run.end().status, 137);
    assert_eq!(starts(&sandbox).len(), 1);
    assert!(!log(&sandbox).contains("restarting"), "{}", log(&sandbox));
}

#[test]
fn a_command_is_restarted_after_a_forwarded_hup_and_after_a_term_that_exitdir_run_did_not_send() {
    let cases = [("HUP", "sh was ended by HUP"), ("", "sh was ended by TERM")];
    for_each(WORKERS, &cases, |(name, said)| {
        let sandbox = Sandbox::new();
        let run = with_log(&sandbox, life(&sandbox, "--restart on-failure", SERVE));
        await_up(&sandbox, 1);
        if name.is_empty() {
            send(starts(&sandbox)[0].parse().unwrap(), TERM);
        } else {
            send_named(&run, name);
        }
        await_log(&sandbox, &format!("{said}: restarting it"));
        await_up(&sandbox, 2);
        run.send(TERM);
        assert_eq!(run.end().status, 143);
    });
}
