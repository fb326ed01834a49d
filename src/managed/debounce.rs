//! When to scan, and how long changes settle before they are applied. Pure: takes instants and
//! returns deadlines; holds no clock and touches no file.
//!
//! A scan finds changes. They are applied together after [`QUIET_TIME`] without another one, and
//! after [`DEBOUNCE_LIMIT`] even if writes continue. A single source that was replaced in one step
//! is complete: that change is applied at once, after a pause since the batch before it.

use crate::duration::Limit;
use crate::watch::rescan;
use std::time::{Duration, Instant};

/// Changes settle for this long. Each new change begins this time again.
const QUIET_TIME: Duration = Duration::from_millis(100);
/// Pause before a replacement is applied after a batch, so that a burst of them causes few reloads.
const REPLACEMENT_PAUSE: Duration = Duration::from_millis(20);
/// Upper bound on debouncing: changes are applied after this long even if writes continue.
pub(crate) const DEBOUNCE_LIMIT: Duration = Duration::from_secs(10);
/// Pause before an operation is tried again that failed for no fault of the configuration.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// A scan is followed by a pause of this many times its processor time, so that scans take at most
/// a twentieth of a processor.
const REST_FACTOR: u32 = 19;

/// What events say about the content of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// Nothing: they are about something else, or do not tell.
    None,
    /// A source was replaced in one step, and nothing was written after that.
    Replaced,
    /// Something was written in place.
    Written,
}

/// Why changes are applied now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// They have settled.
    Quiet,
    /// The only source was replaced in one step.
    Replaced,
    /// The upper bound was reached. Writes may continue; they are not waited for.
    Expired,
}

/// Changes that are applied together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DueChanges {
    /// When the first of them was found; `None` if there is only an operation to try again.
    pub(super) since: Option<Instant>,
    pub(super) trigger: Trigger,
}

/// What a scan has cost, and when the next one follows without an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanCost {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) processor_time: Duration,
    /// The interval between scans without an event.
    pub(super) interval: Limit,
}

/// All deadlines of a managed application, except that of a check.
#[derive(Debug)]
pub(super) struct Debounce {
    /// Several sources may change together, in several steps.
    has_several_sources: bool,
    /// Events were read since the last scan began.
    has_events: bool,
    /// Some of them were about the content.
    is_touched: bool,
    /// What the last event about the content has said, while changes are pending or applied.
    hint: Hint,
    /// Changes are being applied.
    is_applying: bool,
    /// No replacement is applied before this.
    pause_until: Instant,
    /// No event causes a scan before this, because of what the last scan has cost.
    rest_until: Instant,
    /// The same for a replacement, because of the last scan for one: the events of a writer that
    /// prepares it beside the source do not delay it.
    replacement_rests_until: Instant,
    /// When to scan even without an event.
    next_rescan: Option<Instant>,
    /// When the last scan began.
    last_scan: Option<Instant>,
    /// Changes that are not applied yet.
    pending: Option<Pending>,
    /// Why changes were applied the last time.
    last_trigger: Trigger,
    /// When to try again what failed.
    retry_at: Option<Instant>,
}

/// When the first and the newest of the changes were found.
#[derive(Clone, Copy, Debug)]
struct Pending {
    since: Instant,
    newest: Instant,
}

impl Debounce {
    /// The first scan is due at once.
    pub(super) fn new(now: Instant, source_count: usize) -> Debounce {
        Debounce {
            has_several_sources: source_count > 1,
            has_events: false,
            is_touched: false,
            hint: Hint::None,
            is_applying: false,
            pause_until: now,
            rest_until: now,
            replacement_rests_until: now,
            next_rescan: Some(now),
            last_scan: None,
            pending: None,
            last_trigger: Trigger::Quiet,
            retry_at: None,
        }
    }

    /// Notes that events were read: something may have changed.
    pub(super) fn note_events(&mut self, hint: Hint) {
        self.has_events = true;
        if hint != Hint::None {
            self.hint = hint;
            self.is_touched = true;
        }
    }

    /// Whether events since the last scan began were about the content.
    pub(super) fn is_touched(&self) -> bool {
        self.is_touched
    }

    pub(super) fn is_scan_due(&self, now: Instant) -> bool {
        let has_rested = self.rests_until() <= now;
        self.has_events && has_rested || self.next_rescan.is_some_and(|at| at <= now)
    }

    fn rests_until(&self) -> Instant {
        match self.is_replaced() {
            true => self.replacement_rests_until,
            false => self.rest_until,
        }
    }

    /// Whether only a scan can tell what there is now. `since` is when the caller began to need it;
    /// `events_are_complete` says that no change happens without an event.
    pub(super) fn needs_scan(&self, since: Instant, events_are_complete: bool) -> bool {
        let is_current = self.last_scan.is_some_and(|began| began >= since);
        self.has_events || !(events_are_complete || is_current)
    }

