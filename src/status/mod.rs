//! What `exitdir-status` shows of an exit directory. The command line is left to `applet/`.

pub(crate) mod check;
mod findings;
pub(crate) mod output;
mod reason;
mod stage;
pub(crate) mod table;
mod transition;
pub(crate) mod watching;
