//! The exit table, row by row: the status with which a life ends, and what its tombstone records.
//!
//! Each cell is a pair of processes, `dep` and `life`. Several cells of a table run at a time, and
//! the test reports all wrong cells at the end.

use crate::support::parallel::check_each;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, binary, words};
use crate::support::signals::{HUP, INT, KILL, QUIT, TERM, USR1, USR2};
use std::process::{Command, Stdio};

/// How many cells run at the same time.
const CELLS_AT_ONCE: usize = 4;

/// What a life left behind.
#[derive(Debug, PartialEq, Eq)]
struct FinalState {
    status: i32,
    code: Option<String>,
    reason: Option<String>,
    signal: Option<String>,
    cause: Option<String>,
    born: bool,
}

impl FinalState {
    fn of(sandbox: &Sandbox, ended: &Ended) -> FinalState {
        let key = |key| sandbox.key("life", key);
        assert!(
            key("Died").is_some(),
            "every path out leaves a tombstone: {}",
            sandbox.tombstone("life")
        );
        FinalState {
            status: ended.status,
            code: key("ExitCode"),
            reason: key("Reason"),
            signal: key("Signal"),
            cause: key("Cause"),
            born: key("Born").is_some(),
        }
    }

    /// What should be left: the status twice, the reason, and the signal that ended CMD if one did.
    fn expected(status: i32, reason: &str, signal: Option<&str>) -> FinalState {
        FinalState {
            status,
            code: Some(status.to_string()),
            reason: Some(reason.to_owned()),
            signal: signal.map(str::to_owned),
            cause: None,
            born: true,
        }
    }

    fn stopped_by(self, cause: &str) -> FinalState {
        FinalState {
            cause: Some(cause.to_owned()),
            ..self
        }
    }

    fn unborn(self) -> FinalState {
        FinalState {
            born: false,
            ..self
        }
    }
}

fn compare(
    cell: &str,
    actual: &FinalState,
    expected: &FinalState,
    stderr: &str,
) -> Result<(), String> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!(
            "{cell}\n  is        {actual:?}\n  should be {expected:?}\n  stderr: {stderr}"
        ))
    }
}

// ---------------------------------------------------------------- dependencies

/// How a dependency comes to hold, and whether it is a birth dependency too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dep {
    Ok,
    /// The same, for a condition without a name.
    OkUnnamed,
    /// It does not die: it becomes ready.
    Ready,
    Failed,
    Lost,
    OkAndBirth,
    ReadyAndBirth,
}

/// What follows from it for a clean stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DepKind {
    Auxiliary,
    /// Auxiliary for a command that runs, and required for one that was never started.
    Unnamed,
    Required,
}

const DEPS: [(Dep, DepKind); 7] = [
    (Dep::Ok, DepKind::Auxiliary),
    (Dep::OkUnnamed, DepKind::Unnamed),
    (Dep::Ready, DepKind::Auxiliary),
    (Dep::Failed, DepKind::Required),
    (Dep::Lost, DepKind::Required),
    (Dep::OkAndBirth, DepKind::Required),
    (Dep::ReadyAndBirth, DepKind::Required),
];

