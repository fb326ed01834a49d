//! The project itself: layers, unsafe code, dependencies, sizes, scripts.

mod dependencies;
pub mod layering;
mod memcheck;
mod scripts;
mod shape;
mod tidy;
mod workflows;
