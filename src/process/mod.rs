//! The processes that exitdir starts, signals and reaps. When to do so is decided elsewhere.

pub(crate) mod child;
pub(crate) mod descendants;
pub(crate) mod helper;
mod shared_group;
pub(crate) mod worker;
