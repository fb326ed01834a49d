//! Speed and size of `exitdir` beside programs that Debian ships, as ratios within one run.
//!
//! `scripts/bench` builds the programs to measure, pins this program to one core and runs it. It
//! prints one Markdown table, or the report (`figures/report.rs`). A missed goal is printed as
//! missed; it is not an error, because these are benchmarks, not tests.

#![allow(clippy::print_stdout, clippy::print_stderr)] // printing is its purpose

#[path = "figures/bench.rs"]
mod bench;
#[path = "figures/chart.rs"]
mod chart;
#[path = "figures/comparison.rs"]
mod comparison;
#[path = "figures/counts.rs"]
mod counts;
#[path = "figures/crash.rs"]
mod crash;
#[path = "figures/disk.rs"]
mod disk;
#[path = "figures/followers.rs"]
mod followers;
#[path = "figures/idle.rs"]
mod idle;
#[path = "figures/memory.rs"]
mod memory;
#[path = "figures/peers.rs"]
mod peers;
#[path = "figures/process.rs"]
mod process;
#[path = "figures/reaction.rs"]
mod reaction;
#[path = "figures/ready.rs"]
mod ready;
#[path = "figures/reasons.rs"]
mod reasons;
#[path = "figures/reload.rs"]
mod reload;
#[path = "figures/report.rs"]
mod report;
#[path = "figures/samples.rs"]
mod samples;
#[path = "figures/scale.rs"]
mod scale;
#[path = "figures/signals.rs"]
mod signals;
#[path = "figures/size.rs"]
mod size;
#[path = "figures/start.rs"]
mod start;
#[path = "figures/stop.rs"]
mod stop;
#[path = "figures/table.rs"]
mod table;

use bench::{Bench, Outcome};
use std::process::ExitCode;
use table::Row;

/// A figure: its name on the command line, and the function that measures it.
type Figure = (&'static str, fn(&Bench) -> Outcome<Vec<Row>>);

const FIGURES: [Figure; 9] = [
    ("start", start::measure),
    ("disk", disk::measure),
    ("counts", counts::measure),
    ("signals", signals::measure),
    ("reaction", reaction::measure),
    ("ready", ready::measure),
    ("reload", reload::measure),
    ("memory", memory::measure),
    ("size", size::measure),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("bench: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let bench = Bench::from_args()?;
    if let Some((dir, machine)) = &bench.report {
        return report::write(&bench, dir, machine);
    }
    for name in &bench.chosen {
        if !FIGURES.iter().any(|(known, _)| known == name) {
            let known: Vec<&str> = FIGURES.iter().map(|(known, _)| *known).collect();
            let known = known.join(", ");
            return Err(format!("no figure {name:?}: expected {known}"));
        }
    }
    table::head();
    for (name, measure) in FIGURES {
        if bench.chosen.is_empty() || bench.chosen.iter().any(|chosen| chosen == name) {
            measure(&bench)?.iter().for_each(Row::print);
        }
    }
    Ok(())
}
