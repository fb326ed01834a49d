//! What ends a life whose command is restarted in place: a stop during the back-off and one while the command runs,
//! and what is no stop at all.

use crate::support::parallel::{WORKERS, for_each};
use crate::support::restart_life::{
    FAIL, SERVE, assert_once, await_down, await_log, await_up, kill_command, life, log, starts,
    with_log,
};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::{HUP, INT, QUIT, TERM, USR1, send};

#[test]
fn a_stop_during_the_back_off_ends_it_and_nothing_is_started_again() {
    struct Case(&'static str, &'static str, i32, &'static str);
    let cases = [
        Case("", "kill -TERM", 143, "interrupted"),
        Case("", "kill -INT", 130, "interrupted"),
        Case("", "kill -QUIT", 131, "interrupted"),
        Case("", "kill -HUP", 129, "interrupted"),
        // What the command would get for it is another matter.
        Case("--rewrite TERM:0", "kill -TERM", 143, "interrupted"),
        Case("--death-deps y", "y 0", 0, "stopped"),
        Case("--death-deps y", "y 4", 143, "stopped"),
        Case("--death-deps y --stop-signal INT", "y 4", 130, "stopped"),
        Case("--death-deps y --birth-deps y:born", "y 0", 143, "stopped"),
        Case("--death-deps y --pass-code", "y 0", 3, "stopped"),
    ];
    for_each(WORKERS, &cases, |Case(options, action, status, reason)| {
        let sandbox = Sandbox::new();
        let mut y = sandbox.run(["-n", "y", "--", "sleep", "60"]).start();
        sandbox.await_key("y", "Ready");
        let mut run = life(&sandbox, &format!("--restart always {options}"), FAIL).start();
        await_down(&sandbox, 1);
        match action.strip_prefix("kill -") {
            Some(name) => send_named(&run, name),
            None => assert_eq!(
                sandbox
                    .signal(["-c", action.strip_prefix("y ").unwrap(), "y"])
                    .finish()
                    .status,
                0
            ),
        }
        let context = format!("{options:?} {action:?}");
        wait_until("the end", || !run.is_running());
        let text = sandbox.tombstone("x");
        let ended = run.end();
        assert_eq!(ended.status, *status, "{context}: {ended:?}");
        assert_eq!(starts(&sandbox).len(), 1, "{context}: {ended:?}");
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
fn any_other_signal_during_the_back_off_is_dropped_and_the_command_comes_back() {
    let sandbox = Sandbox::new();
    let run = with_log(&sandbox, life(&sandbox, "-v --restart always", SERVE));
    await_up(&sandbox, 1);
    kill_command(&sandbox);
    await_log(&sandbox, "restarting it in 1s");
    for name in ["USR1", "USR1"] {
        send_named(&run, name);
    }
    await_log(&sandbox, "dropped USR1");
    await_up(&sandbox, 2);
    run.send(TERM);
    assert_eq!(run.end().status, 143);
}

#[test]
fn a_stop_while_the_command_runs_is_not_followed_by_a_restart() {
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
        await_up(&sandbox, 1);
        match *action {
            "" => {}
            "y" => assert_eq!(sandbox.signal(["y"]).finish().status, 0),
            name => send_named(&run, name),
        }
        let ended = run.end();
        let context = format!("{options:?} {action:?} {script:?}: {ended:?}");
        assert_eq!(ended.status, *status, "{context}");
        assert_eq!(starts(&sandbox).len(), 1, "{context}");
        assert!(!ended.stderr.contains("restarting"), "{context}");
        assert_once(&sandbox.tombstone("x"));
    });
}

#[test]
fn a_command_that_did_not_get_the_stop_is_not_restarted_when_it_ends() {
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
fn hup_is_followed_by_a_restart_and_so_is_a_stop_that_did_not_come_through_us() {
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
        await_log(&sandbox, &format!("{said}: restarting it in 1s"));
        await_up(&sandbox, 2);
        run.send(TERM);
        assert_eq!(run.end().status, 143);
    });
}
