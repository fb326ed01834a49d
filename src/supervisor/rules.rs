//! What the options say about a life, as far as it is decided here. Pure.

use super::Ending;
use crate::{Limit, Signal, SignalSet, exit};

/// The options that the machine needs.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) birth_timeout: Limit,
    pub(crate) run_timeout: Limit,
    pub(crate) grace_period: Limit,
    pub(crate) stop_signal: Signal,
    pub(crate) pass_code: bool,
    /// Final statuses that count as 0.
    pub(crate) expected: Vec<u8>,
    /// The command is ready as soon as it was executed.
    pub(crate) ready_on_start: bool,
    /// What we were started with ignored does not end a wait either.
    pub(crate) ignored: SignalSet,
}

impl Rules {
    /// Whether the signal ends us while no command runs.
    pub(crate) fn ends_wait(&self, signal: Signal) -> bool {
        let ending = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
        ending.contains(&signal) && !self.ignored.contains(signal)
    }

    /// The command's status as it counts, with `--expect-code` applied.
    pub(super) fn own_status(&self, ending: Ending) -> u8 {
        let status = ending.status();
        if self.expected.contains(&status) {
            exit::SUCCESS
        } else {
            status
        }
    }

    /// What tells an orchestrator that the work was not done.
    pub(super) fn stop_status(&self) -> u8 {
        self.stop_signal.exit_status()
    }
}
