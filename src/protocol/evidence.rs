//! What satisfied a condition, and when. Pure.

use crate::protocol::life::{Death, Life};
use crate::protocol::name::Name;
use crate::protocol::source::Source;

/// A tombstone that satisfied a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The name of the tombstone.
    pub name: Name,
    /// What the tombstone said when it satisfied the condition.
    pub life: Life,
    /// The scan that first found a match, counted from 1.
    pub(super) scan_no: u64,
}

/// What satisfied a part of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    Life(Box<Match>),
    /// The source, and the scan that first found that it holds.
    Source(Source, u64),
}

impl Evidence {
    pub(super) fn scan_no(&self) -> u64 {
        match self {
            Evidence::Life(matched) => matched.scan_no,
            Evidence::Source(_, scan_no) => *scan_no,
        }
    }

    /// The place of the one that came last. Of several that came at once, the last in the order of
    /// the conditions.
    pub(crate) fn last_place(evidence: &[Evidence]) -> Option<usize> {
        (0..evidence.len()).max_by_key(|at| evidence.get(*at).map(Evidence::scan_no))
    }

    /// The one that came last.
    pub(crate) fn last(evidence: &[Evidence]) -> Option<&Evidence> {
        evidence.get(Evidence::last_place(evidence)?)
    }
}

impl Match {
    /// The exit code of the life: 0 if it is not dead or its code is not known yet, 137 if it was
    /// lost.
    pub fn exit_code(&self) -> u8 {
        self.life.death().and_then(Death::code).unwrap_or(0)
    }

    /// The match that came last. Of several that came at once, the last in the order of the
    /// conditions.
    pub fn last(matches: &[Match]) -> Option<&Match> {
        matches.iter().max_by_key(|matched| matched.scan_no)
    }
}
