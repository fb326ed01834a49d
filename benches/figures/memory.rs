//! The memory of a waiting supervisor, and of `exitdir-wait`: the resident set, and the private
//! part of it.

use crate::bench::{Bench, Outcome, peer, quiet};
use crate::process::Process;
use crate::table::{Goal, Row, Unit};
use std::process::Command;

const PEER: &str = "tini-static";
/// A command that runs longer than the measurement.
const SLEEP: [&str; 2] = ["sleep", "1000"];
/// The goal for the resident set, in kB.
const GOAL: f64 = 700.0;
/// The goals for private memory, of `exitdir-run` and of `exitdir-wait`, in kB.
const PRIVATE_GOAL: f64 = 40.0;
const PRIVATE_GOAL_OF_WAIT: f64 = 32.0;
/// Fewer than for times: the resident set hardly differs from one process to the next.
const PROCESSES: usize = 21;
/// The file in `/proc/PID`, the key in it, and its meaning.
const FIGURES: [(&str, &str, &str); 3] = [
    ("status", "VmRSS", "resident"),
    ("status", "RssAnon", "private"),
    ("smaps_rollup", "Pss", "proportional"),
];

/// What a supervisor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// For the end of its command.
    Child,
    /// For the end of its command, and for a death dependency.
    Death,
    /// For a birth dependency, before it starts its command.
    Birth,
    /// For a condition: `exitdir-wait`.
    Condition,
}

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let theirs = peer(PEER)
        .map(|program| medians(Waits::Child, || quiet(&program)))
        .transpose()?;
    let mut rows = Vec::new();
    let cases = [
        (Waits::Death, "with a death dependency"),
        (Waits::Child, "without dependencies"),
        (Waits::Birth, "before the start"),
        (Waits::Condition, "exitdir-wait"),
    ];
    for (waits, case) in cases {
        let ours = medians(waits, || applet(bench, waits))?;
        for (at, (_, key, what)) in FIGURES.iter().enumerate() {
            rows.push(Row {
                figure: format!("memory: {case}, {what}"),
                unit: Unit::Kilobytes,
                ours: ours.get(at).copied().unwrap_or_default(),
                peer: PEER,
                theirs: theirs.as_ref().and_then(|theirs| theirs.get(at).copied()),
                goal: match (*key, waits) {
                    ("VmRSS", _) => Goal::AtMost(GOAL),
                    ("RssAnon", Waits::Condition) => Goal::AtMost(PRIVATE_GOAL_OF_WAIT),
                    ("RssAnon", _) => Goal::AtMost(PRIVATE_GOAL),
                    _ => Goal::None,
                },
            });
        }
    }
    Ok(rows)
}

fn applet(bench: &Bench, waits: Waits) -> Command {
    let (applet, options) = match waits {
        Waits::Child => return bench.applet("exitdir-run"),
        Waits::Death => ("exitdir-run", &["--name", "sidecar", "--death-deps"][..]),
        Waits::Birth => ("exitdir-run", &["--name", "sidecar", "--birth-deps"][..]),
        Waits::Condition => ("exitdir-wait", &[][..]),
    };
    let mut command = bench.applet(applet);
    command.arg("--dir").arg(bench.scratch.path("graveyard"));
    command.args(options).arg("main");
    command
}

/// The median of each figure over several processes.
fn medians(waits: Waits, supervisor: impl Fn() -> Command) -> Outcome<Vec<f64>> {
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); FIGURES.len()];
    for _ in 0..PROCESSES {
        let mut command = supervisor();
        command.arg("--").args(SLEEP);
        let mut process = Process::start_waiting(&mut command, |found| waits.is_there(found))?;
        for ((file, key, _), taken) in FIGURES.iter().zip(&mut taken) {
            taken.push(process.kilobytes(file, key)?);
        }
        process.terminate()?;
    }
    Ok(taken.into_iter().map(median).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl Waits {
    fn is_there(self, process: &Process) -> bool {
        let has_no_command = matches!(self, Waits::Birth | Waits::Condition);
        let started = has_no_command || process.has_child("sleep");
        let watching = self == Waits::Child || process.watches();
        started && watching && process.sleeps()
    }
}
