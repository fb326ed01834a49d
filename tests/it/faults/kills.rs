//! A kill at every system call: a process that is killed anywhere has either published its state,
//! and then every follower sees it, or it has not, and then none does.
//!
//! strace kills the process (`inject=CALL:signal=SIGKILL:when=N`), once for each call of a life,
//! just before the kernel would have executed it. Its log decides: followers must have seen what
//! was done before the kill according to the log.

use crate::support::inspect::await_sleep;
use crate::support::parallel::{SetOnDrop, WORKERS, for_each};
use crate::support::requirements::strace_can_inject;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use crate::support::syscalls::{NONE, Point, points, points_since, strace_log, traced};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// strace's option that kills a process at a point.
fn kill_option(point: &Point) -> [String; 2] {
    let Point { call, when, .. } = point;
    let injection = format!("inject={call}:signal=SIGKILL:when={when}");
    ["-e".to_owned(), injection]
}

/// A life that is killed at each of its calls.
struct KillCase {
    what: &'static str,
    /// What was there before: a dead tombstone, or a life that goes on until the result is judged.
    before: fn(&Sandbox) -> Option<Running>,
    words: &'static [&'static str],
    /// Text of the first call at which it is killed.
    since: &'static str,
    /// What happens while the process lives.
    meanwhile: fn(&Sandbox, &mut Running),
    /// The conditions of the followers. They keep waiting, since the next life may fulfil them.
    conditions: &'static [&'static str],
    /// What followers must see, by the log: the code and the line of `--print`; `None` is nothing.
    observed: fn(&str) -> Option<(i32, &'static str)>,
    /// What is in the directory when the next life is over.
    leaves: &'static [&'static str],
}

const RUN: KillCase = KillCase {
    what: "exitdir-run",
    before: nothing_before,
    words: &["run", "-n", "x", "--", "true"],
    since: "",
    meanwhile: no_events,
    conditions: &["x:died"],
    observed: of_a_run,
    leaves: &["x"],
};

const SIGNAL: KillCase = KillCase {
    what: "exitdir-signal",
    words: &["signal", "-c", "3", "x"],
    conditions: &["x:exit=3"],
    observed: |log| (wrote(log, "Died") && renamed(log)).then_some((3, "x failed 3\n")),
    ..RUN
};

pub fn nothing_before(_: &Sandbox) -> Option<Running> {
    None
}

pub fn no_events(_: &Sandbox, _: &mut Running) {}

pub fn already_dead(sandbox: &Sandbox) -> Option<Running> {
    sandbox.record_death("x", "7");
    None
}

