//! The signals of this process: blocked, and read from a descriptor.

use super::poll::{self, timespec};
use super::process::{self, SignalTarget};
use super::raw::{self, ReceivedSignal};
use super::startup::InheritedSignals;
use crate::signal::{Signal, SignalSet};
use rustix::event::Timespec;
use rustix::process::getpid;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// All signals, blocked from here on, and a descriptor to read them from.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: OwnedFd,
    /// The process id of this process, as senders are named.
    pid: u32,
    inherited: InheritedSignals,
}

/// Whether a process stopped (SIGSTOP, `^Z`) when it asked for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfStop {
    /// It stopped, and another process has continued it since.
    Continued,
    /// The kernel did not stop it.
    Refused,
}

impl Signals {
    /// Blocks every signal, so that none is lost from here on.
    pub(crate) fn block() -> io::Result<Signals> {
        Ok(Signals {
            inherited: InheritedSignals::save_and_set_mask(SignalSet::ALL)?,
            fd: raw::signalfd()?,
            pid: getpid().as_raw_pid().unsigned_abs(),
        })
    }

    /// The state of signals in which a command is started.
    pub(crate) fn inherited(&self) -> InheritedSignals {
        self.inherited
    }

    /// Readable when a signal is pending.
    pub(crate) fn descriptor(&self) -> &OwnedFd {
        &self.fd
    }

    /// The pending signals, as many as a [`SignalBatch`] holds, without those that this process
    /// has raised itself.
    pub(crate) fn read(&self) -> SignalBatch {
        let mut batch = SignalBatch::default();
        let count = raw::read_signals::<BATCH_SIZE>(&self.fd, |received| {
            if !self.has_raised(received) {
                batch.add(received.signal);
            }
        });
        batch.is_full = count == BATCH_SIZE;
        batch
    }

    /// Sleeps until a signal is pending, and takes it. `None` after the timeout, and sometimes
    /// earlier. This is one system call where poll(2) and read(2) are two, for a caller that waits
    /// for signals only.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Option<Signal> {
        let timeout = timeout.map(timespec);
        match raw::wait_for_signal(timeout.as_ref()) {
            Ok(received) => received
                .filter(|received| !self.has_raised(*received))
                .map(|received| received.signal),
            Err(error) => {
                self.poll_if_refused(&error, timeout.as_ref());
                None
            }
        }
    }

    /// Waits with poll(2) where sigtimedwait(2) is refused, as by a seccomp profile. The caller
    /// reads the descriptor afterwards.
    #[cold]
    fn poll_if_refused(&self, error: &io::Error, timeout: Option<&Timespec>) {
        if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) {
            let mut descriptors = [poll::readable(self.fd.as_fd())];
            // EINTR needs no handling: the caller looks again.
            let _ = rustix::event::poll(&mut descriptors, timeout);
        }
    }

    /// Whether this process has raised the signal itself: a write to a closed stderr raises `PIPE`
    /// and one past a limit raises `XFSZ`, both with this process as the sender.
    fn has_raised(&self, received: ReceivedSignal) -> bool {
        let is_raised_by_writes = matches!(received.signal, Signal::PIPE | Signal::XFSZ);
        is_raised_by_writes && received.sender == self.pid
    }

    /// Stops this process, or its whole group, as the signal does when it is not blocked. Returns
    /// after another process has continued this one. The kernel refuses where no process could do
    /// that (an orphaned process group, PID 1), or if the signal was ignored at startup.
    pub(crate) fn stop_self(&self, target: SignalTarget, signal: Signal) -> SelfStop {
        // The stop signal would discard a CONT that is pending already.
        if raw::is_pending(Signal::CONT) {
            return SelfStop::Continued;
        }
        // If one of these calls fails, this process keeps running, and the result says so.
        let _ = raw::set_mask(SignalSet::ALL.without(signal));
        let _ = process::raise(target, signal);
        let _ = raw::set_mask(SignalSet::ALL);
        // Only CONT continues a process, and a stop discards one that was pending before.
        if raw::is_pending(Signal::CONT) {
            SelfStop::Continued
        } else {
            SelfStop::Refused
        }
    }
}

/// How many signals are read at once.
const BATCH_SIZE: usize = 32;

/// Signals in the kernel's order: by number, not by time (signal(7)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignalBatch {
    signals: [Signal; BATCH_SIZE],
    length: usize,
    /// A child has ended or stopped.
    pub(crate) children: bool,
    /// There may be more.
    pub(crate) is_full: bool,
}

impl Default for SignalBatch {
    fn default() -> SignalBatch {
        SignalBatch {
            signals: [Signal::CHLD; BATCH_SIZE],
            length: 0,
            children: false,
            is_full: false,
        }
    }
}

impl SignalBatch {
    fn add(&mut self, signal: Signal) {
        if signal == Signal::CHLD {
            self.children = true;
        } else if let Some(place) = self.signals.get_mut(self.length) {
            *place = signal;
            self.length += 1;
        }
    }

    /// The signals without `CHLD`.
    pub(crate) fn signals(&self) -> &[Signal] {
        self.signals.get(..self.length).unwrap_or_default()
    }
}
