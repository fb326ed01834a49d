//! `exitdir-status --watch` as its users see it.

use crate::support::inspect::{assert_sentence, await_any_sleep, await_sleep, while_stopped};
use crate::support::namespaces::{
    NO_INSTANCES, in_pid_namespace, pid_namespace_is_permitted, with_less_inotify,
};
use crate::support::sandbox::{Running, Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{KILL, TERM};
use crate::support::tombstones::write_tombstone;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

/// A watch, with a file that its lines go to.
struct Watched<'s> {
    sandbox: &'s Sandbox,
    process: Running,
}

impl Watched<'_> {
    fn start<'s>(sandbox: &'s Sandbox, command: &mut Command, arguments: &[&str]) -> Watched<'s> {
        let file = std::fs::File::create(sandbox.path("lines")).unwrap();
        let process = command.args(arguments).stdout(file).start();
        await_sleep(&process);
        Watched { sandbox, process }
    }

    fn of<'s>(sandbox: &'s Sandbox, arguments: &[&str]) -> Watched<'s> {
        let mut command = sandbox.applet("status");
        Watched::start(sandbox, command.arg("--watch"), arguments)
    }

    /// The lines without their times.
    fn lines(&self) -> Vec<String> {
        let lines = self.sandbox.lines("lines");
        let rest = |line: String| line.split_once(' ').unwrap().1.to_owned();
        lines.into_iter().map(rest).collect()
    }

    fn await_line(&self, line: &str) {
        wait_until(format!("{line:?} is printed"), || {
            self.lines().iter().any(|printed| printed == line)
        });
    }
}

fn create_dir(sandbox: &Sandbox) {
    std::fs::create_dir(sandbox.dir()).unwrap();
}

/// The kernel is asked for removals; a rescan would see them up to 10 s later.
#[test]
fn a_tombstone_that_is_removed_or_renamed_is_a_line() {
    let sandbox = Sandbox::new();
    for name in ["a", "b", "stays"] {
        sandbox.record_death(name, "0");
    }
    let watched = Watched::of(&sandbox, &[]);
    let (deleted, moved) = (0x200, 0x40);
    assert_eq!(
        watch_mask(watched.process.pid()) & (deleted | moved),
        deleted | moved
    );
    std::fs::remove_file(sandbox.dir().join("a")).unwrap();
    std::fs::rename(sandbox.dir().join("b"), sandbox.path("elsewhere")).unwrap();
    watched.await_line("a ok - - removed");
    watched.await_line("b ok - - removed");
}

/// What the only inotify watch of a process asks for (proc_pid_fdinfo(5)).
fn watch_mask(pid: i32) -> u32 {
    let files = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
    let masks = texts.filter_map(|text| {
        let line = text.lines().find(|line| line.starts_with("inotify "))?;
        let (_, rest) = line.split_once(" mask:")?;
        u32::from_str_radix(rest.split(' ').next()?, 16).ok()
    });
    masks.last().expect("a watch")
}

#[test]
fn each_transition_is_one_line_with_its_time_name_states_code_and_cause() {
    let sandbox = Sandbox::new();
    sandbox.record_ready("db");
    let watched = Watched::of(&sandbox, &["--until", "proxy,main:exit=3"]);
    let main = "until test -e go; do sleep 0.01; done; exit 3";
    let main = sandbox
        .run(["-n", "main", "--birth-deps", "db", "--", "sh", "-c", main])
        .current_dir(sandbox.path("."))
        .start();
    watched.await_line("main waiting ready - -");
    let proxy = ["-n", "proxy", "--death-deps", "main", "--", "sleep", "60"];
    let proxy = sandbox.run(proxy).start();
    watched.await_line("proxy waiting ready - -");
    sandbox.touch("go");
    drop((main.end(), proxy.end()));
    let lines = watched.lines();
    let of = |name: &str| -> Vec<String> {
        let is_about = |line: &&String| line.split(' ').next() == Some(name);
        lines.iter().filter(is_about).cloned().collect()
    };
    assert_eq!(of("db"), ["db - ready - -"]);
    assert_eq!(
        of("main"),
        [
            "main - waiting - for db:ready",
            "main waiting ready - -",
            "main ready failed 3 exited"
        ]
    );
    assert_eq!(
        of("proxy"),
        [
            "proxy - waiting - -",
            "proxy waiting ready - -",
            "proxy ready born - cause main",
            "proxy born failed 143 stopped, cause main"
        ]
    );
    let died = sandbox.key("main", "Died").unwrap();
    let milliseconds = &died[1..24];
    let text = sandbox.read("lines");
    let line = format!("{milliseconds}Z main ready failed");
    assert!(text.contains(&line), "no {line:?}:\n{text}");
    assert_eq!(watched.process.end().status, 0);
}

