//! How soon a command learns of a new configuration: from the rename of the source to the signal in
//! the command, beyond the 100 ms that exitdir-run waits on purpose for further changes.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch};
use crate::process::Process;
use crate::samples::{Contestant, Place, in_turns};
use crate::table::{Goal, Row, Unit};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How the command reads the source.
const OURS: [(&str, &str); 2] = [("", "read in place"), ("copy", "copied")];
const QUIET: Duration = Duration::from_millis(100);
/// The goal for the time beyond that, in microseconds.
const GOAL: f64 = 5000.0;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let named = |(copy, what)| {
        let mut command = Command::new(what);
        command.arg(copy);
        Contestant::new(what, command)
    };
    let mut contestants: Vec<Contestant> = OURS.map(named).into();
    in_turns(&mut contestants, bench.rounds.min(30), |command| {
        let copied = command.get_args().any(|word| word == "copy");
        rename_to_signal(bench, copied)
    })?;
    let row = |found: &Contestant| Row {
        figure: format!(
            "reload: rename to signal, {}, beyond the quiet, median",
            found.name
        ),
        unit: Unit::Microseconds,
        ours: (found.took(Place::Median).as_secs_f64() - QUIET.as_secs_f64()) * 1e6,
        peer: "(quiet)",
        theirs: Some(QUIET.as_secs_f64() * 1e6),
        goal: Goal::AtMost(GOAL),
    };
    Ok(contestants.iter().map(row).collect())
}

fn rename_to_signal(bench: &Bench, copied: bool) -> Outcome<Duration> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let (source, new) = (place.path("conf"), place.path("conf.new"));
    let written = std::fs::write(&source, "1").and_then(|()| std::fs::write(&new, "2"));
    written.map_err(|error| error.to_string())?;
    let mut config = source.clone().into_os_string();
    if copied {
        config.push("=");
        config.push(place.path("run/conf"));
    }
    let mut command = bench.applet("exitdir-run");
    command.arg("--config").arg(config);
    command
        .args(["--quiet", "--on-config", "USR1", "--"])
        .arg(&bench.echo);
    let mut process = Process::start_piped(&mut command)?;
    process.await_byte()?;
    // A source that changed a moment ago is read once more after 100 ms.
    std::thread::sleep(2 * QUIET);
    process.await_that("idle", Process::sleeps)?;
    let began = Instant::now();
    std::fs::rename(new, source).map_err(|error| error.to_string())?;
    let took = process.await_byte()? - began;
    process.terminate()?;
    Ok(took)
}
