//! `--ready-on fd`: the command writes a newline to a descriptor, which is how services of s6
//! report that they are ready.

use super::pace::Pace;
use super::update::{CommandPhase, ReadinessUpdate};
use crate::error::describe;
use crate::sys::poll::readable;
use crate::watch::cpu_time::CpuTimer;
use rustix::event::PollFd;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// The reads of one poll at most: a command that never stops writing must not keep this process
/// from its other work.
const READ_LIMIT: usize = 16;
/// The bytes of one read: all reads of a poll together take what a pipe holds (pipe(7)).
const READ_SIZE: usize = 4096;
/// The time between two tries to read a pipe that cannot be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long after the command has closed the descriptor without a newline there is a warning. A
/// command that ends closes it too, and its end says more than the warning.
const WARNING_DELAY: Duration = Duration::from_secs(1);

pub(crate) struct ReadinessPipe {
    /// The end of this process, until the other end is closed.
    reader: Option<OwnedFd>,
    /// The end of the command, until the command has it.
    writer: Option<OwnedFd>,
    /// The command's number for its end.
    number: RawFd,
    was_ready: bool,
    pace: Pace,
    /// When to warn that the descriptor was closed without a newline.
    warn_at: Option<Instant>,
}

impl ReadinessPipe {
    pub(super) fn open(number: u16) -> Result<ReadinessPipe, Errno> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        // Only this end: a command may rely on blocking writes.
        let flags = rustix::fs::OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&reader, flags)?;
        Ok(ReadinessPipe {
            reader: Some(reader),
            writer: Some(writer),
            number: RawFd::from(number),
            was_ready: false,
            pace: Pace::new(),
            warn_at: None,
        })
    }

    pub(super) fn command_descriptor(&self) -> Option<(BorrowedFd<'_>, RawFd)> {
        self.writer.as_ref().map(|fd| (fd.as_fd(), self.number))
    }

    /// Closes the copy of the command's end, so that a read reports when the last one is closed.
    pub(super) fn command_started(&mut self) {
        self.writer = None;
    }

    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        let reader = self.reader.as_ref().map(|fd| readable(fd.as_fd()));
        reader.filter(|_| self.pace.rest().is_none())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let rest = self.pace.rest().filter(|_| self.reader.is_some());
        self.warn_at.into_iter().chain(rest).min()
    }

    /// Reads after the newline too: a command that keeps writing must not be killed by `PIPE`.
    pub(super) fn poll(&mut self, phase: CommandPhase) -> ReadinessUpdate {
        let mut update = ReadinessUpdate::default();
        if phase == CommandPhase::Ended || self.pace.rest().is_none() {
            self.read(&mut update);
        }
        if self.warn_at.take_if(|at| *at <= Instant::now()).is_some() {
            update.warning = Some(self.warning());
        }
        update
    }

    fn read(&mut self, update: &mut ReadinessUpdate) {
        let mut timer = None;
        for _ in 0..READ_LIMIT {
            let Some(reader) = &self.reader else {
                break;
            };
            let mut buffer = [0; READ_SIZE];
            match rustix::io::read(reader, &mut buffer) {
                Ok(0) => {
                    self.reader = None;
                    self.warn_at = (!self.was_ready).then(|| Instant::now() + WARNING_DELAY);
                }
                Ok(length) => {
                    timer.get_or_insert_with(CpuTimer::start);
                    let text = buffer.get(..length).unwrap_or_default();
                    update.is_ready |= !self.was_ready && text.contains(&b'\n');
                    self.was_ready |= update.is_ready;
                }
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(errno) => {
                    let (number, why) = (self.number, describe(&errno.into()));
                    update.warning = Some(format!(
                        "cannot read what the command writes to descriptor {number}: {why}"
                    ));
                    self.pace.pause(RETRY_INTERVAL);
                    break;
                }
            }
        }
        timer.into_iter().for_each(|timer| self.pace.charge(timer));
    }

    fn warning(&self) -> String {
        let number = self.number;
        format!("descriptor {number} was closed without a newline: the command is not ready")
    }
}