    /// A scan begins: it finds what the events so far were about. Returns whether some of them were
    /// about the content.
    pub(super) fn begin_scan(&mut self) -> bool {
        self.has_events = false;
        std::mem::take(&mut self.is_touched)
    }

    pub(super) fn end_scan(&mut self, cost: ScanCost) {
        self.last_scan = Some(cost.began);
        self.rest_until = cost.ended + cost.processor_time * REST_FACTOR;
        if self.is_replaced() {
            self.replacement_rests_until = self.rest_until;
        }
        self.next_rescan = rescan::next_scan(cost.interval, cost.processor_time, cost.ended);
        self.forget_hint();
    }

    /// A hint counts for changes that are known, and for what a batch leaves over.
    fn forget_hint(&mut self) {
        if self.pending.is_none() && !self.is_applying {
            self.hint = Hint::None;
        }
    }

    /// Notes that a source has changed.
    pub(super) fn note_change(&mut self, now: Instant) {
        let since = self.pending.map_or(now, |pending| pending.since);
        self.pending = Some(Pending { since, newest: now });
    }

    /// Notes that a source has changed again while the changes since `since` were applied. The
    /// upper bound counts from there, unless newer changes are pending already.
    pub(super) fn note_leftover(&mut self, since: Option<Instant>, now: Instant) {
        let since = since.unwrap_or(now);
        self.pending = self.pending.or(Some(Pending { since, newest: now }));
    }

    pub(super) fn has_changes(&self) -> bool {
        self.pending.is_some()
    }

    /// Whether the command may start with what is installed. Changes that do not settle are not
    /// waited for a second time.
    pub(super) fn allows_start(&self) -> bool {
        self.pending.is_none() || self.last_trigger == Trigger::Expired
    }

    /// When the changes are applied, if no other follows. `is_being_written` says that a writer has
    /// not closed its file.
    fn applies_at(&self, is_being_written: bool) -> Option<Instant> {
        let pending = self.pending?;
        let latest = pending.since + DEBOUNCE_LIMIT;
        if is_being_written {
            return Some(latest);
        }
        let quiet = match self.is_replaced() {
            true => pending.newest.max(self.pause_until),
            false => pending.newest + QUIET_TIME,
        };
        // Events that came during the pause after a scan may be changes: they are scanned first.
        Some(if self.has_events {
            latest.min(quiet.max(self.rests_until()))
        } else {
            latest.min(quiet)
        })
    }

    /// Whether the changes are one step of a writer, so that no other step follows.
    fn is_replaced(&self) -> bool {
        self.hint == Hint::Replaced && !self.has_several_sources
    }

    pub(super) fn is_apply_due(&self, now: Instant, is_being_written: bool) -> bool {
        let at = self.applies_at(is_being_written);
        at.is_some_and(|at| at <= now)
    }

    /// Takes all changes to apply them now.
    pub(super) fn take_changes(&mut self, now: Instant) -> DueChanges {
        let since = self.pending.take().map(|pending| pending.since);
        let is_over = since.is_some_and(|since| since + DEBOUNCE_LIMIT <= now);
        self.is_applying = true;
        self.last_trigger = match (is_over, self.is_replaced()) {
            (true, _) => Trigger::Expired,
            (false, true) => Trigger::Replaced,
            (false, false) => Trigger::Quiet,
        };
        DueChanges {
            since,
            trigger: self.last_trigger,
        }
    }

    /// Notes that all changes that were taken are applied. `reading_time` is how long the sources
    /// were read for that: replacements in direct succession are read for half of the time at most.
    pub(super) fn end_batch(&mut self, now: Instant, reading_time: Duration) {
        self.is_applying = false;
        let pause = match self.last_trigger {
            Trigger::Replaced => REPLACEMENT_PAUSE.max(reading_time),
            Trigger::Quiet | Trigger::Expired => REPLACEMENT_PAUSE,
        };
        self.pause_until = now + pause;
        self.forget_hint();
    }

    /// Notes that an operation failed that may succeed later.
    pub(super) fn note_failure(&mut self, now: Instant) {
        self.retry_at = self.retry_at.or(Some(now + RETRY_INTERVAL));
    }

    /// Notes that no failed operation is left to try again.
    pub(super) fn clear_failure(&mut self) {
        self.retry_at = None;
    }

    /// Whether failed operations are to be tried again now.
    pub(super) fn take_retry(&mut self, now: Instant) -> bool {
        self.retry_at.take_if(|at| *at <= now).is_some()
    }

    /// When there is something to do. `may_apply` says that changes can be applied now;
    /// `is_being_written` as for [`Debounce::is_apply_due`].
    pub(super) fn deadline(&self, may_apply: bool, is_being_written: bool) -> Option<Instant> {
        let deadlines = [
            self.next_rescan,
            self.has_events.then_some(self.rests_until()),
            self.applies_at(is_being_written).filter(|_| may_apply),
            self.retry_at.filter(|_| may_apply),
        ];
        deadlines.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
