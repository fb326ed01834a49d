//! Commands that cannot be executed: the error and the exit status.

use crate::error::describe;
use crate::exit;
use crate::log::Logger;
use crate::sys::command_line::CommandLine;
use std::io::{self, ErrorKind};

/// Reports that a command could not be executed, and returns the exit status (POSIX `sh`).
pub(super) fn report_exec_error(log: Logger, command: &CommandLine, error: &io::Error) -> u8 {
    let reason = describe(error);
    log.error(format!("cannot run {}: {reason}", command.display()));
    match error.kind() {
        // A missing directory in the path counts as a missing program.
        ErrorKind::NotFound | ErrorKind::NotADirectory => exit::NOT_FOUND,
        _ => exit::NOT_EXECUTABLE,
    }
}
