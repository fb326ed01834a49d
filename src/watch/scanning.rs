//! What a scan hands to its caller: name by name, and at the end.

use super::dir_watch::WatchFault;
use crate::error::Error;
use crate::protocol::life::Observation;
use crate::protocol::name::Name;
#[cfg(feature = "cli")]
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// How long a scan goes on before its caller reads signals.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(20);

/// Takes what a scan finds, name by name: all of it at once would be too much to keep.
pub(crate) trait ScanSink {
    /// Takes what was found under one name.
    fn take(&mut self, observation: &Observation);

    /// Reads signals. Is called again and again during a long scan. Returns whether the scan goes
    /// on.
    fn read_signals(&mut self) -> bool;
}

/// Sees everything that a wait finds.
#[cfg(feature = "cli")]
pub(crate) trait Observer {
    /// Takes what was found under one name.
    fn take(&mut self, observation: &Observation);

    /// Is called after each scan.
    ///
    /// # Errors
    /// The wait ends with this error.
    fn end_scan(&mut self) -> Result<(), Error>;

    /// When the next scan is to end, even if nothing has happened.
    fn deadline(&self) -> Option<Instant>;

    /// A descriptor whose failure wakes the wait.
    fn descriptor(&self) -> BorrowedFd<'_>;
}

/// A sink, and when it reads signals next.
pub(super) struct PacedSink<'s> {
    sink: &'s mut dyn ScanSink,
    next: Instant,
    /// The scan goes on.
    goes_on: bool,
}

impl PacedSink<'_> {
    pub(super) fn new(sink: &mut dyn ScanSink, began: Instant) -> PacedSink<'_> {
        PacedSink {
            sink,
            next: began + SIGNAL_INTERVAL,
            goes_on: true,
        }
    }

    /// Hands on what was found under one name.
    pub(super) fn hand_on(&mut self, observation: &Observation) {
        self.sink.take(observation);
    }

    /// Reads signals if that is due. Returns whether the scan goes on.
    pub(super) fn goes_on(&mut self) -> bool {
        if self.goes_on && Instant::now() >= self.next {
            self.goes_on = self.sink.read_signals();
            self.next = Instant::now() + SIGNAL_INTERVAL;
        }
        self.goes_on
    }
}

/// What one scan of everything that may have changed found, beside the lives.
#[derive(Debug, Default)]
pub(crate) struct ScanResult {
    /// Names whose state is unknown, because they could not be read.
    pub(crate) unread: Vec<Name>,
    /// Errors for names that were asked for.
    pub(crate) errors: Vec<Error>,
    /// Errors for other entries of the directory.
    pub(crate) other_errors: Vec<Error>,
    /// Notices for people about entries that cannot be read, or that cannot be tombstones.
    pub(crate) notices: Vec<String>,
    /// In the order in which they happened.
    pub(crate) faults: Vec<WatchFault>,
}

impl ScanResult {
    /// Adds what a later scan found.
    pub(crate) fn append(&mut self, later: ScanResult) {
        self.unread.extend(later.unread);
        self.errors.extend(later.errors);
        self.other_errors.extend(later.other_errors);
        self.notices.extend(later.notices);
        self.faults.extend(later.faults);
    }
}