#[test]
fn a_killed_supervisor_is_shown_as_lost_without_a_rescan() {
    let sandbox = Sandbox::new();
    let main = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
    sandbox.await_key("main", "Ready");
    let watched = Watched::of(&sandbox, &["--until", "main:lost"]);
    main.send(KILL);
    main.end();
    watched.await_line("main ready lost 137 -");
    assert_eq!(watched.process.end().status, 0);
}

#[test]
fn a_watch_ends_with_1_when_its_conditions_can_no_longer_hold() {
    let sandbox = Sandbox::new();
    create_dir(&sandbox);
    let watched = Watched::of(&sandbox, &["--until", "job:ok", "--until", "x"]);
    sandbox.record_death("job", "3");
    watched.await_line("job - failed 3 said");
    let ended = watched.process.end();
    assert_sentence(&ended, "exitdir-status", 1);
    assert!(
        ended.stderr.contains("can no longer hold: job"),
        "{ended:?}"
    );
}

#[test]
fn a_watch_of_names_shows_no_others_but_its_conditions_may_be_about_them() {
    let sandbox = Sandbox::new();
    create_dir(&sandbox);
    let watched = Watched::of(&sandbox, &["b", "--until", "c"]);
    for name in ["a", "b", "c"] {
        sandbox.record_death(name, "0");
    }
    let lines = eventually("it has ended", || {
        let lines = watched.lines();
        (lines.len() == 1).then_some(lines)
    });
    assert_eq!(lines, ["b - ok 0 said"]);
    let ended = watched.process.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert_eq!(sandbox.lines("lines").len(), 1);
}

#[test]
fn a_signal_ends_a_watch_with_128_and_its_number_also_as_pid_1_with_a_full_pipe() {
    let sandbox = Sandbox::new();
    create_dir(&sandbox);
    let watched = Watched::of(&sandbox, &[]);
    watched.process.send(TERM);
    assert_eq!(watched.process.end().status, 143);
    if !pid_namespace_is_permitted() {
        return;
    }
    // More than a pipe holds, and nothing reads it.
    let message = "x".repeat(1000);
    for name in 0..200 {
        let text = format!("ExitCode: 0\nMessage: {message}\nDied: \"T\"\n");
        write_tombstone(&sandbox, &name.to_string(), &text);
    }
    let (reader, writer) = std::io::pipe().unwrap();
    let watched = in_pid_namespace(&sandbox, binary())
        .args(["status", "--watch"])
        .stdout(writer)
        .start();
    let mut lines = BufReader::new(reader);
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let inner = eventually("PID 1 runs", || {
        crate::support::proc::children(watched.pid())
            .first()
            .copied()
    });
    wait_until("it waits for its reader", || {
        crate::support::inspect::sleeps(inner)
    });
    let kill = sandbox.command("kill").arg(inner.to_string()).finish();
    assert_eq!(kill.status, 0);
    assert_eq!(watched.end().status, 143);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.lines().count() < 199, "all was written");
}

