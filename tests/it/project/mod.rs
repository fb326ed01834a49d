//! The project itself: layers, unsafe code, sizes.

mod tidy;