/// Alive and not ready.
pub fn already_alive(sandbox: &Sandbox) -> Option<Running> {
    let life = sandbox
        .run(["-n", "x", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    sandbox.await_key("x", "Born");
    Some(life)
}

/// Records the death of `y` as soon as `x` is alive, or has died.
fn y_dies(sandbox: &Sandbox, run: &mut Running) {
    wait_until("x is ready or gone", || {
        sandbox.key("x", "Ready").is_some() || !run.is_running()
    });
    sandbox.record_death("y", "0");
}

fn of_a_run(log: &str) -> Option<(i32, &'static str)> {
    match (renamed(log), wrote(log, "Died")) {
        (true, true) => Some((0, "x ok 0\n")),
        (true, false) => Some((137, "x lost 137\n")),
        (false, _) => None,
    }
}

/// Whether a tombstone was published.
fn renamed(log: &str) -> bool {
    log.lines()
        .any(|line| line.starts_with("rename") && line.ends_with(" = 0"))
}

/// Whether a record with this key was written. The call at which the process was killed has no
/// result.
fn wrote(log: &str, key: &str) -> bool {
    log.lines().any(|line| {
        line.starts_with("write(") && line.contains(&format!("{key}: ")) && !line.ends_with("= ?")
    })
}

impl KillCase {
    /// Lists the calls of a life that is not killed.
    fn points(&self) -> Vec<Point> {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        let _before = (self.before)(&sandbox);
        let mut process = traced(&sandbox, NONE, self.words).start();
        (self.meanwhile)(&sandbox, &mut process);
        let ended = process.end();
        assert_eq!(ended.status, 0, "{}: {}", self.what, ended.stderr);
        let log = strace_log(&sandbox);
        assert!((self.observed)(&log).is_some(), "{}: {log}", self.what);
        points_since(self.since, points(&log))
    }

    /// Kills at one point, and compares what followers see with the log. True if the point was
    /// reached.
    fn kill_at(&self, point: &Point) -> bool {
        let sandbox = Sandbox::new();
        let before = (self.before)(&sandbox);
        let follow = ["--any", "--keep-waiting", "-x", "--print", "--poll", "off"];
        let mut waiting = sandbox.wait(follow).args(self.conditions).start();
        await_sleep(&waiting);

        let injection = kill_option(point);
        let ended = while_read(&sandbox, || {
            let mut process = traced(&sandbox, &injection, self.words).start();
            (self.meanwhile)(&sandbox, &mut process);
            process.end()
        });
        let log = strace_log(&sandbox);
        let hit = log.contains("+++ killed by SIGKILL +++");
        let trace = format!("{}, killed by {injection:?}:\n{log}", self.what);
        assert_eq!(ended.status, if hit { 137 } else { 0 }, "{trace}");

        let late = sandbox
            .wait(follow)
            .args(["-t", "0"])
            .args(self.conditions)
            .finish();
        let observed = (self.observed)(&log);
        let expected = observed.unwrap_or((124, ""));
        assert_eq!((late.status, late.stdout.as_str()), expected, "{trace}");
        if observed.is_none() {
            assert!(hit && waiting.is_running(), "{trace}");
            self.next_life(&sandbox, before, &trace);
            if self.words[0] == "run" {
                assert_eq!(waiting.end().stdout, "x ok 0\n", "it was still waiting");
            }
        } else {
            let ended = waiting.end();
            assert_eq!((ended.status, ended.stdout.as_str()), expected, "{trace}");
            self.next_life(&sandbox, before, &trace);
        }
        hit
    }

    fn next_life(&self, sandbox: &Sandbox, before: Option<Running>, trace: &str) {
        if let Some(mut living) = before {
            assert!(living.is_running(), "{trace}");
            living.send(TERM);
            living.end();
        }
        let next = sandbox.run(["-n", "x", "--", "true"]).finish();
        assert_eq!((next.status, next.stderr.as_str()), (0, ""), "{trace}");
        assert_eq!(sandbox.entries(), self.leaves, "{trace}");
    }
}

/// Reads the tombstone over and over while something happens, and checks that it is always
/// complete.
fn while_read<T>(sandbox: &Sandbox, happen: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if let Ok(text) = std::fs::read_to_string(sandbox.dir().join("x")) {
                    assert!(is_whole(&text), "half a tombstone: {text:?}");
                }
                // strace stops the process for longer than this at each of its calls.
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        // Even if `happen` panics, or the watcher would never end.
        let _stop = SetOnDrop(&over);
        let result = happen();
        over.store(true, Ordering::Relaxed);
        watcher.join().expect("no reader saw half a tombstone");
        result
    })
}

/// A supervisor's tombstone has its first two lines from the first moment; an announcement has its
/// last line.
fn is_whole(text: &str) -> bool {
    let second = text.lines().nth(1).unwrap_or_default();
    let is_locked = second.starts_with("Lock: fcntl ") && second.split(' ').count() == 5;
    let is_announcement = text.contains("\nDied: \"") || text.contains("\nReady: \"");
    let begun = text.starts_with("Waiting: \"") && (is_locked || is_announcement);
    begun && text.ends_with('\n') && text.contains("ExitCode: ") == text.contains("Died: \"")
}

fn kill_everywhere(lives: &[KillCase]) {
    kill_everywhere_by(WORKERS, lives);
}

fn kill_everywhere_by(workers: usize, lives: &[KillCase]) {
    if !strace_can_inject() {
        return;
    }
    let kills: Vec<(&KillCase, Point)> = lives
        .iter()
        .flat_map(|life| life.points().into_iter().map(move |point| (life, point)))
        .collect();
    let hits = AtomicUsize::new(0);
    for_each(workers, &kills, |(life, point)| {
        hits.fetch_add(usize::from(life.kill_at(point)), Ordering::Relaxed);
    });
    let hits = hits.into_inner();
    // A call that comes twice in one life may come once in another: when SIGCHLD arrives is chance.
    println!("killed at {hits} of {} system calls", kills.len());
    assert!(
        hits * 10 >= kills.len() * 8,
        "too few points were hit: {hits} of {}",
        kills.len()
    );
}

