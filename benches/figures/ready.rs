//! How soon a dependent starts after its dependency is ready: from `READY=1`, or from the newline
//! on the descriptor, to the exec of the dependent, beside spawning the same command.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch};
use crate::process::Process;
use crate::samples::{Contestant, Place, in_turns};
use crate::table::{Goal, Row, Unit};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const OURS: [(&str, &str); 2] = [("notify", "READY=1"), ("fd", "a newline")];
/// The dependent's command, started without exitdir-run.
const ALONE: &str = "(spawn)";
/// The goal for the time beyond spawning, in microseconds.
const GOAL: f64 = 3000.0;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut contestants = vec![Contestant::new(ALONE, Command::new(&bench.echo))];
    for (source, _) in OURS {
        contestants.push(Contestant::new(source, Command::new(source)));
    }
    in_turns(&mut contestants, bench.rounds.min(200), |command| {
        let source = command.get_program().to_str();
        match OURS.iter().find(|(known, _)| Some(*known) == source) {
            Some((source, _)) => ready_to_exec(bench, source),
            None => spawn_to_exec(bench),
        }
    })?;
    let took = |name: &str| {
        let found = contestants.iter().find(|found| found.name == name);
        found.map_or(Duration::ZERO, |found| found.took(Place::Median))
    };
    let alone = took(ALONE).as_secs_f64() * 1e6;
    let row = |(source, what): (&str, &str)| Row {
        figure: format!("readiness: {what} to exec, beyond spawning, median"),
        unit: Unit::Microseconds,
        ours: took(source).as_secs_f64() * 1e6 - alone,
        peer: ALONE,
        theirs: Some(alone),
        goal: Goal::AtMost(GOAL),
    };
    Ok(OURS.into_iter().map(row).collect())
}

/// The echo program writes a byte as soon as it is executed.
fn spawn_to_exec(bench: &Bench) -> Outcome<Duration> {
    let mut command = crate::bench::quiet(&bench.echo);
    let began = Instant::now();
    let mut process = Process::start_piped(&mut command)?;
    let took = process.await_byte()? - began;
    process.terminate()?;
    Ok(took)
}

/// USR1 makes the dependency report that it is ready.
fn ready_to_exec(bench: &Bench, source: &str) -> Outcome<Duration> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let mut dependency = bench.applet("exitdir-run");
    dependency.arg("--dir").arg(place.path("ready"));
    dependency.args(["--name", "db", "--ready-on", source, "--"]);
    dependency.arg(&bench.tell).arg(source);
    let mut dependency = Process::start_piped(&mut dependency)?;
    dependency.await_byte()?;
    let mut dependent = bench.applet("exitdir-run");
    dependent.arg("--dir").arg(place.path("ready"));
    dependent.args(["--name", "app", "--birth-deps", "db", "--"]);
    dependent.arg(&bench.echo);
    let mut dependent = Process::start_piped(&mut dependent)?;
    dependent.await_that("watched", |process| process.watches() && process.sleeps())?;
    let began = Instant::now();
    dependency.send(Signal::USR1)?;
    let took = dependent.await_byte()? - began;
    dependent.terminate()?;
    dependency.terminate()?;
    Ok(took)
}
