//! Standard output.

use crate::error::Error;
use crate::sys::write::write_all;
use rustix::io::Errno;
use std::path::Path;

/// Writes to standard output.
///
/// # Errors
/// [`Error::Io`]: a failure to write is an error as any other.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    write_all(rustix::stdio::stdout(), text.as_bytes()).map_err(failed)
}

fn failed(errno: Errno) -> Error {
    Error::io("write to", Path::new("standard output"), errno)
}
