//! `exitdir-signal ... -- PROBE` as a probe of Kubernetes runs it: every few seconds, for months,
//! and ended by its caller when it takes too long.

use crate::support::inspect::assert_sentence;
use crate::support::proc::await_gone;
use crate::support::sandbox::{CONDITION_TIMEOUT, Running, Sandbox, Start, eventually, wait_until};
use crate::support::signals::{KILL, TERM, send};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::Duration;

const SERVE: [&str; 7] = ["-n", "db", "--ready-on", "signal", "--", "sleep", "60"];

fn served(sandbox: &Sandbox) -> Running {
    let db = sandbox.run(SERVE).start();
    sandbox.await_key("db", "Born");
    db
}

#[test]
fn two_hundred_more_probes_do_not_change_the_tombstone() {
    let sandbox = Sandbox::new();
    let _db = served(&sandbox);
    let born = sandbox.tombstone("db");
    let probe = || {
        let ended = sandbox
            .signal(["-r", "db", "-m", "warm", "--", "echo", "fine"])
            .finish();
        let all = (ended.status, ended.stdout.as_str(), ended.stderr.as_str());
        assert_eq!(all, (0, "fine\n", ""));
    };
    let seen = || {
        (
            sandbox.tombstone("db"),
            std::fs::metadata(sandbox.dir().join("db")).unwrap().ino(),
        )
    };
    probe();
    let first = seen();
    assert!(first.0.starts_with(&born) && first.0.len() > born.len());
    for _ in 0..200 {
        probe();
    }
    assert_eq!(seen(), first);
    assert_eq!(sandbox.entries(), ["db"]);
}

#[test]
fn a_later_probe_that_fails_does_not_take_readiness_back_and_its_status_is_passed_on() {
    let sandbox = Sandbox::new();
    let _db = served(&sandbox);
    assert_eq!(
        sandbox.signal(["-r", "db", "--", "true"]).finish().status,
        0
    );
    let ready = sandbox.tombstone("db");
    for status in [1, 2, 100, 255] {
        let script = format!("exit {status}");
        let ended = sandbox
            .signal(["-r", "db", "--", "sh", "-c", &script])
            .finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (status, ""));
    }
    assert_eq!(sandbox.tombstone("db"), ready);
}

#[test]
fn a_probe_has_the_input_output_and_words_of_its_caller() {
    let sandbox = Sandbox::new();
    let _db = served(&sandbox);
    let (reader, writer) = std::io::pipe().unwrap();
    let script = "cat; printf '%s|' \"$#\" \"$@\" \"$word\"; head -c 300000 /dev/zero | tr '\\0' e >&2; exit 4";
    let probe = sandbox
        .signal([
            "-r", "db", "--", "sh", "-c", script, "sh", "--ready", "a b", "",
        ])
        .env("word", "w")
        .stdin(reader)
        .start();
    std::io::Write::write_all(&mut &writer, b"in;").unwrap();
    drop(writer);
    let ended = probe.end();
    ended.assert_output(4, "in;3|--ready|a b||w|");
    assert_eq!(ended.stderr, "e".repeat(300_000));
}

#[test]
fn after_a_restart_in_place_the_next_probe_records_readiness_again() {
    let sandbox = Sandbox::new();
    let script = "echo $$ >>\"$mark\"; exec sleep 60";
    let mark = sandbox.path("mark");
    let _db = sandbox
        .run(["-n", "db", "--ready-on", "signal", "--restart", "always"])
        .args(["--", "sh", "-c", script])
        .env("mark", &mark)
        .start();
    let starts = || std::fs::read_to_string(&mark).unwrap_or_default();
    wait_until("the first start", || starts().ends_with('\n'));
    sandbox.await_key("db", "Born");
    let probe = || sandbox.signal(["-r", "db", "--", "true"]).finish().status;
    assert_eq!(probe(), 0);
    assert!(sandbox.key("db", "Ready").is_some());
    let pid = starts().trim().parse().unwrap();
    send(pid, KILL);
    wait_until("the second start", || starts().lines().count() == 2);
    assert_eq!(sandbox.key("db", "Ready"), None);
    assert_eq!(probe(), 0);
    assert!(sandbox.key("db", "Ready").is_some());
}

