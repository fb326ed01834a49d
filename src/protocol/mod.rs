//! What a tombstone says and what it means. Pure: no input or output, and no clock.

pub(crate) mod compose;
pub(crate) mod condition;
#[cfg(feature = "cli")]
pub(crate) mod death_deps;
pub(crate) mod evaluator;
pub(crate) mod evidence;
pub(crate) mod item;
pub(crate) mod life;
pub(crate) mod lineage;
pub(crate) mod name;
mod parse;
mod part_state;
pub(crate) mod past_life;
#[cfg(feature = "cli")]
mod peer_history;
pub(crate) mod program;
pub(crate) mod quote;
pub(crate) mod source;
#[cfg(feature = "cli")]
pub(crate) mod standing;
pub(crate) mod state;
pub(crate) mod timestamp;
pub(crate) mod tombstone;
