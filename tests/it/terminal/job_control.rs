//! Job control under a real terminal: what a person at a shell sees with `exitdir-run` before a command is what
//! they see without it. Scenes are played both ways where that must hold, and what was shown is compared.

use crate::support::inspect::{sleeps, sleeps_in_its_watch};
use crate::support::namespaces::{PID_NAMESPACE, pid_namespace_is_permitted};
use crate::support::proc::{ProcStat, is_gone, state_of};
use crate::support::pty::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, Terminal};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{CONT, KILL, STOP, TERM, TSTP, USR1, send};
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::Command;

const PROMPT: &str = "outer> ";
const INNER: &str = "inner> ";

/// An interactive shell on a terminal.
struct Shell<'w> {
    sandbox: &'w Sandbox,
    terminal: Terminal,
}

impl Shell<'_> {
    fn start(sandbox: &Sandbox) -> Shell<'_> {
        let mut command = with_exitdir_run(sandbox, "setsid");
        command
            .args([
                "--ctty",
                "bash",
                "--norc",
                "--noprofile",
                "--noediting",
                "-i",
            ])
            .env("PS1", PROMPT)
            .env("INNER", INNER)
            .env("HISTFILE", "/dev/null")
            .env("TERM", "dumb");
        let mut shell = Shell {
            sandbox,
            terminal: Terminal::start(&mut command),
        };
        assert_eq!(shell.prompt(), "");
        shell
    }

    /// Waits for the prompt, at which the shell has the terminal. What was shown before it.
    fn prompt(&mut self) -> String {
        let shown = self.terminal.shown_until(PROMPT);
        assert!(self.has_terminal(), "a prompt without the terminal");
        plain(&shown)
    }

    /// Types a line. What is shown up to the next prompt.
    fn ask(&mut self, line: &str) -> String {
        self.terminal.enter(line);
        self.prompt()
    }

    /// Presses a key. What is shown up to the next prompt.
    fn press(&mut self, key: &str) -> String {
        self.terminal.press(key);
        self.prompt()
    }

    fn has_terminal(&self) -> bool {
        self.terminal.foreground() == self.terminal.pid()
    }

    /// Everybody but the shell.
    fn jobs(&self) -> Vec<ProcStat> {
        let mut processes = self.terminal.processes();
        processes.retain(|process| process.pid != self.terminal.pid());
        processes
    }

    /// Waits until everybody but the shell is stopped, and there is somebody.
    fn await_all_stopped(&self) {
        wait_until("all jobs are stopped", || {
            let jobs = self.jobs();
            !jobs.is_empty() && jobs.iter().all(ProcStat::is_stopped)
        });
    }

    fn await_all_running(&self) {
        wait_until("all jobs run", || {
            let jobs = self.jobs();
            !jobs.is_empty() && !jobs.iter().any(ProcStat::is_stopped)
        });
    }

    fn await_nobody(&self) {
        wait_until("all jobs are gone", || self.jobs().is_empty());
    }
}

/// What was shown, without what differs from one time to the next: how `exitdir-run` was typed, process ids, and the
/// empty line that a shell adds for a command that a signal has ended (`exitdir-run` exits with 128+n).
fn plain(shown: &str) -> String {
    let mut lines = Vec::new();
    for line in shown.lines().filter(|line| !line.is_empty()) {
        let line = line.replace("exitdir-run -- ", "");
        match line.split_once("[1] ") {
            Some(("", pid)) if pid.parse::<i32>().is_ok() => lines.push("[1]".to_owned()),
            _ => lines.push(line),
        }
    }
    lines.join("\n")
}

