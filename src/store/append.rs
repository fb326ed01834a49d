//! Appending a record to an open tombstone.

use crate::protocol::compose::{Line, compose_append};
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Reason;
use crate::signal::Signal;
use crate::sys::write::write_all;
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::os::fd::AsFd;

/// The record of a life's end.
#[derive(Clone, Debug)]
pub(crate) struct DeathRecord<'a> {
    pub(crate) code: u8,
    pub(crate) signal: Option<Signal>,
    pub(crate) reason: Option<Reason>,
    pub(crate) message: Option<&'a str>,
}

impl DeathRecord<'_> {
    pub(crate) fn lines<'a>(&'a self, died: &'a Timestamp) -> Vec<Line<'a>> {
        let mut lines = vec![Line::ExitCode(self.code)];
        lines.extend(self.signal.map(Line::Signal));
        lines.extend(self.reason.map(Line::Reason));
        lines.extend(self.message.map(Line::Message));
        lines.push(Line::Died(died));
        lines
    }
}

/// Appends one record; `Ok(false)` if the tombstone has no room for it.
pub(crate) fn append(file: impl AsFd, lines: &[Line<'_>]) -> Result<bool, Errno> {
    let length = rustix::fs::seek(&file, SeekFrom::End(0))?;
    let mut last = [0];
    let last = match length.checked_sub(1) {
        Some(at) => (rustix::io::pread(&file, &mut last, at)? == 1).then_some(last[0]),
        None => None,
    };
    append_after(file, length, last, lines)
}

/// As [`append`], to a file of `length` bytes whose last byte is `last`.
pub(super) fn append_after(
    file: impl AsFd,
    length: u64,
    last: Option<u8>,
    lines: &[Line<'_>],
) -> Result<bool, Errno> {
    let Some(record) = compose_append(lines, length, last) else {
        return Ok(false);
    };
    write_all(file, record.as_bytes())?;
    Ok(true)
}
