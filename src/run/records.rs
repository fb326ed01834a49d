//! The records in our own tombstone, and when they are tried again: while a replacement is pending,
//! the tombstone says what is no longer true.

use super::plan::{ExitDirOptions, Publish};
use crate::error::{Error, describe};
use crate::protocol::compose::Line;
use crate::protocol::item::Item;
use crate::protocol::lineage::Lineage;
use crate::protocol::past_life::Cause;
use crate::store::append::DeathRecord;
use crate::store::own_tombstone::{Beginning, OwnTombstone, Replacement};
use crate::store::publish;
use crate::supervisor::record::Record;
use crate::sys::clock::timestamp_now;
use std::time::{Duration, Instant, SystemTime};

/// How long a replacement waits for other processes that use our name, such as a concurrent start
/// that is going to be rejected. No signal is answered meanwhile.
const REPLACE_TIMEOUT: Duration = Duration::from_millis(50);
/// How long after a failed replacement the next one is tried.
const REPLACE_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The same while it is not reported: such a start is over soon.
const QUIET_RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// After this many failures because of concurrent starts, a replacement that fails is reported.
const QUIET_RETRIES: u32 = 10;

/// Our own tombstone, if there is one, and what is still to be written into it.
pub(super) struct OwnRecord<'p> {
    options: Option<&'p ExitDirOptions>,
    tombstone: Option<OwnTombstone>,
    pending: Option<PendingReplacement>,
    /// It was reported that other processes use our name.
    use_is_reported: bool,
    death_is_written: bool,
    /// The deaths for which earlier lives of our name have ended.
    fell: Vec<Cause>,
    /// What this life is stopped for, if its tombstone is not there yet to say so.
    cause: Option<Cause>,
}

/// A replacement of the tombstone that failed and is tried again.
#[derive(Clone, Copy, Debug)]
struct PendingReplacement {
    replacement: Replacement,
    /// CMD has become ready since the first try.
    is_ready: bool,
    failures: u32,
    next_try: Instant,
}

