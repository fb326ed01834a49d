//! docs/figures.md states figures of exitdir that are those of the current build, and no other
//! document states a size or an amount of memory.
//!
//! The figures vary a little with the Rust release and the kernel, so a tenth more is accepted, and
//! a quarter more of memory. They need the static binary: for another one they are skipped.

use super::{pages, read};
use crate::support::inspect::await_sleep;
use crate::support::recorder::Recorder;
use crate::support::requirements::static_binary_is_given;
use crate::support::sandbox::{Sandbox, Start, binary, repository, wait_until};
use crate::support::signals::USR1;
use crate::support::valgrind::{COUNTER, can_count_instructions, instructions};

const PAGE: &str = "docs/figures.md";
const SIGNALS: u64 = 100;

/// The figure of exitdir in the first row of this name.
fn stated(figure: &str) -> u64 {
    let page = read(PAGE);
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let mut rows = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&figure));
    let row = row.unwrap_or_else(|| panic!("{PAGE} has no row {figure:?}"));
    let number = row[1].split(' ').next().unwrap();
    number.parse().unwrap_or_else(|_| panic!("{row:?}"))
}

#[track_caller]
fn assert_at_most(measured: u64, figure: &str, percent: u64) {
    let stated = stated(figure);
    println!("{figure}: {measured} measured, {stated} stated");
    assert!(
        measured * 100 <= stated * percent,
        "{figure}: {measured} measured, {stated} stated: run scripts/bench --write"
    );
}

#[test]
fn the_sizes_in_the_figures_are_those_of_the_static_binaries() {
    if !static_binary_is_given() {
        return;
    }
    for arch in ["x86_64", "aarch64"] {
        let binary = repository().join("dist/small").join(arch).join("exitdir");
        let size = std::fs::metadata(binary).expect("a binary").len();
        let figure = format!("size: the binary for {arch}");
        assert_at_most(size, &figure, 110);
        assert!(
            size * 110 >= stated(&figure) * 100,
            "{figure}: smaller than stated: run scripts/bench --write"
        );
    }
}

#[test]
fn a_waiting_supervisor_takes_no_more_memory_than_the_figures_say() {
    // Other processors may have larger pages.
    if !static_binary_is_given() || cfg!(not(target_arch = "x86_64")) {
        return;
    }
    for (options, figure) in [
        (&[][..], "memory: without dependencies, resident"),
        (
            &["--name", "sidecar", "--death-deps", "main"],
            "memory: with a death dependency, resident",
        ),
    ] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.run(options);
        let running = command.args(["--", "sleep", "1000"]).start();
        let children = format!("/proc/{0}/task/{0}/children", running.pid());
        wait_until("it has started its command", || {
            std::fs::read_to_string(&children).is_ok_and(|children| !children.is_empty())
        });
        await_sleep(&running);
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid()));
        let status = status.expect("a status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.trim().strip_suffix(" kB"));
        let resident = resident.and_then(|kilobytes| kilobytes.parse().ok());
        assert_at_most(resident.expect("a resident set"), figure, 125);
    }
}

#[test]
fn a_forwarded_signal_costs_no_more_instructions_than_the_figures_say() {
    if !static_binary_is_given() || !can_count_instructions() {
        return;
    }
    let (none, all) = (spent(0), spent(SIGNALS));
    assert!(all > none, "{SIGNALS} signals: {all}, none: {none}");
    assert_at_most(
        (all - none) / SIGNALS,
        "signals: each of 100000 forwarded",
        110,
    );
}

/// The instructions of a supervisor that forwards so many signals, one after the other.
fn spent(signals: u64) -> u64 {
    let recorder = Recorder::start("trap 'echo usr1 >> \"$RECORD\"' USR1", |sandbox| {
        let mut command = sandbox.command("valgrind");
        command.args(COUNTER).arg(binary());
        command.args(["run", "--name", "main"]);
        command
    });
    for count in 1..=signals {
        recorder.running.send(USR1);
        wait_until("the signal has arrived", || {
            recorder.record().len() as u64 > count
        });
    }
    recorder.let_go();
    let ended = recorder.running.end();
    instructions(&ended.stderr)
}

#[test]
fn only_the_page_of_the_figures_states_sizes_and_memory() {
    let mut documents = pages();
    documents.extend(["DESIGN.md".to_owned(), "CHANGELOG.md".to_owned()]);
    documents.retain(|document| document != PAGE);
    for document in documents {
        let text = read(&document);
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            let is_number = pair[0].ends_with(|c: char| c.is_ascii_digit());
            // Limits of the format are in bytes, KiB and MiB.
            let is_unit = ["kB", "MB"].iter().any(|unit| pair[1].starts_with(unit));
            assert!(!(is_number && is_unit), "{document}: {pair:?}: see {PAGE}");
        }
    }
}
