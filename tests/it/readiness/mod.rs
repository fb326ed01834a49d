//! `--ready-on`: one file for each source.

mod any_source;
mod fd;
mod file;
mod notify;
mod probe;
