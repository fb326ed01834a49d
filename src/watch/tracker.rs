//! Tracks the lives of the names that matter, from scan to scan.
//!
//! The tracker keeps the tombstones of living lives open. When another life appears under a name,
//! the old one is over, and its end is read from the old file, even if that was replaced at once.
//! Names that no condition names are kept open only as far as descriptors allow. What a life means
//! for a condition is decided elsewhere.

use super::cpu_time::CpuTimer;
use super::dir_changes::DirChanges;
use super::dir_watch::{DirWatch, WatchFault};
use super::scanning::{PacedSink, ScanResult, ScanSink};
use super::track::{FoundLives, Track};
use crate::duration::Limit;
use crate::error::Error;
use crate::protocol::life::Observation;
use crate::protocol::name::Name;
use crate::sorted::{SortedMap, SortedSet, sorted};
use crate::store::exit_dir::ExitDir;
use crate::store::snapshot::SETTLE_TIME;
use std::os::fd::BorrowedFd;
use std::time::{Instant, SystemTime};

/// How many names are tracked that no condition names.
const OTHERS_LIMIT: usize = 4096;
/// How many of these are reported each when they cannot be read.
const REPORTED_LIMIT: usize = 3;

/// Tracks the lives of some names, or of all but one.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(super) watch: DirWatch,
    tracks: SortedMap<Name, Track>,
    /// The names whose file may be unfinished, and when it counts as finished.
    settling: SortedMap<Name, Instant>,
    /// The names that were asked for, in that order.
    named: Vec<Name>,
    /// Whether all other names are tracked too.
    all_names: bool,
    /// Our own name, which is not tracked.
    own: Option<Name>,
    /// The names that a notice was made for: each that was asked for, or one other.
    noticed: SortedSet<Name>,
    /// Others whose errors are reported each.
    reported: Vec<Name>,
    /// What is said of all others, once: that more cannot be read, and that there are too many.
    says_more_unread: bool,
    says_too_many: bool,
    /// How many tombstones are held open.
    held: usize,
    /// How many at most for names that no condition names.
    hold_limit: usize,
    /// When the last scan of everything began.
    scanned: Option<Instant>,
    /// When the first scan was.
    first_scan: Option<SystemTime>,
}

impl Tracker {
    /// Tracks `names`, and with `all_names` all others too, except `own`. Until it is armed it can
    /// scan, but its descriptor stays silent.
    pub(crate) fn new(
        names: &[Name],
        all_names: bool,
        own: Option<&Name>,
        poll: Option<Limit>,
    ) -> Tracker {
        let mut tracker = Tracker {
            watch: DirWatch::new(poll),
            tracks: SortedMap::default(),
            settling: SortedMap::default(),
            named: Vec::new(),
            all_names,
            own: own.cloned(),
            noticed: SortedSet::default(),
            reported: Vec::new(),
            says_more_unread: true,
            says_too_many: true,
            held: 0,
            hold_limit: if all_names { hold_limit() } else { 0 },
            scanned: None,
            first_scan: None,
        };
        for name in names {
            tracker.add(name);
        }
        tracker
    }

    /// Begins to watch. Scan once more before sleeping.
    pub(crate) fn arm(&mut self, dir: &ExitDir) -> Option<WatchFault> {
        self.watch.arm(dir)
    }

    /// Makes the next scan read everything again that was read before this moment, unless the
    /// kernel reports every change.
    pub(crate) fn invalidate_before(&mut self, moment: Instant) {
        if !self.watch.reports_everything() && self.scanned.is_none_or(|at| at < moment) {
            self.watch.request_full_scan();
        }
    }

    /// Tracks one more name, from the next scan on.
    pub(crate) fn add(&mut self, name: &Name) {
        if !self.named.contains(name) && self.own.as_ref() != Some(name) {
            self.named.push(name.clone());
        }
    }

