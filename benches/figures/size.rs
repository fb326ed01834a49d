//! What the binaries take on disk, and so in an image.

use crate::bench::{Bench, Outcome, peer};
use crate::table::{Goal, Row, Unit};
use std::path::Path;

/// The limit that the tests enforce.
const GOAL: f64 = 490_000.0;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Row>> {
    let ours = bytes(&bench.binary)?;
    let mut rows = Vec::new();
    for (name, goal) in [
        ("tini-static", Goal::AtMost(GOAL)),
        ("catatonit", Goal::None),
        ("dumb-init", Goal::None),
        ("inotifywait", Goal::None),
    ] {
        rows.push(Row {
            figure: "size: the binary".to_owned(),
            unit: Unit::Bytes,
            ours,
            peer: name,
            theirs: peer(name).map(|program| bytes(&program)).transpose()?,
            goal,
        });
    }
    Ok(rows)
}

fn bytes(program: &Path) -> Outcome<f64> {
    let found = std::fs::metadata(program)
        .map_err(|error| format!("cannot measure {}: {error}", program.display()))?;
    // Exact: no binary comes near 2^32 bytes.
    u32::try_from(found.len())
        .map(f64::from)
        .map_err(|_| format!("{} is over 4 GB", program.display()))
}
