//! What the options of `exitdir-run` say, as far as the state machine needs it. Pure.

use super::forwarding::Forwarding;
use crate::duration::Limit;
use crate::exit::{self, CodeSet, ExitStatus};
use crate::signal::{Signal, SignalSet};
use std::time::Duration;

/// What is left of the grace period for the command at least, unless that is half of it.
const STOP_TIME: Duration = Duration::from_secs(2);
/// The time that `--pre-stop` has when a signal from outside asks for the stop: its sender has a
/// grace period of its own, and kills after it.
pub(super) const OUTSIDE_PRE_STOP: Limit = Limit::After(Duration::from_secs(5));

/// The options that the machine needs.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) birth_timeout: Limit,
    /// How long a death dependency that has a name may remain unseen, from the start.
    pub(crate) missing_timeout: Limit,
    /// Some death dependencies have a name, so they can be missing.
    pub(crate) names_death_deps: bool,
    pub(crate) run_timeout: Limit,
    pub(crate) grace_period: Limit,
    /// How long a received TERM is held back.
    pub(crate) stop_delay: Limit,
    /// There are actions of `--pre-stop`.
    pub(crate) pre_stop: bool,
    pub(crate) stop_signal: Signal,
    pub(crate) forwarding: Forwarding,
    pub(crate) stop_code: StopCode,
    /// Exit statuses of the command that count as 0.
    pub(crate) expected_codes: CodeSet,
    /// The command is ready as soon as it was started.
    pub(crate) ready_on_start: bool,
    /// Signals that were ignored when exitdir-run started: they neither end a wait nor count as a
    /// stop.
    pub(crate) ignored_signals: SignalSet,
    pub(crate) restart: Restart,
    /// How many restarts are allowed; `None` for no limit.
    pub(crate) restart_limit: Option<u32>,
    /// Processes that the command leaves behind are stopped and waited for.
    pub(crate) wait_descendants: bool,
    pub(crate) on_config: OnConfig,
}

/// `--on-config`: what the command gets for a new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnConfig {
    /// It is stopped and started again.
    Restart,
    /// It gets this signal.
    Send(Signal),
    /// Actions run.
    Run,
    /// Nothing: it watches its configuration itself.
    Ignore,
}

/// `--stop-code`: the status after a stop for a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopCode {
    /// As the exit table says.
    Table,
    /// The command's own.
    Own,
    /// The one with which the dependency died.
    Cause,
    /// This one.
    Number(u8),
}

/// `--restart`: when a command that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    Never,
    /// After a status other than 0.
    OnFailure,
    Always,
}

impl Rules {
    /// Whether the signal ends exitdir-run while no command runs.
    pub(crate) fn ends_wait(&self, signal: Signal) -> bool {
        let ending = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
        ending.contains(&signal) && !self.ignored_signals.contains(signal)
    }

    /// Whether the signal, received from outside, asks for a stop of the command for good.
    pub(super) fn is_stop_request(&self, signal: Signal) -> bool {
        let stops = [Signal::TERM, Signal::INT, Signal::QUIT];
        stops.contains(&signal) && !self.ignored_signals.contains(signal)
    }

    /// Whether `--pre-stop` comes before the command gets `sent` for this signal.
    pub(super) fn pre_stops_for(&self, received: Signal, sent: Signal) -> bool {
        self.pre_stop && (self.is_stop_request(received) || sent == self.stop_signal)
    }

    /// The time that `--pre-stop` has in a stop that exitdir-run begins. The rest of the grace
    /// period is for what the command does after the stop signal.
    pub(super) fn pre_stop_limit(&self) -> Limit {
        match self.grace_period {
            Limit::Never => Limit::Never,
            Limit::After(grace) => Limit::After(grace.saturating_sub(STOP_TIME).max(grace / 2)),
        }
    }

    /// Whether the signal is held back: a TERM, or what the command gets as the stop signal. An
    /// image may name another signal than TERM for its stop.
    pub(super) fn delays(&self, received: Signal, sent: Signal) -> bool {
        let is_stop = received == Signal::TERM || sent == self.stop_signal;
        let is_ignored = self.ignored_signals.contains(received);
        is_stop && !is_ignored && self.stop_delay != Limit::After(Duration::ZERO)
    }

    /// Whether a command that has ended with this counted status is started again.
    pub(super) fn restarts_after(&self, counted: u8) -> bool {
        match self.restart {
            Restart::Never => false,
            Restart::OnFailure => counted != exit::SUCCESS,
            Restart::Always => true,
        }
    }

    /// The command's exit status with `--expect-code` applied.
    pub(super) fn counted_status(&self, status: ExitStatus) -> u8 {
        let code = status.code();
        if self.expected_codes.contains(code) {
            exit::SUCCESS
        } else {
            code
        }
    }

    /// The status that tells an orchestrator that a stop has left work undone.
    pub(super) fn stop_status(&self) -> u8 {
        self.stop_signal.exit_status()
    }
}
