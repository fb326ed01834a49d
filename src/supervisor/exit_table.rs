//! With which status a life ends, and why: the exit table of `exitdir-run`. Pure.
//!
//! A stop is as clean as the death that caused it; a failure is never turned into a success.

use super::outcome::{EndReason, FinalStatus, StopReason};
use super::rules::Rules;
use super::state::Stop;
use crate::exit::{self, ExitStatus, StartFailure};
use crate::protocol::death_deps::{Dependence, StopCause};
use crate::protocol::tombstone::Reason;
use crate::signal::{Signal, SignalSet};

/// The command ended without being told to by us.
pub(crate) fn command_ended(rules: &Rules, ending: ExitStatus, sent: SignalSet) -> FinalStatus {
    let reason = match ending {
        ExitStatus::Signaled(signal) if !sent.contains(signal) => Reason::Signaled,
        ExitStatus::Signaled(_) | ExitStatus::Exited(_) => Reason::Exited,
    };
    FinalStatus {
        code: rules.counted_status(ending),
        signal: ending.signal(),
        reason,
        end_reason: EndReason::CommandEnded(ending),
    }
}

/// The command ended after we had begun to stop it. If that was for a while it counts as its own end.
pub(crate) fn stopped(
    rules: &Rules,
    stop: Stop,
    ending: ExitStatus,
    sent: SignalSet,
) -> FinalStatus {
    let own = rules.counted_status(ending);
    let (code, reason) = match &stop.reason {
        StopReason::Deactivated | StopReason::Reconfigured => {
            return command_ended(rules, ending, sent);
        }
        StopReason::Dependency(fate) => {
            let killed = stop.killed && ending == ExitStatus::Signaled(Signal::KILL);
            let reason = if killed {
                Reason::Killed
            } else {
                Reason::Stopped
            };
            (after_stop(rules, fate.dependence, ending), reason)
        }
        StopReason::RunTimeout => (exit::TIMED_OUT, Reason::Timeout),
    };
    let code = if rules.pass_code { own } else { code };
    FinalStatus {
        code,
        signal: ending.signal(),
        reason,
        end_reason: EndReason::Stopped(stop.reason),
    }
}

/// The column of the exit table for a command that ran.
fn after_stop(rules: &Rules, bond: Dependence, ending: ExitStatus) -> u8 {
    let own = rules.counted_status(ending);
    match bond {
        Dependence::Auxiliary if is_stop_obeyed(rules, ending) => exit::SUCCESS,
        Dependence::Required if own == exit::SUCCESS => rules.stop_status(),
        Dependence::Auxiliary | Dependence::Required => own,
    }
}

/// Whether the command ended as one does that was asked to stop.
fn is_stop_obeyed(rules: &Rules, ending: ExitStatus) -> bool {
    match ending {
        ExitStatus::Exited(code) => code == exit::SUCCESS || code == rules.stop_status(),
        ExitStatus::Signaled(signal) => signal == rules.stop_signal,
    }
}

/// The column of the exit table for a command that was never started.
pub(crate) fn not_started(rules: &Rules, fate: StopCause) -> FinalStatus {
    let code = match fate.dependence {
        Dependence::Auxiliary => exit::SUCCESS,
        Dependence::Required => rules.stop_status(),
    };
    without_command(code, Reason::Stopped, EndReason::NotStarted(fate))
}

/// The same for a command that ran, and was to be started again.
pub(crate) fn not_restarted(rules: &Rules, fate: StopCause, last: &FinalStatus) -> FinalStatus {
    let not_started = not_started(rules, fate.clone());
    FinalStatus {
        code: if rules.pass_code {
            last.code
        } else {
            not_started.code
        },
        end_reason: EndReason::NotRestarted(fate),
        ..not_started
    }
}

/// A signal came while the command was down.
pub(crate) fn interrupted(signal: Signal) -> FinalStatus {
    without_command(
        signal.exit_status(),
        Reason::Interrupted,
        EndReason::Interrupted(signal),
    )
}

/// The birth dependencies did not hold in time.
pub(crate) fn birth_timeout() -> FinalStatus {
    without_command(
        exit::TIMED_OUT,
        Reason::BirthTimeout,
        EndReason::BirthTimeout,
    )
}

/// The command could not be started.
pub(crate) fn start_failed(failure: StartFailure) -> FinalStatus {
    let code = match failure {
        StartFailure::NotFound(_) => exit::NOT_FOUND,
        StartFailure::NotExecutable(_) => exit::NOT_EXECUTABLE,
        StartFailure::System(_) => exit::FAILURE,
    };
    without_command(code, Reason::ExecFailed, EndReason::StartFailed(failure))
}

fn without_command(code: u8, reason: Reason, end_reason: EndReason) -> FinalStatus {
    FinalStatus {
        code,
        signal: None,
        reason,
        end_reason,
    }
}
