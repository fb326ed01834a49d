//! How soon a command learns of a new configuration: from the change of the source to the signal in
//! the command. A source that is replaced by a rename is applied at once. For one that is written
//! in place, exitdir-run waits 100 ms on purpose for further changes.

use crate::bench::{Bench, IN_MEMORY, Outcome, Scratch};
use crate::process::Process;
use crate::samples::{Contestant, Place, in_turns};
use crate::table::{Goal, Row, Unit};
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const RENAME: &str = "rename";
const COPY: &str = "copy";
const WRITE: &str = "write";
const QUIET: Duration = Duration::from_millis(100);

/// How the source is changed and read.
struct Way {
    word: &'static str,
    figure: &'static str,
    /// What exitdir-run waits on purpose.
    waits: Duration,
    /// The goal beyond that, in microseconds.
    goal: f64,
}

const WAYS: [Way; 3] = [
    Way {
        word: RENAME,
        figure: "rename to signal, read in place",
        waits: Duration::ZERO,
        goal: 3000.0,
    },
    Way {
        word: COPY,
        figure: "rename to signal, copied",
        waits: Duration::ZERO,
        goal: 3000.0,
    },
    Way {
        word: WRITE,
        figure: "write to signal, beyond the quiet",
        waits: QUIET,
        goal: 5000.0,
    },
];

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let contestant = |way: &Way| {
        let mut command = Command::new(way.figure);
        command.arg(way.word);
        Contestant::new(way.figure, command)
    };
    let mut contestants: Vec<Contestant> = WAYS.iter().map(contestant).collect();
    in_turns(&mut contestants, bench.rounds.min(30), |command| {
        change_to_signal(bench, command.get_args().next().unwrap_or_default())
    })?;
    let row = |(found, way): (&Contestant, &Way)| Row {
        figure: format!("reload: {}, median", way.figure),
        unit: Unit::Microseconds,
        ours: (found.took(Place::Median).as_secs_f64() - way.waits.as_secs_f64()) * 1e6,
        peer: "(quiet)",
        theirs: Some(QUIET.as_secs_f64() * 1e6),
        goal: Goal::AtMost(way.goal),
    };
    Ok(contestants.iter().zip(&WAYS).map(row).collect())
}

fn change_to_signal(bench: &Bench, way: &OsStr) -> Outcome<Duration> {
    let place = Scratch::new(Path::new(IN_MEMORY))?;
    let (source, new) = (place.path("conf"), place.path("conf.new"));
    let written = std::fs::write(&source, "1").and_then(|()| std::fs::write(&new, "2"));
    written.map_err(|error| error.to_string())?;
    let mut config = source.clone().into_os_string();
    if way == COPY {
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
    // A source that changed a moment ago is read first after 100 ms.
    std::thread::sleep(2 * QUIET);
    process.await_that("idle", Process::sleeps)?;
    let began = Instant::now();
    let changed = match way == WRITE {
        true => std::fs::write(source, "2"),
        false => std::fs::rename(new, source),
    };
    changed.map_err(|error| error.to_string())?;
    let took = process.await_byte()? - began;
    process.terminate()?;
    Ok(took)
}
