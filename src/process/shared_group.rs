//! A command that shares the process group of this process: signals to what belongs to it.
//!
//! Such a group has no number here, so the kernel cannot be asked to signal it, and this process is
//! in it too.

use super::descendants::{children, children_of};
use crate::signal::Signal;
use crate::sys::process::{SignalTarget, group_of, kill};
use rustix::process::Pid;
use std::io;

/// Sends a signal to the command and to each of its descendants that is in the group of this
/// process. Where `/proc` does not show them, to the command only.
pub(super) fn signal_group(command: Pid, signal: Signal) -> io::Result<()> {
    let own = group_of(None)?;
    let mut found = children().unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children_of(*pid));
        next += 1;
    }
    for pid in found {
        if pid != command && group_of(Some(pid)).is_ok_and(|group| group == own) {
            // It may have ended meanwhile.
            let _ = kill(pid, SignalTarget::Process, signal);
        }
    }
    kill(command, SignalTarget::Process, signal)
}
