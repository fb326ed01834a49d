//! Why a life is in its state, in words. Pure.

use crate::error::escaped;
use crate::protocol::life::{Death, Life};
use crate::protocol::tombstone::Tombstone;

/// The reason of a death, its cause, and the message.
pub(crate) fn reason(tombstone: &Tombstone) -> Option<String> {
    let cause = tombstone.cause.as_ref();
    let parts = [
        tombstone.reason.map(|reason| reason.as_str().to_owned()),
        cause.map(|cause| format!("cause {}", escaped(cause.as_str()))),
        tombstone.message.as_deref().map(escaped),
    ];
    join(parts)
}

/// The parts that there are; `None` if there are none.
pub(crate) fn join(parts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    Some(parts.join(", ")).filter(|text| !text.is_empty())
}

pub(crate) fn code(life: &Life) -> Option<u8> {
    life.death().and_then(Death::code)
}
