//! How an applet begins: from its arguments to a plan. After `--help`, `--version` or a usage error
//! nothing more is done. Also how applets print.

use super::args::{ParsedArgs, parse};
use super::spec::{CommandSpec, HELP, VERSION};
use super::variables::Variables;
use crate::error::describe;
use crate::exit;
use crate::log::Logger;
use crate::sys::write::write_all;
use std::ffi::OsString;

/// Reads the command line and the environment, and makes a plan of them.
///
/// # Errors
/// The exit status of an applet that has nothing more to do: it has printed what was asked for, or
/// has reported a usage error.
pub(super) fn parse_args<P>(
    spec: &CommandSpec,
    arguments: Vec<OsString>,
    plan: impl Fn(&ParsedArgs) -> Result<P, String>,
) -> Result<P, u8> {
    let args = read_args(spec, arguments, &Variables::read())?;
    let valid = args.unless_refused(());
    valid.and_then(|()| plan(&args)).map_err(|sentence| {
        let first = args.error().unwrap_or(&sentence);
        Logger::new(spec.name).error(spec.usage_error(first));
        exit::FAILURE
    })
}

/// Reads the command line and the variables. Mistakes in them are for the caller to report.
///
/// # Errors
/// The exit status, if `--help` or `--version` was typed: they win over everything else.
pub(super) fn read_args(
    spec: &CommandSpec,
    arguments: Vec<OsString>,
    variables: &Variables<'_>,
) -> Result<ParsedArgs, u8> {
    let mut args = parse(spec, arguments);
    let text = if args.has(&HELP) {
        spec.help()
    } else if args.has(&VERSION) {
        spec.version()
    } else {
        args.add_variables(spec, variables);
        return Ok(args);
    };
    Err(print(spec.name, &text))
}

/// Writes to standard output, and returns the exit status: a failure to write is an error as any
/// other.
pub(super) fn print(program: &'static str, text: &str) -> u8 {
    match write_all(rustix::stdio::stdout(), text.as_bytes()) {
        Ok(()) => exit::SUCCESS,
        Err(errno) => {
            let reason = describe(&errno.into());
            Logger::new(program).error(format!("cannot write to standard output: {reason}"));
            exit::FAILURE
        }
    }
}
