//! An error at every file-system call: each operation succeeds, or fails with a status and a
//! sentence. The command is never harmed, no process hangs, and no death is invented.
//!
//! strace makes a call fail (`inject=CALL:error=ERRNO:when=N`), one call and one errno for a run.

use crate::faults::kills::{already_alive, already_dead, no_events, nothing_before};
use crate::support::inspect::sleeps;
use crate::support::parallel::{WORKERS, for_each};
use crate::support::proc::children;
use crate::support::requirements::{is_long_run, strace_can_inject};
use crate::support::sandbox::{CONDITION_TIMEOUT, Ended, Running, Sandbox, Start, wait_until};
use crate::support::signals::{KILL, send_if_there};
use crate::support::syscalls::{Point, points, points_since, strace_log, traced};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

/// Each errno, and its text in musl and glibc.
const ERRNOS: [(&str, [&str; 2]); 7] = [
    ("EIO", ["I/O error", "Input/output error"]),
    ("ENOSPC", ["No space left on device"; 2]),
    ("EDQUOT", ["Quota exceeded", "Disk quota exceeded"]),
    ("EROFS", ["Read-only file system"; 2]),
    ("EACCES", ["Permission denied"; 2]),
    (
        "EMFILE",
        ["No file descriptors available", "Too many open files"],
    ),
    ("EINTR", ["Interrupted system call"; 2]),
];

/// Calls that often fail in practice; for each of the others one errno is enough.
const IMPORTANT: [&str; 14] = [
    "open",
    "openat",
    "write",
    "rename",
    "renameat",
    "renameat2",
    "fallocate",
    "fcntl",
    "mkdir",
    "mkdirat",
    "pread64",
    "inotify_init1",
    "inotify_add_watch",
    "newfstatat",
];

/// A life in which one call fails.
struct Trial {
    what: &'static str,
    /// A life that began before, and runs until the end was judged.
    before: fn(&Sandbox) -> Option<Running>,
    words: &'static [&'static str],
    /// Text of the first call that may fail.
    since: &'static str,
    /// How many errnos an important call gets; all of them in a long run.
    errnos: usize,
    /// What happens while the process lives.
    meanwhile: fn(&Sandbox, &mut Running),
    /// Whether it ended as it should, with the fault or without it; else what is wrong.
    judge: fn(&Sandbox, &Ended, &Fault) -> Result<(), String>,
}

