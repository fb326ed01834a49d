//! Job control under a real terminal: a user at a shell sees the same with `exitdir-run` before a
//! command as without it. Scenes run both ways where this must hold, and their outputs are
//! compared.

use crate::support::pty::{CTRL_C, CTRL_D, CTRL_Z};
use crate::support::sandbox::{eventually, wait_until};
use crate::support::shell::{INNER, STOPPED, plain, same_with_and_without, terminals_are_possible};
use crate::support::signals::{TERM, send};

#[test]
fn a_shell_under_exitdir_run_has_job_control_and_gives_the_terminal_back() {
    if !terminals_are_possible() {
        return;
    }
    let seen = same_with_and_without(|shell, with| {
        let terminal = &mut shell.terminal;
        let mut seen = Vec::new();
        terminal.enter(&format!("PS1=$INNER {with}bash --norc -i"));
        seen.push(terminal.shown_until(INNER));
        terminal.await_reader();
        terminal.press(CTRL_C);
        seen.push(terminal.shown_until(INNER));
        for key in [CTRL_C, CTRL_Z] {
            terminal.enter("sleep 1000");
            terminal.await_foreground("sleep");
            terminal.press(key);
            seen.push(terminal.shown_until(INNER));
            terminal.enter("echo $?");
            seen.push(terminal.shown_until(INNER));
        }
        terminal.enter("jobs");
        seen.push(terminal.shown_until(INNER));
        terminal.enter("fg");
        terminal.await_foreground("sleep");
        terminal.press(CTRL_C);
        seen.push(terminal.shown_until(INNER));
        terminal.enter("suspend");
        seen.push(shell.prompt());
        shell.terminal.enter("fg");
        shell.terminal.shown_until(INNER);
        shell.terminal.enter("exit 3");
        seen.push(shell.prompt());
        seen.push(shell.ask("echo $?"));
        shell.await_nobody();
        seen.iter().map(|shown| plain(shown)).collect()
    });
    assert_eq!(seen[0], "", "no warning about job control");
    assert_eq!(seen[3], "130");
    assert_eq!(seen[4], format!("{STOPPED}sleep 1000"));
    assert!(seen[8].starts_with(STOPPED), "suspended: {}", seen[8]);
    assert_eq!(seen[9..], ["exit", "3"]);
}

#[test]
fn ctrl_z_stops_the_job_and_fg_and_bg_continue_it() {
    if !terminals_are_possible() {
        return;
    }
    for command in ["sleep 1000", "sh -c 'sleep 1000; :'", "sleep 1000 | cat"] {
        let seen = same_with_and_without(|shell, with| {
            shell.terminal.enter(&format!("{with}{command}"));
            shell.terminal.await_foreground("sleep");
            let mut seen = vec![shell.press(CTRL_Z)];
            shell.await_all_stopped();
            seen.push(shell.ask("echo $?; jobs"));
            shell.terminal.enter("fg");
            shell.terminal.await_foreground("sleep");
            shell.await_all_running();
            seen.push(shell.press(CTRL_Z));
            shell.await_all_stopped();
            seen.push(shell.ask("bg"));
            shell.await_all_running();
            seen.push(shell.ask("jobs"));
            assert!(shell.has_terminal());
            shell.terminal.enter("fg");
            wait_until("it is brought to the foreground", || !shell.has_terminal());
            seen.push(shell.press(CTRL_C));
            seen.push(shell.ask("echo $?"));
            shell.await_nobody();
            seen
        });
        assert_eq!(seen[0], format!("{STOPPED}{command}"));
        assert_eq!(seen[1], format!("148\n{STOPPED}{command}"));
        assert_eq!(seen[3], format!("[1]+ {command} &"));
        assert!(seen[4].contains("Running"), "{}", seen[4]);
        assert_eq!(seen[6], "130", "{command}");
    }
}

#[test]
fn ctrl_c_and_ctrl_z_reach_all_processes_of_a_background_job_that_fg_brought_to_the_foreground() {
    if !terminals_are_possible() {
        return;
    }
    let seen = same_with_and_without(|shell, with| {
        let mut seen = vec![shell.ask(&format!("{with}sh -c 'sleep 1000; :' &"))];
        eventually("it runs", || shell.terminal.process("sleep"));
        shell.terminal.enter("fg");
        wait_until("it is brought to the foreground", || !shell.has_terminal());
        seen.push(shell.press(CTRL_Z));
        shell.await_all_stopped();
        seen.push(shell.ask("bg"));
        shell.await_all_running();
        shell.terminal.enter("fg");
        wait_until("it is brought to the foreground", || !shell.has_terminal());
        seen.push(shell.press(CTRL_C));
        shell.await_nobody();
        seen.push(shell.ask("echo $?"));
        seen
    });
    assert_eq!(seen.last().unwrap(), "130");
}

