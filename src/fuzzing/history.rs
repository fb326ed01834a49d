//! What the target of the evaluator observes, scan by scan, and what its oracles ask about it.

use crate::protocol::life::{Death, Life, Observation};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::standing::SourceDeath;
use crate::protocol::timestamp::Timestamp;

pub(super) const NAMES: [&str; 4] = ["a", "b", "c", "own"];

/// What one scan finds.
#[derive(Debug)]
pub(super) struct ScanFound {
    pub(super) seen: Vec<Observation>,
    /// Whether the source of the conditions holds: it answers, or is dead.
    pub(super) source: bool,
}

/// All that was observed.
pub(super) type Scans = Vec<ScanFound>;

pub(super) fn time(id: u8) -> Timestamp {
    Timestamp::from_text(format!("2026-11-20T00:00:0{id}Z"))
}

pub(super) fn has_known_code(life: &Life) -> bool {
    life.death().and_then(Death::code).is_some()
}

/// What the death of a source is for the lives that depend on it.
pub(super) fn source_death() -> SourceDeath {
    SourceDeath {
        at: time(9),
        why: "refused".to_owned(),
    }
}

/// The cause that a life is for others.
pub(super) fn cause_of(name: &Name, life: &Life) -> Cause {
    let id = life.tombstone.life().filter(|_| life.death().is_some());
    let own = || Cause {
        name: name.clone(),
        life: id.cloned(),
    };
    life.tombstone.cause().unwrap_or_else(own)
}
