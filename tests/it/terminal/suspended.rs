//! A job that is suspended, and what continues it.

use crate::support::inspect::{sleeps, sleeps_in_its_watch};
use crate::support::proc::{is_gone, state_of};
use crate::support::pty::{CTRL_C, CTRL_Z};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, eventually, wait_until};
use crate::support::shell::{Shell, terminals_are_possible};
use crate::support::signals::{CONT, STOP, TERM, TSTP, USR1, send};
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Command;

/// The command is stopped while exitdir-run is stopped. So exitdir-run learns of this stop together
/// with the CONT for itself.
#[track_caller]
fn assert_cont_continues_both(options: &str, stop_command: impl Fn(i32)) {
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    shell.ask(&format!("exitdir-run {options} -- sh -c 'sleep 1000; :' &"));
    eventually("it runs", || shell.terminal.process("sleep"));
    let command = shell.terminal.process("sh").unwrap();
    let run = shell.terminal.process("exitdir-run").unwrap();
    let mut asleep = 0;
    wait_until("exitdir-run has settled down", || {
        asleep += u32::from(sleeps(run.pid));
        let watches = options.is_empty() || asleep > 500 || sleeps_in_its_watch(run.pid);
        asleep > 0 && watches
    });
    send(run.pid, STOP);
    shell.terminal.await_stopped("exitdir-run");
    stop_command(command.pid);
    shell.terminal.await_stopped("sh");
    send(run.pid, CONT);
    shell.await_all_running();
    // Both still run: the TERM ends them.
    send(run.pid, TERM);
    wait_until("exitdir-run and its command end", || {
        let jobs = shell.jobs();
        jobs.iter().all(|job| job.name == "sleep")
    });
}

#[test]
fn a_cont_for_a_stopped_exitdir_run_whose_command_was_stopped_meanwhile_continues_both() {
    if !terminals_are_possible() {
        return;
    }
    for options in ["", "--death-deps never"] {
        assert_cont_continues_both(options, |command| send(command, TSTP));
    }
}

#[test]
fn a_cont_for_a_stopped_exitdir_run_whose_commands_group_was_stopped_meanwhile_continues_all() {
    if !terminals_are_possible() {
        return;
    }
    for options in ["", "--death-deps never"] {
        assert_cont_continues_both(options, |command| {
            kill_process_group(Pid::from_raw(command).unwrap(), Signal::TSTP).unwrap();
        });
    }
}

