//! The terminal is given to the command again when it is restarted.

use crate::support::pty::{CTRL_BACKSLASH, CTRL_C, Terminal};
use crate::support::sandbox::Sandbox;
use crate::support::shell::{INNER, Shell, plain, terminals_are_possible, with_exitdir_run};

#[test]
fn a_command_that_is_restarted_in_place_has_the_terminal_again() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    let script = "echo here; read line; echo got $line";
    shell
        .terminal
        .enter(&format!("exitdir-run --restart always -- sh -c '{script}'"));
    for line in ["one", "two"] {
        shell.terminal.shown_until("here\n");
        shell.terminal.await_foreground("sh");
        shell.terminal.enter(line);
        shell.terminal.shown_until(&format!("got {line}\n"));
    }
    shell.terminal.shown_until("restarting it");
    shell.press(CTRL_C);
    assert_eq!(shell.ask("echo $?"), "130");
    shell.await_nobody();
}

#[test]
fn a_command_that_cannot_be_executed_leaves_the_terminal_to_the_script_that_named_it() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for command in ["nosuch", "/"] {
        let script = format!("exitdir-run -- {command}; read x; echo got:$x");
        let mut starter = with_exitdir_run(&sandbox, "setsid");
        let mut terminal = Terminal::start(starter.args(["--ctty", "sh", "-c", &script]));
        terminal.shown_until(&format!("cannot run {command}: "));
        terminal.enter("words");
        terminal.shown_until("got:");
        assert_eq!(terminal.shown_until("\n"), "words", "{command}");
        assert_eq!(terminal.end(), 0);
    }
}

#[test]
fn a_command_that_was_missing_for_one_restart_has_the_terminal_when_it_is_back() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    // A link, which is there or not there but never half written.
    shell.ask("ln -s \"$(command -v sh)\" program");
    let script = "echo here; read line; mv program away; echo got $line";
    shell.terminal.enter(&format!(
        "exitdir-run --restart always -- ./program -c '{script}'"
    ));
    shell.terminal.shown_until("here\n");
    shell.terminal.await_foreground("program");
    shell.terminal.enter("one");
    shell.terminal.shown_until("got one\n");
    shell.terminal.shown_until("restarting it");
    shell.terminal.shown_until("No such file");
    std::fs::rename(sandbox.path("away"), sandbox.path("program")).unwrap();
    shell.terminal.shown_until("here\n");
    shell.terminal.await_foreground("program");
    shell.terminal.enter("two");
    shell.terminal.shown_until("got two\n");
    shell.terminal.shown_until("restarting it");
    shell.press(CTRL_C);
    assert_eq!(shell.ask("echo $?"), "130");
    shell.await_nobody();
}

#[test]
fn a_command_that_a_key_has_ended_is_not_restarted() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    shell.ask("ulimit -c 0");
    for restart in ["always", "on-failure"] {
        for (key, status) in [(CTRL_C, "130"), (CTRL_BACKSLASH, "131")] {
            shell
                .terminal
                .enter(&format!("exitdir-run --restart {restart} -- sleep 1000"));
            shell.terminal.await_foreground("sleep");
            let shown = shell.press(key);
            assert!(!shown.contains("restarting"), "{restart}: {shown}");
            assert_eq!(shell.ask("echo $?"), status, "{restart}");
            shell.await_nobody();
        }
    }
}

#[test]
fn a_shell_that_handles_ctrl_c_itself_goes_on_and_is_restarted_when_it_exits() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    let terminal = &mut shell.terminal;
    terminal.enter(
        "PS1=$INNER exitdir-run --restart always --restart-limit 1 -- bash --norc --noediting -i",
    );
    terminal.shown_until(INNER);
    terminal.await_reader();
    let inner = terminal.foreground();
    terminal.press(CTRL_C);
    terminal.shown_until(INNER);
    terminal.enter("sleep 1000");
    terminal.await_foreground("sleep");
    terminal.press(CTRL_C);
    terminal.shown_until(INNER);
    terminal.enter("echo $?, $$");
    let shown = plain(&terminal.shown_until(INNER));
    assert_eq!(shown, format!("130, {inner}"));
    terminal.enter("exit 130");
    terminal.shown_until("restarting it");
    terminal.shown_until(INNER);
    terminal.await_reader();
    assert_ne!(terminal.foreground(), inner, "another one");
    terminal.enter("exit 5");
    shell.prompt();
    assert_eq!(shell.ask("echo $?"), "5");
    shell.await_nobody();
}
