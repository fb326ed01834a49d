//! Standard output.

use crate::error::Error;
use crate::sys::poll;
use crate::sys::signals::Signals;
use crate::sys::write::write_all;
use rustix::io::Errno;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// A pipe that is writable takes this many bytes at least (`PIPE_BUF`, pipe(7)).
const CHUNK: usize = 4096;

/// Writes to standard output.
///
/// # Errors
/// [`Error::Io`]: a failure to write is an error as any other.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    write_all(stdout(), text.as_bytes()).map_err(failed)
}

fn failed(errno: Errno) -> Error {
    Error::io("write to", Path::new("standard output"), errno)
}

pub(crate) fn stdout() -> BorrowedFd<'static> {
    rustix::stdio::stdout()
}

/// Whether the error says that standard output has no reader any more.
pub(crate) fn is_without_reader(error: &Error) -> bool {
    let Error::Io { source, .. } = error else {
        return false;
    };
    Errno::from_io_error(source) == Some(Errno::PIPE)
}

/// Standard output of an applet that goes on. What is written is not kept back.
pub(crate) struct Output<'s> {
    /// What was not written yet.
    rest: Vec<u8>,
    /// Given if signals are blocked: then one ends a write that has to wait.
    signals: Option<&'s Signals>,
}

impl<'s> Output<'s> {
    pub(crate) fn new(signals: Option<&'s Signals>) -> Output<'s> {
        let rest = Vec::new();
        Output { rest, signals }
    }

    /// Keeps a text to be written.
    pub(crate) fn push(&mut self, text: &str) {
        self.rest.extend_from_slice(text.as_bytes());
    }

    /// Writes what was kept. A signal that is read from a descriptor ends it early.
    ///
    /// # Errors
    /// [`Error::Io`], also if there is nothing to write and no reader: see [`is_without_reader`].
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        if poll::is_ready(poll::failing(stdout())) {
            return Err(failed(Errno::PIPE));
        }
        for chunk in std::mem::take(&mut self.rest).chunks(CHUNK) {
            if self.rest.is_empty() && self.may_write() {
                write_all(stdout(), chunk).map_err(failed)?;
            } else {
                self.rest.extend_from_slice(chunk);
            }
        }
        Ok(())
    }

    /// Waits until a write does not block. False if a signal came first.
    fn may_write(&self) -> bool {
        let Some(signals) = self.signals else {
            return true;
        };
        let writable = || poll::writable(stdout());
        signals.sleep([writable()], None);
        poll::is_ready(writable())
    }
}
