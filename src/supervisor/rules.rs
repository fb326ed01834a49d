//! What the options say about a life, as far as it is decided here. Pure.

use super::forwarding::Forwarding;
use crate::duration::Limit;
use crate::exit::{self, ExitStatus};
use crate::signal::{Signal, SignalSet};
use std::time::Duration;

/// The options that the machine needs.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) birth_timeout: Limit,
    pub(crate) run_timeout: Limit,
    pub(crate) grace_period: Limit,
    /// How long a TERM from outside is held back.
    pub(crate) stop_delay: Limit,
    pub(crate) stop_signal: Signal,
    pub(crate) forwarding: Forwarding,
    pub(crate) pass_code: bool,
    /// Final statuses that count as 0.
    pub(crate) expected_codes: Vec<u8>,
    /// The command is ready as soon as it was executed.
    pub(crate) ready_on_start: bool,
    /// What we were started with ignored neither ends a wait nor counts as a stop.
    pub(crate) ignored_signals: SignalSet,
    pub(crate) restart: Restart,
    /// After this many restarts there is no other; `None` for no limit.
    pub(crate) restart_limit: Option<u32>,
    /// What the command leaves behind is stopped and waited for.
    pub(crate) wait_descendants: bool,
    pub(crate) on_config: OnConfig,
}

/// `--on-config`: what is done when a new configuration was put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnConfig {
    /// The command is stopped and started again.
    Restart,
    /// It gets this signal.
    Send(Signal),
}

/// `--restart`: when a command that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    Never,
    /// After a final status other than 0.
    OnFailure,
    Always,
}

impl Rules {
    /// Whether the signal ends us while no command runs.
    pub(crate) fn ends_wait(&self, signal: Signal) -> bool {
        let ending = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
        ending.contains(&signal) && !self.ignored_signals.contains(signal)
    }

    /// Whether somebody outside wants the command to stop, for good.
    pub(super) fn is_stop_request(&self, signal: Signal) -> bool {
        let stops = [Signal::TERM, Signal::INT, Signal::QUIT];
        stops.contains(&signal) && !self.ignored_signals.contains(signal)
    }

    /// Whether a TERM from outside is held back for a while.
    pub(super) fn delays(&self, term: Signal) -> bool {
        self.is_stop_request(term) && self.stop_delay != Limit::After(Duration::ZERO)
    }

    /// Whether a command that has ended with this status, as it counts, is to be started again.
    pub(super) fn restarts_after(&self, status: u8) -> bool {
        match self.restart {
            Restart::Never => false,
            Restart::OnFailure => status != exit::SUCCESS,
            Restart::Always => true,
        }
    }

    /// The command's status as it counts, with `--expect-code` applied.
    pub(super) fn counted_status(&self, ending: ExitStatus) -> u8 {
        let status = ending.status();
        if self.expected_codes.contains(&status) {
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
