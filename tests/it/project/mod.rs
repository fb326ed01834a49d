//! The project itself: layers, unsafe code, sizes.

mod layering;
mod tidy;
