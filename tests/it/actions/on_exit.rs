//! `--on-exit`: when it runs, what it is told, and what ends it.

use crate::support::proc::{await_gone, is_gone};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, wait_until};
use crate::support::shell_life::{Position, ShellLife, positions};
use crate::support::signals::{INT, TERM};
use std::process::Command;

/// A program that writes down what it is told, and ends when there is a file `go`.
const HOOK: &str = "#!/bin/sh\n\
    echo $$ >\"$W/pid\"\n\
    echo $EXITDIR_NAME $EXITDIR_STATUS $EXITDIR_REASON $EXITDIR_CAUSE >>\"$W/told\"\n\
    while [ ! -e \"$W/go\" ] && [ -d \"$W\" ]; do sleep 0.02; done\n";

/// `exitdir-run -n main OPTIONS` with the program as `--on-exit`.
fn with_hook(sandbox: &Sandbox, options: &[&str]) -> Command {
    let hook = sandbox.program("hook", HOOK);
    let mut command = sandbox.run(["-n", "main", "--on-exit"]);
    command
        .arg(format!("exec:{}", hook.display()))
        .args(options)
        .env("W", sandbox.path("."));
    command
}

#[test]
fn followers_and_the_next_life_do_not_wait_for_on_exit() {
    let sandbox = Sandbox::new();
    let mut running = with_hook(&sandbox, &["--", "sh", "-c", "exit 3"]).start();
    sandbox.await_file("told");
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("3"));
    assert!(sandbox.holds("main:failed"));
    assert!(running.is_running());
    // The name is free.
    sandbox
        .run(["-n", "main", "--", "true"])
        .finish()
        .assert_output(0, "");
    assert!(running.is_running());
    sandbox.touch("go");
    running.end().assert_output(3, "");
    assert_eq!(sandbox.lines("told"), ["main 3 exited"]);
    assert!(sandbox.holds("main:ok"), "the newer life");
}

#[test]
fn a_death_that_cannot_be_recorded_is_seen_before_on_exit_begins() {
    let sandbox = Sandbox::new();
    let limit = "prlimit --fsize=0 --pid $PPID";
    if !is_permitted("prlimit", Command::new("prlimit").arg("--version")) {
        return;
    }
    let running = with_hook(&sandbox, &["--", "sh", "-c", limit]).start();
    // The output of the program goes to a file: it has no part in the limit of exitdir-run.
    wait_until("the life is lost", || sandbox.holds("main:lost"));
    sandbox.touch("go");
    assert_eq!(running.end().status, 0);
}

