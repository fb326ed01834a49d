//! Writing all of a buffer.

use rustix::io::Errno;
use std::os::fd::AsFd;

/// Writes all bytes, in one write(2) if the kernel takes them at once.
///
/// # Errors
/// Any error of write(2) but `EINTR`; `ENOSPC` if it writes nothing.
pub(crate) fn write_all(file: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(&file, bytes) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
