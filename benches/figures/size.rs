//! What the binaries take on disk, and so in an image.

use crate::bench::{Bench, Outcome, peer};
use crate::table::{Goal, Row, Unit};
use std::path::Path;

/// The limit that the tests enforce.
const GOAL: f64 = 490_000.0;

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

/// The binary for one architecture, compared with nothing.
fn alone(binary: &Path, arch: &str) -> Outcome<Row> {
    Ok(Row {
        figure: format!("size: the binary for {arch}"),
        unit: Unit::Bytes,
        ours: bytes(binary)?,
        peer: "",
        theirs: None,
        goal: Goal::AtMost(GOAL),
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
