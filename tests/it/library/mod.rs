//! The crate as a library.

mod api;
