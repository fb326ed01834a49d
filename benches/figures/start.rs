//! What a supervisor adds to the start and the end of a command: from the spawn until the parent
//! sees the exit.
//!
//! The command is a static program without a C library that exits at once. A larger one would take
//! most of the time itself, and hide the differences between supervisors.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch, peer, quiet};
use crate::process::Process;
use crate::samples::{Contestant, Place, in_turns};
use crate::table::{Goal, Row};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const OURS: &str = "exitdir-run";
/// The same with a tombstone and a death dependency, in memory.
const FOLLOWING: &str = "exitdir-run, following";
const PEERS: [&str; 3] = ["tini-static", "catatonit", "dumb-init"];
/// The command without a supervisor: the time that a perfect one would take.
const ALONE: &str = "(no init)";

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let in_memory = Scratch::new(Path::new(IN_MEMORY))?;
    let mut supervisors = vec![
        (OURS, bench.applet(OURS)),
        (FOLLOWING, following(bench, &in_memory)),
    ];
    supervisors.extend(
        PEERS
            .iter()
            .filter_map(|name| Some((*name, quiet(peer(name)?)))),
    );
    let mut contestants = vec![Contestant::new(ALONE, quiet(&bench.nothing))];
    for (name, mut command) in supervisors {
        command.arg("--").arg(&bench.nothing);
        contestants.push(Contestant::new(name, command));
    }
    in_turns(&mut contestants, bench.rounds, spawn_to_exit)?;
    let row = |place: Place, peer, goal| {
        let figure = format!("start: spawn to exit, {}", place.name());
        Row::times(figure, &contestants, place, (OURS, peer), goal)
    };
    let follow = |goal| {
        let figure = "start: with death dependencies in memory, median".to_owned();
        let pair = (FOLLOWING, "tini-static");
        Row::times(figure, &contestants, Place::Median, pair, goal)
    };
    Ok(vec![
        row(Place::Median, "tini-static", Goal::Ratio(1.05)),
        row(Place::P99, "tini-static", Goal::None),
        row(Place::Median, "catatonit", Goal::None),
        row(Place::Median, "dumb-init", Goal::None),
        row(Place::Median, ALONE, Goal::None),
        follow(Goal::Ratio(0.6)),
    ])
}

fn following(bench: &Bench, place: &Scratch) -> Command {
    let mut command = bench.applet(OURS);
    command.arg("--dir").arg(place.path("followed"));
    command.args(["--name", "sidecar", "--death-deps", "main"]);
    command
}

fn spawn_to_exit(command: &mut Command) -> Outcome<Duration> {
    let began = Instant::now();
    Process::start(command)?.succeed()?;
    Ok(began.elapsed())
}
