//! The cost of a forwarded signal in the supervisor, in instructions.
//!
//! Valgrind counts the instructions of the supervisor, not those of the kernel: load does not
//! change them. The command answers each signal before the next one is sent, so that no two are
//! merged.

use crate::bench::{Bench, Outcome, peer, quiet};
use crate::table::{Goal, Row, Unit};
use rustix::process::{Pid, Signal};
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const OURS: &str = "exitdir-run";
const PEERS: [(&str, Goal); 3] = [
    ("dumb-init", Goal::Ratio(1.5)),
    ("tini", Goal::None),
    ("catatonit", Goal::None),
];
const SIGNALS: u64 = 100_000;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let Some(valgrind) = peer("valgrind") else {
        return Err("signals: valgrind is not installed".to_owned());
    };
    let cost = |supervisor: &Path| spent_for_one(&valgrind, supervisor, &bench.echo);
    let ours = cost(&bench.scratch.path(OURS))?;
    let mut rows = Vec::new();
    for (name, goal) in PEERS {
        let theirs = peer(name).map(|program| cost(&program)).transpose()?;
        rows.push(Row {
            figure: format!("signals: each of {SIGNALS} forwarded"),
            unit: Unit::Instructions,
            ours,
            peer: name,
            theirs,
            goal,
        });
    }
    Ok(rows)
}

/// The cost of one signal: the difference between many signals and none, divided.
fn spent_for_one(valgrind: &Path, supervisor: &Path, echo: &Path) -> Outcome<f64> {
    let spent = |signals| spent(valgrind, supervisor, echo, signals);
    let (none, all) = (spent(0)?, spent(SIGNALS)?);
    Ok((all - none) / SIGNALS as f64)
}

fn spent(valgrind: &Path, supervisor: &Path, echo: &Path, signals: u64) -> Outcome<f64> {
    let mut command = quiet(valgrind);
    command
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .args([supervisor.as_os_str(), OsStr::new("--"), echo.as_os_str()]);
    let mut counted = Counted::start(&mut command)?;
    for _ in 0..signals {
        counted.send(Signal::USR1)?;
        counted.await_answer()?;
    }
    counted.send(Signal::TERM)?;
    counted.finish()
}

/// A supervisor under valgrind, killed at the end of its measurement.
struct Counted {
    child: Child,
}

impl Counted {
    fn start(command: &mut Command) -> Outcome<Counted> {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let child = child.map_err(|error| format!("cannot run valgrind: {error}"))?;
        let mut counted = Counted { child };
        counted.await_answer()?;
        Ok(counted)
    }

    fn send(&self, signal: Signal) -> Outcome<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| format!("cannot send a signal: {error}"))
    }

    fn await_answer(&mut self) -> Outcome<()> {
        let answers = self.child.stdout.as_mut().ok_or("no answers")?;
        let answer = answers.read_exact(&mut [0]);
        answer.map_err(|error| format!("no answer: {error}"))
    }

    /// The last count that valgrind prints: `I refs: 67,975`. The child may print one before its
    /// exec.
    fn finish(mut self) -> Outcome<f64> {
        let mut text = String::new();
        let stderr = self.child.stderr.as_mut().ok_or("no standard error")?;
        stderr
            .read_to_string(&mut text)
            .map_err(|error| format!("cannot read the output of valgrind: {error}"))?;
        let count = text.lines().rev().find_map(|line| line.split_once("refs:"));
        count
            .and_then(|(_, count)| count.trim().replace(',', "").parse().ok())
            .ok_or(format!("valgrind printed no count: {text}"))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // Both fail after an orderly end; no other error can be acted on here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
