//! The managed application: its configuration, which is watched, checked and installed, and the
//! file that must exist while it runs. Decides nothing about the command.
//!
//! One turn scans, lets changes settle, and applies all of them as one batch. The caller learns of
//! them once. Configuration that is rejected changes nothing. A worker process reads, unpacks and
//! copies, and another one removes, so that no turn takes long.

mod active_file;
mod archive;
mod batch;
mod build;
mod check;
mod content;
pub(crate) mod debounce;
mod exclusion;
mod follow;
mod listing;
mod overlap;
mod place;
mod previous;
mod read;
mod reading;
mod removal;
mod remover;
mod replace;
mod scan;
mod source;
pub(crate) mod spec;
mod staging;
mod tree;
#[cfg(any(test, fuzzing))]
pub(crate) mod trial;
pub(crate) mod update;
mod watch_set;
mod watcher;

use crate::duration::Limit;
use crate::exit::ExitStatus;
use crate::store::exit_dir::ExitDir;
use crate::sys::signals::Signals;
use crate::watch::cpu_time::CpuTimer;
use crate::watch::{dir_watch, rescan};
use active_file::ActiveFile;
use batch::{Batch, BatchContext, FORK_RETRY, no_process};
use debounce::{Debounce, Hint, ScanCost, Trigger};
use exclusion::Exclusion;
use remover::Remover;
use rustix::process::Pid;
use source::ConfigSource;
use spec::ManagedSpec;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};
use update::ManagedUpdate;
use watch_set::WatchSet;
use watcher::Watcher;

/// Scans in direct succession, where each of them adds watches.
const SCAN_LIMIT: u32 = 5;
/// Processor time after which signals are read before the scan is repeated.
const TURN_TIME: Duration = Duration::from_millis(20);

/// What a managed application depends on, from the start of its life to the end.
pub(crate) struct ManagedApp<'p> {
    spec: &'p ManagedSpec,
    /// The directory of our own tombstone.
    exit_dir: Option<&'p ExitDir>,
    /// The interval between scans without an event, if the user has set it.
    poll: Option<Limit>,
    sources: Vec<ConfigSource<'p>>,
    active_file: ActiveFile<'p>,
    watcher: Watcher,
    debounce: Debounce,
    /// Changes that are being applied.
    batch: Option<Batch>,
    remover: Remover,
    /// When the remover is tried again that could not start.
    remover_rests_until: Option<Instant>,
    /// No batch has begun yet.
    is_first: bool,
}

