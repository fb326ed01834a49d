//! A source that is replaced in one step needs no quiet time. No clock proves that, but the order
//! of system calls: whether the supervisor sleeps between the scan that finds a change and the
//! start of the process that reads it.

use crate::support::managed_app::{
    ConfiguredApp, DEBOUNCE, ReloadBy, await_rest_of, replace, write,
};
use crate::support::proc::only_child;
use crate::support::requirements::strace_is_here;
use crate::support::sandbox::{Sandbox, wait_until};
use crate::support::syscalls::{Point, points, points_since, strace_log, traced};
use rustix::fs::{CWD, RenameFlags};
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const TRACE: &str = "trace=ppoll,clone,clone3,fork,vfork,inotify_add_watch";

/// How a source is laid out and changed.
struct Change {
    what: &'static str,
    /// The script that lays it out. Entries of the current directory, such as the log of the
    /// command, are not watched, so the change is the only event.
    lay: &'static str,
    config: &'static str,
    /// What the command reads.
    conf: &'static str,
    change: fn(&Sandbox),
}

const FILE: &str = "mkdir etc; echo 1 >etc/app.conf; echo 2 >new";
const VOLUME: &str = "mkdir -p etc/v/..1 etc/v/..2; echo 1 >etc/v/..1/app.conf; \
                      echo 2 >etc/v/..2/app.conf; ln -s ..1 etc/v/..data; ln -s ..2 new; \
                      ln -s ..data/app.conf etc/v/app.conf";

fn replace_file(sandbox: &Sandbox) {
    fs::rename(sandbox.path("new"), sandbox.path("etc/app.conf")).unwrap();
}

fn replace_data(sandbox: &Sandbox) {
    fs::rename(sandbox.path("new"), sandbox.path("etc/v/..data")).unwrap();
}

const REPLACEMENTS: [Change; 6] = [
    Change {
        what: "a file",
        lay: FILE,
        config: "etc/app.conf",
        conf: "etc/app.conf",
        change: replace_file,
    },
    Change {
        what: "a copied file",
        lay: FILE,
        config: "etc/app.conf=run/app.conf",
        conf: "run/app.conf",
        change: replace_file,
    },
    Change {
        what: "a link",
        lay: "mkdir etc; echo 1 >etc/a; echo 2 >etc/b; ln -s a etc/app.conf; ln -s b new",
        config: "etc/app.conf",
        conf: "etc/app.conf",
        change: replace_file,
    },
    Change {
        what: "a volume",
        lay: VOLUME,
        config: "etc/v",
        conf: "etc/v/app.conf",
        change: replace_data,
    },
    Change {
        what: "a file of a volume",
        lay: VOLUME,
        config: "etc/v/app.conf=run/app.conf",
        conf: "run/app.conf",
        change: replace_data,
    },
    Change {
        what: "a directory",
        lay: "mkdir -p etc/tree new; echo 1 >etc/tree/app.conf; echo 2 >new/app.conf",
        config: "etc/tree",
        conf: "etc/tree/app.conf",
        change: |sandbox| {
            let (new, tree) = (sandbox.path("new"), sandbox.path("etc/tree"));
            rustix::fs::renameat_with(CWD, new, CWD, tree, RenameFlags::EXCHANGE).unwrap();
        },
    },
];

const OTHERS: [Change; 3] = [
    Change {
        what: "a file written in place",
        lay: FILE,
        config: "etc/app.conf",
        conf: "etc/app.conf",
        change: |sandbox| write(sandbox, "etc/app.conf", "2"),
    },
    Change {
        what: "one of several sources",
        lay: "mkdir etc; echo 1 >etc/app.conf; echo 2 >new; echo >etc/other.conf",
        config: "etc/app.conf,etc/other.conf",
        conf: "etc/app.conf",
        change: replace_file,
    },
    Change {
        what: "a file in a directory",
        lay: "mkdir -p etc/tree; echo 1 >etc/tree/app.conf; echo 2 >new",
        config: "etc/tree",
        conf: "etc/tree/app.conf",
        change: |sandbox| {
            fs::rename(sandbox.path("new"), sandbox.path("etc/tree/app.conf")).unwrap();
        },
    },
];

