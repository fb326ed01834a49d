//! What is shown of a wait that goes on: on a terminal one line that is rewritten and disappears,
//! elsewhere two lines. A wait that ends with its first check has none of this.

use crate::duration::Limit;
use crate::log::{Logger, StatusLine};
use crate::signal::Signal;
use crate::sys::process::SignalTarget;
use crate::sys::signals::Signals;
use crate::sys::terminal::foreground_columns;
use std::time::{Duration, Instant};

/// The first line on a terminal comes after this long, and is rewritten as often.
const INTERVAL: Duration = Duration::from_secs(1);
/// Elsewhere the lines come this long after the beginning, as those of exitdir-run do.
const NOTICES: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(600)];
/// A line may be this late, so that it shares a wake-up with another deadline.
const SLACK: Duration = Duration::from_secs(1);
/// The columns of a terminal that does not say how many it has.
const DEFAULT_COLUMNS: usize = 80;

/// What is shown of one wait. The end of this value erases the line and unblocks the signals.
#[derive(Debug)]
pub(super) struct Progress {
    log: Logger,
    began: Instant,
    /// When something is shown next.
    next: Option<Instant>,
    /// On a terminal in the foreground of this process.
    line: Option<StatusLine>,
    /// Blocked while there is a line: a signal that ends or stops this process erases it first.
    signals: Option<Signals>,
}

impl Progress {
    /// `has_signals` says that the caller has blocked them.
    pub(super) fn begin(log: Logger, has_signals: bool) -> Progress {
        let mut progress = Progress {
            log,
            began: Instant::now(),
            next: None,
            line: None,
            signals: None,
        };
        if !log.is_quiet() {
            progress.find_terminal(has_signals);
            progress.schedule();
        }
        progress
    }

    /// Where signals cannot be blocked there is no line.
    fn find_terminal(&mut self, has_signals: bool) {
        if foreground_columns().is_none() {
            return;
        }
        if !has_signals {
            self.signals = Signals::block().ok();
        }
        if has_signals || self.signals.is_some() {
            self.line = Some(StatusLine::default());
        }
    }

    fn schedule(&mut self) {
        self.next = match self.line {
            Some(_) => Some(Instant::now() + INTERVAL),
            None => next_notice(self.began.elapsed()).map(|after| self.began + after),
        };
    }

    /// When to wake up, if `other` is a deadline too.
    pub(super) fn wake_up(&self, other: Option<Instant>) -> Option<Instant> {
        // On a terminal it is watched for.
        let slack = match self.line {
            Some(_) => Duration::ZERO,
            None => SLACK,
        };
        match (self.next, other) {
            (Some(next), Some(other)) if next + slack >= other => Some(other),
            (None, other) => other,
            (next, _) => next,
        }
    }

    /// Shows what the wait waits for, if it is time to.
    pub(super) fn show(&mut self, missing: &dyn Fn() -> String) {
        if self.next.is_none_or(|next| next > Instant::now()) {
            return;
        }
        let waited = self.began.elapsed();
        match (&mut self.line, foreground_columns()) {
            (Some(line), Some(columns)) => {
                let columns = if columns == 0 {
                    DEFAULT_COLUMNS
                } else {
                    columns
                };
                let waited = Limit::After(Duration::from_secs(waited.as_secs()));
                let text = format!("waiting for {waited}: {}", missing());
                line.show(&self.log.prefixed(&text), columns);
            }
            (Some(line), None) => {
                // In the background now, where a line would be in the way of a shell.
                line.leave();
                self.line = None;
            }
            (None, _) => self.log.info(format!("still waiting: {}", missing())),
        }
        self.schedule();
    }

    /// Makes room for other output. The line comes back.
    pub(super) fn erase(&mut self) {
        if let Some(line) = &mut self.line {
            line.erase();
        }
    }

    pub(super) fn signals(&self) -> Option<&Signals> {
        self.signals.as_ref()
    }

    /// Stops this process if such a signal was received, as it does where no signal is blocked.
    pub(super) fn stop(&mut self, received: &[Signal]) {
        let stops = [Signal::TSTP, Signal::TTIN, Signal::TTOU];
        let stop = received.iter().find(|signal| stops.contains(signal));
        if let (Some(stop), Some(signals)) = (stop, &self.signals) {
            if let Some(line) = &mut self.line {
                line.erase();
            }
            signals.stop_self(SignalTarget::Process, *stop);
        }
    }
}

/// When the next notice comes, counted from the beginning, if so much time has passed since.
fn next_notice(elapsed: Duration) -> Option<Duration> {
    NOTICES.into_iter().find(|after| *after > elapsed)
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.erase();
        if let Some(signals) = &self.signals {
            signals.unblock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_comes_after_10_seconds_and_after_10_minutes_and_no_more() {
        let seconds = Duration::from_secs;
        for (elapsed, next) in [
            (0, Some(10)),
            (9, Some(10)),
            (10, Some(600)),
            (599, Some(600)),
            (600, None),
            (86_400, None),
        ] {
            assert_eq!(
                next_notice(seconds(elapsed)),
                next.map(seconds),
                "{elapsed}"
            );
        }
    }
}
