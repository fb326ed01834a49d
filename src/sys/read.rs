//! Reading all of a file.

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Opens a file for reading. Links on the way are followed.
pub(crate) fn open(path: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Hands on all of a file, part by part.
///
/// # Errors
/// Any error of read(2) but `EINTR`, or the first error of `take`.
pub(crate) fn read_all(
    file: BorrowedFd<'_>,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    read_parts(file, &mut [0; 8192], take)
}

fn read_parts(
    file: BorrowedFd<'_>,
    buffer: &mut [u8],
    take: &mut dyn FnMut(&[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    loop {
        match rustix::io::read(file, &mut *buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(buffer.get(..count).unwrap_or_default())?,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// The word in a file of procfs that has nothing else. One read(2) returns all of it.
///
/// # Errors
/// It cannot be read; `EILSEQ` if it is not UTF-8, or empty.
pub(crate) fn read_word(path: &str) -> Result<String, Errno> {
    let mut buffer = [0; 128];
    let length = rustix::io::read(open(path)?, &mut buffer)?;
    let text = std::str::from_utf8(buffer.get(..length).unwrap_or_default());
    let word = text.ok().map(str::trim).filter(|word| !word.is_empty());
    word.map(str::to_owned).ok_or(Errno::ILSEQ)
}

/// The text of a small file, as in procfs.
///
/// # Errors
/// It cannot be read; `EILSEQ` if it is not UTF-8.
pub(crate) fn read_text(path: &str) -> Result<String, Errno> {
    let mut bytes = Vec::new();
    // The buffer is small: a page of the stack that was used once is never given back.
    read_parts(open(path)?.as_fd(), &mut [0; 512], &mut |part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    String::from_utf8(bytes).map_err(|_| Errno::ILSEQ)
}
