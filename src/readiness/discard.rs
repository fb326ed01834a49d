//! Datagrams that bring descriptors: a worker process takes them.
//!
//! To release the last descriptor of a file can take long, or for ever: a connection with
//! `SO_LINGER` waits for its peer, a packet socket or a watch for all processors, a large file for
//! its pages. None of that may happen in the event loop.

use crate::error::describe;
use crate::signal::Signal;
use crate::sys::datagram;
use crate::sys::fork::fork_worker;
use crate::sys::poll;
use crate::sys::process::{SignalTarget, kill, wait_for_exit};
use rustix::process::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long the socket is left to a worker. After that the worker has taken the datagram, and waits
/// for the kernel. It is killed, which ends most of these waits.
const TAKE_TIMEOUT: Duration = Duration::from_millis(100);
/// How many workers there may be that have not been reaped.
const WORKER_LIMIT: usize = 16;

/// The workers of one socket.
#[derive(Debug, Default)]
pub(super) struct Discard {
    current: Option<Worker>,
    /// All workers that have not been reaped. KILL does not end some waits in the kernel.
    pids: Vec<Pid>,
}

#[derive(Debug)]
struct Worker {
    pid: Pid,
    /// It closes when the worker ends.
    pipe: OwnedFd,
    deadline: Instant,
}

impl Discard {
    /// Starts a worker that takes the first datagram if it brings descriptors.
    ///
    /// # Errors
    /// A sentence that says why there is no worker.
    pub(super) fn start(&mut self, socket: BorrowedFd<'_>) -> Result<(), String> {
        if self.pids.len() >= WORKER_LIMIT {
            let count = self.pids.len();
            return Err(format!(
                "cannot read notifications: {count} processes are still releasing descriptors that \
                 came with earlier ones"
            ));
        }
        let mut take = |_: BorrowedFd<'_>| {
            if datagram::peek(socket).is_ok_and(|datagram| datagram.has_descriptors) {
                // The parent finds out whether the datagram is gone.
                let _ = datagram::take(socket);
            }
        };
        let (pid, pipe) = fork_worker(&[socket], &mut take).map_err(|errno| {
            let why = describe(&errno.into());
            format!("cannot start a process to release descriptors of a notification: {why}")
        })?;
        self.pids.push(pid);
        let deadline = Instant::now() + TAKE_TIMEOUT;
        self.current = Some(Worker {
            pid,
            pipe,
            deadline,
        });
        Ok(())
    }

    /// When the worker that has the socket is given up; `None` if the socket is free. Its end wakes
    /// the loop as a signal.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.current.as_ref().map(|worker| worker.deadline)
    }

    /// Whether the socket is free.
    pub(super) fn poll(&mut self) -> bool {
        let late = |worker: &mut Worker| worker.deadline <= Instant::now();
        if let Some(worker) = self.current.take_if(late) {
            end(worker.pid);
        }
        self.current.is_none()
    }

    /// Waits until the worker has ended, at most until the deadline.
    pub(super) fn wait(&mut self, deadline: Instant) {
        let Some(worker) = &self.current else {
            return;
        };
        let until = worker.deadline.min(deadline);
        poll::sleep([poll::readable(worker.pipe.as_fd())], Some(until));
        if rustix::io::read(&worker.pipe, &mut [0_u8; 1]) == Ok(0) {
            let pid = worker.pid;
            // It has closed its descriptors, so it ends now.
            wait_for_exit(pid);
            self.reaped(pid);
        }
    }

    pub(super) fn reaped(&mut self, pid: Pid) {
        self.pids.retain(|of_worker| *of_worker != pid);
        self.current.take_if(|worker| worker.pid == pid);
    }

    pub(super) fn pids(&self) -> &[Pid] {
        &self.pids
    }
}

impl Drop for Discard {
    fn drop(&mut self) {
        self.pids.iter().for_each(|pid| end(*pid));
    }
}

fn end(worker: Pid) {
    // It was not reaped, so the number is its own. If it has ended, nothing is left to do.
    let _ = kill(worker, SignalTarget::Process, Signal::KILL);
}
