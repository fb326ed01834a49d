//! Values that several applets read: names, durations, exit codes, the exit directory.

use super::args::ParsedArgs;
use super::spec::{DIR, Opt};
use super::variables::NAME_VARIABLE;
use crate::duration::{Limit, parse_duration};
use crate::protocol::name::{FILE_NAME_GRAMMAR, Name};
use crate::signal::Signal;
use crate::store::exit_dir::ExitDir;

/// The exit directory of an applet that needs one.
pub(super) fn required_exit_dir(args: &ParsedArgs) -> Result<ExitDir, String> {
    exit_dir(args).ok_or_else(|| match args.names_are_off {
        true => format!("EXIT_DIR is empty, which switches names off: {SET_DIRECTORY}"),
        false => format!("no exit directory: {SET_DIRECTORY}"),
    })
}

/// The exit directory of an applet that needs one; `None` if names are switched off.
pub(super) fn exit_dir_unless_off(args: &ParsedArgs) -> Result<Option<ExitDir>, String> {
    match args.names_are_off {
        true => Ok(None),
        false => required_exit_dir(args).map(Some),
    }
}

/// What to do about a missing exit directory.
pub(super) const SET_DIRECTORY: &str = "set EXIT_DIR or give --dir DIR";

/// The exit directory that the option or its variable names.
pub(super) fn exit_dir(args: &ParsedArgs) -> Option<ExitDir> {
    args.os_value(&DIR)
        .filter(|path| !path.is_empty())
        .map(ExitDir::new)
}

/// The name that an option gives.
pub(super) fn life_name(args: &ParsedArgs, opt: &Opt) -> Option<Name> {
    match args.is_of_kubexit(opt) {
        true => args.value(opt, &read_file_name),
        false => args.value(opt, &read_name),
    }
}

/// A name that kubexit accepts.
pub(super) fn read_file_name(text: &str) -> Result<Name, String> {
    Name::from_file_name(text).ok_or_else(|| format!("not a name: {FILE_NAME_GRAMMAR}"))
}

pub(super) fn read_name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|error| error.expected().to_owned())
}

pub(super) fn read_duration(text: &str) -> Result<Limit, String> {
    parse_duration(text)
        .ok_or_else(|| "not a duration: expected 30, 0.5, 1m30s, 500ms or off".to_owned())
}

/// An exit status, 0 to 255.
pub(super) fn read_code(text: &str) -> Result<u8, String> {
    // `parse` would accept a sign.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let code = text.parse().ok().filter(|_| is_plain);
    code.ok_or_else(|| "not an exit status: expected 0 to 255".to_owned())
}

/// A signal for CMD's end.
pub(super) fn read_stop_signal(text: &str) -> Result<Signal, String> {
    read_signal(text).and_then(|signal| match signal {
        Signal::CHLD => Err("CHLD ends no program".to_owned()),
        signal => Ok(signal),
    })
}

/// A signal for this process at its parent's end.
pub(super) fn read_death_signal(text: &str) -> Result<Signal, String> {
    read_signal(text).and_then(|signal| match signal {
        Signal::CHLD => Err("CHLD is never forwarded to CMD".to_owned()),
        signal => Ok(signal),
    })
}

fn read_signal(text: &str) -> Result<Signal, String> {
    signal_or(text, "not a signal: expected TERM, SIGTERM, 15 or RTMIN+3")
}

/// A signal. The error is the signal that was probably meant, else `expected`.
pub(super) fn signal_or(text: &str, expected: &str) -> Result<Signal, String> {
    Signal::parse(text).ok_or_else(|| match Signal::meant_by(text) {
        Some(meant) => format!("not a signal: did you mean {meant}?"),
        None => expected.to_owned(),
    })
}

/// `$EXITDIR_NAME`: the life that an applet is called in, which may be that of a kubexit.
pub(super) fn own_name() -> Result<Option<Name>, String> {
    let Some(value) = std::env::var_os(NAME_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_string_lossy();
    read_file_name(&text)
        .map(Some)
        .map_err(|expected| format!("{NAME_VARIABLE} is {text:?}: {expected}"))
}
