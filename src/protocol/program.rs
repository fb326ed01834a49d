//! The file names of exitdir itself. No life has one of them, because the program may be installed
//! in the exit directory: its binary must not be taken for a tombstone, nor replaced by one. Pure.

/// The binary.
pub(crate) const BINARY: &str = "exitdir";
pub(crate) const RUN: &str = "exitdir-run";
pub(crate) const WAIT: &str = "exitdir-wait";
pub(crate) const SIGNAL: &str = "exitdir-signal";
pub(crate) const STATUS: &str = "exitdir-status";
pub(crate) const INSTALL: &str = "exitdir-install";
pub(crate) const KUBEXIT: &str = "kubexit";
/// The names of inits that the binary can take the place of, and that it may be installed under.
pub(crate) const INITS: [&str; 4] = ["tini", "tini-static", "docker-init", "podman-init"];
/// Another init, which the binary is not installed under: podman expects more of it.
pub(crate) const CATATONIT: &str = "catatonit";

/// Whether a file with this name is the binary or an applet.
pub(super) fn is_program(name: &str) -> bool {
    [BINARY, RUN, WAIT, SIGNAL, STATUS, INSTALL, KUBEXIT].contains(&name)
}