    /// Readable when something may have changed. `None` without inotify.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.descriptor()
    }

    /// As [`DirWatch::close_later`].
    pub(crate) fn close_later(&mut self) {
        self.watch.close_later();
    }

    /// When to scan even if the descriptor is silent.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let settling = self.settling.values().min().copied();
        settling.into_iter().chain(self.watch.next_scan()).min()
    }

    /// Scans what may have changed: first the names that were asked for, in that order, then by
    /// event, or those that are gone and then by name.
    pub(crate) fn scan(&mut self, dir: &ExitDir, sink: &mut dyn ScanSink) -> ScanResult {
        let began = Instant::now();
        let (all_names, named) = (self.all_names, &self.named);
        let is_wanted = |entry: &[u8]| all_names || named.iter().any(|name| name.is_entry(entry));
        let changes = self.watch.take_changes(began, &is_wanted);
        let mut result = ScanResult::default();
        if changes.is_empty() && !self.is_any_due(began) {
            return result;
        }
        // Kept open, so that the path is resolved once for all names.
        let _dir = dir.handle();
        let mut sink = PacedSink::new(sink, began);
        result.faults.extend(self.watch.check(dir, &changes));
        let timer = changes.everything.then(CpuTimer::start);
        let mut due = self.due(dir, &changes, began, &mut sink, &mut result.errors);
        if result.errors.iter().any(Error::is_shortage_of_descriptors)
            && let Some(fault) = self.watch.give_up_inotify(dir)
        {
            result.errors.clear();
            result.faults.push(fault);
            due = self.due(dir, &changes, began, &mut sink, &mut result.errors);
        }
        self.scan_names(dir, due, &changes, &mut sink, &mut result);
        if let Some(timer) = timer {
            self.watch.record_cost(timer.elapsed());
            self.scanned = Some(began);
        }
        self.first_scan.get_or_insert_with(SystemTime::now);
        result
    }

    /// Scans the names, and hands on what is found under each.
    fn scan_names(
        &mut self,
        dir: &ExitDir,
        due: Vec<Name>,
        changes: &DirChanges,
        sink: &mut PacedSink<'_>,
        result: &mut ScanResult,
    ) {
        let (mut untracked, mut unreported) = (0, 0);
        for name in due {
            if !sink.goes_on() {
                break;
            }
            if !self.has_place(&name) {
                untracked += 1;
                continue;
            }
            match self.scan_name(dir, &name, changes, &mut result.faults) {
                Ok(observation) => {
                    result.notices.extend(self.notice(dir, &observation));
                    sink.hand_on(&observation);
                }
                Err(error) => unreported += self.note_unread(name, error, result),
            }
        }
        self.notice_others(dir, untracked, unreported, &mut result.notices);
    }

    /// Scans one name. Where descriptors run out, it gives up inotify, because a scan is worth more
    /// than an event.
    fn scan_name(
        &mut self,
        dir: &ExitDir,
        name: &Name,
        changes: &DirChanges,
        faults: &mut Vec<WatchFault>,
    ) -> Result<Observation, Error> {
        let observed = self.observe(dir, name, changes);
        if observed
            .as_ref()
            .is_err_and(Error::is_shortage_of_descriptors)
            && let Some(no_inotify) = self.watch.give_up_inotify(dir)
        {
            faults.push(no_inotify);
            return self.observe(dir, name, changes);
        }
        observed
    }

    fn observe(
        &mut self,
        dir: &ExitDir,
        name: &Name,
        changes: &DirChanges,
    ) -> Result<Observation, Error> {
        let finished = changes.is_finished(name.as_str().as_bytes());
        let named = self.named.contains(name);
        let mut observation = Observation {
            name: name.clone(),
            ended: Vec::new(),
            current: None,
        };
        let Some(track) = self.tracks.get_or_add(name) else {
            return Ok(observation);
        };
        let before = usize::from(track.held.is_some());
        let found: FoundLives = track.scan(dir, name, finished, self.first_scan)?;
        (observation.ended, observation.current) = found;
        if !named && self.held - before >= self.hold_limit {
            track.held = None;
        }
        self.held = self.held - before + usize::from(track.held.is_some());
        let is_gone = track.is_gone();
        match track.settles_at() {
            Some(at) => self.settling.insert(name.clone(), at),
            None => _ = self.settling.remove(name),
        }
        if !named && is_gone {
            self.tracks.remove(name);
        }
        Ok(observation)
    }

    /// A notice about an entry that is not what it should be, once.
    fn notice(&mut self, dir: &ExitDir, observation: &Observation) -> Option<String> {
        let name = &observation.name;
        let is_named = self.named.contains(name);
        let is_due = is_named || self.noticed.is_empty();
        let notice = match &observation.current {
            _ if !is_due || self.noticed.contains(name) => None,
            Some(life) if life.tombstone.is_unreadable() => Some(dir.unreadable_notice(name)),
            None if is_named => dir.obstacle_notice(name),
            Some(_) | None => None,
        }?;
        self.noticed.insert(name.clone());
        Some(notice)
    }

    /// The name could not be read. The failure may be temporary, so it is tried again soon.
    /// Returns 1 if the error is not reported, because it is one of many.
    fn note_unread(&mut self, name: Name, error: Error, result: &mut ScanResult) -> usize {
        let retry = Instant::now() + SETTLE_TIME;
        self.settling.insert(name.clone(), retry);
        let mut unreported = 0;
        if self.named.contains(&name) {
            result.errors.push(error);
        } else if self.is_reported(&name) {
            result.other_errors.push(error);
        } else {
            unreported = 1;
        }
        result.unread.push(name);
        unreported
    }

    /// Whether the errors of a name that no condition names are reported.
    fn is_reported(&mut self, name: &Name) -> bool {
        let is_known = self.reported.contains(name);
        if !is_known && self.reported.len() < REPORTED_LIMIT {
            self.reported.push(name.clone());
            return true;
        }
        is_known
    }

    /// Whether the name is tracked, or may be from now on.
    fn has_place(&self, name: &Name) -> bool {
        let is_known = self.tracks.contains_key(name) || self.named.contains(name);
        is_known || self.others() < OTHERS_LIMIT
    }

    /// How many names are tracked that no condition names.
    fn others(&self) -> usize {
        let is_tracked = |name: &&Name| self.tracks.contains_key(name);
        self.tracks.len() - self.named.iter().filter(is_tracked).count()
    }

    /// One notice about many names that no condition names, each once.
    fn notice_others(
        &mut self,
        dir: &ExitDir,
        untracked: usize,
        unreported: usize,
        notices: &mut Vec<String>,
    ) {
        let path = dir.path().display();
        if untracked > 0 && std::mem::take(&mut self.says_too_many) {
            notices.push(format!(
                "{path} has too many files: a condition without a name is about {OTHERS_LIMIT} at \
                 most, and the others do not count; name the lives, or remove files"
            ));
        }
        if unreported > 0 && std::mem::take(&mut self.says_more_unread) {
            notices.push(format!(
                "cannot read {unreported} more files of {path}; the first {REPORTED_LIMIT} were \
                 reported"
            ));
        }
    }

    /// Whether a name is to be scanned without an event.
    fn is_any_due(&self, now: Instant) -> bool {
        let is_settled = self.settling.values().any(|at| *at <= now);
        is_settled || self.named.iter().any(|name| self.is_new(name))
    }

    /// Whether the name was never scanned.
    fn is_new(&self, name: &Name) -> bool {
        !self.tracks.contains_key(name)
    }

    /// The names to scan, each once.
    fn due(
        &self,
        dir: &ExitDir,
        changes: &DirChanges,
        now: Instant,
        sink: &mut PacedSink<'_>,
        errors: &mut Vec<Error>,
    ) -> Vec<Name> {
        let mut due: Vec<Name> = Vec::new();
        if changes.everything {
            due.extend(self.named.iter().cloned());
            if self.all_names {
                let others = self.all_known(dir, sink, errors).into_iter();
                due.extend(others.filter(|name| !self.named.contains(name)));
            }
        } else {
            // A name that settles was scanned before, so it is not new.
            let is_settled = |name: &Name| self.settling.get(name).is_some_and(|at| *at <= now);
            due.extend(self.named.iter().filter(|name| self.is_new(name)).cloned());
            let settled = self.settling.keys().filter(|name| is_settled(name));
            due.extend(settled.cloned());
            let changed = changes.entries().filter_map(Name::from_bytes);
            let is_listed =
                |name: &Name| is_settled(name) || self.named.contains(name) && self.is_new(name);
            due.extend(changed.filter(|name| !is_listed(name)));
        }
        due.retain(|name| self.own.as_ref() != Some(name));
        due
    }

    /// All tracked names that vanished from the directory, then those that are in it, and as many
    /// new ones as may be tracked, and one more.
    fn all_known(
        &self,
        dir: &ExitDir,
        sink: &mut PacedSink<'_>,
        errors: &mut Vec<Error>,
    ) -> Vec<Name> {
        let (mut names, mut new) = (Vec::new(), 0);
        let listed = dir.each_entry(&mut |entry| {
            let name = Name::from_bytes(entry).filter(|name| self.own.as_ref() != Some(name));
            if let Some(name) = name {
                let is_new = !self.tracks.contains_key(&name);
                new += usize::from(is_new);
                if !is_new || new <= OTHERS_LIMIT + 1 || self.named.contains(&name) {
                    names.push(name);
                }
            }
            sink.goes_on()
        });
        if let Err(error) = listed {
            errors.push(error);
            names.clear();
        }
        let names = sorted(names);
        let is_missing = |name: &&Name| names.binary_search(name).is_err();
        let mut known: Vec<Name> = self.tracks.keys().filter(is_missing).cloned().collect();
        known.extend(names);
        known
    }
}

/// How many tombstones are held open for names that no condition names. The command needs
/// descriptors too.
fn hold_limit() -> usize {
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    allowed.map_or(usize::MAX, |allowed| {
        usize::try_from(allowed / 2).unwrap_or(usize::MAX)
    })
}
