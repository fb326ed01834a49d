//! `exitdir-status --timeline` as its users see it, on a terminal and elsewhere.

use crate::support::inspect::{assert_sentence, await_sleep, sleeps, sleeps_in_its_watch};
use crate::support::namespaces::{in_pid_namespace, pid_namespace_is_permitted};
use crate::support::proc::only_child;
use crate::support::pty::Terminal;
use crate::support::sandbox::{Sandbox, Start, binary, wait_until};
use std::io::Read;
use std::process::Command;

/// A terminal that is so wide, with the applet on it.
fn on_terminal(sandbox: &Sandbox, setup: &str) -> Terminal {
    let mut command = sandbox.command("setsid");
    let script = format!("stty cols 50 rows 8; {setup}");
    command
        .args(["--ctty", "sh", "-c", &script, "sh"])
        .arg(binary())
        .env("TERM", "xterm");
    Terminal::start(&mut command)
}

fn timeline(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.applet("status");
    command.arg("--timeline").env_remove("COLUMNS");
    command
}

/// Two lives that are over: main has failed, and proxy was stopped for that.
fn two_lives() -> Sandbox {
    let sandbox = Sandbox::new();
    let proxy = ["-n", "proxy", "--death-deps", "main", "--", "sleep", "60"];
    let proxy = sandbox.run(proxy).start();
    sandbox.await_key("proxy", "Ready");
    let main = ["-n", "main", "--", "sh", "-c", "exit 3"];
    assert_eq!(sandbox.run(main).finish().status, 3);
    assert_eq!(proxy.end().status, 143);
    sandbox
}

#[test]
fn each_life_has_a_row_over_one_axis_that_is_80_columns_wide_or_as_columns_says() {
    let sandbox = two_lives();
    for (columns, width) in [
        (None, 80),
        (Some("60"), 60),
        (Some("wide"), 80),
        (Some("0"), 80),
        (Some("60000"), 1000),
        (Some("99999"), 1000),
    ] {
        let mut command = timeline(&sandbox);
        command.envs(columns.map(|columns| ("COLUMNS", columns)));
        let ended = command.finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines.len(), 4, "{ended:?}");
        assert!(lines[1].starts_with("main "), "{ended:?}");
        assert!(lines[1].contains('|'), "{ended:?}");
        assert!(lines[1].ends_with("  failed 3"), "{ended:?}");
        assert!(lines[2].starts_with("proxy "), "{ended:?}");
        assert!(lines[2].ends_with("|  failed 143"), "{ended:?}");
        // The longest label fills its room.
        assert_eq!(lines[2].chars().count(), width, "{ended:?}");
        assert!(lines[2].contains('='), "{ended:?}");
        assert!(!ended.stdout.contains('\u{1b}'), "{ended:?}");
    }
    let one = timeline(&sandbox).arg("main").finish().stdout;
    assert_eq!(one.lines().count(), 3, "{one}");
    let both = timeline(&sandbox).args(["main", "--json"]).finish();
    assert_sentence(&both, "exitdir-status", 125);
}

#[test]
fn a_terminal_gives_its_width_and_colours_unless_no_color_or_term_forbid_them() {
    let sandbox = two_lives();
    for (setup, width, has_colour) in [
        ("", 50, true),
        ("NO_COLOR=1 ", 50, false),
        ("NO_COLOR= ", 50, true),
        ("TERM=dumb ", 50, false),
        ("COLUMNS=70 ", 70, true),
    ] {
        let command = format!("{setup}\"$@\" status --timeline; echo the end");
        let mut terminal = on_terminal(&sandbox, &command);
        let shown = terminal.shown_until("the end");
        assert_eq!(terminal.end(), 0);
        assert_eq!(shown.contains('\u{1b}'), has_colour, "{setup}: {shown:?}");
        let plain = without_escapes(&shown);
        let row = plain.lines().find(|line| line.starts_with("proxy"));
        assert_eq!(row.map(|row| row.chars().count()), Some(width), "{plain}");
    }
}

/// The text without `ESC [ ... letter`.
fn without_escapes(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).unwrap();
        plain.push_str(&part[end + 1..]);
    }
    plain
}