impl Dep {
    /// The options of a follower.
    fn options(self) -> &'static str {
        match self {
            Dep::Ok | Dep::Failed | Dep::Lost => "--death-deps dep",
            Dep::OkUnnamed => "--death-deps :died",
            Dep::Ready => "--death-deps dep:ready",
            Dep::OkAndBirth => "--death-deps dep --birth-deps dep:born",
            Dep::ReadyAndBirth => "--death-deps dep:ready --birth-deps dep:born",
        }
    }

    /// Starts it. It runs, and is not ready.
    fn start(self, sandbox: &Sandbox) -> Running {
        let trapped = sandbox.path("dep-trapped");
        let _ = std::fs::remove_file(&trapped);
        let script =
            format!("trap 'exit 0' USR1; trap 'exit 7' USR2; : >\"$here/dep-trapped\"; {WAIT}");
        let dep = script_of(sandbox, "dep", "--ready-on signal", &script);
        crate::support::sandbox::wait_until("dep has set its traps", || trapped.exists());
        // The command can be quicker than the record of its birth, and no life is ready before
        // that.
        sandbox.await_key("dep", "Born");
        dep
    }

    fn is_birth_dep(self) -> bool {
        matches!(self, Dep::OkAndBirth | Dep::ReadyAndBirth)
    }

    /// Waits until every reader sees that it holds. Returns the process if it goes on.
    fn await_hold(self, dep: Running) -> Option<Running> {
        match self {
            Dep::Ready | Dep::ReadyAndBirth => Some(dep),
            Dep::Ok | Dep::OkUnnamed | Dep::OkAndBirth | Dep::Failed | Dep::Lost => {
                dep.end();
                None
            }
        }
    }

    /// Makes it hold.
    fn trigger(self, sandbox: &Sandbox, dep: &Running) {
        match self {
            Dep::Ok | Dep::OkUnnamed | Dep::OkAndBirth => dep.send(USR1),
            Dep::Failed => dep.send(USR2),
            Dep::Lost => dep.send(KILL),
            Dep::Ready | Dep::ReadyAndBirth => {
                assert_eq!(sandbox.signal(["--ready", "dep"]).finish().status, 0)
            }
        }
    }
}

/// Waits for a signal, so that its trap runs at once, and leaves nothing behind that holds our
/// pipes.
const WAIT: &str = "(exec >/dev/null 2>&1; read -r line <&3) & wait $!";

/// `exitdir-run -n NAME OPTIONS -- sh -c SCRIPT`. Descriptor 3 of the script is a pipe that stays
/// open until the process is dropped.
fn script_of(sandbox: &Sandbox, name: &str, options: &str, script: &str) -> Running {
    let mut run = sandbox.run(["-n", name]);
    run.args(words(options))
        .args(["--", "sh", "-c"])
        .arg(format!("exec 3<&0; {script}"));
    let mut command = with_default_signals(sandbox, &run);
    command
        .stdin(Stdio::piped())
        .env("here", sandbox.path(""))
        .env("exitdir", binary());
    command.start()
}

/// The same command with no signal ignored: the tests may have been started with ignored signals
/// (by a shell with `&`, by nohup), and exitdir-run respects that.
fn with_default_signals(sandbox: &Sandbox, run: &Command) -> Command {
    let mut command = sandbox.command("env");
    command
        .arg("--default-signal=HUP,INT,QUIT,TERM")
        .arg(run.get_program())
        .args(run.get_args());
    command
}

// ---------------------------------------------------------------- commands

/// What CMD does when it is stopped, with which options, and what should come of it.
struct Cell {
    options: &'static str,
    /// The trap for the stop signal.
    stop_signal: &'static str,
    does: &'static str,
    /// Status after a stop for an auxiliary dependency, and for a required one.
    auxiliary: i32,
    required: i32,
    signal: Option<&'static str>,
}

const fn cell(options: &'static str, does: &'static str, auxiliary: i32, required: i32) -> Cell {
    Cell {
        options,
        stop_signal: "TERM",
        does,
        auxiliary,
        required,
        signal: None,
    }
}

impl Cell {
    const fn signaled(self, signal: &'static str) -> Cell {
        Cell {
            signal: Some(signal),
            ..self
        }
    }

    const fn told_by(self, stop_signal: &'static str) -> Cell {
        Cell {
            stop_signal,
            ..self
        }
    }

    fn is_killed(&self) -> bool {
        self.options.contains("--grace-period")
    }

    fn script(&self) -> String {
        let trap = if self.does.is_empty() {
            String::new()
        } else {
            format!("trap '{}' {}; ", self.does, self.stop_signal)
        };
        let ignores_term = if self.is_killed() {
            "trap '' TERM; "
        } else {
            ""
        };
        format!("{ignores_term}{trap}\"$exitdir\" signal --ready life; {WAIT}")
    }
}

