//! The processes that exitdir starts, signals and reaps.

pub(crate) mod child;
pub(crate) mod descendants;
pub(crate) mod helper;
