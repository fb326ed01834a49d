//! What a supervisor adds to the start and the end of a command: from the spawn until the parent
//! sees the exit.
//!
//! The command is a static program without a C library that exits at once. A larger one would take
//! most of the time itself, and hide the differences between supervisors.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch, quiet};
use crate::comparison::Comparison;
use crate::peers::{FLOOR, FOLLOWING, OURS, SUPERVISORS, supervise};
use crate::process::Process;
use crate::samples::{Contestant, Place, in_turns};
use crate::table::{Goal, Row};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PEERS: [&str; 3] = ["tini-static", "catatonit", "dumb-init"];
/// The command without a supervisor: the time that a perfect one would take.
const ALONE: &str = "(no init)";

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut contestants = vec![Contestant::new(ALONE, quiet(&bench.nothing))];
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    contestants.extend(supervisors(bench, &place, &PEERS));
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

pub(crate) fn compare(bench: &Bench) -> Outcome<Vec<Comparison>> {
    let peers: Vec<&str> = SUPERVISORS
        .into_iter()
        // It is for services, and starts one again when it has ended.
        .filter(|name| *name != "s6-supervise")
        .collect();
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let names: Vec<&str> = [FLOOR].into_iter().chain(peers.clone()).collect();
    let mut contestants = supervisors(bench, &place, &names);
    in_turns(&mut contestants, bench.rounds, spawn_to_exit)?;
    let compared = |figure, ours| Comparison::times(figure, &contestants, ours, &peers);
    Ok(vec![
        compared("start: spawn to exit", OURS),
        compared("start: the same with a tombstone", FOLLOWING),
    ])
}

/// exitdir's supervisors, and those of these names that are installed.
fn supervisors(bench: &Bench, place: &Scratch, names: &[&'static str]) -> Vec<Contestant> {
    let command = |name| supervise(bench, name, &bench.nothing, &place.path(""));
    let names = [OURS, FOLLOWING].iter().chain(names);
    names
        .filter_map(|name| Some(Contestant::new(name, command(name)?)))
        .collect()
}

fn spawn_to_exit(command: &mut Command) -> Outcome<Duration> {
    let began = Instant::now();
    Process::start(command)?.succeed()?;
    Ok(began.elapsed())
}
