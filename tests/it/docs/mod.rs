//! The documentation says what is so.

mod documents;