#[test]
fn a_pending_cont_is_not_lost_if_exitdir_run_learns_of_a_stop_of_its_command_first() {
    // This delays exitdir-run by a second when it forwards its first signal.
    let delay = "-e trace=kill -e inject=kill:delay_exit=1000000:when=1";
    let strace = format!("strace -q -o /dev/null {delay}");
    let mut trial = Command::new("sh");
    trial.args(["-c", &format!("{strace} true")]);
    if !terminals_are_possible() || !is_permitted("delays with strace", &mut trial) {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    let script =
        "trap \"echo >got\" USR1; sleep 1000 & echo $$ >pid; echo >ready; while :; do wait; done";
    shell.ask(&format!("{strace} exitdir-run -- sh -c '{script}' &"));
    let is_there = |name| sandbox.path(name).exists().then_some(());
    eventually("the command is ready", || is_there("ready"));
    let command: i32 = std::fs::read_to_string(sandbox.path("pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let run = shell.terminal.process("exitdir-run").unwrap();
    send(run.pid, USR1);
    eventually("USR1 has come", || is_there("got"));
    send(command, TSTP);
    wait_until("the command is stopped", || {
        let mut jobs = shell.jobs().into_iter();
        jobs.any(|job| job.pid == command && job.is_stopped())
    });
    send(run.pid, CONT);
    wait_until("the command goes on", || {
        let mut jobs = shell.jobs().into_iter();
        jobs.any(|job| job.pid == command && !job.is_stopped())
    });
    send(run.pid, TERM);
    wait_until("exitdir-run and its command end", || {
        let jobs = shell.jobs();
        jobs.iter().all(|job| job.name == "sleep")
    });
}

#[test]
fn before_a_restart_ctrl_z_suspends_exitdir_run_and_ctrl_c_ends_it() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    shell
        .terminal
        .enter("exitdir-run --restart always -- sh -c 'echo ended'");
    // This line comes after exitdir-run has taken the terminal back.
    shell.terminal.shown_until("restarting it");
    let shown = shell.press(CTRL_Z);
    assert!(shown.contains("Stopped"), "{shown}");
    shell.await_all_stopped();
    shell.terminal.enter("fg");
    shell.terminal.shown_until("restarting it");
    shell.press(CTRL_C);
    assert_eq!(shell.ask("echo $?"), "130");
    shell.await_nobody();
}

#[test]
fn while_it_waits_for_a_birth_ctrl_z_suspends_exitdir_run_and_ctrl_c_ends_it() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    let script = "read line; echo got $line";
    let line = format!("exitdir-run --birth-deps db -- sh -c '{script}'");
    let await_sleep = |shell: &Shell<'_>| {
        let mut asleep = 0;
        eventually("it waits in the foreground", || {
            let waiting = shell.terminal.process("exitdir-run")?;
            asleep += u32::from(sleeps(waiting.pid));
            let waits = asleep > 500 || sleeps_in_its_watch(waiting.pid);
            (waits && waiting.group == shell.terminal.foreground()).then_some(())
        });
    };
    shell.terminal.enter(&line);
    await_sleep(&shell);
    let shown = shell.press(CTRL_Z);
    assert!(shown.starts_with("[1]+  Stopped"), "{shown}");
    shell.await_all_stopped();
    shell.terminal.enter("fg");
    await_sleep(&shell);
    sandbox.record_ready("db");
    shell.terminal.await_foreground("sh");
    shell.terminal.enter("words");
    let shown = shell.prompt();
    assert!(shown.ends_with("got words"), "{shown}");
    assert_eq!(shell.ask("echo $?"), "0");

    shell
        .terminal
        .enter("exitdir-run --birth-deps never -- true");
    await_sleep(&shell);
    shell.press(CTRL_C);
    assert_eq!(shell.ask("echo $?"), "130");
}

#[test]
fn a_death_dependency_that_holds_while_the_job_is_suspended_stops_it_after_fg_or_bg() {
    if !terminals_are_possible() {
        return;
    }
    for continued in ["fg", "bg"] {
        let sandbox = Sandbox::new();
        let mut shell = Shell::start(&sandbox);
        shell
            .terminal
            .enter("exitdir-run --death-deps main -- sleep 1000");
        shell.terminal.await_foreground("sleep");
        shell.press(CTRL_Z);
        shell.await_all_stopped();
        sandbox.record_death("main", "0");
        assert_eq!(shell.jobs().len(), 2, "both are still stopped");
        let shown = match continued {
            "fg" => shell.ask("fg; echo status $?"),
            _ => shell.ask("bg; wait %1; echo status $?"),
        };
        assert!(shown.contains("stopping sleep"), "{shown}");
        assert!(shown.contains("status 0"), "{shown}");
        shell.await_nobody();
    }
}

#[test]
fn without_a_terminal_a_stop_continues_a_stopped_command_after_the_stop_signal() {
    let sandbox = Sandbox::new();
    let script = "trap 'echo TERM; exit 3' TERM; echo $$ >pid; kill -s STOP $$; sleep 1000";
    let running = sandbox
        .run(["--death-deps", "main", "--", "sh", "-c", script])
        .current_dir(sandbox.path("."))
        .start();
    let pid = eventually("it is stopped", || {
        let pid = std::fs::read_to_string(sandbox.path("pid")).ok()?;
        let state = state_of(pid.trim().parse().ok()?);
        (state == Some('T')).then_some(pid)
    });
    sandbox.record_death("main", "0");
    let ended = running.end();
    ended.assert_output(3, "TERM\n");
    assert!(is_gone(&pid));
}