const DIES_OF_SEGV: &str = "ulimit -c 0; trap - SEGV; kill -SEGV $$";

const RUNNING: &[Cell] = &[
    cell("", "exit 0", 0, 143),
    cell("", "", 0, 143).signaled("TERM"),
    cell("", "exit 143", 0, 143),
    cell("", "exit 3", 3, 3),
    cell("", "exit 124", 124, 124),
    cell("", DIES_OF_SEGV, 139, 139).signaled("SEGV"),
    cell("--grace-period 100ms", "", 137, 137).signaled("KILL"),
    // 0 by -e
    cell("-e 3", "exit 3", 0, 143),
    cell("-e 143", "", 0, 143).signaled("TERM"),
    cell("-e 143", "exit 143", 0, 143),
    cell("-e 3", "exit 4", 4, 4),
    cell("-e 137 --grace-period 100ms", "", 0, 143).signaled("KILL"),
    // CMD's own status, whatever the cause
    cell("--stop-code own", "exit 0", 0, 0),
    cell("--stop-code own", "", 143, 143).signaled("TERM"),
    cell("--stop-code own", "exit 143", 143, 143),
    cell("--stop-code own", "exit 3", 3, 3),
    cell("--stop-code own -e 3", "exit 3", 0, 0),
    cell("--stop-code own --grace-period 100ms", "", 137, 137).signaled("KILL"),
    // a number, unless the stop is clean
    cell("--stop-code 42", "exit 0", 0, 42),
    cell("--stop-code 42", "", 0, 42).signaled("TERM"),
    cell("--stop-code 42", "exit 3", 42, 42),
    cell("--stop-code 42 -e 42", "exit 3", 42, 42),
    // another stop signal
    cell("--stop-signal INT", "exit 0", 0, 130).told_by("INT"),
    cell("--stop-signal USR1", "exit 0", 0, 138).told_by("USR1"),
    cell("--stop-signal USR1", "", 0, 138).signaled("USR1"),
    cell("--stop-signal USR1", "exit 138", 0, 138).told_by("USR1"),
    cell("--stop-signal USR1", "exit 143", 143, 143).told_by("USR1"),
    cell("--stop-signal USR1", "trap - TERM; kill -TERM $$", 143, 143)
        .told_by("USR1")
        .signaled("TERM"),
    cell("--stop-signal INT -e 5", "exit 5", 0, 130).told_by("INT"),
    cell("--stop-signal USR1 --stop-code own", "exit 0", 0, 0).told_by("USR1"),
];

#[test]
fn a_command_that_runs_when_a_dependency_stops_it_ends_as_the_table_says() {
    let cells: Vec<(Dep, DepKind, &Cell)> = DEPS
        .iter()
        .flat_map(|(dep, kind)| RUNNING.iter().map(|cell| (*dep, *kind, cell)))
        .collect();
    check_each(CELLS_AT_ONCE, &cells, |(dep, kind, cell)| {
        let sandbox = Sandbox::new();
        let other = dep.start(&sandbox);
        let life = script_of(
            &sandbox,
            "life",
            &format!("{} {} --ready-on signal", dep.options(), cell.options),
            &cell.script(),
        );
        sandbox.await_key("life", "Ready");
        dep.trigger(&sandbox, &other);
        let ended = life.end();
        let status = match kind {
            DepKind::Auxiliary | DepKind::Unnamed => cell.auxiliary,
            DepKind::Required => cell.required,
        };
        let reason = if cell.is_killed() {
            "killed"
        } else {
            "stopped"
        };
        let expected = FinalState::expected(status, reason, cell.signal).stopped_by("dep");
        compare(
            &format!("{dep:?}, {} ({})", cell.options, cell.does),
            &FinalState::of(&sandbox, &ended),
            &expected,
            &ended.stderr,
        )
    });
}

