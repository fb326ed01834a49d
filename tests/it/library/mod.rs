//! The crate as a library.

mod api;
mod create;
mod dependent;
mod event_loops;
mod own_life;
