//! The values of the options of `exitdir-run`.

use super::values::{read_code, signal_or};
use crate::signal::Signal;
use crate::supervisor::rules::{OnConfig, Restart, StopCode};
use std::path::PathBuf;

/// `A:B` of `--rewrite`: the signal that the command gets for A; `None` if it gets none.
pub(super) fn read_rewrite(text: &str) -> Result<(Signal, Option<Signal>), String> {
    let expected = "expected A:B, two signals, or A:0";
    let (from, to) = text.split_once(':').ok_or(expected)?;
    let from = signal_or(from, expected)?;
    if [Signal::KILL, Signal::STOP, Signal::CHLD].contains(&from) {
        return Err(format!("{from} is never forwarded"));
    }
    match to {
        "0" => Ok((from, None)),
        to => Ok((from, Some(signal_or(to, expected)?))),
    }
}

pub(super) fn read_stop_code(text: &str) -> Result<StopCode, String> {
    match text {
        "own" => Ok(StopCode::Own),
        "cause" => Ok(StopCode::Cause),
        number => match read_code(number) {
            Ok(code) => Ok(StopCode::Number(code)),
            Err(_) => Err("expected own, cause or an exit status, 0 to 255".to_owned()),
        },
    }
}

/// The first and the last one of a range of exit statuses.
pub(super) fn read_codes(text: &str) -> Result<(u8, u8), String> {
    let (first, last) = match text {
        "any" => ("0", "255"),
        _ => text.split_once('-').unwrap_or((text, text)),
    };
    match (read_code(first), read_code(last)) {
        (Ok(first), Ok(last)) if first <= last => Ok((first, last)),
        _ => Err("expected an exit status, 0 to 255, a range as in 10-12, or any".to_owned()),
    }
}

pub(super) fn read_restart(text: &str) -> Result<Restart, String> {
    match text {
        "never" => Ok(Restart::Never),
        "on-failure" => Ok(Restart::OnFailure),
        "always" => Ok(Restart::Always),
        _ => Err("expected never, on-failure or always".to_owned()),
    }
}

pub(super) fn read_count(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("expected a number up to {}", u32::MAX))
}

/// A program and its first arguments, split at spaces.
pub(super) fn read_program(text: &str) -> Result<Vec<String>, String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        return Err("expected a program".to_owned());
    }
    Ok(words)
}

pub(super) fn read_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.file_name() {
        Some(_) => Ok(path),
        None => Err("expected a file".to_owned()),
    }
}

pub(super) fn read_on_config(text: &str) -> Result<OnConfig, String> {
    match text {
        "restart" => return Ok(OnConfig::Restart),
        "none" => return Ok(OnConfig::Ignore),
        _ if text.contains(':') => return Ok(OnConfig::Run),
        _ => {}
    }
    let expected = "expected restart, none, a signal, as in HUP, or an action";
    match signal_or(text, expected)? {
        signal if [Signal::KILL, Signal::STOP].contains(&signal) => {
            Err(format!("CMD cannot handle {signal}"))
        }
        signal => Ok(OnConfig::Send(signal)),
    }
}