type DownCell = (&'static str, i32, i32);

/// The options of a life whose command is never started, and its status after a stop for an
/// auxiliary dependency, and for a required one.
const DOWN: &[DownCell] = &[
    ("", 0, 143),
    ("-e 143", 0, 143),
    ("-e 0", 0, 143),
    ("--stop-code own", 0, 143),
    ("--stop-code 42", 0, 42),
    ("--stop-signal INT", 0, 130),
    ("--stop-signal USR1", 0, 138),
];

/// Whether the dependency holds before the life begins, or while it waits for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Before,
    WhileWaiting,
}

#[test]
fn a_life_that_a_dependency_ends_before_its_command_starts_ends_as_the_table_says() {
    let cells: Vec<(Dep, DepKind, When, &DownCell)> = DEPS
        .iter()
        .flat_map(|(dep, kind)| [When::Before, When::WhileWaiting].map(|when| (*dep, *kind, when)))
        // A birth dependency that is over already is expected to come back.
        .filter(|(dep, _, when)| *when == When::WhileWaiting || !dep.is_birth_dep())
        .flat_map(|(dep, kind, when)| DOWN.iter().map(move |row| (dep, kind, when, row)))
        .collect();
    check_each(
        CELLS_AT_ONCE,
        &cells,
        |(dep, kind, when, (options, auxiliary, required))| {
            let sandbox = Sandbox::new();
            let other = dep.start(&sandbox);
            let options = format!("{} {options}", dep.options());
            let ended = match when {
                When::Before => {
                    dep.trigger(&sandbox, &other);
                    let other = dep.await_hold(other);
                    let ended = never_started(&sandbox, &options).end();
                    drop(other);
                    ended
                }
                When::WhileWaiting => trigger_until_it_ends(*dep, &sandbox, other, &options),
            };
            assert!(!sandbox.path("started").exists(), "{dep:?} {when:?}");
            let status = match kind {
                DepKind::Auxiliary => *auxiliary,
                DepKind::Unnamed | DepKind::Required => *required,
            };
            let expected = FinalState::expected(status, "stopped", None)
                .stopped_by("dep")
                .unborn();
            compare(
                &format!("{dep:?} {when:?}, {options}"),
                &FinalState::of(&sandbox, &ended),
                &expected,
                &ended.stderr,
            )
        },
    );
}

fn never_started(sandbox: &Sandbox, options: &str) -> Running {
    script_of(sandbox, "life", options, ": >\"$here/started\"")
}

/// The death of a birth dependency does not count if it comes before the first look of the life.
/// Then the dependency is started and dies again.
fn trigger_until_it_ends(dep: Dep, sandbox: &Sandbox, mut other: Running, options: &str) -> Ended {
    let mut life = never_started(sandbox, &format!("{options} --birth-deps never"));
    sandbox.await_key("life", "Waiting");
    loop {
        dep.trigger(sandbox, &other);
        let held = dep.await_hold(other);
        if !(dep.is_birth_dep() && life.is_running()) {
            let ended = life.end();
            drop(held);
            return ended;
        }
        other = held.unwrap_or_else(|| dep.start(sandbox));
    }
}

// ---------------------------------------------------------------- other ends

/// One life: options, what it runs, and what is done to it once it is ready.
struct EndCase {
    options: &'static str,
    script: &'static str,
    kill: Option<i32>,
    expected: (i32, &'static str, Option<&'static str>),
}

const fn ends(
    options: &'static str,
    script: &'static str,
    kill: Option<i32>,
    expected: (i32, &'static str, Option<&'static str>),
) -> EndCase {
    EndCase {
        options,
        script,
        kill,
        expected,
    }
}

