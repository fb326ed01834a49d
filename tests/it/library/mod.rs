//! The crate as a library.

mod api;
mod event_loops;