/// A command in the test's directory that finds `exitdir-run` in its path.
fn with_exitdir_run(sandbox: &Sandbox, program: &str) -> Command {
    let bin = sandbox.path("bin");
    if std::fs::create_dir(&bin).is_ok() {
        std::os::unix::fs::symlink(binary(), bin.join("exitdir-run")).unwrap();
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = sandbox.command(program);
    command
        .current_dir(sandbox.path("."))
        .env("PATH", format!("{}:{path}", bin.display()));
    command
}

fn terminals_are_possible() -> bool {
    let needed = "command -v setsid && command -v bash && command -v stty && test -c /dev/ptmx";
    is_permitted(
        "a shell on a terminal (setsid, bash, stty, /dev/ptmx)",
        Command::new("sh").args(["-c", needed]),
    )
}

/// Plays a scene in a fresh shell without and with `exitdir-run --` before the command, compares what was seen, and returns it.
fn same_with_and_without(scene: impl Fn(&mut Shell<'_>, &str) -> Vec<String>) -> Vec<String> {
    let play = |with: &str| {
        let sandbox = Sandbox::new();
        scene(&mut Shell::start(&sandbox), with)
    };
    let (without, with) = (play(""), play("exitdir-run -- "));
    assert_eq!(
        with, without,
        "with exitdir-run (left) it is not as without"
    );
    with
}

const STOPPED: &str = "[1]+  Stopped                 ";

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
fn ctrl_c_and_ctrl_z_reach_all_of_a_job_that_was_started_in_the_background_and_brought_to_the_foreground()
 {
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
        // Whether the shell tells of the stop before this prompt or the next depends on who is faster.
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
fn a_background_job_that_writes_stops_if_the_terminal_says_tostop() {
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
fn started_in_the_background_it_never_takes_the_terminal() {
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
    shell.terminal.shown_until("restarting it in ");
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
    shell.terminal.shown_until("restarting it in ");
    shell.terminal.shown_until("No such file");
    std::fs::rename(sandbox.path("away"), sandbox.path("program")).unwrap();
    shell.terminal.shown_until("here\n");
    shell.terminal.await_foreground("program");
    shell.terminal.enter("two");
    shell.terminal.shown_until("got two\n");
    shell.terminal.shown_until("restarting it in ");
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
    terminal.enter("PS1=$INNER exitdir-run --restart always -- bash --norc --noediting -i");
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
    terminal.shown_until("restarting it in ");
    terminal.shown_until(INNER);
    terminal.await_reader();
    assert_ne!(terminal.foreground(), inner, "another one");
    terminal.enter("exit");
    terminal.shown_until("restarting it in ");
    shell.press(CTRL_C);
    assert_eq!(shell.ask("echo $?"), "130");
    shell.await_nobody();
}

/// While exitdir-run is stopped, so is its command, whose stop it gets to know together with the CONT for itself.
#[track_caller]
fn assert_cont_wakes_both(options: &str, stop_command: impl Fn(i32)) {
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
    // Nor has anything been stopped since: it obeys.
    send(run.pid, TERM);
    wait_until("exitdir-run and its command end", || {
        let jobs = shell.jobs();
        jobs.iter().all(|job| job.name == "sleep")
    });
}

#[test]
fn a_cont_for_exitdir_run_that_waits_while_its_command_is_stopped_wakes_both() {
    if !terminals_are_possible() {
        return;
    }
    for options in ["", "--death-deps nobody"] {
        assert_cont_wakes_both(options, |command| send(command, TSTP));
    }
}

#[test]
fn a_cont_for_exitdir_run_that_waits_while_its_commands_group_is_stopped_wakes_all() {
    if !terminals_are_possible() {
        return;
    }
    for options in ["", "--death-deps nobody"] {
        assert_cont_wakes_both(options, |command| {
            kill_process_group(Pid::from_raw(command).unwrap(), Signal::TSTP).unwrap();
        });
    }
}

#[test]
fn a_cont_that_waits_for_exitdir_run_is_not_lost_to_a_stop_that_it_gets_to_know_first() {
    // So long exitdir-run is busy with the first signal that it passes on.
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
    // Said once the terminal was taken back.
    shell.terminal.shown_until("restarting it in ");
    let shown = shell.press(CTRL_Z);
    assert!(shown.contains("Stopped"), "{shown}");
    shell.await_all_stopped();
    shell.terminal.enter("fg");
    shell.terminal.shown_until("restarting it in ");
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
        .enter("exitdir-run --birth-deps nobody -- true");
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
        assert_eq!(shell.jobs().len(), 2, "both are stopped still");
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

/// As PID 1 of a container with a terminal, and as the leader of a session otherwise: nobody can continue exitdir-run.
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
fn where_nobody_could_continue_exitdir_run_ctrl_z_does_not_stop_the_command_and_ctrl_c_reaches_it()
{
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
fn where_nobody_could_continue_exitdir_run_a_command_that_was_stopped_waits_for_cont() {
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
fn a_shell_that_was_killed_while_its_job_had_the_terminal_is_restarted_in_the_foreground() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    for mut leader in leaders(&sandbox) {
        leader.args(["--restart", "always", "--"]);
        let words = ["bash", "--norc", "--noediting", "-i"];
        let mut terminal = Terminal::start(leader.args(words).env("PS1", PROMPT));
        terminal.shown_until(PROMPT);
        terminal.enter("sleep 1000");
        let sleep = terminal.await_foreground("sleep");
        let shell = terminal.process("bash").unwrap();
        send(shell.pid, KILL);
        terminal.shown_until("restarting it in ");
        send(sleep.pid, KILL);
        terminal.shown_until(PROMPT);
        terminal.await_foreground("bash");
        terminal.enter("echo again");
        assert_eq!(terminal.shown_until(PROMPT), "again\n");
        terminal.enter("exit 3");
        terminal.shown_until("restarting it in ");
        send(terminal.process("exitdir-run").unwrap().pid, TERM);
        assert_eq!(terminal.end(), 143);
    }
}