#[test]
fn a_command_whose_streams_are_files_may_read_the_terminal_that_it_opens() {
    if !terminals_are_possible() {
        return;
    }
    let seen = same_with_and_without(|shell, with| {
        let script = "read line </dev/tty; echo got $line";
        let streams = "</dev/null >out 2>&1";
        shell
            .terminal
            .enter(&format!("{with}sh -c '{script}' {streams}"));
        shell.terminal.await_foreground("sh");
        shell.terminal.enter("words");
        let mut seen = vec![shell.prompt(), shell.ask("cat out")];
        shell.terminal.enter(&format!("{with}sleep 1000 {streams}"));
        shell.terminal.await_foreground("sleep");
        seen.push(shell.press(CTRL_C));
        seen.push(shell.ask("echo $?"));
        seen
    });
    assert_eq!(seen[1], "got words");
    assert_eq!(seen[3], "130");
}

#[test]
fn a_running_job_that_is_brought_to_the_foreground_may_read_the_terminal() {
    if !terminals_are_possible() {
        return;
    }
    let seen = same_with_and_without(|shell, with| {
        let mut seen = vec![shell.ask("mkfifo go")];
        let script = "echo ready >ready; read go <go; read line; echo got $line";
        shell.ask(&format!("{with}sh -c '{script}' &"));
        let ready = shell.sandbox.path("ready");
        wait_until("it is ready", || ready.exists());
        shell.terminal.enter("fg");
        wait_until("it is brought to the foreground", || !shell.has_terminal());
        std::fs::write(shell.sandbox.path("go"), "go\n").unwrap();
        shell.terminal.enter("words");
        seen.push(shell.prompt());
        seen
    });
    assert!(seen[1].ends_with("got words"), "{seen:?}");
}

#[test]
fn a_command_that_stops_itself_is_a_stopped_job_that_fg_continues() {
    if !terminals_are_possible() {
        return;
    }
    for signal in ["STOP", "TSTP", "TTIN"] {
        let command = format!("sh -c 'kill -s {signal} $$; echo back; exit 3'");
        let seen = same_with_and_without(|shell, with| {
            let mut seen = vec![shell.ask(&format!("{with}{command}"))];
            shell.await_all_stopped();
            seen.push(shell.ask("fg"));
            seen.push(shell.ask("echo $?"));
            seen
        });
        assert!(seen[0].starts_with("[1]+  Stopped"), "{seen:?}");
        assert_eq!(seen[1..], [format!("{command}\nback"), "3".to_owned()]);
    }
}

#[test]
fn a_background_job_that_reads_the_terminal_stops_and_fg_lets_it_read() {
    if !terminals_are_possible() {
        return;
    }
    let seen = same_with_and_without(|shell, with| {
        // The shell reports the stop before this prompt or before the next one.
        shell.ask(&format!("{with}cat &"));
        shell.terminal.await_stopped("cat");
        shell.await_all_stopped();
        assert!(shell.has_terminal());
        let mut seen = vec![shell.ask("jobs")];
        shell.terminal.enter("fg");
        shell.terminal.await_foreground("cat");
        shell.terminal.enter("a line");
        seen.push(plain(&shell.terminal.shown_until("a line\n")));
        seen.push(shell.press(CTRL_D));
        seen.push(shell.ask("echo $?"));
        seen
    });
    assert_eq!(seen[0], format!("{STOPPED}cat"));
    assert_eq!(seen[1..], ["cat", "", "0"]);
}

#[test]
fn a_background_job_that_writes_is_stopped_if_the_terminal_has_tostop() {
    if !terminals_are_possible() {
        return;
    }
    let seen = same_with_and_without(|shell, with| {
        shell.ask("stty tostop");
        shell.ask(&format!("{with}sh -c 'echo written' &"));
        shell.terminal.await_stopped("sh");
        shell.await_all_stopped();
        assert!(shell.has_terminal());
        vec![shell.ask("jobs"), shell.ask("fg"), shell.ask("echo $?")]
    });
    assert_eq!(seen[0], format!("{STOPPED}sh -c 'echo written'"));
    assert_eq!(seen[1..], ["sh -c 'echo written'\nwritten", "0"]);
}

#[test]
fn a_job_that_is_started_in_the_background_never_takes_the_terminal() {
    if !terminals_are_possible() {
        return;
    }
    let seen = same_with_and_without(|shell, with| {
        shell.ask(&format!("{with}sleep 1000 &"));
        let sleep = eventually("sleep runs", || shell.terminal.process("sleep"));
        assert!(shell.has_terminal());
        shell.terminal.enter("cat");
        let cat = shell.terminal.await_foreground("cat");
        send(sleep.pid, TERM);
        wait_until("only cat is left", || shell.jobs().len() == 1);
        assert_eq!(shell.terminal.foreground(), cat.group);
        shell.terminal.enter("a line");
        shell.terminal.shown_until("a line\n");
        shell.press(CTRL_D);
        vec![shell.ask("wait $!; echo $?")]
    });
    assert!(seen[0].ends_with("143"), "{seen:?}");
}