/// One call that fails, or with `lasting` all calls of its name from there on that concern the
/// tombstone.
struct Fault {
    point: Point,
    errno: &'static str,
    words: [&'static str; 2],
    lasting: bool,
}

/// Records that it was started, and that it ended by itself.
const COMMAND: &str = "echo began >>\"$MARK\"; sleep 0.05; echo ended >>\"$MARK\"; exit 5";
/// The same, but it ends at a signal.
const SERVER: &str = "trap 'echo ended >>\"$MARK\"; exit 0' TERM; echo began >>\"$MARK\"; \
                      while :; do sleep 0.02; done";

fn already_lost(sandbox: &Sandbox) -> Option<Running> {
    let life = already_alive(sandbox)?;
    life.send(KILL);
    life.end();
    None
}

fn of_another_boot(sandbox: &Sandbox) -> Option<Running> {
    already_lost(sandbox);
    let lock = sandbox.key("x", "Lock").unwrap();
    let mut words: Vec<&str> = lock.split(' ').collect();
    words[1] = "00000000-0000-4000-8000-000000000000";
    let text = sandbox.tombstone("x").replace(&lock, &words.join(" "));
    std::fs::write(sandbox.dir().join("x"), text).unwrap();
    None
}

fn mark(sandbox: &Sandbox) -> String {
    sandbox.read("mark")
}

/// Records the death of `y` as soon as the command runs, or can no longer start.
fn y_dies(sandbox: &Sandbox, run: &mut Running) {
    wait_until("the command runs, or exitdir-run is gone", || {
        mark(sandbox).contains("began") || !run.is_running()
    });
    sandbox.record_death("y", "0");
}

/// Records the death of `x` as soon as the wait sleeps, or has ended.
fn x_dies(sandbox: &Sandbox, wait: &mut Running) {
    wait_until("it waits, or is gone", || {
        let asleep = traced_child(wait).is_some_and(sleeps);
        asleep || !wait.is_running()
    });
    sandbox.record_death("x", "3");
}

/// The process that strace watches.
fn traced_child(strace: &Running) -> Option<i32> {
    children(strace.pid()).first().copied()
}

/// Waits for the end, with a deadline. `None`: it hung, and was killed.
fn end(mut process: Running) -> Option<Ended> {
    let began = Instant::now();
    while process.is_running() {
        if began.elapsed() > CONDITION_TIMEOUT / 2 {
            // If strace were killed, the process would go on.
            let child = traced_child(&process)?;
            send_if_there(child, KILL);
            process.end();
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Some(process.end())
}

fn tells_why(ended: &Ended, fault: &Fault) -> bool {
    let mut words = fault.words.iter();
    words.any(|words| ended.stderr.contains(words))
}

/// Status 125, and one line that says which path and why.
fn says_so(sandbox: &Sandbox, ended: &Ended, fault: &Fault) -> Result<(), String> {
    let line = ended.stderr.trim_end_matches('\n');
    let names_it = line.contains(&*sandbox.dir().to_string_lossy());
    // To fcntl(2) this errno means that the lock is held.
    let taken = (fault.point.call.as_str(), fault.errno) == ("fcntl", "EACCES");
    if ended.status == 125 && taken && line.contains("a running process holds") {
        return Ok(());
    }
    let tells_why = tells_why(ended, fault);
    match (ended.status, line.lines().count()) {
        (125, 1) if names_it && tells_why => Ok(()),
        (125, _) => Err("the sentence does not say which path and why".to_owned()),
        (_, _) => Err("neither success nor failure".to_owned()),
    }
}

fn of_a_run(sandbox: &Sandbox, ended: &Ended, fault: &Fault, status: i32) -> Result<(), String> {
    match mark(sandbox).as_str() {
        "" => says_so(sandbox, ended, fault),
        "began\nended\n" if ended.status != status => {
            Err(format!("the command's status was {status}"))
        }
        "began\nended\n" => {
            let text = sandbox.tombstone("x");
            let recorded =
                text.contains(&format!("\nExitCode: {status}\n")) && text.contains("\nDied: ");
            let said = !ended.stderr.is_empty();
            if recorded || said {
                Ok(())
            } else {
                Err(format!(
                    "no message says that the record is missing: {text}"
                ))
            }
        }
        mark => Err(format!("the command was harmed: {mark:?}")),
    }
}

/// The command is restarted once, even if its tombstone cannot be written, and the tombstone has no
/// key twice.
fn of_a_restart(sandbox: &Sandbox, ended: &Ended, status: i32) -> Result<(), String> {
    let mark = mark(sandbox);
    if mark != "began\nended\nbegan\nended\n" || ended.status != status {
        return Err(format!("status {}, the command: {mark:?}", ended.status));
    }
    let text = sandbox.tombstone("x");
    let recorded = text.contains(&format!("\nExitCode: {status}\n")) && text.contains("\nDied: ");
    if !recorded && ended.stderr.lines().count() < 2 {
        return Err(format!(
            "no message says that the record is missing: {text}"
        ));
    }
    let mut keys: Vec<_> = text.lines().map(|line| line.split_once(": ")).collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup_by_key(|line| line.map(|(key, _)| key));
    if keys.len() == count {
        Ok(())
    } else {
        Err(format!("something stands there twice: {text}"))
    }
}

/// After success, followers must see the result. They wait a second before an empty tombstone
/// counts.
fn of_a_signal(
    sandbox: &Sandbox,
    ended: &Ended,
    fault: &Fault,
    condition: &str,
) -> Result<(), String> {
    if ended.status != 0 {
        return says_so(sandbox, ended, fault);
    }
    if !ended.stderr.is_empty() && !tells_why(ended, fault) {
        return Err("the sentence does not say why".to_owned());
    }
    match sandbox.wait(["-t", "100s", condition]).finish().status {
        0 => Ok(()),
        _ => Err(format!(
            "reported, but not there: {}",
            sandbox.tombstone("x")
        )),
    }
}

fn of_a_wait(
    sandbox: &Sandbox,
    ended: &Ended,
    fault: &Fault,
    status: i32,
    line: &str,
) -> Result<(), String> {
    if ended.status == status && ended.stdout == line {
        return Ok(());
    }
    says_so(sandbox, ended, fault)
}

const RUN: Trial = Trial {
    what: "exitdir-run",
    before: nothing_before,
    words: &["run", "-n", "x", "--", "sh", "-c", COMMAND],
    since: "",
    errnos: ERRNOS.len(),
    meanwhile: no_events,
    judge: |sandbox, ended, fault| of_a_run(sandbox, ended, fault, 5),
};

const SIGNAL: Trial = Trial {
    what: "exitdir-signal",
    words: &["signal", "-c", "3", "x"],
    judge: |sandbox, ended, fault| of_a_signal(sandbox, ended, fault, "x:exit=3"),
    ..RUN
};

const WAIT: Trial = Trial {
    what: "exitdir-wait",
    before: already_alive,
    words: &["wait", "-x", "--print", "--poll", "200ms", "x:exit=3"],
    meanwhile: x_dies,
    judge: |sandbox, ended, fault| of_a_wait(sandbox, ended, fault, 3, "x failed 3\n"),
    ..RUN
};

impl Trial {
    fn live(&self, sandbox: &Sandbox, options: &[String]) -> Option<Ended> {
        let mut command = traced(sandbox, options, self.words);
        let mut process = command.env("MARK", sandbox.path("mark")).start();
        (self.meanwhile)(sandbox, &mut process);
        end(process)
    }

    /// The calls of a life without faults; for a lasting fault only those that concern the
    /// tombstone.
    fn points(&self, lasting: bool) -> Vec<Point> {
        let sandbox = Sandbox::new();
        let _before = (self.before)(&sandbox);
        let options = if lasting { paths(&sandbox) } else { Vec::new() };
        let ended = self.live(&sandbox, &options).expect("an end");
        assert!(ended.status != 125, "{}: {}", self.what, ended.stderr);
        let mut points = points_since(self.since, points(&strace_log(&sandbox)));
        points.retain(|point| lasting && is_important(point) || !lasting && concerns_files(point));
        points
    }

    /// All errnos for important calls, one for each other call.
    fn faults(&self, lasting: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (at, point) in self.points(lasting).into_iter().enumerate() {
            let mut errnos = ERRNOS.to_vec();
            // EINTR does not last: it is right to go on.
            errnos.retain(|(errno, _)| !(lasting && *errno == "EINTR"));
            let count = errnos.len();
            errnos.rotate_left(at % count);
            if !is_long_run() {
                let one = lasting || !is_important(&point);
                errnos.truncate(if one { 1 } else { self.errnos });
            }
            faults.extend(errnos.into_iter().map(|(errno, words)| Fault {
                point: point.clone(),
                errno,
                words,
                lasting,
            }));
        }
        faults
    }

    /// Whether the call was reached, and what is wrong with the result.
    fn inject(&self, fault: &Fault) -> (bool, Option<String>) {
        let sandbox = Sandbox::new();
        let before = (self.before)(&sandbox);
        let ended = self.live(&sandbox, &fault.options(&sandbox));
        let log = strace_log(&sandbox);
        let verdict = match &ended {
            None => Err("it hung".to_owned()),
            Some(ended) => (self.judge)(&sandbox, ended, fault),
        };
        let verdict = verdict.and_then(|()| {
            if before.is_some_and(|mut before| !before.is_running()) {
                Err("another died of it".to_owned())
            } else if fault.leaves_nothing()
                && sandbox.entries().iter().any(|at| at.starts_with('.'))
            {
                Err(format!("left behind: {:?}", sandbox.entries()))
            } else {
                Ok(())
            }
        });
        let wrong = verdict.err().map(|what| {
            let failed = log.lines().find(|line| line.ends_with("(INJECTED)"));
            format!(
                "{} with {}: {what}\n    {}\n    {ended:?}",
                self.what,
                fault.injection(),
                failed.unwrap_or(&fault.point.line)
            )
        });
        (log.contains("(INJECTED)"), wrong)
    }
}

impl Fault {
    fn injection(&self) -> String {
        let Point { call, when, .. } = &self.point;
        let on = if self.lasting { "+" } else { "" };
        format!("inject={call}:error={}:when={when}{on}", self.errno)
    }

    fn options(&self, sandbox: &Sandbox) -> Vec<String> {
        let mut options = vec!["-e".to_owned(), self.injection()];
        if self.lasting {
            options.extend(paths(sandbox));
        }
        options
    }

    /// A process that cannot find out whether the hidden file is its own must not remove it.
    fn leaves_nothing(&self) -> bool {
        let nobodys = self.point.call.contains("stat") && self.point.line.contains(".x.new");
        !nobodys && !self.lasting
    }
}

/// Options that make strace inject only into calls about the tombstone of `x`.
fn paths(sandbox: &Sandbox) -> Vec<String> {
    let path = |name: &str| sandbox.dir().join(name).to_string_lossy().into_owned();
    // By descriptor, and by name below a descriptor of the directory.
    let all = [
        path("x"),
        path(".x.new"),
        "x".to_owned(),
        ".x.new".to_owned(),
    ];
    all.into_iter()
        .flat_map(|path| ["-P".to_owned(), path])
        .collect()
}

fn is_important(point: &Point) -> bool {
    IMPORTANT.contains(&point.call.as_str())
}

/// Whether a call is about the exit directory, what is in it, the watch on it, or the boot id.
fn concerns_files(point: &Point) -> bool {
    let line = &point.line;
    let to_people = line.starts_with("write(2<");
    !to_people
        && ["graveyard", "boot_id", "inotify"]
            .iter()
            .any(|what| line.contains(what))
}

fn inject_everywhere(trials: &[Trial]) {
    inject_everywhere_by(WORKERS, trials);
}

fn inject_everywhere_by(workers: usize, trials: &[Trial]) {
    if !strace_can_inject() {
        return;
    }
    let faults: Vec<(&Trial, Fault)> = trials
        .iter()
        .flat_map(|trial| {
            // A follower must be able to read its peers in the end.
            let alone = !trial.words.contains(&"--poll");
            let mut faults = trial.faults(false);
            faults.extend(if alone {
                trial.faults(true)
            } else {
                Vec::new()
            });
            faults.into_iter().map(move |fault| (trial, fault))
        })
        .collect();
    let hits: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let wrongs: Mutex<Vec<String>> = Mutex::default();
    for_each(workers, &faults, |(trial, fault)| {
        let (hit, wrong) = trial.inject(fault);
        wrongs.lock().unwrap().extend(wrong);
        let mut hits = hits.lock().unwrap();
        *hits.entry(fault.point.call.clone()).or_default() += usize::from(hit);
    });
    let hits = hits.into_inner().unwrap();
    let count: usize = hits.values().sum();
    println!("{count} of {} faults: {hits:?}", faults.len());
    let wrongs = wrongs.into_inner().unwrap();
    assert!(
        wrongs.is_empty(),
        "{} are wrong:\n{}",
        wrongs.len(),
        wrongs.join("\n")
    );
    // One more scan before the end may be needed, or not.
    assert!(
        count * 10 >= faults.len() * 8,
        "too few calls were there to fail: {count} of {}",
        faults.len()
    );
}

#[test]
fn an_error_at_any_file_system_call_of_a_run_is_reported_and_never_harms_the_command() {
    inject_everywhere(&[
        RUN,
        Trial {
            what: "exitdir-run over a dead life",
            before: already_dead,
            ..RUN
        },
        Trial {
            what: "exitdir-run with dependencies",
            before: |sandbox| {
                sandbox.record_death("b", "0");
                None
            },
            words: &[
                "run",
                "-n",
                "x",
                "--poll",
                "200ms",
                "--birth-deps",
                "b:died",
                "--death-deps",
                "y,:exit=9",
                "--",
                "sh",
                "-c",
                COMMAND,
            ],
            ..RUN
        },
        Trial {
            what: "exitdir-run that is stopped for a dependency",
            words: &[
                "run",
                "-n",
                "x",
                "--poll",
                "200ms",
                "--death-deps",
                "y",
                "--",
                "sh",
                "-c",
                SERVER,
            ],
            meanwhile: y_dies,
            judge: |sandbox, ended, fault| of_a_run(sandbox, ended, fault, 0),
            ..RUN
        },
    ]);
}

#[test]
fn an_error_at_any_file_system_call_of_a_restart_in_place_neither_ends_the_life_nor_spoils_its_tombstone()
 {
    // Each of them sleeps for the second before the restart.
    inject_everywhere_by(
        16,
        &[Trial {
            what: "exitdir-run that restarts its command",
            words: &[
                "run",
                "-n",
                "x",
                "--restart",
                "always",
                "--restart-limit",
                "1",
                "--",
                "sh",
                "-c",
                COMMAND,
            ],
            since: "Ready: ",
            errnos: 2,
            judge: |sandbox, ended, _| of_a_restart(sandbox, ended, 5),
            ..RUN
        }],
    );
}

#[test]
fn an_error_at_any_file_system_call_of_a_signal_is_reported_or_has_no_effect() {
    inject_everywhere(&[
        SIGNAL,
        Trial {
            what: "exitdir-signal with code 0",
            words: &["signal", "x"],
            judge: |sandbox, ended, fault| of_a_signal(sandbox, ended, fault, "x:ok"),
            ..SIGNAL
        },
        Trial {
            what: "exitdir-signal over a dead life",
            before: already_dead,
            ..SIGNAL
        },
        Trial {
            what: "exitdir-signal over the lost",
            before: already_lost,
            ..SIGNAL
        },
        Trial {
            what: "exitdir-signal to the living",
            before: already_alive,
            ..SIGNAL
        },
        Trial {
            what: "exitdir-signal --ready to the living",
            before: already_alive,
            words: &["signal", "--ready", "x"],
            judge: |sandbox, ended, fault| of_a_signal(sandbox, ended, fault, "x:ready"),
            ..SIGNAL
        },
        Trial {
            what: "exitdir-signal --ready",
            words: &["signal", "--ready", "x"],
            judge: |sandbox, ended, fault| of_a_signal(sandbox, ended, fault, "x:ready"),
            ..SIGNAL
        },
    ]);
}

#[test]
fn an_error_at_any_file_system_call_of_a_wait_hides_and_invents_no_death() {
    inject_everywhere(&[
        WAIT,
        Trial {
            what: "exitdir-wait for any name",
            words: &["wait", "-x", "--print", "--poll", "200ms", ":exit=3"],
            ..WAIT
        },
        Trial {
            what: "exitdir-wait for the lost",
            before: already_lost,
            words: &["wait", "-x", "--print", "--poll", "200ms", "x"],
            meanwhile: no_events,
            judge: |sandbox, ended, fault| of_a_wait(sandbox, ended, fault, 137, "x lost 137\n"),
            ..WAIT
        },
        Trial {
            what: "exitdir-wait for one of another boot",
            before: of_another_boot,
            words: &["wait", "-x", "--print", "--poll", "200ms", "x"],
            meanwhile: no_events,
            judge: |sandbox, ended, fault| of_a_wait(sandbox, ended, fault, 137, "x lost 137\n"),
            ..WAIT
        },
        Trial {
            what: "exitdir-wait for the dead",
            before: already_dead,
            words: &["wait", "-x", "--print", "-t", "0", "x"],
            meanwhile: no_events,
            judge: |sandbox, ended, fault| of_a_wait(sandbox, ended, fault, 7, "x failed 7\n"),
            ..WAIT
        },
        Trial {
            what: "exitdir-wait for the death of the living",
            words: &["wait", "-x", "--print", "-t", "0", "x"],
            meanwhile: no_events,
            judge: |sandbox, ended, fault| of_a_wait(sandbox, ended, fault, 124, ""),
            ..WAIT
        },
    ]);
}
