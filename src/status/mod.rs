//! What `exitdir-status` shows of an exit directory. The command line is left to `applet/`.

pub(crate) mod output;
pub(crate) mod table;
