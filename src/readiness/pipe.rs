//! A newline on a descriptor: s6's way to say that a service is up.

use super::update::ReadinessUpdate;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// Reads in one look: a command that writes without end must not keep us from everything else.
const BATCH: usize = 16;
/// A command that is about to end has closed it just before: only after this time that is worth a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Our end of the pipe, until the other one is closed.
pub(crate) struct ReadinessPipe {
    reader: Option<OwnedFd>,
    /// The command's end, until it has it.
    writer: Option<OwnedFd>,
    number: RawFd,
    ready: bool,
    /// When to say that it was closed too early.
    warn_at: Option<Instant>,
}

impl ReadinessPipe {
    pub(super) fn open(number: u16) -> Result<ReadinessPipe, Errno> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // Our end alone: a command may not expect that its own does not block.
        let flags = rustix::fs::OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&reader, flags)?;
        Ok(ReadinessPipe {
            reader: Some(reader),
            writer: Some(writer),
            number: RawFd::from(number),
            ready: false,
            warn_at: None,
        })
    }

    pub(super) fn command_descriptor(&self) -> Option<(BorrowedFd<'_>, RawFd)> {
        self.writer.as_ref().map(|fd| (fd.as_fd(), self.number))
    }

    /// Without an end of our own we see when the last other one is closed.
    pub(super) fn command_started(&mut self) {
        self.writer = None;
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.reader.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.warn_at
    }

    /// Reads what is there. After the newline too: a command that goes on writing must not be killed by `PIPE`.
    pub(super) fn poll(&mut self) -> ReadinessUpdate {
        let mut update = ReadinessUpdate::default();
        for _ in 0..BATCH {
            let Some(reader) = &self.reader else {
                break;
            };
            let mut buffer = [0; 512];
            match rustix::io::read(reader, &mut buffer) {
                Ok(0) => {
                    self.reader = None;
                    self.warn_at = (!self.ready).then(|| Instant::now() + PATIENCE);
                }
                Ok(length) => {
                    let text = buffer.get(..length).unwrap_or_default();
                    update.is_ready |= !self.ready && text.contains(&b'\n');
                    self.ready |= update.is_ready;
                }
                // AGAIN, or a reason that will be gone the next time.
                Err(_) => break,
            }
        }
        let due = self.warn_at.take_if(|at| *at <= Instant::now());
        update.warning = due.map(|_| self.warning());
        update
    }

    fn warning(&self) -> String {
        let number = self.number;
        format!("descriptor {number} was closed without a newline: the command is not ready")
    }
}
