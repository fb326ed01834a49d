//! A kill or an error at every system call.

mod errors;
mod kills;
