//! What a tombstone on this machine's disk costs: from the spawn of a supervisor until its command
//! runs, and from the end of the command until the parent sees the end of the supervisor, which
//! first makes the record of the death durable (fsync(2)).

use crate::bench::{Bench, Outcome, peer, quiet};
use crate::process::Process;
use crate::samples::{Contestant, Place, in_turns};
use crate::table::{Goal, Row};
use rustix::time::{ClockId, clock_gettime};
use std::process::Command;
use std::time::Duration;

const OURS: &str = "exitdir-run";
const PEER: &str = "tini-static";

/// A part of a life that is measured.
type Part = (&'static str, fn(&mut Command) -> Outcome<Duration>);

const PARTS: [Part; 2] = [
    ("start on disk: spawn to exec of the command, median", start),
    ("exit on disk: end of the command to exit, median", exit),
];

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    PARTS
        .iter()
        .map(|(figure, part)| {
            let mut contestants = contestants(bench);
            in_turns(&mut contestants, bench.rounds, part)?;
            let (place, pair) = (Place::Median, (OURS, PEER));
            let figure = (*figure).to_owned();
            Ok(Row::times(figure, &contestants, place, pair, Goal::None))
        })
        .collect()
}

fn contestants(bench: &Bench) -> Vec<Contestant> {
    let mut ours = bench.applet(OURS);
    ours.arg("--dir").arg(bench.scratch.path("disk"));
    ours.args(["--name", "sidecar", "--death-deps", "main"]);
    let theirs = peer(PEER).map(|program| (PEER, quiet(program)));
    [(OURS, ours)]
        .into_iter()
        .chain(theirs)
        .map(|(name, mut command)| {
            command.arg("--").arg(&bench.stamp);
            Contestant::new(name, command)
        })
        .collect()
}

fn start(command: &mut Command) -> Outcome<Duration> {
    let began = now();
    let ran = run(command)?;
    Ok(ran.saturating_sub(began))
}

fn exit(command: &mut Command) -> Outcome<Duration> {
    let ran = run(command)?;
    Ok(now().saturating_sub(ran))
}

/// Runs a supervisor to its end. Returns when its command ran, which ends at once.
fn run(command: &mut Command) -> Outcome<Duration> {
    let mut process = Process::start_piped(command)?;
    let ran = process.await_stamp()?;
    process.succeed()?;
    Ok(ran)
}

/// The clock of the command.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = Duration::from_secs(now.tv_sec.unsigned_abs());
    seconds + Duration::from_nanos(now.tv_nsec.unsigned_abs())
}