#[test]
fn without_a_dependency_a_life_ends_with_the_status_of_its_command_or_124() {
    let lives = [
        ends("", "exit 0", None, (0, "exited", None)),
        ends("", "exit 3", None, (3, "exited", None)),
        ends("", "exit 255", None, (255, "exited", None)),
        ends("-e 3 -e 4", "exit 4", None, (0, "exited", None)),
        ends("-e 3", "exit 4", None, (4, "exited", None)),
        // A signal that exitdir-run did not send.
        ends("", "kill -USR1 $$", None, (138, "signaled", Some("USR1"))),
        ends("", "kill -KILL $$", None, (137, "signaled", Some("KILL"))),
        ends(
            "",
            "ulimit -c 0; kill -SEGV $$",
            None,
            (139, "signaled", Some("SEGV")),
        ),
        ends(
            "-e 137",
            "kill -KILL $$",
            None,
            (0, "signaled", Some("KILL")),
        ),
        // A signal that came from outside and was forwarded.
        ends("", "READY; WAIT", Some(TERM), (143, "exited", Some("TERM"))),
        ends(
            "",
            "trap 'exit 0' TERM; READY; WAIT",
            Some(TERM),
            (0, "exited", None),
        ),
        ends(
            "",
            "trap 'exit 5' TERM; READY; WAIT",
            Some(TERM),
            (5, "exited", None),
        ),
        ends(
            "-e 143",
            "READY; WAIT",
            Some(TERM),
            (0, "exited", Some("TERM")),
        ),
        ends(
            "--stop-signal USR1",
            "trap 'exit 6' USR1; READY; WAIT",
            Some(TERM),
            (6, "exited", None),
        ),
        ends("", "READY; WAIT", Some(HUP), (129, "exited", Some("HUP"))),
        // The timeout.
        ends(
            "--timeout TIME",
            "WAIT",
            None,
            (124, "timeout", Some("TERM")),
        ),
        ends(
            "--timeout TIME",
            "trap 'exit 0' TERM; BEGUN; WAIT",
            None,
            (124, "timeout", None),
        ),
        ends(
            "--timeout TIME -e 143",
            "WAIT",
            None,
            (124, "timeout", Some("TERM")),
        ),
        ends(
            "--timeout TIME --stop-signal USR1",
            "WAIT",
            None,
            (124, "timeout", Some("USR1")),
        ),
        ends(
            "--timeout TIME --grace-period 50ms",
            "trap '' TERM; BEGUN; WAIT; WAIT",
            None,
            (124, "timeout", Some("KILL")),
        ),
        ends(
            "--timeout TIME --stop-code own",
            "WAIT",
            None,
            (143, "timeout", Some("TERM")),
        ),
        ends(
            "--timeout TIME --stop-code own -e 143",
            "WAIT",
            None,
            (0, "timeout", Some("TERM")),
        ),
        ends("--timeout 1h", "exit 2", None, (2, "exited", None)),
    ];
    check_each(CELLS_AT_ONCE, &lives, |life| {
        // On a busy machine the timeout can be over before the command has set its trap. Then the
        // case runs again with a longer one.
        let times = ["50ms", "500ms", "5s", "25s"];
        let played = times.iter().find_map(|time| run_case(life, time));
        let (end, stderr) = played.ok_or_else(|| format!("{} never began", life.script))?;
        let (status, reason, signal) = life.expected;
        let cell = format!("{} {} {:?}", life.options, life.script, life.kill);
        compare(
            &cell,
            &end,
            &FinalState::expected(status, reason, signal),
            &stderr,
        )
    });
}

/// How the life ended, unless it was stopped before its script had come to `BEGUN`.
fn run_case(life: &EndCase, time: &str) -> Option<(FinalState, String)> {
    let sandbox = Sandbox::new();
    let script = life
        .script
        .replace("READY", "\"$exitdir\" signal --ready life")
        .replace("BEGUN", ": >\"$here/begun\"")
        .replace("WAIT", WAIT);
    let options = format!("--ready-on signal {}", life.options.replace("TIME", time));
    let running = script_of(&sandbox, "life", &options, &script);
    if let Some(signal) = life.kill {
        sandbox.await_key("life", "Ready");
        running.send(signal);
    }
    let ended = running.end();
    let begun = !life.script.contains("BEGUN") || sandbox.path("begun").exists();
    begun.then(|| (FinalState::of(&sandbox, &ended), ended.stderr))
}