impl<'p> ManagedApp<'p> {
    /// Checks that configuration can be installed at all. `exit_dir` is the directory of our own
    /// tombstone.
    ///
    /// # Errors
    /// Why it cannot: a target that cannot be replaced.
    pub(crate) fn prepare(
        spec: &'p ManagedSpec,
        exit_dir: Option<&'p ExitDir>,
        poll: Option<Limit>,
    ) -> Result<ManagedApp<'p>, String> {
        // First: a target that overlaps must not be touched, and replace::check writes beside it.
        overlap::check(&spec.items, exit_dir.map(ExitDir::path))?;
        let mut remover = Remover::default();
        for target in spec.items.iter().filter_map(|item| item.usage.target()) {
            replace::check(target)?;
            remover.sweep(target);
        }
        let source = |item| ConfigSource::new(item, spec.lists_changes);
        Ok(ManagedApp {
            spec,
            exit_dir,
            poll,
            sources: spec.items.iter().map(source).collect(),
            active_file: ActiveFile::new(spec.active_while.as_deref()),
            watcher: Watcher::new(),
            debounce: Debounce::new(Instant::now(), spec.items.len()),
            batch: None,
            remover,
            remover_rests_until: None,
            is_first: true,
        })
    }

    /// Readable when there may be something to do.
    pub(crate) fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 2] {
        let worker = self.batch.as_ref().and_then(Batch::descriptor);
        [self.watcher.descriptor(), worker]
    }

    /// When to poll even if the descriptor is not readable. `may_check` as for
    /// [`ManagedApp::poll`].
    pub(crate) fn deadline(&self, may_check: bool) -> Option<Instant> {
        let may_apply = may_check && self.batch.is_none();
        let changes = self.debounce.deadline(may_apply, self.is_being_written());
        let batch = self.batch.as_ref().and_then(Batch::deadline);
        let remover = self.remover_rests_until;
        let helpers = [batch, remover].into_iter().flatten();
        changes
            .into_iter()
            .chain(helpers.filter(|_| may_check))
            .min()
    }

    /// Finds and applies changes, as far as that goes without waiting. `may_check` is whether a
    /// helper process may run now; those that run are killed if not, and start again later.
    pub(crate) fn poll(&mut self, signals: &Signals, may_check: bool) -> ManagedUpdate {
        let mut update = ManagedUpdate::default();
        let now = Instant::now();
        self.read_events();
        if self.debounce.is_scan_due(now) {
            self.scan(now, &mut update);
        }
        if !may_check {
            self.interrupt();
            return update;
        }
        if self.is_batch_due(now) {
            self.begin_batch(now);
        }
        self.advance_batch(signals, &mut update);
        if self.sources.iter().any(ConfigSource::has_failed) {
            self.debounce.note_failure(now);
        }
        self.advance_remover(now, &mut update);
        update
    }

    fn interrupt(&mut self) {
        if let Some(batch) = &mut self.batch {
            batch.interrupt(&mut self.sources, &mut self.remover);
        }
        self.remover.interrupt();
    }

    fn advance_remover(&mut self, now: Instant, update: &mut ManagedUpdate) {
        if self.remover_rests_until.is_some_and(|until| now < until) {
            return;
        }
        self.remover_rests_until = None;
        if let Err(errno) = self.remover.poll() {
            self.remover_rests_until = Some(now + FORK_RETRY);
            update.warnings_once.push(no_process(errno));
        }
    }

    /// Finds changes before the command starts, and returns whether it may start with what is
    /// installed: nothing has changed, and nothing is being applied. A scan that began before
    /// `since` does not count, unless no change is possible without an event.
    pub(crate) fn poll_before_start(&mut self, since: Instant) -> (ManagedUpdate, bool) {
        let mut update = ManagedUpdate::default();
        self.read_events();
        let are_complete = self.watcher.reports_all_changes();
        if self.debounce.needs_scan(since, are_complete) {
            // The events may be about something else; then they delay nothing.
            self.scan(Instant::now(), &mut update);
        } else {
            // Without the file the command does not start.
            let mut unused = WatchSet::default();
            self.active_file
                .scan(&mut unused, self.is_first, &mut update);
        }
        (update, self.debounce.allows_start() && self.batch.is_none())
    }

    /// Whether there is a configuration to start the command with.
    pub(crate) fn is_complete(&self) -> bool {
        self.sources.iter().all(ConfigSource::is_available)
    }

    /// What is missing for that, as part of a sentence.
    pub(crate) fn missing(&self) -> String {
        let missing = self.sources.iter().filter(|source| !source.is_available());
        let missing: Vec<String> = missing.map(ConfigSource::unavailable).collect();
        missing.join(", ")
    }

    /// Whether a source is being read.
    pub(crate) fn is_reading(&self) -> bool {
        self.batch.as_ref().is_some_and(Batch::is_reading)
    }

    /// The helper processes that run: a check or a worker.
    pub(crate) fn helpers(&self) -> [Option<Pid>; 2] {
        let of_batch = self.batch.as_ref().and_then(Batch::helper);
        [of_batch, self.remover.pid()]
    }

    /// A child that is not the command was reaped: perhaps a helper process.
    pub(crate) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.remover.reaped(pid);
        if let Some(batch) = &mut self.batch {
            batch.reaped(pid, status);
        }
    }

    /// As [`crate::watch::dir_watch::DirWatch::close_later`].
    pub(crate) fn close_later(&mut self) {
        self.watcher.close_later();
    }

    fn read_events(&mut self) {
        if let Some(hint) = self.watcher.read_events() {
            self.debounce.note_events(hint);
        }
    }

    fn is_being_written(&self) -> bool {
        // Asking costs a system call for each new file.
        self.debounce.has_changes() && self.watcher.is_being_written()
    }

    /// Scans all sources and the active file, and watches what they depend on.
    fn scan(&mut self, began: Instant, update: &mut ManagedUpdate) {
        let timer = CpuTimer::start();
        let is_touched = self.debounce.begin_scan();
        let is_unfinished = self.scan_until_watched(began, timer, is_touched, update);
        if let Some(errno) = self.watcher.fault() {
            update.warnings_once.push(dir_watch::no_inotify(errno));
        }
        update.warnings_once.extend(self.watcher.take_refusal());
        let (processor_time, ended) = (timer.elapsed(), Instant::now());
        self.watcher.find_locality(self.spec.watched_paths());
        let is_blind = self.watcher.fault().is_some();
        let mut interval = rescan::interval(self.poll, is_blind, self.watcher.locality());
        if self.watcher.is_partial() {
            interval = interval.min(Limit::After(rescan::REMOTE_INTERVAL));
        }
        self.debounce.end_scan(ScanCost {
            began,
            ended,
            processor_time,
            interval,
        });
        if is_unfinished {
            self.debounce.note_events(Hint::None);
        }
    }

    /// Where a watch is added the scan is repeated: a change before that has caused no event.
    /// Returns whether it must be repeated later, because signals are read first.
    fn scan_until_watched(
        &mut self,
        began: Instant,
        timer: CpuTimer,
        is_touched: bool,
        update: &mut ManagedUpdate,
    ) -> bool {
        let exclusion = Exclusion::new(self.exit_dir);
        for _ in 0..SCAN_LIMIT {
            let mut watch_set = WatchSet::default();
            for source in &mut self.sources {
                if source.scan(&mut watch_set, exclusion, is_touched) {
                    self.debounce.note_change(began);
                }
            }
            self.active_file.scan(&mut watch_set, self.is_first, update);
            // A source that takes too many steps is looked at every second.
            let is_partial = watch_set.is_partial;
            if !self.watcher.watch(watch_set) || is_partial {
                return false;
            }
            if timer.elapsed() > TURN_TIME {
                return true;
            }
        }
        false
    }

    fn is_batch_due(&mut self, now: Instant) -> bool {
        // Sources that have not just changed have settled already: the first batch does not wait.
        let is_first = std::mem::take(&mut self.is_first);
        let is_settled = is_first && !self.sources.iter().any(ConfigSource::is_racy);
        if self.batch.is_some() {
            return false;
        }
        if is_settled || self.debounce.is_apply_due(now, self.is_being_written()) {
            return true;
        }
        let is_retry = self.debounce.take_retry(now);
        if is_retry {
            self.sources.iter_mut().for_each(ConfigSource::retry);
        }
        is_retry
    }

    fn begin_batch(&mut self, now: Instant) {
        self.sources.iter_mut().for_each(ConfigSource::begin_batch);
        if !self.sources.iter().any(ConfigSource::has_failed) {
            self.debounce.clear_failure();
        }
        let due = self.debounce.take_changes(now);
        if due.trigger == Trigger::Expired {
            self.watcher.forget_writers();
        }
        self.batch = Some(Batch::new(due));
    }

    fn advance_batch(&mut self, signals: &Signals, update: &mut ManagedUpdate) {
        let Some(batch) = &mut self.batch else { return };
        let is_complete = batch.advance(&mut BatchContext {
            sources: &mut self.sources,
            watcher: &mut self.watcher,
            debounce: &mut self.debounce,
            remover: &mut self.remover,
            command: self.spec.check.as_deref(),
            exclusion: Exclusion::new(self.exit_dir),
            signals,
            update,
        });
        if !is_complete {
            return;
        }
        let (since, reading_time) = (batch.since(), batch.reading_time());
        let now = Instant::now();
        self.batch = None;
        if self.sources.iter().any(ConfigSource::is_dirty) {
            self.debounce.note_leftover(since, now);
        }
        self.debounce.end_batch(now, reading_time);
    }
}
