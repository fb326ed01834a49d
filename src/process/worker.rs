//! A worker process that runs: its output, and how it ends. Dropping the value kills it.

use crate::exit::ExitStatus;
use crate::signal::Signal;
use crate::sys::fork::fork_worker;
use crate::sys::process::{SignalTarget, kill};
use rustix::io::Errno;
use rustix::process::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes read from a worker at once: what a pipe holds.
const READ_SIZE: usize = 64 << 10;
/// A worker that writes more than this is killed.
const OUTPUT_LIMIT: usize = 1 << 20;

/// A worker, running or ended.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    pid: Pid,
    /// `None` once all of its output was read.
    pipe: Option<OwnedFd>,
    output: Vec<u8>,
    /// `None` while it runs, or was not reaped yet.
    end: Option<Option<ExitStatus>>,
}

impl WorkerProcess {
    /// Starts it: see [`fork_worker`].
    ///
    /// # Errors
    /// It cannot be started now.
    pub(crate) fn start(
        kept: &[BorrowedFd<'_>],
        work: &mut dyn FnMut(BorrowedFd<'_>),
    ) -> Result<WorkerProcess, Errno> {
        let (pid, pipe) = fork_worker(kept, work)?;
        Ok(WorkerProcess {
            pid,
            pipe: Some(pipe),
            output: Vec::new(),
            end: None,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Readable when there is output; `None` when there is no more.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes note of a child that has ended, which may be this worker or not.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        if self.pid == pid && self.end.is_none() {
            self.end = Some(status);
        }
    }

    /// Whether it was not reaped yet.
    pub(crate) fn is_running(&self) -> bool {
        self.end.is_none()
    }

    /// Reads output that is there. Returns whether the worker has ended and all of it was read.
    pub(crate) fn poll(&mut self) -> bool {
        let old = self.output.len();
        if let Some(pipe) = &self.pipe {
            self.output.resize(old + READ_SIZE, 0);
            let fresh = self.output.get_mut(old..).unwrap_or_default();
            let result = rustix::io::read(pipe, fresh);
            self.output.truncate(old + result.unwrap_or(0));
            if !matches!(result, Ok(1..) | Err(Errno::AGAIN | Errno::INTR)) {
                self.pipe = None;
            }
        }
        if self.output.len() > OUTPUT_LIMIT {
            self.kill();
        }
        self.pipe.is_none() && self.end.is_some()
    }

    /// What it has written so far.
    pub(crate) fn output_so_far(&self) -> &[u8] {
        &self.output
    }

    /// What it has written, once [`WorkerProcess::poll`] says that it has ended.
    ///
    /// # Errors
    /// Why that is not complete, as the end of a sentence that begins with its name.
    pub(crate) fn output(&self) -> Result<&[u8], String> {
        match self.end.flatten() {
            Some(ExitStatus::Exited(0)) => Ok(&self.output),
            Some(ExitStatus::Signaled(signal)) => {
                let is_memory = signal == Signal::KILL || signal.to_string() == "ABRT";
                let hint = if is_memory {
                    "; is there enough memory?"
                } else {
                    ""
                };
                Err(format!("was ended by {signal}{hint}"))
            }
            Some(ExitStatus::Exited(_)) | None => Err("has failed".to_owned()),
        }
    }

    /// Kills it. It is reaped later.
    pub(crate) fn kill(&self) {
        if self.end.is_none() {
            // It has not been reaped, so its number is still its own.
            let _ = kill(self.pid, SignalTarget::Process, Signal::KILL);
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
