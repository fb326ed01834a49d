//! Instructions, counted by valgrind: those of the program and not of the kernel. Unlike time they
//! are the same on a busy machine.

use crate::support::requirements::is_permitted;
use crate::support::sandbox::binary;
use std::process::Command;

/// Options of valgrind: instructions only, and only their sum.
pub const COUNTER: [&str; 3] = [
    "--tool=cachegrind",
    "--cache-sim=no",
    "--cachegrind-out-file=/dev/null",
];

pub fn can_count_instructions() -> bool {
    is_permitted(
        "counting instructions with valgrind",
        Command::new("valgrind")
            .args(COUNTER)
            .arg(binary())
            .arg("--version"),
    )
}

/// What valgrind says at the end of each process: `I refs: 67,975`. A child that executes no
/// program says what its parent has spent until then and what it has spent itself.
pub fn counts(stderr: &str) -> Vec<u64> {
    let counts = stderr.lines().filter_map(|line| line.split_once("refs:"));
    counts
        .map(|(_, count)| count.trim().replace(',', "").parse().unwrap())
        .collect()
}

/// The instructions of a process, without those of its children.
pub fn instructions(stderr: &str) -> u64 {
    let most = counts(stderr).into_iter().max();
    most.unwrap_or_else(|| panic!("nothing was counted: {stderr}"))
}
