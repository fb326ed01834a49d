//! What a supervisor adds to the start and the end of a command: from spawn to the exit that the
//! parent sees.
//!
//! The command is a static program without a C library that ends at once: anything heavier would
//! take most of the time itself, and hide the supervisors behind it.

use crate::bench::{Bench, Outcome, peer, quiet};
use crate::process::Process;
use crate::samples::{Contestant, Place, in_turns};
use crate::table::{Goal, Row};
use std::process::Command;
use std::time::{Duration, Instant};

const OURS: &str = "exitdir-run";
const PEERS: [&str; 3] = ["tini-static", "catatonit", "dumb-init"];
/// The command without any supervisor: what is left to a perfect one.
const ALONE: &str = "(no init)";

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut supervisors = vec![(OURS, bench.applet(OURS))];
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
    Ok(vec![
        row(Place::Median, "tini-static", Goal::Ratio(1.1)),
        row(Place::P99, "tini-static", Goal::None),
        row(Place::Median, "catatonit", Goal::None),
        row(Place::Median, "dumb-init", Goal::None),
        row(Place::Median, ALONE, Goal::None),
    ])
}

fn spawn_to_exit(command: &mut Command) -> Outcome<Duration> {
    let began = Instant::now();
    Process::start(command)?.succeed()?;
    Ok(began.elapsed())
}