impl Change {
    /// The calls from the scan that finds the change to the start of a process that reads the
    /// source.
    fn calls_before_reading(&self) -> Vec<Point> {
        let sandbox = Sandbox::new();
        let mut shell = Command::new("sh");
        let laid = shell.args(["-ec", self.lay]).current_dir(sandbox.path("."));
        assert!(laid.status().unwrap().success());
        let run = traced(&sandbox, &["-e", TRACE], &["run"]);
        let config = ["--config", self.config];
        let app = ConfiguredApp::of(sandbox, run, ReloadBy::Hup, self.conf, &config);
        let log_has = |count| wait_until(self.what, || app.log().len() == count);
        log_has(1);
        await_rest_of(only_child("the supervisor", app.running.pid()));
        // The pause after the first batch, which has ended before the command was started.
        thread::sleep(Duration::from_millis(20));
        let before = strace_log(&app.sandbox).lines().count();
        (self.change)(&app.sandbox);
        log_has(2);
        assert_eq!(app.log(), ["started 1", "reloaded 2"], "{}", self.what);
        let log = strace_log(&app.sandbox);
        // The last line before the change may have been begun only.
        let since: Vec<&str> = log.lines().skip(before - 1).collect();
        let calls = points_since("inotify_add_watch", points(&since.join("\n")));
        let starts = |call: &str| call.contains("clone") || call.contains("fork");
        let until_start = calls.into_iter().take_while(|point| !starts(&point.call));
        until_start.collect()
    }
}

/// The timeout of a ppoll(2).
fn timeout(point: &Point) -> Option<Duration> {
    let (_, rest) = point.line.split_once("{tv_sec=")?;
    let (seconds, rest) = rest.split_once(", tv_nsec=")?;
    let (nanoseconds, _) = rest.split_once('}')?;
    Some(Duration::new(
        seconds.parse().ok()?,
        nanoseconds.parse().ok()?,
    ))
}

/// Makes each change in a life of its own, and judges the calls before the source is read.
fn assert_calls(changes: &[Change], is_expected: fn(&[Point]) -> bool) {
    if !strace_is_here() {
        return;
    }
    thread::scope(|scope| {
        for change in changes {
            let thread = thread::Builder::new().name(change.what.to_owned());
            let life = move || {
                let calls = change.calls_before_reading();
                assert!(is_expected(&calls), "{}: {calls:#?}", change.what);
            };
            thread.spawn_scoped(scope, life).unwrap();
        }
    });
}

#[test]
fn a_source_that_is_replaced_in_one_step_is_read_without_a_quiet_time() {
    // Usually there is no sleep at all. After a scan that takes much processor time there is a
    // pause, which is longer than the quiet time.
    assert_calls(&REPLACEMENTS, |calls| {
        let limits: Vec<Duration> = calls.iter().filter_map(timeout).collect();
        limits
            .iter()
            .all(|limit| limit.is_zero() || *limit > DEBOUNCE)
    });
}

#[test]
fn what_is_written_in_place_or_in_several_steps_is_read_after_a_sleep() {
    assert_calls(&OTHERS, |calls| {
        calls.iter().any(|point| point.call == "ppoll")
    });
}

#[test]
fn a_burst_of_replacements_causes_few_reloads_and_the_last_one_wins() {
    const COUNT: usize = 100;
    for way in [ReloadBy::Restart, ReloadBy::Hup] {
        let app = ConfiguredApp::copying(way, &[]);
        let began = Instant::now();
        for number in 1..=COUNT {
            replace(&app.sandbox, "app.conf", &format!("x{number}"));
            // Long enough for a reload if nothing else forbids it.
            thread::sleep(Duration::from_millis(4));
        }
        let last = way.line(&format!("x{COUNT}"));
        wait_until(&last, || app.log().last() == Some(&last));
        await_rest_of(app.running.pid());
        let possible = began.elapsed().as_millis() / Duration::from_millis(20).as_millis() + 1;
        let reloads = app.said().matches("a new configuration: ").count();
        assert!(reloads as u128 <= possible, "{reloads} of {possible}");
        assert_eq!(app.log().last(), Some(&last));
        assert_eq!(app.sandbox.read("run/app.conf"), format!("x{COUNT}\n"));
    }
}
