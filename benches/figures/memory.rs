//! The memory of a waiting supervisor, and of `exitdir-wait`: the resident set, and the private
//! part of it.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch, peer, quiet};
use crate::comparison::Comparison;
use crate::peers::{FLOOR, FOLLOWING, OURS, SUPERVISORS, supervise};
use crate::process::Process;
use crate::samples::Spread;
use crate::table::{Goal, Row, Unit};
use std::path::Path;
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
        .map(|program| {
            let command = || asleep(quiet(&program));
            medians(|found| Waits::Child.is_there(found), command)
        })
        .transpose()?;
    let mut rows = Vec::new();
    let cases = [
        (Waits::Death, "with a death dependency"),
        (Waits::Child, "without dependencies"),
        (Waits::Birth, "before the start"),
        (Waits::Condition, "exitdir-wait"),
    ];
    for (waits, case) in cases {
        let command = || asleep(applet(bench, waits));
        let ours = medians(|found| waits.is_there(found), command)?;
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

pub(crate) fn compare(bench: &Bench) -> Outcome<Vec<Comparison>> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let measured = |name| {
        let command = || supervise(bench, name, &bench.echo, &place.path(""));
        let waits = |process: &Process| {
            let watching = name != FOLLOWING || process.watches();
            process.has_started() && watching && process.sleeps()
        };
        let first = command().map(|_| medians(waits, || command().unwrap_or(quiet(name))));
        first.transpose()
    };
    let peers: Outcome<Vec<_>> = SUPERVISORS
        .into_iter()
        .map(|name| Ok((name, measured(name)?)))
        .collect();
    let (peers, floor) = (peers?, measured(FLOOR)?);
    let (ours, following) = (measured(OURS)?, measured(FOLLOWING)?);
    let compared = |figure: &str, ours: &Option<Vec<f64>>, at: usize| Comparison {
        figure: figure.to_owned(),
        unit: Unit::Kilobytes,
        ours: value(ours, at).unwrap_or(Spread::exactly(0.0)),
        floor: value(&floor, at),
        peers: peers
            .iter()
            .map(|(name, found)| ((*name).to_owned(), value(found, at)))
            .collect(),
    };
    Ok(vec![
        compared("memory: resident", &ours, 0),
        compared("memory: resident, with a tombstone", &following, 0),
        compared("memory: private", &ours, 1),
        compared("memory: private, with a tombstone", &following, 1),
    ])
}

/// The figure at this place of `FIGURES`.
fn value(medians: &Option<Vec<f64>>, at: usize) -> Option<Spread> {
    let medians = medians.as_ref()?;
    medians.get(at).copied().map(Spread::exactly)
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

fn asleep(mut supervisor: Command) -> Command {
    supervisor.arg("--").args(SLEEP);
    supervisor
}

/// The median of each figure over several processes.
fn medians(
    waits: impl Fn(&Process) -> bool,
    supervisor: impl Fn() -> Command,
) -> Outcome<Vec<f64>> {
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); FIGURES.len()];
    for _ in 0..PROCESSES {
        let mut command = supervisor();
        let mut process = Process::start_waiting(&mut command, &waits)?;
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
