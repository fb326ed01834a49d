//! The exit table of `exitdir-run`: with which status a life ends, and why. Pure.
//!
//! If the dependency that stopped the command did not fail, a command that obeys the stop ends with
//! 0, and so does one that was never started, if the condition has a name. If the dependency
//! failed, or is a birth dependency too, the status is never 0. A failure of the command that does
//! not come from the stop is never turned into a success. `--stop-code` chooses another status than
//! that of the table.

use super::outcome::{EndReason, FinalStatus, StopReason};
use super::rules::{Rules, StopCode};
use super::state::Stop;
use crate::exit::{self, ExitStatus, StartFailure};
use crate::protocol::death_deps::{Dependence, StopCause};
use crate::protocol::tombstone::Reason;
use crate::signal::{Signal, SignalSet};

/// The command ended, and exitdir-run had not begun to stop it.
pub(super) fn command_ended(rules: &Rules, status: ExitStatus, sent: SignalSet) -> FinalStatus {
    let reason = match status {
        ExitStatus::Signaled(signal) if !sent.contains(signal) => Reason::Signaled,
        ExitStatus::Signaled(_) | ExitStatus::Exited(_) => Reason::Exited,
    };
    FinalStatus {
        code: rules.counted_status(status),
        signal: status.signal(),
        reason,
        end_reason: EndReason::CommandEnded(status),
    }
}

/// The command ended after exitdir-run had begun to stop it. If the stop was temporary, the command
/// counts as having ended by itself.
pub(super) fn stopped(
    rules: &Rules,
    stop: Stop,
    status: ExitStatus,
    sent: SignalSet,
) -> FinalStatus {
    let own = rules.counted_status(status);
    let (code, reason) = match &stop.reason {
        StopReason::Deactivated | StopReason::Reconfigured => {
            return command_ended(rules, status, sent);
        }
        StopReason::Dependency(cause) => {
            let killed = stop.killed && status == ExitStatus::Signaled(Signal::KILL);
            let reason = if killed {
                Reason::Killed
            } else {
                Reason::Stopped
            };
            let table = after_stop(rules, cause.dependence, status);
            (chosen(rules, cause, Some(own), table), reason)
        }
        StopReason::RunTimeout => (timed_out(rules, Some(own)), Reason::Timeout),
        StopReason::Missing => (timed_out(rules, Some(own)), Reason::Missing),
    };
    FinalStatus {
        code,
        signal: status.signal(),
        reason,
        end_reason: EndReason::Stopped(stop.reason),
    }
}

/// The column of the exit table for a command that ran.
fn after_stop(rules: &Rules, dependence: Dependence, status: ExitStatus) -> u8 {
    let counted = rules.counted_status(status);
    match dependence {
        Dependence::Auxiliary | Dependence::Unnamed if is_stop_obeyed(rules, status) => {
            exit::SUCCESS
        }
        Dependence::Required if counted == exit::SUCCESS => rules.stop_status(),
        Dependence::Auxiliary | Dependence::Unnamed | Dependence::Required => counted,
    }
}

/// Whether the command ended as programs do that obey a stop signal.
fn is_stop_obeyed(rules: &Rules, status: ExitStatus) -> bool {
    match status {
        ExitStatus::Exited(code) => code == exit::SUCCESS || code == rules.stop_status(),
        ExitStatus::Signaled(signal) => signal == rules.stop_signal,
    }
}

/// The column of the exit table for a command that was never started.
pub(super) fn not_started(rules: &Rules, cause: StopCause) -> FinalStatus {
    let table = match cause.dependence {
        Dependence::Auxiliary => exit::SUCCESS,
        Dependence::Unnamed | Dependence::Required => rules.stop_status(),
    };
    let code = chosen(rules, &cause, None, table);
    without_command(code, Reason::Stopped, EndReason::NotStarted(cause))
}

/// The column for a command that ran and was to be started again.
pub(super) fn not_restarted(rules: &Rules, cause: StopCause, last: &FinalStatus) -> FinalStatus {
    let table = match cause.dependence {
        Dependence::Auxiliary | Dependence::Unnamed => exit::SUCCESS,
        Dependence::Required => rules.stop_status(),
    };
    let code = chosen(rules, &cause, Some(last.code), table);
    without_command(code, Reason::Stopped, EndReason::NotRestarted(cause))
}

/// A death dependency was not seen in time, and the command was down. `last` is how its last run
/// ended, if there was one.
pub(super) fn missing(rules: &Rules, last: Option<&FinalStatus>) -> FinalStatus {
    let code = timed_out(rules, last.map(|last| last.code));
    without_command(code, Reason::Missing, EndReason::Missing)
}

/// The status after a stop for a dependency, with `--stop-code` applied to that of the exit table.
/// `own` is the status of the command's last run. The cause's is one of a failure, and a number
/// stands for no success.
fn chosen(rules: &Rules, cause: &StopCause, own: Option<u8>, table: u8) -> u8 {
    let code = match rules.stop_code {
        StopCode::Table => None,
        StopCode::Own => own,
        StopCode::Cause => cause.code.filter(|code| *code != exit::SUCCESS),
        StopCode::Number(code) => Some(code).filter(|_| table != exit::SUCCESS),
    };
    code.unwrap_or(table)
}

/// The status after a timeout. `--stop-code own` wins over it if the command ran.
fn timed_out(rules: &Rules, own: Option<u8>) -> u8 {
    let own = own.filter(|_| rules.stop_code == StopCode::Own);
    own.unwrap_or(exit::TIMED_OUT)
}

/// A signal arrived while the command was down.
pub(super) fn interrupted(signal: Signal) -> FinalStatus {
    without_command(
        signal.exit_status(),
        Reason::Interrupted,
        EndReason::Interrupted(signal),
    )
}

/// The birth dependencies did not hold in time.
pub(super) fn birth_timeout() -> FinalStatus {
    without_command(
        exit::TIMED_OUT,
        Reason::BirthTimeout,
        EndReason::BirthTimeout,
    )
}

/// The command could not be started.
pub(super) fn start_failed(failure: StartFailure) -> FinalStatus {
    let code = match failure {
        StartFailure::NotFound(_) => exit::NOT_FOUND,
        StartFailure::NotExecutable(_) => exit::NOT_EXECUTABLE,
        StartFailure::System(_)
        | StartFailure::NoNotifySocket(_)
        | StartFailure::NoReadinessPipe(_) => exit::FAILURE,
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
