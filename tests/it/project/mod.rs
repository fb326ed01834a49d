//! The project itself: layers, unsafe code, sizes, scripts.

pub mod layering;
mod scripts;
mod shape;
mod tidy;