#[test]
fn on_exit_runs_however_the_life_ends_and_is_told_how() {
    for (options, status, told) in [
        ("-- true", 0, "main 0 exited"),
        ("-- no-such-command", 127, "main 127 exec-failed"),
        ("-- /", 126, "main 126 exec-failed"),
        ("--timeout 0.1 -- sleep 60", 124, "main 124 timeout"),
        (
            "--birth-deps x --birth-timeout 0.1 -- true",
            124,
            "main 124 birth-timeout",
        ),
        ("--death-deps dep -- sleep 60", 143, "main 143 stopped dep"),
        (
            "--birth-deps x --death-deps dep -- true",
            143,
            "main 143 stopped dep",
        ),
        (
            "--restart on-failure --restart-limit 1 -- sh -c false",
            1,
            "main 1 exited",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.touch("go");
        sandbox.record_death("dep", "1");
        let words: Vec<&str> = options.split(' ').collect();
        let ended = with_hook(&sandbox, &words).finish();
        assert_eq!(ended.status, status, "{options}: {ended:?}");
        assert_eq!(sandbox.lines("told"), [told], "{options}: {ended:?}");
    }
}

#[test]
fn on_exit_runs_after_a_term_while_cmd_was_not_running() {
    let sandbox = Sandbox::new();
    let running = with_hook(&sandbox, &["--birth-deps", "x", "--", "true"]).start();
    sandbox.await_key("main", "WaitingFor");
    running.send(TERM);
    sandbox.await_file("told");
    sandbox.touch("go");
    assert_eq!(running.end().status, 143);
    assert_eq!(sandbox.lines("told"), ["main 143 interrupted"]);
}

#[test]
fn a_life_that_cannot_begin_runs_no_actions() {
    let sandbox = Sandbox::new();
    sandbox.touch("go");
    let ended = with_hook(&sandbox, &["--timeout", "x", "--", "true"]).finish();
    assert_eq!(ended.status, 125, "{ended:?}");
    let _other = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
    sandbox.await_key("main", "Born");
    let ended = with_hook(&sandbox, &["--", "true"]).finish();
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(ended.stderr.contains("main"), "{ended:?}");
    let ended = with_hook(&sandbox, &["--dir", "/proc/exitdir", "--", "true"]).finish();
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(!sandbox.path("told").exists());
}

#[test]
fn on_exit_runs_although_the_exit_directory_is_gone() {
    let sandbox = Sandbox::new();
    let script = "rm -r \"$EXIT_DIR\"; touch \"$EXIT_DIR\"; exit 3";
    let running = with_hook(&sandbox, &["--", "sh", "-c", script]).start();
    sandbox.await_file("told");
    sandbox.touch("go");
    assert_eq!(running.end().status, 3);
    assert_eq!(sandbox.lines("told"), ["main 3 exited"]);
}

#[test]
fn a_signal_ends_on_exit_with_its_process_group_and_changes_no_status() {
    for position in positions() {
        for signal in [TERM, INT] {
            let script = "trap '' TERM INT; sleep 60 & echo $! >\"$W/child\"; wait";
            let sandbox = Sandbox::new();
            let hook = sandbox.program("hook", &format!("#!/bin/sh\n{script}\n"));
            let hook = format!("exec:{}", hook.display());
            let second = sandbox.path("second");
            let touch = format!("exec:touch {}", second.display());
            let options = ["--on-exit", &hook, "--on-exit", &touch];
            let life = ShellLife::start(position, &options, "exit 7");
            wait_until("the program runs", || !life.lines("child").is_empty());
            let child = life.lines("child")[0].clone();
            life.send(signal);
            assert_eq!(life.running.end().status, 7, "{position:?}");
            if position == Position::Inside {
                await_gone(&child);
                assert!(is_gone(&child));
            }
            assert!(!second.exists(), "{position:?} {signal}");
        }
    }
}

#[test]
fn actions_run_in_their_order_and_the_next_one_follows_a_failure() {
    let sandbox = Sandbox::new();
    let [a, b] = ["a1", "b0"].map(|name| {
        let script = format!("#!/bin/sh\necho {name} >>\"$W/log\"; exit {}\n", &name[1..]);
        format!("exec:{}", sandbox.program(name, &script).display())
    });
    let ended = sandbox
        .run(["--on-exit", &format!("sleep:10ms , {a} x")])
        .args(["--on-exit", "exec:/no/such/program", "--on-exit", &b])
        .args(["--", "true"])
        .env("W", sandbox.path("."))
        .finish();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(sandbox.lines("log"), ["a1", "b0"]);
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert!(
        lines[0].starts_with("exitdir-run: --on-exit: /"),
        "{ended:?}"
    );
    assert!(lines[0].ends_with("/a1 exited with 1"), "{ended:?}");
    let missing = "exitdir-run: --on-exit: cannot run /no/such/program: No such file or directory";
    assert_eq!(lines[1], missing);
}

#[test]
fn the_output_of_an_action_goes_to_standard_error_and_its_input_is_empty() {
    let sandbox = Sandbox::new();
    let hook = sandbox.program("hook", "#!/bin/sh\necho out; wc -c\n");
    let ended = sandbox
        .run(["--on-exit", &format!("exec:{}", hook.display())])
        .args(["--", "true"])
        .finish();
    ended.assert_output(0, "");
    assert_eq!(ended.stderr, "out\n0\n");
}

#[test]
fn what_an_action_leaves_in_its_process_group_ends_with_it() {
    let sandbox = Sandbox::new();
    let hook = sandbox.program("hook", "#!/bin/sh\nsleep 60 & echo $! >\"$W/left\"\n");
    let hook = format!("exec:{}", hook.display());
    let ended = sandbox
        .run(["--on-exit", &hook, "--on-exit", "sleep:10ms", "--", "true"])
        .env("W", sandbox.path("."))
        .finish();
    assert_eq!(ended.status, 0, "{ended:?}");
    await_gone(&sandbox.lines("left")[0]);
}

#[test]
fn an_action_that_does_not_end_is_killed_after_30_s_and_the_next_one_follows() {
    let sandbox = Sandbox::new();
    let script = "#!/bin/sh\nexec >/dev/null 2>&1\nsleep 1000 & echo $! >\"$W/left\"; wait\n";
    let hook = sandbox.program("hook", script).display().to_string();
    let second = sandbox.path("second");
    let ended = sandbox
        .run(["--on-exit", &format!("exec:{hook}")])
        .arg("--on-exit")
        .arg(format!("exec:touch {}", second.display()))
        .args(["--", "sh", "-c", "exit 7"])
        .env("W", sandbox.path("."))
        .finish();
    let said = format!("exitdir-run: --on-exit: {hook} did not end within 30s: killed it\n");
    assert_eq!((ended.status, ended.stderr), (7, said));
    assert!(second.exists());
    await_gone(&sandbox.lines("left")[0]);
}