#[test]
fn a_command_that_cannot_be_executed_ends_with_126_and_one_that_is_not_found_with_127() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("plain"), "not executable").unwrap();
    let plain = sandbox.path("plain").display().to_string();
    let directory = sandbox.path("").display().to_string();
    let cases = [
        (plain.as_str(), 126),
        (directory.as_str(), 126),
        ("/nonexistent/command", 127),
        ("exitdir-no-such-command", 127),
    ];
    for options in ["", "-e 126 -e 127", "--stop-code own"] {
        for (command, status) in cases {
            let ended = sandbox
                .run(["-n", "life"])
                .args(words(options))
                .args(["--", command])
                .finish();
            let expected = FinalState::expected(status, "exec-failed", None).unborn();
            assert_eq!(
                FinalState::of(&sandbox, &ended),
                expected,
                "{command} {options}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn a_birth_dependency_that_does_not_hold_in_time_ends_the_life_with_124() {
    let sandbox = Sandbox::new();
    let ended = never_started(&sandbox, "--birth-deps dep --birth-timeout 50ms -e 124").end();
    assert_eq!(
        FinalState::of(&sandbox, &ended),
        FinalState::expected(124, "birth-timeout", None).unborn()
    );
    assert!(
        ended
            .stderr
            .contains("dep:ready does not hold (there is no dep)"),
        "{}",
        ended.stderr
    );
    assert!(!sandbox.path("started").exists());
}

#[test]
fn a_life_that_waits_is_ended_by_term_int_hup_and_quit() {
    for signal in [TERM, INT, HUP, QUIT] {
        for options in ["", "--stop-signal USR1", "--stop-code own", "-e 143"] {
            let sandbox = Sandbox::new();
            let life = never_started(&sandbox, &format!("--birth-deps dep {options}"));
            sandbox.await_key("life", "Waiting");
            life.send(signal);
            let ended = life.end();
            let expected = FinalState::expected(128 + signal, "interrupted", None).unborn();
            assert_eq!(
                FinalState::of(&sandbox, &ended),
                expected,
                "signal {signal} {options}: {}",
                ended.stderr
            );
            assert!(!sandbox.path("started").exists());
        }
    }
}

/// Sends a signal to a life that waits, and then makes it start; the command's status.
fn status_when_signaled_before_its_start(prelude: &str, signal: i32) -> i32 {
    let sandbox = Sandbox::new();
    // With `exec` the process that the test has started is exitdir-run.
    let script =
        format!("{prelude} exec \"$exitdir\" run -n life --birth-deps dep -- sh -c 'exit 9'");
    let life = sandbox
        .command("sh")
        .args(["-c", &script])
        .env("exitdir", binary())
        .start();
    sandbox.await_key("life", "Waiting");
    life.send(signal);
    sandbox.record_ready("dep");
    life.end().status
}

#[test]
fn a_life_that_waits_drops_every_other_signal_but_tstp_and_its_command_never_gets_it() {
    let names = "USR1 USR2 ALRM PIPE VTALRM PROF IO PWR CONT WINCH URG TTIN TTOU STKFLT SYS TRAP ABRT XCPU BUS";
    let numbers = [
        USR1, USR2, 14, 13, 26, 27, 29, 30, 18, 28, 23, 21, 22, 16, 31, 5, 6, 24, 7,
    ];
    let cells: Vec<(&str, i32)> = words(names).into_iter().zip(numbers).collect();
    check_each(
        CELLS_AT_ONCE,
        &cells,
        |(name, number)| match status_when_signaled_before_its_start("", *number) {
            9 => Ok(()),
            other => Err(format!("{name}: {other}")),
        },
    );
}

#[test]
fn a_signal_that_exitdir_run_was_started_with_ignored_does_not_end_its_wait() {
    let cells = [("TERM", TERM), ("INT", INT), ("HUP", HUP), ("QUIT", QUIT)];
    check_each(
        CELLS_AT_ONCE,
        &cells,
        |(name, number)| match status_when_signaled_before_its_start(
            &format!("trap '' {name};"),
            *number,
        ) {
            9 => Ok(()),
            other => Err(format!("{name}: {other}")),
        },
    );
}