#[test]
fn a_watched_timeline_is_redrawn_in_place_and_its_last_state_stays() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("db");
    let command = "\"$@\" status --timeline --watch --until job,n9; echo \"status $?\"";
    let mut terminal = on_terminal(&sandbox, command);
    // The legend is cut.
    let first = terminal.shown_until("~ stop\n");
    assert!(first.contains("db "), "{first:?}");
    // Nothing happens, and the time goes on: back to the first line.
    terminal.shown_until("\u{1b}[3F\u{1b}[J");
    sandbox.record_death("job", "3");
    let shown = terminal.shown_until("failed 3\n");
    assert!(shown.contains("job "), "{shown:?}");
    // There is room for five rows of eleven.
    for at in 1..10 {
        sandbox.record_death(&format!("n{at}"), "0");
    }
    let shown = terminal.shown_until("status 0");
    let end = "and 6 more lives, for which there is no room\n";
    assert!(shown.ends_with(end), "{shown:?}");
    assert!(shown.contains("\u{1b}[4F\u{1b}[J"), "{shown:?}");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn elsewhere_a_watched_timeline_is_drawn_once_for_each_change() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("db");
    let file = std::fs::File::create(sandbox.path("charts")).unwrap();
    let mut command = timeline(&sandbox);
    command.args(["--watch", "--until", "job"]).stdout(file);
    let watched = command.start();
    await_sleep(&watched);
    let charts = || sandbox.read("charts").matches("unknown\n").count();
    assert_eq!(charts(), 1);
    sandbox.record_death("other", "0");
    wait_until("it is drawn again", || charts() == 2);
    sandbox.record_death("job", "3");
    assert_eq!(watched.end().status, 0);
    assert!(charts() >= 3, "the last change was not drawn");
    let text = sandbox.read("charts");
    let last = text.rsplit("\n\n").next().unwrap();
    // Where the bar stands depends on how much time has passed.
    let is_job = |line: &str| line.starts_with("job ") && line.ends_with("  failed 3");
    assert!(last.lines().any(is_job), "{text}");
}

#[test]
fn a_name_without_a_tombstone_is_reported_as_the_table_reports_it() {
    let sandbox = two_lives();
    for names in [&["nobody"][..], &["main", "nobody"]] {
        let drawn = timeline(&sandbox).args(names).finish();
        assert_sentence(&drawn, "exitdir-status", 1);
        let table = sandbox.applet("status").args(names).finish();
        assert_eq!(drawn.stderr, table.stderr);
        assert_eq!(drawn.stdout.contains("failed 3"), names.len() == 2);
    }
}

#[test]
fn the_first_signal_ends_a_watched_timeline_as_pid_1_with_a_full_pipe() {
    if !pid_namespace_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    // More than a pipe holds, and only the first byte is read.
    std::fs::create_dir_all(sandbox.dir()).unwrap();
    for name in 0..200 {
        let text = "Waiting: \"2026-01-01T00:00:00Z\"\nLock: none\n";
        std::fs::write(sandbox.dir().join(name.to_string()), text).unwrap();
    }
    let (mut reader, writer) = std::io::pipe().unwrap();
    let watched = in_pid_namespace(&sandbox, binary())
        .args(["status", "--watch", "--timeline"])
        .env("COLUMNS", "1000")
        .stdout(writer)
        .start();
    reader.read_exact(&mut [0]).unwrap();
    let inner = only_child("PID 1", watched.pid());
    wait_until("it waits for its reader", || sleeps(inner));
    let kill = sandbox.command("kill").arg(inner.to_string()).finish();
    assert_eq!(kill.status, 0);
    assert_eq!(watched.end().status, 143);
}

#[test]
fn no_line_is_longer_than_the_terminal_on_which_it_is_redrawn() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("db");
    let command = "stty cols 20; COLUMNS=70 \"$@\" status --timeline --watch --until job";
    let mut terminal = on_terminal(&sandbox, command);
    let shown = without_escapes(&terminal.shown_until("\u{1b}[3F\u{1b}[J"));
    let widths: Vec<usize> = shown.lines().map(|line| line.chars().count()).collect();
    assert_eq!(widths, [20, 20, 20], "{shown}");
    sandbox.record_death("job", "3");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_terminal_without_room_or_cursor_gets_a_new_chart_for_each_change() {
    for setup in ["TERM=dumb", "TERM=", "stty rows 2;", "stty rows 1;"] {
        let sandbox = Sandbox::new();
        sandbox.record_ready("db");
        let command = format!(
            "{setup} NO_COLOR=1 \"$@\" status --timeline --watch --until job; echo \"status $?\""
        );
        let mut terminal = on_terminal(&sandbox, &command);
        terminal.shown_until("unknown\n");
        sandbox.record_death("job", "3");
        let shown = terminal.shown_until("status 0");
        assert!(shown.starts_with('\n'), "{setup}: {shown:?}");
        assert!(shown.contains("failed 3\n"), "{setup}: {shown:?}");
        assert!(!terminal.written().contains('\u{1b}'), "{setup}");
        assert_eq!(terminal.end(), 0);
    }
}

#[test]
fn nothing_is_drawn_while_another_group_has_the_foreground_of_the_terminal() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("db");
    let command = "set -m; \"$@\" status --timeline --watch --until job & \
                   read line; fg; echo \"status $?\"";
    let mut terminal = on_terminal(&sandbox, command);
    wait_until("it watches", || {
        let process = terminal.process("exitdir");
        process.is_some_and(|process| sleeps_in_its_watch(process.pid))
    });
    assert_eq!(terminal.written(), "");
    terminal.enter("");
    terminal.shown_until("~ stop\n");
    sandbox.record_death("job", "3");
    let shown = terminal.shown_until("status 0");
    assert!(shown.contains("failed 3\n"), "{shown:?}");
    assert_eq!(terminal.end(), 0);
}