impl<'p> OwnRecord<'p> {
    /// Creates the exit directory and publishes the tombstone, as far as the options ask for them.
    ///
    /// # Errors
    /// As [`ExitDir::create`] and [`OwnTombstone::begin`].
    pub(super) fn begin(
        options: Option<&'p ExitDirOptions>,
        birth_deps: &[Item],
        death_deps: &[Item],
    ) -> Result<OwnRecord<'p>, Error> {
        let mut record = OwnRecord {
            options,
            tombstone: None,
            pending: None,
            use_is_reported: false,
            death_is_written: false,
            fell: Vec::new(),
            cause: None,
        };
        let Some(options) = options else {
            return Ok(record);
        };
        options.dir.create()?;
        let Some(name) = &options.name else {
            return Ok(record);
        };
        if options.publish == Publish::Always {
            let (waiting_for, follows) = (join(birth_deps), join(death_deps));
            let lines = [Line::WaitingFor(&waiting_for), Line::Follows(&follows)];
            let is_used =
                |line: &Line<'_>| !matches!(line, Line::WaitingFor("") | Line::Follows(""));
            let lines: Vec<Line<'_>> = lines.into_iter().filter(is_used).collect();
            let own = OwnTombstone::begin(&options.dir, name, Beginning::Waiting(&lines))?;
            record.fell.clone_from(&own.fell);
            record.tombstone = Some(own);
        } else {
            // Without it, only a death that this life has caused itself would not count.
            let predecessor = options.dir.life(name).ok().flatten();
            record.fell = Lineage::after(predecessor.as_ref(), SystemTime::now()).fell;
        }
        Ok(record)
    }

    /// Whether others can see this life while it goes on.
    pub(super) fn has_tombstone(&self) -> bool {
        self.tombstone.is_some()
    }

    /// The deaths for which earlier lives of our name have ended.
    pub(super) fn fell(&self) -> &[Cause] {
        &self.fell
    }

    /// What people should know about the exit directory before anything goes wrong in it.
    pub(super) fn notices(&self) -> Vec<String> {
        let Some(options) = self.options.filter(|options| options.name.is_some()) else {
            return Vec::new();
        };
        let is_unlocked = self.tombstone.as_ref().is_some_and(|own| !own.locked);
        let unlocked = is_unlocked.then(|| {
            format!(
                "cannot lock files in {}: followers will not notice if exitdir-run is killed",
                options.dir.path().display()
            )
        });
        let notices = [unlocked, options.dir.sticky_notice()];
        notices.into_iter().flatten().collect()
    }

    /// CMD was started. `tells_by_signal` is whether exitdir-signal makes it ready.
    pub(super) fn mark_started(&mut self, tells_by_signal: bool) {
        if let Some(own) = &mut self.tombstone {
            own.mark_started();
        }
        if tells_by_signal {
            // A replacement from now on would remove the readiness of this run.
            self.pending = None;
        }
    }

    /// Writes what the machine asks for. `command_runs` is whether CMD runs.
    ///
    /// # Errors
    /// A warning for people.
    pub(super) fn write(&mut self, record: &Record, command_runs: bool) -> Result<(), String> {
        if self.tombstone.is_none() {
            if let Record::Cause(cause) = record {
                self.cause = Some(cause.clone());
            }
            return Ok(());
        }
        if let Some(pending) = &mut self.pending {
            pending.is_ready |= *record == Record::Ready;
        }
        let now = timestamp_now();
        match record {
            Record::Born { ready: true } => self.append(&[Line::Born(&now), Line::Ready(&now)]),
            Record::Born { ready: false } => self.append(&[Line::Born(&now)]),
            // CMD's status text does not go here: it would be out of date soon, and a second
            // message is not valid YAML. It goes into the death record.
            Record::Ready => self.append(&[Line::Ready(&now)]),
            Record::Cause(cause) => {
                let life = cause.life.as_ref().map(Line::CauseLife);
                let lines = [Some(Line::Cause(&cause.name)), life];
                self.append(&lines.into_iter().flatten().collect::<Vec<_>>())
            }
            Record::Down => self.replace(Replacement::Down, command_runs),
            Record::Inactive => self.replace(Replacement::Inactive, command_runs),
        }
    }

    fn append(&self, lines: &[Line<'_>]) -> Result<(), String> {
        let Some(own) = &self.tombstone else {
            return Ok(());
        };
        own.append(lines)
            .map_err(|errno| format!("cannot write the tombstone: {}", describe(&errno.into())))
    }

    /// Replaces the tombstone by one that says what is true now.
    fn replace(&mut self, replacement: Replacement, command_runs: bool) -> Result<(), String> {
        let (Some(own), Some(options)) = (&mut self.tombstone, self.options) else {
            return Ok(());
        };
        let failures = self.pending.map_or(0, |pending| pending.failures);
        // While CMD runs, the loop waits once only.
        let timeout = match failures == 0 || !command_runs {
            true => REPLACE_TIMEOUT,
            false => Duration::ZERO,
        };
        let Err(error) = own.replace(&options.dir, replacement, timeout) else {
            self.pending = None;
            if command_runs {
                own.mark_started();
            }
            return Ok(());
        };
        // Concurrent starts under our name are rejected, one after the other.
        let is_quiet = failures < QUIET_RETRIES && error.is_name_in_use();
        let interval = match is_quiet {
            true => QUIET_RETRY_INTERVAL,
            false => REPLACE_RETRY_INTERVAL,
        };
        self.pending = Some(PendingReplacement {
            replacement,
            is_ready: false,
            failures: failures + 1,
            next_try: Instant::now() + interval,
        });
        // Its text names a process, so it could be a new one each time.
        let is_known = error.is_name_in_use() && self.use_is_reported;
        if is_quiet || is_known {
            return Ok(());
        }
        self.use_is_reported |= error.is_name_in_use();
        Err(error.to_string())
    }

    /// When to try a replacement again that failed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pending.map(|pending| pending.next_try)
    }

    /// Tries again a replacement that failed, if it is time to. Returns warnings for people.
    pub(super) fn retry(&mut self, now: Instant, command_runs: bool) -> Vec<String> {
        let Some(pending) = self.pending.filter(|pending| pending.next_try <= now) else {
            return Vec::new();
        };
        let replaced = self.replace(pending.replacement, command_runs);
        let ready = match pending.is_ready {
            true => self.write(&Record::Ready, command_runs),
            false => Ok(()),
        };
        [replaced, ready]
            .into_iter()
            .filter_map(Result::err)
            .collect()
    }

    /// Writes the death record, into our own tombstone or, with `--exit-only`, into a new one.
    ///
    /// # Errors
    /// As [`OwnTombstone::end`] and [`publish::publish_dead`].
    pub(super) fn write_death(&mut self, record: &DeathRecord<'_>) -> Result<(), Error> {
        let Some(options) = self.options else {
            return Ok(());
        };
        match (&self.tombstone, &options.name) {
            (Some(own), _) => own.end(&options.dir, record)?,
            (None, Some(name)) => {
                publish::publish_dead(&options.dir, name, self.cause.as_ref(), record)?;
            }
            (None, None) => {}
        }
        self.death_is_written = true;
        Ok(())
    }

    /// Makes the death record durable. Other processes need not wait for that: it is written, and
    /// the lock is released first.
    ///
    /// # Errors
    /// As [`OwnTombstone::save`].
    pub(super) fn save(&self) -> Result<(), Error> {
        // Without a record, only the end of this process shows the death.
        let Some(options) = self.options.filter(|_| self.death_is_written) else {
            return Ok(());
        };
        match (&self.tombstone, &options.name) {
            (Some(own), _) => own.save(&options.dir),
            (None, Some(name)) => options.dir.save(name),
            (None, None) => Ok(()),
        }
    }
}

/// The conditions as one text.
fn join(items: &[Item]) -> String {
    let items: Vec<String> = items.iter().map(Item::to_string).collect();
    items.join(",")
}
