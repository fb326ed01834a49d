//! What `exitdir-status` shows of an exit directory. The command line is left to `applet/`.

mod age;
mod chart;
pub(crate) mod check;
mod findings;
pub(crate) mod output;
mod reason;
mod selection;
mod stage;
pub(crate) mod table;
pub(crate) mod timeline;
mod transition;
pub(crate) mod watching;
