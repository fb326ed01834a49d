//! What exitdir-wait shows while it waits: one line on a terminal, few lines elsewhere.

use crate::support::inspect::{await_sleep, sleep_limit};
use crate::support::pty::{CTRL_C, CTRL_Z, Terminal};
use crate::support::sandbox::{Sandbox, Start, binary, eventually, wait_until};
use crate::support::shell::{Shell, terminals_are_possible};
use crate::support::signals::{TERM, send};
use crate::support::tombstones::write_tombstone;
use std::fs::File;
use std::time::Duration;

const COLUMNS: u16 = 60;

fn on_terminal(sandbox: &Sandbox, arguments: &[&str]) -> Terminal {
    Terminal::of_width(COLUMNS, &mut sandbox.wait(arguments))
}

#[test]
fn a_terminal_shows_what_is_awaited_in_one_line_that_is_gone_when_cmd_begins() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let command = ["main", "--", "sh", "-c", "grep SigBlk: /proc/self/status"];
    let mut terminal = on_terminal(&sandbox, &command);
    for _ in 0..2 {
        terminal.shown_until("exitdir-wait: waiting for ");
        terminal.shown_until("s: main:died does not hold (");
    }
    let screen = terminal.screen();
    assert_eq!(screen.len(), 1, "{screen:?}");
    assert_eq!(screen[0].len(), usize::from(COLUMNS) - 1, "{screen:?}");
    sandbox.signal(["main"]).finish();
    assert_eq!(terminal.ended(), 0);
    // No signal is blocked in CMD.
    assert_eq!(terminal.screen(), ["SigBlk:\t0000000000000000", ""]);
}

#[test]
fn a_name_with_control_characters_does_not_reach_the_terminal() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    write_tombstone(&sandbox, "a\u{1b}[2J\r", "Born: T\nDied: T\nExitCode: 0\n");
    let mut terminal = Terminal::of_width(200, &mut sandbox.wait([":failed"]));
    terminal.shown_until("waiting for ");
    terminal.shown_until("a\\u{1b}[2J\\r");
    assert!(!terminal.written().contains('\u{1b}'));
}

#[test]
fn a_signal_or_a_timeout_leaves_a_clean_terminal_and_its_own_status() {
    if !terminals_are_possible() {
        return;
    }
    let end = |press: &dyn Fn(&mut Terminal)| {
        let sandbox = Sandbox::new();
        let mut terminal = on_terminal(&sandbox, &["--timeout", "3", "main"]);
        terminal.shown_until("waiting for ");
        press(&mut terminal);
        (terminal.ended(), terminal.screen().concat())
    };
    assert_eq!(
        end(&|terminal| terminal.press(CTRL_C)),
        (130, String::new())
    );
    assert_eq!(
        end(&|terminal| send(terminal.pid(), TERM)),
        (143, String::new())
    );
    let (status, screen) = end(&|_| {});
    assert_eq!(status, 124);
    assert!(
        screen.starts_with("exitdir-wait: timed out after 3s: "),
        "{screen}"
    );
}

#[test]
fn a_wait_that_is_stopped_or_in_the_background_leaves_the_terminal_to_the_shell() {
    if !terminals_are_possible() {
        return;
    }
    let sandbox = Sandbox::new();
    let mut shell = Shell::start(&sandbox);
    let binary = std::fs::canonicalize(binary()).unwrap();
    shell
        .terminal
        .enter(&format!("{} wait main", binary.display()));
    for _ in 0..2 {
        shell.terminal.shown_until("waiting for ");
        shell.press(CTRL_Z);
        shell.await_all_stopped();
        let screen = shell.terminal.screen().concat();
        assert!(!screen.contains("waiting for "), "{screen}");
        shell.terminal.enter("fg");
    }
    shell.terminal.shown_until("waiting for ");
    shell.press(CTRL_Z);
    shell.await_all_stopped();
    shell.ask("bg");
    shell.await_all_running();
    let job = shell.jobs()[0].pid;
    wait_until("it no longer wakes up each second", || {
        sleep_limit(job).is_some_and(|limit| limit > Duration::from_millis(1500))
    });
    sandbox.signal(["main"]).finish();
    shell.await_nobody();
}

#[test]
fn without_a_terminal_a_line_comes_after_10_seconds_and_the_next_after_10_minutes() {
    let sandbox = Sandbox::new();
    let log = sandbox.path("log");
    let mut command = sandbox.wait(["--poll", "off", "main"]);
    let waiter = command.stderr(File::create(&log).unwrap()).start();
    await_sleep(&waiter);
    let expected = "exitdir-wait: still waiting: main:died does not hold (there is no main)\n";
    let read = || std::fs::read_to_string(&log).unwrap();
    wait_until("a line is written", || !read().is_empty());
    let limit = eventually("it sleeps", || sleep_limit(waiter.pid()));
    assert!(limit <= Duration::from_secs(590), "{limit:?}");
    assert!(limit > Duration::from_secs(480), "{limit:?}");
    sandbox.signal(["main"]).finish();
    assert_eq!(waiter.end().status, 0);
    assert_eq!(read(), expected);
}

#[test]
fn a_quiet_wait_never_wakes_up_to_show_something() {
    if !terminals_are_possible() {
        return;
    }
    for is_typed in [true, false] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.wait(["--poll", "off", "main"]);
        match is_typed {
            true => command.arg("-q"),
            false => command.env("EXITDIR_QUIET", "1"),
        };
        let mut terminal = Terminal::of_width(COLUMNS, &mut command);
        wait_until("nothing but an event wakes it", || {
            sleep_limit(terminal.pid()) == Some(Duration::MAX)
        });
        sandbox.signal(["main"]).finish();
        assert_eq!(terminal.ended(), 0);
        assert_eq!(terminal.written(), "");
    }
}
