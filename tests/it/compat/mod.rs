//! Beside other programs: kubexit, the Go library, other init programs, and a strict YAML parser.

mod go_library;
mod inits;
mod kubexit;
mod tini;
mod yaml;
