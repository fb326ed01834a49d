//! `exitdir-run` in a PID namespace inside of the terminal's session: the foreground has no number
//! there, so it cannot be given to the command. The command must have it all the same.

use crate::support::namespaces::pid_namespace_is_permitted;
use crate::support::pty::{CTRL_C, CTRL_D, CTRL_Z};
use crate::support::sandbox::{Sandbox, eventually, wait_until};
use crate::support::shell::{STOPPED, Shell, plain, terminals_are_possible};
use crate::support::signals::{TERM, USR1, send};

const IN_NAMESPACE: &str = "unshare -pf --mount-proc --kill-child";

fn is_possible() -> bool {
    terminals_are_possible() && pid_namespace_is_permitted()
}

#[test]
fn a_command_in_a_pid_namespace_may_read_the_terminal_outside() {
    if !is_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    let script = "sh -c 'echo here; read x; echo got $x'";
    for command in [
        // As PID 1, not as PID 1, and below another one.
        format!("exitdir-run -- {script}"),
        format!("sh -c \"exitdir-run -- {script}; :\""),
        format!("exitdir-run -- exitdir-run -g -- {script}"),
        format!("exitdir-run -- {script} | cat"),
    ] {
        let command = command.replace("$x", if command.contains('"') { "\\$x" } else { "$x" });
        shell.terminal.enter(&format!("{IN_NAMESPACE} {command}"));
        shell.terminal.shown_until("here\n");
        shell.terminal.enter("words");
        assert_eq!(shell.prompt(), "got words", "{command}");
        shell.await_nobody();
    }
}

#[test]
fn in_a_pid_namespace_ctrl_c_reaches_the_command_once_and_ends_restarts() {
    if !is_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    let script =
        "trap 'echo interrupted' INT; echo here; while read x; do echo got $x; done; exit 3";
    let with = format!("{IN_NAMESPACE} exitdir-run");
    shell.terminal.enter(&format!(
        "{with} -- bash -c \"{}\"",
        script.replace('$', "\\$")
    ));
    shell.terminal.shown_until("here\n");
    for line in ["one", "two"] {
        shell.terminal.press(CTRL_C);
        shell.terminal.shown_until("interrupted\n");
        shell.terminal.enter(line);
        let shown = shell.terminal.shown_until(&format!("got {line}\n"));
        assert_eq!(shown, "", "interrupted once");
    }
    shell.terminal.press(CTRL_D);
    shell.prompt();
    assert_eq!(shell.ask("echo $?"), "3");

    let restarting = format!("{with} --restart always -- sh -c 'echo here; sleep 1000'");
    shell.terminal.enter(&restarting);
    shell.terminal.shown_until("here\n");
    shell.terminal.await_foreground("sleep");
    let shown = shell.press(CTRL_C);
    assert!(!shown.contains("restarting"), "{shown}");
    shell.await_nobody();
}

#[test]
fn in_a_pid_namespace_ctrl_z_stops_the_job_and_fg_continues_it() {
    if !is_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    for command in ["exitdir-run -- cat", "sh -c 'exitdir-run -- cat; :'"] {
        let command = format!("{IN_NAMESPACE} {command}");
        shell.terminal.enter(&command);
        shell.terminal.await_foreground("cat");
        for _ in 0..2 {
            let shown = shell.press(CTRL_Z);
            assert_eq!(shown, plain(&format!("{STOPPED}{command}")));
            shell.terminal.await_stopped("cat");
            shell.terminal.enter("fg");
            shell.terminal.await_foreground("cat");
            shell.terminal.enter("a line");
            shell.terminal.shown_until("a line\n");
        }
        shell.press(CTRL_C);
        shell.await_nobody();
    }
}

#[test]
fn in_a_pid_namespace_g_signals_what_belongs_to_the_command_and_nothing_else_of_the_group() {
    if !is_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let child =
        "#!/bin/bash\ntrap 'echo child; exit' USR1\necho here\nwhile :; do sleep 0.01; done\n";
    sandbox.program("child", child);
    let parent = "#!/bin/bash\ntrap : USR1\n./child &\nwait $!\nwait $!\nexec sleep 1000\n";
    sandbox.program("parent", parent);
    let mut shell = Shell::start(&sandbox);
    shell
        .terminal
        .enter(&format!("{IN_NAMESPACE} exitdir-run -g -- ./parent | cat"));
    shell.terminal.shown_until("here\n");
    let run = eventually("it runs", || shell.terminal.process("exitdir-run"));
    send(run.pid, USR1);
    shell.terminal.shown_until("child\n");
    shell.terminal.await_foreground("sleep");
    for name in ["unshare", "cat"] {
        assert!(shell.terminal.process(name).is_some(), "{name} is left");
    }
    send(run.pid, TERM);
    shell.prompt();
    assert_eq!(shell.ask("echo ${PIPESTATUS[0]}"), "143");
    shell.await_nobody();
}

#[test]
fn in_a_pid_namespace_g_kills_what_belongs_to_the_command_at_the_end_of_the_grace_period() {
    if !is_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let child = "#!/bin/bash\ntrap '' TERM\nwhile :; do sleep 0.01; done\n";
    sandbox.program("child", child);
    sandbox.program("parent", "#!/bin/bash\ntrap '' TERM\n./child\n");
    let mut shell = Shell::start(&sandbox);
    let run = "exitdir-run -g --timeout 100ms --grace-period 100ms -- ./parent";
    let script = format!("{run}; echo status $?; read x");
    shell
        .terminal
        .enter(&format!("{IN_NAMESPACE} sh -c '{script}'"));
    shell.terminal.shown_until("status 124\n");
    wait_until("the child was killed", || {
        shell.terminal.process("child").is_none()
    });
    shell.ask("");
    shell.await_nobody();
}
