//! How soon a supervisor and its command have ended after TERM: from the signal to the supervisor
//! until the parent sees its exit, which comes after that of the command.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch};
use crate::comparison::Comparison;
use crate::peers::{FLOOR, FOLLOWING, OURS, SUPERVISORS, supervise};
use crate::process::Process;
use crate::samples::{Contestant, in_turns};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) fn compare(bench: &Bench) -> Outcome<Vec<Comparison>> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let names = [OURS, FOLLOWING, FLOOR].into_iter().chain(SUPERVISORS);
    let command = |name| supervise(bench, name, &bench.echo, &place.path(""));
    let mut contestants: Vec<Contestant> = names
        .filter_map(|name| Some(Contestant::new(name, command(name)?)))
        .collect();
    in_turns(&mut contestants, bench.rounds, term_to_exit)?;
    let compared = |figure: &str, ours| Comparison::times(figure, &contestants, ours, &SUPERVISORS);
    Ok(vec![
        compared("stop: TERM to the end of both", OURS),
        compared("stop: the same with a tombstone", FOLLOWING),
    ])
}

fn term_to_exit(command: &mut Command) -> Outcome<Duration> {
    let mut process = Process::start_piped(command)?;
    // The command writes it when it is ready for TERM.
    process.await_byte()?;
    process.await_that("slept", Process::sleeps)?;
    let began = Instant::now();
    process.terminate()?;
    Ok(began.elapsed())
}