#[test]
fn a_run_killed_at_any_system_call_is_seen_if_and_only_if_it_was_published() {
    kill_everywhere(&[
        RUN,
        KillCase {
            what: "exitdir-run over a dead life",
            before: already_dead,
            conditions: &["x:ok", "x:lost"],
            ..RUN
        },
        KillCase {
            what: "exitdir-run that is stopped for a dependency",
            words: &[
                "run",
                "-q",
                "-n",
                "x",
                "--death-deps",
                "y",
                "--",
                "sleep",
                "60",
            ],
            meanwhile: y_dies,
            leaves: &["x", "y"],
            ..RUN
        },
    ]);
}

#[test]
fn a_run_killed_at_any_system_call_of_a_restart_in_place_is_lost_exactly_once() {
    const FAILS_ONCE: &str = "[ -e \"$EXIT_DIR.been\" ] || { : >\"$EXIT_DIR.been\"; exit 1; }";
    // Half of them sleep for the second before the restart.
    kill_everywhere_by(
        16,
        &[KillCase {
            what: "exitdir-run that restarts its command",
            words: &[
                "run",
                "-q",
                "-n",
                "x",
                "--restart",
                "on-failure",
                "--",
                "sh",
                "-c",
                FAILS_ONCE,
            ],
            since: "Ready: ",
            ..RUN
        }],
    );
}

#[test]
fn a_signal_killed_at_any_system_call_is_seen_if_and_only_if_it_was_written() {
    kill_everywhere(&[
        SIGNAL,
        KillCase {
            what: "exitdir-signal over a dead life",
            before: already_dead,
            ..SIGNAL
        },
        KillCase {
            what: "exitdir-signal to the living",
            before: already_alive,
            observed: |log| wrote(log, "Died").then_some((3, "x failed 3\n")),
            ..SIGNAL
        },
        KillCase {
            what: "exitdir-signal --ready to the living",
            before: already_alive,
            words: &["signal", "--ready", "x"],
            conditions: &["x:ready"],
            observed: |log| wrote(log, "Ready").then_some((0, "x ready -\n")),
            ..SIGNAL
        },
        KillCase {
            what: "exitdir-signal --ready",
            words: &["signal", "--ready", "x"],
            conditions: &["x:ready"],
            observed: |log| (wrote(log, "Ready") && renamed(log)).then_some((0, "x ready -\n")),
            ..SIGNAL
        },
    ]);
}

#[test]
fn a_directory_whose_creator_was_killed_is_still_open_to_all() {
    if !strace_can_inject() {
        return;
    }
    let undisturbed = Sandbox::new();
    assert_eq!(
        traced(&undisturbed, NONE, RUN.words).finish().status,
        0,
        "{}",
        strace_log(&undisturbed)
    );
    let making: Vec<Point> = points(&strace_log(&undisturbed))
        .into_iter()
        .filter(|point| {
            // A child creates the directory, and strace does not trace it.
            let is_child = ["clone", "wait4"].contains(&point.call.as_str());
            is_child || point.line.contains("graveyard\"") || point.line.contains(".x.new")
        })
        .collect();
    assert!(making.iter().any(|point| point.call == "clone"));
    for_each(WORKERS, &making, |point| {
        let sandbox = Sandbox::new();
        let injection = kill_option(point);
        let struck = traced(&sandbox, &injection, RUN.words).finish();
        assert_eq!(
            struck.status,
            137,
            "{injection:?}: {}",
            strace_log(&sandbox)
        );
        assert_eq!(sandbox.run(["-n", "x", "--", "true"]).finish().status, 0);
        assert_eq!(sandbox.entries(), ["x"], "{injection:?}");
        let of = |path: std::path::PathBuf| {
            let metadata = std::fs::metadata(path).unwrap();
            std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777
        };
        assert_eq!(of(sandbox.dir()), 0o777, "killed by {injection:?}");
        assert_eq!(
            of(sandbox.dir().join("x")),
            0o666,
            "killed by {injection:?}"
        );
    });
    println!("killed at {} system calls", making.len());
}
