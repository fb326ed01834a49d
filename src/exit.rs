//! How a process ends: the exit statuses of exitdir, each in one place, and what is known of a
//! process that has ended or could not be started. Pure.

use crate::signal::Signal;

/// `timeout(1)`'s status for a deadline that has passed.
pub(crate) const TIMED_OUT: u8 = 124;
/// An error of exitdir itself, or wrong usage (`timeout(1)`, `docker run`).
pub(crate) const FAILURE: u8 = 125;
/// The command was found and cannot be executed (POSIX `sh`).
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The command was not found (POSIX `sh`).
pub(crate) const NOT_FOUND: u8 = 127;
/// The status of a life whose tombstone records no end, as if `KILL` had ended it.
pub(crate) const LOST: u8 = 137;
/// `exitdir-wait`: a condition can no longer hold.
pub(crate) const IMPOSSIBLE: u8 = 1;
/// A check puts the update off: `EX_TEMPFAIL` of sysexits(3).
#[cfg(feature = "managed")]
pub(crate) const NOT_NOW: u8 = 75;
/// `exitdir-status`: a name that was asked for has no tombstone, or something is wrong.
pub(crate) const INCOMPLETE: u8 = 1;
/// Success.
pub(crate) const SUCCESS: u8 = 0;

/// A set of exit statuses: one bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeSet([u128; 2]);

impl CodeSet {
    /// With each status from the first to the last one, too.
    pub(crate) fn add(&mut self, first: u8, last: u8) {
        for code in first..=last {
            let [low, high] = &mut self.0;
            let half = if code < 128 { low } else { high };
            *half |= 1 << (code % 128);
        }
    }

    pub(crate) fn contains(&self, code: u8) -> bool {
        let [low, high] = self.0;
        let half = if code < 128 { low } else { high };
        half >> (code % 128) & 1 == 1
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ExitStatus {
    /// It exited with this status.
    Exited(u8),
    /// This signal ended it.
    Signaled(Signal),
}

impl ExitStatus {
    /// The status that a shell would report.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitStatus::Exited(code) => code,
            ExitStatus::Signaled(signal) => signal.exit_status(),
        }
    }

    /// The signal that ended it, if one did.
    pub(crate) fn signal(self) -> Option<Signal> {
        match self {
            ExitStatus::Exited(_) => None,
            ExitStatus::Signaled(signal) => Some(signal),
        }
    }
}

/// Why a process could not be started, with the system's error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StartFailure {
    /// There is no such program.
    NotFound(i32),
    /// The program cannot be executed.
    NotExecutable(i32),
    /// The program is not at fault: the system has no process or descriptor left.
    System(i32),
    /// There is no socket for its notifications.
    NoNotifySocket(i32),
    /// There is no pipe for its readiness.
    NoReadinessPipe(i32),
}

/// What a command left behind when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Remaining {
    Nothing,
    /// Processes whose parent is exitdir now. Helper processes of exitdir's own count too, so the
    /// code that reaps takes them out.
    Descendants,
}

/// Where a process was when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TerminalPlace {
    /// In the foreground of a terminal, whose keys send it signals that exitdir does not see.
    Foreground,
    /// In the background, or without a terminal.
    Elsewhere,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_every_status_of_the_ranges_that_were_added_and_no_other() {
        let ranges = [(0, 0), (3, 3), (126, 130), (64, 64), (255, 255)];
        let mut set = CodeSet::default();
        for code in 0..=255 {
            assert!(!set.contains(code), "{code}");
        }
        for (first, last) in ranges {
            set.add(first, last);
        }
        for code in 0..=255 {
            let expected = ranges
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&code));
            assert_eq!(set.contains(code), expected, "{code}");
        }
        set.add(0, 255);
        assert!((0..=255).all(|code| set.contains(code)));
    }
}