#[test]
fn a_watch_whose_reader_is_gone_ends_quietly_although_nothing_happens() {
    let sandbox = Sandbox::new();
    sandbox.record_death("a", "0");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut watched = sandbox.applet("status");
    let watched = watched.arg("--watch").stdout(writer).start();
    let mut line = String::new();
    let mut reader = BufReader::new(reader);
    // The line comes at once, although nothing fills a buffer.
    reader.read_line(&mut line).unwrap();
    assert!(line.ends_with(" a - ok 0 said\n"), "{line:?}");
    await_sleep(&watched);
    drop(reader);
    let ended = watched.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (141, ""));
}

#[test]
fn a_name_and_a_message_cannot_change_the_terminal_or_add_a_line() {
    let sandbox = Sandbox::new();
    create_dir(&sandbox);
    let watched = Watched::of(&sandbox, &["--until", "end"]);
    let text = "ExitCode: 0\nMessage: \"x\\u001b[2J\\ny ok\"\nDied: \"T\"\n";
    write_tombstone(&sandbox, "a\u{1b}[2J\nb", text);
    watched.await_line("a\\u{1b}[2J\\nb - ok 0 x\\u{1b}[2J\\ny ok");
    sandbox.record_death("end", "0");
    assert_eq!(watched.process.end().status, 0);
}

#[test]
fn thousands_of_lives_and_a_burst_of_changes_are_shown_each() {
    let sandbox = Sandbox::new();
    create_dir(&sandbox);
    let count = 4_096;
    let names = || (0..count).map(|at| format!("n{at}"));
    for name in names() {
        write_tombstone(&sandbox, &name, "Born: \"T\"\n");
    }
    let watched = Watched::of(&sandbox, &["--until", "n0,n4095"]);
    assert_eq!(watched.lines().len(), count);
    // All of it, and more than a queue of events holds, comes in one turn.
    while_stopped(&watched.process, || {
        for round in 0..2 {
            for name in names().skip(1).take(count - 2) {
                let died = if round == 1 {
                    "Died: \"T\"\nExitCode: 3\n"
                } else {
                    ""
                };
                write_tombstone(&sandbox, &name, &format!("Born: \"T\"\n{died}"));
            }
        }
        for name in ["n0", "n4095"] {
            write_tombstone(&sandbox, name, "Born: \"T\"\nDied: \"T\"\nExitCode: 3\n");
        }
    });
    assert_eq!(watched.process.end().status, 0);
    let text = sandbox.read("lines");
    let ends = text.matches(" ready failed 3 -\n").count();
    assert_eq!(ends, count);
}

#[test]
fn a_watch_without_inotify_polls_after_one_warning() {
    let sandbox = Sandbox::new();
    create_dir(&sandbox);
    let Some(mut command) = with_less_inotify(&sandbox, NO_INSTANCES, &binary()) else {
        return;
    };
    let file = std::fs::File::create(sandbox.path("lines")).unwrap();
    let watched = command
        .args(["status", "--watch", "--until", "job"])
        .stdout(file)
        .start();
    await_any_sleep(&watched);
    sandbox.record_death("job", "0");
    let ended = watched.end();
    assert_eq!(ended.status, 0);
    assert_sentence(&ended, "exitdir-status", 0);
    assert!(ended.stderr.contains("inotify is unavailable"), "{ended:?}");
    assert_eq!(sandbox.lines("lines").len(), 1);
}

#[test]
fn a_watch_creates_nothing_and_what_does_not_go_together_is_refused() {
    let sandbox = Sandbox::new();
    for words in [
        &["--watch"][..],
        &["--watch", "a"],
        &["--watch", "--json"],
        &["--until", "a"],
        &["--watch", "--until", "a:rady"],
        &["--watch", "--until", ""],
    ] {
        let mut command = sandbox.applet("status");
        let ended = command.args(words).stdin(Stdio::null()).finish();
        assert_sentence(&ended, "exitdir-status", 125);
        assert!(!sandbox.dir().exists(), "{words:?}");
    }
}
