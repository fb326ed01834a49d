//! The report: exitdir beside other programs and beside the least that is possible, on one machine.
//! It is printed as Markdown, and written with its charts.

use crate::bench::{Bench, Outcome};
use crate::comparison::{Comparison, HEAD};
use crate::{chart, crash, idle, memory, reaction, reasons, scale, size, start, stop};
use std::path::Path;

/// A part of the report: its name on the command line, and the function that measures it.
type Part = (&'static str, fn(&Bench) -> Outcome<Vec<Comparison>>);

const PARTS: [Part; 8] = [
    ("size", size::compare),
    ("memory", memory::compare),
    ("start", start::compare),
    ("stop", stop::compare),
    ("reaction", reaction::compare),
    ("crash", crash::compare),
    ("scale", scale::compare),
    ("idle", idle::compare),
];

/// The charts: the figure, the name of exitdir's bar, the name of the file, and the title.
const CHARTS: [(&str, &str, &str, &str); 3] = [
    (
        "size: the program in an image",
        "exitdir",
        "size",
        "Size of the program in bytes",
    ),
    (
        "start: spawn to exit",
        "exitdir-run",
        "start",
        "Spawn to exit of a supervisor of a command that exits at once, median",
    ),
    (
        "reaction: a death to the exit of wait",
        "exitdir-wait",
        "reaction",
        "From a death to the exit of the program that waits for it, median",
    ),
];

/// Measures the chosen parts, or all of them, and writes the report into the directory.
pub(crate) fn write(bench: &Bench, dir: &Path, machine: &str) -> Outcome<()> {
    let mut compared = Vec::new();
    for (name, compare) in PARTS {
        if bench.chosen.is_empty() || bench.chosen.iter().any(|chosen| chosen == name) {
            let sentence = |why| format!("{name}: {why}");
            compared.extend(compare(bench).map_err(sentence)?);
        }
    }
    let charts = draw(&compared);
    let page = page(&compared, machine, bench.rounds);
    print!("{page}");
    let failed = |error: std::io::Error| format!("cannot write to {}: {error}", dir.display());
    std::fs::create_dir_all(dir).map_err(failed)?;
    for (name, chart) in charts {
        std::fs::write(dir.join(format!("{name}.svg")), chart).map_err(failed)?;
    }
    std::fs::write(dir.join("report.md"), page).map_err(failed)
}

/// The names and texts of the charts whose figures were measured.
fn draw(compared: &[Comparison]) -> Vec<(&'static str, String)> {
    let drawn = CHARTS.iter().filter_map(|(figure, ours, name, title)| {
        let mut found = compared.iter().filter(|found| found.figure == *figure);
        Some((*name, chart::draw(found.next()?, ours, title)))
    });
    drawn.collect()
}

fn page(compared: &[Comparison], machine: &str, rounds: usize) -> String {
    let mut page = format!("{INTRODUCTION}\n{}\n\n{HEAD}\n", machine.trim_end());
    for line in compared.iter().flat_map(Comparison::lines) {
        page.push_str(&line);
        page.push('\n');
    }
    page = page.replace("ROUNDS", &rounds.to_string());
    let reasons: Vec<String> = compared.iter().filter_map(lost).collect();
    if !reasons.is_empty() {
        page.push_str("\n## Where exitdir is not first\n\n");
        page.push_str(&reasons.concat());
    }
    page
}

/// An item of the list of reasons, if another program is better.
fn lost(comparison: &Comparison) -> Option<String> {
    let better = comparison.better();
    if better.is_empty() {
        return None;
    }
    let (figure, reason) = (&comparison.figure, reasons::reason(comparison));
    Some(format!("- *{figure}* ({}): {reason}\n", better.join(", ")))
}

const INTRODUCTION: &str = "\
# Report

`scripts/bench --report` measured this on one machine, and wrote this page and its charts. The next
run writes them anew. Times vary with the machine and its load; compare programs within one run.

![size of the program](size.svg)

![start of a command](start.svg)

![reaction to a death](reaction.svg)

- A figure is its minimum, median and 99th percentile, or one value where it hardly varies. The
  smaller, the better. All programs of a figure run in turns, up to ROUNDS times.
- *ratio*: the median of exitdir, divided by that of the other program.
- *floor*: a program that does only this and handles no errors, `benches/floor/floor.c`. At its exit
  the kernel closes its watch, and waits for the other processors; exitdir puts this off until after
  the exit, so it can be faster than the floor.
- *start*: from the spawn of a supervisor, whose command exits at once, until its parent sees its
  exit. *stop*: from TERM until the parent sees the exit, after that of the command.
- *reaction*: from the rename of a tombstone until the parent sees the exit of the program that
  waits for the death; `exitdir-run` has ended its command by then. *crash*: the same from SIGKILL
  of the supervisor of the dependency.
- *wake-ups*: voluntary context switches in `/proc/PID/status` in 20 seconds, times three. The
  *processor time* is that of `/proc/PID/schedstat`, with the children that have ended.
- *tombstone*: a supervisor with `--name`, `--death-deps` and a directory in memory.
- *libraries*: the C library and others, which the program also needs in the image, as ldd(1) lists
  them.

## The machine
";
