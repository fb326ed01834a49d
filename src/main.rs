//! `argv` to applet to exit status. No logic.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(exitdir::applet::main())
}
