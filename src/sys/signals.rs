//! The signals of this process: blocked, and read from a descriptor.

use super::poll::{self, timespec};
use super::process::{self, SignalTarget};
use super::raw::{self, ReceivedSignal};
use super::startup::InheritedSignals;
use crate::signal::{Signal, SignalSet};
use rustix::event::{PollFd, Timespec};
use rustix::process::getpid;
use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// All signals, blocked from here on, and a descriptor to read them from.
#[derive(Debug)]
pub(crate) struct Signals {
    /// `None` where signalfd(2) is refused: then [`Signals::sleep`] wakes up regularly.
    fd: Option<OwnedFd>,
    /// The process id of this process, as senders are named.
    pid: u32,
    inherited: InheritedSignals,
    /// See [`Signals::share_terminal`].
    is_terminal_shared: Cell<bool>,
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
            fd: open_descriptor()?,
            pid: getpid().as_raw_pid().unsigned_abs(),
            is_terminal_shared: Cell::new(false),
        })
    }

    /// Says whether a command is in the process group of this process. While one is, it gets the
    /// signals of the terminal itself, so this process does not.
    pub(crate) fn share_terminal(&self, is_shared: bool) {
        self.is_terminal_shared.set(is_shared);
    }

    /// The state of signals in which a command is started.
    pub(crate) fn inherited(&self) -> InheritedSignals {
        self.inherited
    }

    /// Sets the inherited state again. What is pending then does what it does by default.
    pub(crate) fn unblock(&self) {
        self.inherited.set_again();
    }

    /// Sleeps until a signal is pending, or as [`poll::sleep`].
    pub(crate) fn sleep<'fd>(
        &'fd self,
        others: impl IntoIterator<Item = PollFd<'fd>>,
        deadline: Option<Instant>,
    ) {
        let own = self.interest();
        let regular = own.is_none().then(|| Instant::now() + UNSEEN_INTERVAL);
        let deadline = deadline.into_iter().chain(regular).min();
        poll::sleep(others.into_iter().chain(own), deadline);
    }

    fn interest(&self) -> Option<PollFd<'_>> {
        self.fd.as_ref().map(|fd| poll::readable(fd.as_fd()))
    }

    /// The pending signals, as many as a [`SignalBatch`] holds, without those that are not for this
    /// process.
    pub(crate) fn read(&self) -> SignalBatch {
        let mut batch = SignalBatch::default();
        let mut add = |received| {
            if !self.is_dropped(received) {
                batch.add(received.signal);
            }
        };
        let fd = self.fd.as_ref();
        let read = fd.and_then(|fd| raw::read_signals::<BATCH_SIZE>(fd, &mut add).ok());
        let count = read.unwrap_or_else(|| take_each(&mut add));
        batch.is_full = count == BATCH_SIZE;
        batch
    }

    /// Sleeps until a signal is pending, and takes it. `None` after the timeout, and sometimes
    /// earlier. This is one system call where poll(2) and read(2) are two, for a caller that waits
    /// for signals only.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Option<Signal> {
        match raw::wait_for_signal(SignalSet::ALL, timeout.map(timespec).as_ref()) {
            Ok(received) => received
                .filter(|received| !self.is_dropped(*received))
                .map(|received| received.signal),
            Err(error) => {
                self.poll_if_refused(&error, timeout);
                None
            }
        }
    }

    /// Waits with poll(2) where sigtimedwait(2) is refused. The caller reads the descriptor
    /// afterwards.
    #[cold]
    fn poll_if_refused(&self, error: &io::Error, timeout: Option<Duration>) {
        if !matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR)) {
            let until = timeout.map(|timeout| Instant::now() + timeout);
            self.sleep([], until);
        }
    }

    /// Whether a signal is not meant for this process: see [`Signals::share_terminal`], or this
    /// process has raised it itself. A write to a closed stderr raises `PIPE` and one past a limit
    /// raises `XFSZ`, both with this process as the sender.
    fn is_dropped(&self, received: ReceivedSignal) -> bool {
        let is_raised_by_writes = matches!(received.signal, Signal::PIPE | Signal::XFSZ);
        is_raised_by_writes && received.sender == self.pid
            || self.is_terminal_shared.get()
                && received.is_from_kernel
                && OF_TERMINAL.contains(received.signal)
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
        // One that was pending, such as that of a key, has stopped this process already.
        if !raw::is_pending(Signal::CONT) {
            let _ = process::raise(target, signal);
        }
        let _ = raw::set_mask(SignalSet::ALL);
        // Only CONT continues a process, and a stop discards one that was pending before.
        if raw::is_pending(Signal::CONT) {
            SelfStop::Continued
        } else {
            SelfStop::Refused
        }
    }
}

/// The signals that a terminal sends to a whole process group (termios(3), tty_ioctl(4)).
const OF_TERMINAL: SignalSet = SignalSet::from_bits(0)
    .with(Signal::HUP)
    .with(Signal::INT)
    .with(Signal::QUIT)
    .with(Signal::CONT)
    .with(Signal::TSTP)
    .with(Signal::TTIN)
    .with(Signal::TTOU)
    .with(Signal::WINCH);

/// How often signals are looked for where no descriptor tells of them.
const UNSEEN_INTERVAL: Duration = Duration::from_millis(100);

/// A descriptor for signals. `None` where a seccomp profile or an old kernel refuses signalfd(2),
/// but not sigtimedwait(2).
fn open_descriptor() -> io::Result<Option<OwnedFd>> {
    match raw::signalfd() {
        // It takes none: EAGAIN says that it works.
        Err(error) if raw::is_refused(&error) => {
            match raw::wait_for_signal(SignalSet::default(), Some(&AT_ONCE)) {
                Err(other) if raw::is_refused(&other) => Err(error),
                _ => Ok(None),
            }
        }
        opened => opened.map(Some),
    }
}

/// Takes the pending signals one by one, at most as many as a batch holds. Returns their count.
fn take_each(mut add: impl FnMut(ReceivedSignal)) -> usize {
    let take = || raw::wait_for_signal(SignalSet::ALL, Some(&AT_ONCE)).ok();
    let taken = std::iter::from_fn(take).take(BATCH_SIZE);
    taken.map(|received| received.map(&mut add)).count()
}

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

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
