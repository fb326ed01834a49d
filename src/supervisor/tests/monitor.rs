//! What a simulation remembers, so that each step can be checked.

use crate::signal::Signal;
use crate::supervisor::timer::Timer;
use std::collections::BTreeSet;

/// What has happened so far, as far as the checks need it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Monitor {
    pub(super) starting: bool,
    pub(super) alive: bool,
    pub(super) born: bool,
    pub(super) ready: bool,
    /// The command got the stop signal, or what is forwarded for a TERM.
    pub(super) stop_sent: bool,
    /// The actions of `--pre-stop` run.
    pub(super) pre_stop: bool,
    /// They were run for this run of the command.
    pub(super) pre_stopped: bool,
    /// exitdir-run sent the command an INT.
    pub(super) int_sent: bool,
    /// The last signal sent to the descendants, while they are stopped.
    pub(super) draining: Option<Signal>,
    /// The grace period of the current stop is over.
    pub(super) grace_over: bool,
    /// A stop was requested while descendants are stopped.
    pub(super) drain_expedited: bool,
    /// Something has happened after which no start may follow.
    pub(super) stopped_for_good: bool,
    /// The last run or start was no success.
    pub(super) failed: bool,
    pub(super) armed: BTreeSet<Timer>,
    pub(super) starts: u32,
    pub(super) finished: bool,
    /// A command may run.
    pub(super) active: bool,
    /// The tombstone says that no command may run.
    pub(super) inactive_recorded: bool,
    /// There is a newer configuration than that with which the command was started.
    pub(super) stale: bool,
    /// The command was deactivated or reconfigured: the next start is no restart.
    pub(super) resumes: bool,
    /// Each death dependency was seen.
    pub(super) seen: bool,
}

impl Monitor {
    pub(super) fn new() -> Monitor {
        Monitor {
            starting: false,
            alive: false,
            born: false,
            ready: false,
            stop_sent: false,
            pre_stop: false,
            pre_stopped: false,
            int_sent: false,
            draining: None,
            grace_over: false,
            drain_expedited: false,
            stopped_for_good: false,
            failed: false,
            armed: BTreeSet::new(),
            starts: 0,
            finished: false,
            active: true,
            inactive_recorded: false,
            stale: false,
            resumes: false,
            seen: false,
        }
    }
}
