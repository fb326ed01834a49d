//! With which status a life ends, and why: the exit table of `exitdir-run`. Pure.
//!
//! A stop is as clean as the death that caused it; a failure is never turned into a success.

use super::Rules;
use super::running::Stop;
use crate::exit;
use crate::protocol::death_deps::{Bond, Fate};
use crate::protocol::tombstone::Reason;
use crate::signal::{Signal, SignalSet};

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Signaled(Signal),
}

/// Why it could not be started, with the system's error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StartFailure {
    NotFound(i32),
    NotExecutable(i32),
    /// Not the command's fault: no process or descriptor was left.
    Own(i32),
}

/// Why a command is told to stop.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StopReason {
    /// A death dependency holds.
    Dependency(Fate),
    /// It has run for as long as it may.
    Timeout,
    /// It was deactivated.
    Deactivated,
    /// There is a new configuration.
    Reconfigured,
}

impl StopReason {
    /// Whether the life goes on after it.
    pub(super) fn is_for_a_while(&self) -> bool {
        match self {
            StopReason::Dependency(_) | StopReason::Timeout => false,
            StopReason::Deactivated | StopReason::Reconfigured => true,
        }
    }
}

/// Why a life ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Why {
    /// The command ended.
    ByItself(Ending),
    /// The command was told to stop.
    Stopped(StopReason),
    /// A death dependency held before the command was started.
    NotStarted(Fate),
    /// A death dependency held before the command was started again.
    NotRestarted(Fate),
    /// The birth dependencies did not hold in time.
    BirthTimeout,
    /// A signal came while the command was down.
    Interrupted(Signal),
    /// The command could not be executed.
    StartFailed(StartFailure),
}

/// The end of a life.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Final {
    /// What exitdir-run exits with.
    pub(crate) code: u8,
    /// The signal that ended the command.
    pub(crate) signal: Option<Signal>,
    pub(crate) reason: Reason,
    pub(crate) why: Why,
}

impl Ending {
    /// What a shell would report.
    pub(crate) fn status(self) -> u8 {
        match self {
            Ending::Exited(code) => code,
            Ending::Signaled(signal) => signal.exit_status(),
        }
    }

    pub(crate) fn signal(self) -> Option<Signal> {
        match self {
            Ending::Exited(_) => None,
            Ending::Signaled(signal) => Some(signal),
        }
    }
}

/// The command ended without being told to by us.
pub(crate) fn by_itself(rules: &Rules, ending: Ending, sent: SignalSet) -> Final {
    let reason = match ending {
        Ending::Signaled(signal) if !sent.contains(signal) => Reason::Signaled,
        Ending::Signaled(_) | Ending::Exited(_) => Reason::Exited,
    };
    Final {
        code: rules.own_status(ending),
        signal: ending.signal(),
        reason,
        why: Why::ByItself(ending),
    }
}

/// The command ended after we had begun to stop it. If that was for a while it counts as its own end.
pub(crate) fn stopped(rules: &Rules, stop: Stop, ending: Ending, sent: SignalSet) -> Final {
    let own = rules.own_status(ending);
    let (code, reason) = match &stop.reason {
        StopReason::Deactivated | StopReason::Reconfigured => {
            return by_itself(rules, ending, sent);
        }
        StopReason::Dependency(fate) => {
            let killed = stop.killed && ending == Ending::Signaled(Signal::KILL);
            let reason = if killed {
                Reason::Killed
            } else {
                Reason::Stopped
            };
            (after_stop(rules, fate.bond, ending), reason)
        }
        StopReason::Timeout => (exit::TIMED_OUT, Reason::Timeout),
    };
    let code = if rules.pass_code { own } else { code };
    Final {
        code,
        signal: ending.signal(),
        reason,
        why: Why::Stopped(stop.reason),
    }
}

/// The column of the exit table for a command that ran.
fn after_stop(rules: &Rules, bond: Bond, ending: Ending) -> u8 {
    let own = rules.own_status(ending);
    match bond {
        Bond::Served if obeyed(rules, ending) => exit::SUCCESS,
        Bond::Needed if own == exit::SUCCESS => rules.stop_status(),
        Bond::Served | Bond::Needed => own,
    }
}

/// Whether the command ended as one does that was asked to stop.
fn obeyed(rules: &Rules, ending: Ending) -> bool {
    match ending {
        Ending::Exited(code) => code == exit::SUCCESS || code == rules.stop_status(),
        Ending::Signaled(signal) => signal == rules.stop_signal,
    }
}

/// The column of the exit table for a command that was never started.
pub(crate) fn not_started(rules: &Rules, fate: Fate) -> Final {
    let code = match fate.bond {
        Bond::Served => exit::SUCCESS,
        Bond::Needed => rules.stop_status(),
    };
    without_command(code, Reason::Stopped, Why::NotStarted(fate))
}

/// The same for a command that ran, and was to be started again.
pub(crate) fn not_restarted(rules: &Rules, fate: Fate, last: &Final) -> Final {
    let not_started = not_started(rules, fate.clone());
    Final {
        code: if rules.pass_code {
            last.code
        } else {
            not_started.code
        },
        why: Why::NotRestarted(fate),
        ..not_started
    }
}

/// A signal came while the command was down.
pub(crate) fn interrupted(signal: Signal) -> Final {
    without_command(
        signal.exit_status(),
        Reason::Interrupted,
        Why::Interrupted(signal),
    )
}

/// The birth dependencies did not hold in time.
pub(crate) fn birth_timeout() -> Final {
    without_command(exit::TIMED_OUT, Reason::BirthTimeout, Why::BirthTimeout)
}

/// The command could not be started.
pub(crate) fn start_failed(failure: StartFailure) -> Final {
    let code = match failure {
        StartFailure::NotFound(_) => exit::NOT_FOUND,
        StartFailure::NotExecutable(_) => exit::NOT_EXECUTABLE,
        StartFailure::Own(_) => exit::FAILURE,
    };
    without_command(code, Reason::ExecFailed, Why::StartFailed(failure))
}

fn without_command(code: u8, reason: Reason, why: Why) -> Final {
    Final {
        code,
        signal: None,
        reason,
        why,
    }
}
