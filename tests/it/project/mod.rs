//! The project itself: layers, unsafe code, sizes, scripts.

pub mod layering;
mod scripts;
mod shape;
mod tidy;

fn root() -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
