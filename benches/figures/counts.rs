//! What a start and a wait cost: instructions of the program, counted by valgrind, and system
//! calls, counted by strace. Load changes neither of them.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch, peer, quiet};
use crate::process::Process;
use crate::table::{Goal, Row, Unit};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PEER: &str = "tini-static";
/// A command that cannot be executed: the child that tries ends then, and valgrind says what was
/// spent until there.
const NO_COMMAND: [&str; 2] = ["--", "/nonexistent"];
const COMMAND: [&str; 2] = ["--", "/bin/true"];

/// The programs that count, and a directory with two lives in it.
struct Place {
    valgrind: PathBuf,
    strace: PathBuf,
    scratch: Scratch,
    _lives: [Process; 2],
}

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let place = Place::new(bench)?;
    let dir = place.scratch.path("g").display().to_string();
    let [run, wait] = ["exitdir-run", "exitdir-wait"].map(|applet| bench.scratch.path(applet));
    let follows = |name| ["--dir", &dir, "--death-deps", "one,two", "--name", name];
    let condition = ["--dir", &dir, "one:ready"];
    let start = place.spent(&run, &[], &NO_COMMAND)?;
    let start_calls = place.calls(&run, &[], &COMMAND, "clone")?;
    let follower = place.spent(&run, &follows("ma"), &NO_COMMAND)?;
    let follower_calls = place.calls(&run, &follows("mb"), &COMMAND, "ppoll")?;
    let holds = place.spent(&wait, &condition, &[])?;
    let holds_calls = place.calls(&wait, &condition, &[], "exit_group")?;
    let peer = peer(PEER);
    let peer_start = |peer: &PathBuf| place.spent(peer, &[], &NO_COMMAND);
    let peer_calls = |peer: &PathBuf| place.calls(peer, &[], &COMMAND, "clone");
    let (ins, calls) = (Unit::Instructions, Unit::Calls);
    Ok(vec![
        Row {
            peer: PEER,
            theirs: peer.as_ref().map(peer_start).transpose()?,
            ..row("until the clone", ins, start, 45_000.0)
        },
        Row {
            peer: PEER,
            theirs: peer.as_ref().map(peer_calls).transpose()?,
            ..row("until the clone", calls, start_calls, 30.0)
        },
        row("two death deps, until the clone", ins, follower, 130_000.0),
        row(
            "two death deps, until it waits",
            calls,
            follower_calls,
            60.0,
        ),
        row("exitdir-wait that ends at once", ins, holds, 40_000.0),
        row("exitdir-wait that ends at once", calls, holds_calls, 26.0),
    ])
}

fn row(case: &str, unit: Unit, ours: f64, goal: f64) -> Row {
    Row {
        figure: format!("counts: {case}"),
        unit,
        ours,
        peer: "",
        theirs: None,
        goal: Goal::AtMost(goal),
    }
}

impl Place {
    fn new(bench: &Bench) -> Outcome<Place> {
        let tool = |name| peer(name).ok_or(format!("counts: {name} is not installed"));
        let scratch = Scratch::new(Path::new(IN_MEMORY))?;
        let life = |name: &str| {
            let mut run = bench.applet("exitdir-run");
            run.arg("--dir")
                .arg(scratch.path("g"))
                .args(["--name", name]);
            run.args(["--", "sleep", "1000"]);
            let mut life = Process::start(&mut run)?;
            let tombstone = scratch.path("g").join(name);
            let is_ready =
                || std::fs::read_to_string(&tombstone).is_ok_and(|text| text.contains("\nReady:"));
            life.await_that("became ready", |_| is_ready())?;
            Ok::<Process, String>(life)
        };
        Ok(Place {
            valgrind: tool("valgrind")?,
            strace: tool("strace")?,
            _lives: [life("one")?, life("two")?],
            scratch,
        })
    }

    /// The instructions of the process, or of its child if that cannot execute its command: those
    /// of its parent until then, and its own.
    fn spent(&self, program: &Path, options: &[&str], command: &[&str]) -> Outcome<f64> {
        let mut counted = quiet(&self.valgrind);
        counted
            .args(["--tool=cachegrind", "--cache-sim=no"])
            .arg("--cachegrind-out-file=/dev/null")
            .arg(program)
            .args(options)
            .args(command)
            .stderr(Stdio::piped());
        let text = stderr_of(&mut counted)?;
        let counts = text.lines().filter_map(|line| line.split_once("refs:"));
        let counts = counts.filter_map(|(_, count)| count.trim().replace(',', "").parse().ok());
        let least = counts.min_by(f64::total_cmp);
        least.ok_or(format!("valgrind printed no count: {text}"))
    }

    /// The system calls of the process until the first of this name.
    fn calls(
        &self,
        program: &Path,
        options: &[&str],
        command: &[&str],
        last: &str,
    ) -> Outcome<f64> {
        let mut traced = quiet(&self.strace);
        traced
            .arg(program)
            .args(options)
            .args(command)
            .stderr(Stdio::piped());
        let text = stderr_of(&mut traced)?;
        let calls = text.lines().filter_map(|line| line.split_once('('));
        let calls = calls.map(|(call, _)| call).skip(1); // without the execve that began it
        Ok(calls.take_while(|call| *call != last).count() as f64)
    }
}

fn stderr_of(command: &mut Command) -> Outcome<String> {
    let program = command.get_program().display().to_string();
    let output = command.output();
    let output = output.map_err(|error| format!("cannot run {program}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}