#[test]
fn a_life_whose_death_is_recorded_while_a_probe_runs_stays_dead() {
    let sandbox = Sandbox::new();
    let mut db = served(&sandbox);
    let (reader, writer) = std::io::pipe().unwrap();
    let marker = sandbox.path("marker");
    let probe = sandbox
        .signal(["-r", "db", "--", "sh", "-c", ": >\"$0\"; read x; true"])
        .arg(&marker)
        .stdin(reader)
        .start();
    wait_until("the probe runs", || marker.exists());
    sandbox.record_death("db", "3");
    let said = sandbox.tombstone("db");
    drop(writer);
    // The status of the probe, and a sentence about the readiness that came too late.
    assert_sentence(&probe.end(), "exitdir-signal", 0);
    assert!(db.is_running());
    let late = sandbox.signal(["-r", "db", "--", "echo", "ran"]).finish();
    late.assert_output(125, "");
    assert_eq!(sandbox.tombstone("db"), said);
    assert_eq!(sandbox.wait(["-x", "db", "-t", "0"]).finish().status, 3);
}

#[test]
fn a_probe_that_ignores_signals_dies_with_its_caller() {
    let sandbox = Sandbox::new();
    let _db = served(&sandbox);
    for signal in [1, 2, 3, 9, 15] {
        let marker = sandbox.path(&format!("pid-{signal}"));
        let script =
            "trap '' HUP INT QUIT TERM; echo $$ >\"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 60";
        let caller = sandbox
            .signal(["-r", "db", "--", "sh", "-c", script])
            .arg(&marker)
            // Not pipes: one that outlives its caller would hold them open.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .start();
        let pid = eventually("the probe runs", || std::fs::read_to_string(&marker).ok());
        caller.send(signal);
        assert_eq!(caller.end().status, 128 + signal);
        await_gone(&pid);
    }
    assert_eq!(sandbox.key("db", "Ready"), None);
}

#[test]
fn a_caller_that_is_killed_at_any_moment_leaves_no_probe_behind() {
    let sandbox = Sandbox::new();
    let _db = served(&sandbox);
    let (reader, writer) = std::io::pipe().unwrap();
    for moment in 0..40 {
        let caller = sandbox
            .signal(["-r", "db", "--", "sleep", "60"])
            .stdout(writer.try_clone().unwrap())
            .stderr(Stdio::null())
            .start();
        std::thread::sleep(Duration::from_micros(moment * 75));
        caller.send(KILL);
        assert_eq!(caller.end().status, 137);
    }
    drop(writer);
    // The pipe hangs up when no process holds its other end any more.
    let mut closed = [PollFd::new(&reader, PollFlags::empty())];
    let patience = Timespec::try_from(CONDITION_TIMEOUT).unwrap();
    let heard = rustix::event::poll(&mut closed, Some(&patience)).unwrap();
    assert_eq!(heard, 1, "a probe outlived its caller");
}

#[test]
fn a_probe_that_began_before_a_restart_does_not_make_the_next_command_ready() {
    let sandbox = Sandbox::new();
    let script = "echo $$ >>starts; exec sleep 60";
    let options = [
        "-q",
        "-n",
        "db",
        "--ready-on",
        "signal",
        "--restart",
        "always",
    ];
    let mut run = sandbox.run(options);
    let run = run
        .args(["--", "sh", "-c", script])
        .current_dir(sandbox.path("."));
    let run = run.start();
    let starts = || sandbox.lines("starts");
    wait_until("it runs", || starts().len() == 1);
    let mut probe = sandbox.signal(["--ready", "db", "--", "sh", "-c"]);
    let probe = probe
        .arg(": >probing; until test -e go; do sleep 0.01; done")
        .current_dir(sandbox.path("."))
        .start();
    sandbox.await_file("probing");
    send(starts()[0].parse().unwrap(), KILL);
    wait_until("it runs again", || starts().len() == 2);
    sandbox.touch("go");
    let ended = probe.end();
    let sentence =
        "exitdir-signal: the command of db has ended meanwhile: readiness not recorded\n";
    assert_eq!((ended.status, ended.stderr.as_str()), (0, sentence));
    assert_eq!(sandbox.key("db", "Ready"), None);
    // The next probe is about the next command.
    assert_eq!(
        sandbox.signal(["-r", "db", "--", "true"]).finish().status,
        0
    );
    assert!(sandbox.key("db", "Ready").is_some());
    run.send(TERM);
    assert_eq!(run.end().status, 143);
}
