//! `exitdir-run` as the leader of its session: no shell could continue it after a stop.

use crate::support::inspect::sleeps;
use crate::support::namespaces::{PID_NAMESPACE, pid_namespace_is_permitted};
use crate::support::pty::{CTRL_C, CTRL_Z, Terminal};
use crate::support::sandbox::{Sandbox, wait_until};
use crate::support::shell::{PROMPT, terminals_are_possible, with_exitdir_run};
use crate::support::signals::{CONT, KILL, send};
use std::process::Command;

/// `exitdir-run` as PID 1 of a container with a terminal, and as the leader of another session.
fn leaders(sandbox: &Sandbox) -> Vec<Command> {
    let mut leader = with_exitdir_run(sandbox, "setsid");
    leader.arg("--ctty");
    let [program, options @ ..] = PID_NAMESPACE;
    let mut first = with_exitdir_run(sandbox, program);
    first.args(options);
    let mut leaders = vec![leader];
    if pid_namespace_is_permitted() {
        first.args(["setsid", "--ctty"]);
        leaders.push(first);
    }
    for leader in &mut leaders {
        leader.arg("exitdir-run");
    }
    leaders
}

#[test]
fn under_a_session_leader_ctrl_z_does_not_stop_the_command_and_ctrl_c_reaches_it() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for mut leader in leaders(&sandbox) {
        let script = "trap 'echo continued' CONT; trap 'echo interrupted; exit 3' INT\n\
                      echo ready; while :; do read line && echo got $line; done";
        let mut terminal = Terminal::start(leader.args(["--", "bash", "-c", script]));
        terminal.shown_until("ready\n");
        for line in ["one", "two"] {
            terminal.await_foreground("bash");
            terminal.press(CTRL_Z);
            terminal.shown_until("continued\n");
            terminal.enter(line);
            terminal.shown_until(&format!("got {line}\n"));
        }
        terminal.press(CTRL_C);
        terminal.shown_until("interrupted\n");
        assert_eq!(terminal.end(), 3);
    }
}

#[test]
fn a_shell_under_exitdir_run_as_pid_1_has_job_control() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for mut leader in leaders(&sandbox) {
        let words = ["--", "bash", "--norc", "--noediting", "-i"];
        let mut terminal = Terminal::start(leader.args(words).env("PS1", PROMPT));
        assert_eq!(terminal.shown_until(PROMPT), "");
        for key in [CTRL_C, CTRL_Z] {
            terminal.enter("sleep 1000");
            terminal.await_foreground("sleep");
            terminal.press(key);
            terminal.shown_until(PROMPT);
        }
        terminal.enter("fg");
        terminal.await_foreground("sleep");
        terminal.press(CTRL_C);
        terminal.shown_until(PROMPT);
        terminal.enter("exit 3");
        assert_eq!(terminal.end(), 3);
    }
}

#[test]
fn under_a_session_leader_a_command_that_was_stopped_stays_stopped_until_cont() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut leader = leaders(&sandbox).swap_remove(0);
    let script = "echo ready; kill -s STOP $$; echo back";
    let mut terminal = Terminal::start(leader.args(["--", "sh", "-c", script]));
    terminal.shown_until("ready\n");
    terminal.await_stopped("sh");
    wait_until("exitdir-run has seen it and sleeps", || {
        sleeps(terminal.pid()) && terminal.foreground() != 0
    });
    assert!(terminal.process("sh").unwrap().is_stopped());
    send(terminal.pid(), CONT);
    terminal.shown_until("back\n");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_shell_that_is_killed_while_its_job_has_the_terminal_is_restarted_in_the_foreground() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for mut leader in leaders(&sandbox) {
        leader.args(["--restart", "always", "--restart-limit", "1", "--"]);
        let words = ["bash", "--norc", "--noediting", "-i"];
        let mut terminal = Terminal::start(leader.args(words).env("PS1", PROMPT));
        terminal.shown_until(PROMPT);
        terminal.enter("sleep 1000");
        let sleep = terminal.await_foreground("sleep");
        let shell = terminal.process("bash").unwrap();
        send(shell.pid, KILL);
        terminal.shown_until("restarting it");
        send(sleep.pid, KILL);
        terminal.shown_until(PROMPT);
        terminal.await_foreground("bash");
        terminal.enter("echo again");
        assert_eq!(terminal.shown_until(PROMPT), "again\n");
        terminal.enter("exit 3");
        assert_eq!(terminal.end(), 3);
    }
}
