//! What the binaries take on disk, and so in an image.

use crate::bench::{Bench, Outcome, peer};
use crate::comparison::Comparison;
use crate::samples::Spread;
use crate::table::{Goal, Row, Unit};
use std::path::Path;
use std::process::Command;

/// The goals. The tests enforce a limit.
const GOAL: f64 = 360_000.0;
const GOAL_OF_AARCH64: f64 = 340_000.0;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for name in ["tini-static", "catatonit", "dumb-init", "inotifywait"] {
        rows.push(Row {
            peer: name,
            theirs: peer(name).map(|program| bytes(&program)).transpose()?,
            ..alone(&bench.binary, std::env::consts::ARCH)?
        });
    }
    for (arch, binary) in &bench.foreign {
        rows.push(alone(binary, arch)?);
    }
    Ok(rows)
}

/// The programs of the report.
const PEERS: [&str; 7] = [
    "tini-static",
    "tini",
    "catatonit",
    "dumb-init",
    "s6-supervise",
    "inotifywait",
    "busybox",
];

pub(crate) fn compare(bench: &Bench) -> Outcome<Vec<Comparison>> {
    let size = |program: &Path| bytes(program).map(Spread::exactly);
    let mut peers = Vec::new();
    for name in PEERS {
        let Some(program) = peer(name) else {
            peers.push((name.to_owned(), None));
            continue;
        };
        let alone = bytes(&program)?;
        let libraries = libraries(&program)?;
        if libraries == 0.0 {
            peers.push((name.to_owned(), Some(Spread::exactly(alone))));
        } else {
            let both = Spread::exactly(alone + libraries);
            peers.push((format!("{name} without libraries"), Some(size(&program)?)));
            peers.push((format!("{name} with libraries"), Some(both)));
        }
    }
    Ok(vec![Comparison {
        figure: "size: the program in an image".to_owned(),
        unit: Unit::Bytes,
        ours: size(&bench.binary)?,
        floor: Some(size(&bench.floor)?),
        peers,
    }])
}

/// The size of the libraries that a program loads, as ldd(1) names them.
fn libraries(program: &Path) -> Outcome<f64> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.map_err(|error| format!("cannot run ldd: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    paths
        .filter(|path| !path.ends_with(':'))
        .map(|path| bytes(Path::new(path)))
        .sum()
}

/// The binary for one architecture, compared with nothing.
fn alone(binary: &Path, arch: &str) -> Outcome<Row> {
    Ok(Row {
        figure: format!("size: the binary for {arch}"),
        unit: Unit::Bytes,
        ours: bytes(binary)?,
        peer: "",
        theirs: None,
        goal: Goal::AtMost(match arch {
            "aarch64" => GOAL_OF_AARCH64,
            _ => GOAL,
        }),
    })
}

fn bytes(program: &Path) -> Outcome<f64> {
    let found = std::fs::metadata(program)
        .map_err(|error| format!("cannot measure {}: {error}", program.display()))?;
    // Exact: no binary comes near 2^32 bytes.
    u32::try_from(found.len())
        .map(f64::from)
        .map_err(|_| format!("{} is over 4 GB", program.display()))
}
