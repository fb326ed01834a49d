//! What is written into our own tombstone, and when it is tried again: a replacement that cannot be made leaves a
//! record that is not true any more.

use super::Supervisor;
use crate::error::{Error, describe};
use crate::protocol::compose::Line;
use crate::store::append::DeathRecord;
use crate::store::own_tombstone::Replacement;
use crate::store::publish;
use crate::supervisor::record::Record;
use crate::sys::clock::timestamp_now;
use std::time::{Duration, Instant};

/// How long a newcomer of our name may take to be refused before the tombstone is replaced.
const COMPOSURE: Duration = Duration::from_secs(1);
/// A tombstone that could not be replaced is tried again so often.
const RETRY: Duration = Duration::from_secs(1);
/// That newcomers of our name are in the way is said after so many tries.
const TRIES: u32 = 10;

/// What the tombstone should have been replaced by.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingReplacement {
    replacement: Replacement,
    /// The command is ready by now.
    is_ready: bool,
    /// How often it was tried before.
    tries: u32,
    pub(super) next_try: Instant,
}

impl Supervisor<'_> {
    pub(super) fn record(&mut self, record: &Record) {
        let Some(own) = &mut self.own else { return };
        let now = timestamp_now();
        if let Some(overdue) = &mut self.overdue {
            overdue.is_ready |= *record == Record::Ready;
        }
        let lines = match record {
            Record::Born { ready: true } => vec![Line::Born(&now), Line::Ready(&now)],
            Record::Born { ready: false } => vec![Line::Born(&now)],
            // What the command says of itself now would be old soon, and a second message no valid YAML:
            // it goes into the death record.
            Record::Ready => vec![Line::Ready(&now)],
            Record::Cause(name) => vec![Line::Cause(name)],
            Record::Down => return self.replace(Replacement::Down),
            Record::Inactive => return self.replace(Replacement::Inactive),
        };
        if let Err(errno) = own.append(&lines) {
            self.complain(format!(
                "cannot write the tombstone: {}",
                describe(&errno.into())
            ));
        }
    }

    /// Writes the tombstone anew, so that it does not say what is not true any more.
    fn replace(&mut self, replacement: Replacement) {
        let (Some(own), Some(membership)) = (&mut self.own, &self.plan.membership) else {
            return;
        };
        let tries = self.overdue.map_or(0, |overdue| overdue.tries);
        // Whoever runs a command is not held up for it a second time.
        let is_urgent = tries == 0 || self.child.is_none();
        let patience = if is_urgent { COMPOSURE } else { Duration::ZERO };
        let Err(error) = own.replace(&membership.dir, replacement, patience) else {
            self.overdue = None;
            if self.child.is_some() {
                own.mark_started();
            }
            return;
        };
        self.overdue = Some(PendingReplacement {
            replacement,
            is_ready: false,
            tries: tries + 1,
            next_try: Instant::now() + RETRY,
        });
        // Newcomers under our name are refused, one after the other.
        if tries >= TRIES || !matches!(error, Error::NameTaken(_)) {
            self.complain(error.to_string());
        }
    }

    /// Tries again what could not be done.
    pub(super) fn catch_up(&mut self) {
        let now = self.turn_began;
        let Some(overdue) = self.overdue.filter(|overdue| overdue.next_try <= now) else {
            return;
        };
        self.replace(overdue.replacement);
        if overdue.is_ready {
            self.record(&Record::Ready);
        }
    }

    pub(super) fn bury(&mut self, record: &DeathRecord<'_>) {
        let Some(membership) = &self.plan.membership else {
            return;
        };
        let result = match (&self.own, &membership.name) {
            (Some(own), _) => own.end(&membership.dir, record),
            (None, Some(name)) => publish::publish_dead(&membership.dir, name, record),
            (None, None) => Ok(()),
        };
        if let Err(error) = result {
            self.plan.logger.error(error);
        }
    }
}
