//! The managed application: its configuration, watched, checked and put in place, and the file while which it
//! runs. Decides nothing about the command.
//!
//! Changes are waited out: after [`QUIET`] without another one everything that has changed is read, checked
//! and put in place in one round, and told once. What is refused changes nothing.

mod archive;
mod batch;
mod build;
pub(crate) mod debounce;
mod exclusion;
mod overlap;
mod read;
mod replace;
mod scan;
mod source;
pub(crate) mod spec;
mod staging;
mod tree;
pub(crate) mod update;
mod watch_set;
mod watcher;

use crate::duration::Limit;
use crate::error::describe;
use crate::exit::ExitStatus;
use crate::managed::spec::ManagedSpec;
use crate::store::exit_dir::ExitDir;
use crate::store::locality::Locality;
use crate::sys::signals::Signals;
use crate::watch::cpu_time::CpuTimer;
use crate::watch::dir_watch::{self, DeferredClose};
use crate::watch::nearest_dir;
use batch::Batch;
use debounce::DEBOUNCE_LIMIT;
use exclusion::Exclusion;
use rustix::io::Errno;
use rustix::process::Pid;
use source::{Source, SourceChange};
use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use update::ManagedUpdate;
use watch_set::WatchSet;
use watcher::Watcher;

/// Changes that follow each other sooner than that are one.
const QUIET: Duration = Duration::from_millis(100);
/// What could not be done for no fault of the configuration is tried again so often.
const RETRY: Duration = Duration::from_secs(10);
/// So often is looked again at once, because a place was not watched when it was looked at.
const ATTEMPTS: u32 = 5;
/// After a look there is none for so many times the processor time that it took: of that, looks take at most a
/// twentieth.
const REST: u32 = 19;

/// What a managed application depends on, from the start of its life to the end.
pub(crate) struct ManagedApp<'p> {
    plan: &'p ManagedSpec,
    dir: Option<&'p ExitDir>,
    poll: Option<Limit>,
    items: Vec<Source<'p>>,
    active: bool,
    watcher: Watcher,
    /// What the last look has found to matter.
    contents: BTreeSet<PathBuf>,
    /// Dropped after the descriptor that it takes care of.
    undertaker: Option<DeferredClose>,
    next_look: Option<Instant>,
    /// There is no look before, because the last one has cost so much.
    rests_until: Instant,
    /// Something was heard since the last look.
    has_heard: bool,
    unrest: Option<Debounce>,
    /// When to try again what could not be done.
    retry: Option<Instant>,
    round: Option<Batch>,
    is_new: bool,
    /// When everything was looked at last.
    surveyed: Option<Instant>,
    /// There is inotify, on file systems whose changes are all made here.
    tells_everything: bool,
    /// There was no end of changes when they were taken last.
    was_in_haste: bool,
}

/// Changes that have not come to rest.
#[derive(Clone, Copy)]
struct Debounce {
    since: Instant,
    newest: Instant,
}

impl<'p> ManagedApp<'p> {
    /// Finds out whether it can be done at all. `dir` is the directory of our own tombstone.
    ///
    /// # Errors
    /// Why it cannot: a place that nothing can be put in place of.
    pub(crate) fn prepare(
        plan: &'p ManagedSpec,
        dir: Option<&'p ExitDir>,
        poll: Option<Limit>,
    ) -> Result<ManagedApp<'p>, String> {
        // First: what is refused here must not even be tried out there.
        overlap::check(&plan.items, dir.map(ExitDir::path))?;
        for place in plan.items.iter().filter_map(|item| item.usage.target()) {
            replace::check(place)?;
        }
        Ok(ManagedApp {
            plan,
            dir,
            poll,
            items: plan.items.iter().map(Source::new).collect(),
            active: true,
            watcher: Watcher::new(),
            contents: BTreeSet::new(),
            undertaker: None,
            next_look: Some(Instant::now()),
            rests_until: Instant::now(),
            has_heard: false,
            unrest: None,
            retry: None,
            round: None,
            is_new: true,
            surveyed: None,
            tells_everything: false,
            was_in_haste: false,
        })
    }

    /// Readable when there is something to hear.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watcher.descriptor()
    }

    /// When to look even if nothing is heard. `may_check` is whether a check may run now.
    pub(crate) fn deadline(&self, may_check: bool) -> Option<Instant> {
        let waits = may_check && self.round.is_none();
        let rest = self.unrest.map(|unrest| self.end_of(unrest));
        let dates = [
            self.next_look,
            self.has_heard.then_some(self.rests_until),
            rest.filter(|_| waits),
            self.retry.filter(|_| waits),
            self.round.as_ref().and_then(Batch::deadline),
        ];
        dates.into_iter().flatten().min()
    }

    /// Whether there is a configuration to start the command with.
    pub(crate) fn is_complete(&self) -> bool {
        self.items.iter().all(Source::is_available)
    }

    /// What is missing for that.
    pub(crate) fn missing(&self) -> String {
        let missing = self.items.iter().filter(|item| !item.is_available());
        missing
            .map(Source::unavailable)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The process of a check that runs.
    pub(crate) fn check_pid(&self) -> Option<Pid> {
        self.round.as_ref().and_then(Batch::checker)
    }

    /// As [`crate::watch::dir_watch::DirWatch::close_later`].
    pub(crate) fn close_later(&mut self) {
        let appointed = self.watcher.inotify().map(DeferredClose::appoint);
        self.undertaker = appointed.and_then(Result::ok);
    }

    /// A child that is not the command has ended: perhaps a check.
    pub(crate) fn reaped(&mut self, pid: Pid, ending: Option<ExitStatus>) {
        if let Some(round) = &mut self.round {
            round.reaped(pid, ending);
        }
    }

    /// Looks at what may have changed. `may_check` is whether a check may run now; one that does begins again
    /// later if not.
    pub(crate) fn poll(&mut self, signals: &Signals, may_check: bool) -> ManagedUpdate {
        let mut finding = ManagedUpdate::default();
        let now = Instant::now();
        self.has_heard |= self.watcher.listen();
        let rested = self.rests_until <= now;
        if self.has_heard && rested || self.next_look.is_some_and(|at| at <= now) {
            self.survey(now, &mut finding);
        }
        if !may_check {
            self.round.iter_mut().for_each(Batch::interrupt);
            return finding;
        }
        self.begin_round(now, &mut finding);
        self.go_on(signals, &mut finding);
        if self.items.iter().any(Source::has_failed) {
            self.retry = self.retry.or(Some(now + RETRY));
        }
        finding
    }

    /// What the command is about to be started with, and whether that is at rest: nothing has changed since, and
    /// nothing is being read, checked or put in place. What was found before this moment does not count.
    pub(crate) fn poll_before_start(&mut self, before: Instant) -> (ManagedUpdate, bool) {
        let mut finding = ManagedUpdate::default();
        self.has_heard |= self.watcher.listen();
        let is_told = self.tells_everything || self.surveyed.is_some_and(|at| at >= before);
        if is_told && !self.has_heard {
            // Without the file there is no start.
            self.look_at_activity(&mut WatchSet::default(), &mut finding);
        } else {
            // What was heard may be somebody else's, and delays nothing then.
            self.survey(Instant::now(), &mut finding);
        }
        // Where there is no end of changes they were waited for long enough.
        let is_quiet = self.unrest.is_none() || self.was_in_haste;
        (finding, is_quiet && self.round.is_none())
    }

    fn survey(&mut self, began: Instant, finding: &mut ManagedUpdate) {
        let effort = CpuTimer::begin();
        let exclusion = Exclusion::new(self.dir);
        self.has_heard = false;
        // Watched, then looked: what came in between is not missed.
        for _ in 0..ATTEMPTS {
            let mut places = WatchSet::default();
            for item in &mut self.items {
                if item.scan(&mut places, exclusion) {
                    Debounce::add(&mut self.unrest, began);
                }
            }
            self.look_at_activity(&mut places, finding);
            let is_new = self.watcher.set(&places);
            self.contents = places.contents;
            if !is_new {
                break;
            }
        }
        if let Some(errno) = self.watcher.trouble() {
            finding.warnings_once.push(dir_watch::no_inotify(errno));
        }
        let (cost, ended) = (effort.so_far(), Instant::now());
        self.rests_until = ended + cost * REST;
        let blind = self.watcher.trouble().is_some();
        let locality = self.locality();
        self.tells_everything = !blind && locality == Locality::Local;
        self.surveyed = Some(began);
        let interval = dir_watch::interval(self.poll, blind, locality);
        self.next_look = dir_watch::next_look(interval, cost, ended);
    }

    fn locality(&self) -> Locality {
        let sources = self.plan.items.iter().map(|item| item.source.as_path());
        let mut paths = sources.chain(self.plan.active_while.as_deref());
        if paths.any(|path| locality(path) == Locality::Remote) {
            Locality::Remote
        } else {
            Locality::Local
        }
    }

    /// When the changes are taken, if there is no other.
    fn end_of(&self, unrest: Debounce) -> Instant {
        let latest = unrest.since + DEBOUNCE_LIMIT;
        if self.watcher.is_being_written(&self.contents) {
            return latest;
        }
        let quiet = unrest.newest + QUIET;
        // What was heard during a rest is looked at after it.
        if self.has_heard {
            latest.min(quiet.max(self.rests_until))
        } else {
            latest.min(quiet)
        }
    }

    fn look_at_activity(&mut self, places: &mut WatchSet, finding: &mut ManagedUpdate) {
        let Some(file) = &self.plan.active_while else {
            return;
        };
        match exists(file, places) {
            Ok(active) if active == self.active => {}
            Ok(active) => {
                self.active = active;
                finding.active = Some(active);
            }
            Err(errno) => {
                let because = describe(&errno.into());
                let sentence = format!("cannot look for {}: {because}", file.display());
                finding.warnings_once.push(sentence);
                // What runs is left alone; what does not is not started on a guess.
                if self.is_new && self.active {
                    self.active = false;
                    finding.active = Some(false);
                }
            }
        }
    }

    /// Reads what has changed, if it is time to.
    fn begin_round(&mut self, now: Instant, finding: &mut ManagedUpdate) {
        // Where nobody can be in the middle of anything there is nothing to wait for.
        let at_once = std::mem::take(&mut self.is_new) && !self.items.iter().any(Source::is_racy);
        let rested = self.unrest.is_some_and(|unrest| self.end_of(unrest) <= now);
        if self.round.is_some() || !(at_once || rested || self.retries(now)) {
            return;
        }
        // Whoever has not finished by now is not waited for any more.
        let is_over = |unrest: Debounce| unrest.since + DEBOUNCE_LIMIT <= now;
        let unrest = self.unrest.take();
        let in_haste = unrest.is_some_and(is_over);
        if in_haste {
            self.watcher.give_up_waiting();
        }
        self.was_in_haste = in_haste;
        let exclusion = Exclusion::new(self.dir);
        let mut round = Batch::new(unrest.map(|unrest| unrest.since), in_haste);
        for (number, item) in self.items.iter_mut().enumerate() {
            // Reading the one before may have taken its time.
            self.has_heard |= self.watcher.listen();
            if !in_haste && self.watcher.is_being_written(&self.contents) {
                Debounce::add(&mut self.unrest, now);
                continue;
            }
            let change = item.read_change(exclusion, in_haste);
            if item.is_dirty() {
                Debounce::add(&mut self.unrest, now);
            }
            match change {
                SourceChange::None => {}
                SourceChange::New(print, candidate) => round.add(number, print, candidate),
                SourceChange::Warning(sentence) => finding.warnings.push(sentence),
                SourceChange::WarningOnce(sentence) => finding.warnings_once.push(sentence),
            }
        }
        self.round = Some(round);
    }

    fn go_on(&mut self, signals: &Signals, finding: &mut ManagedUpdate) {
        let exclusion = Exclusion::new(self.dir);
        let check = self.plan.check.as_deref();
        let Some(round) = &mut self.round else { return };
        if !round.go_on(&mut self.items, check, exclusion, signals, finding) {
            return;
        }
        let (since, now) = (round.since(), Instant::now());
        self.round = None;
        if self.items.iter().any(Source::is_dirty) && self.unrest.is_none() {
            // Still the same changes, as far as patience goes.
            let since = since.unwrap_or(now);
            self.unrest = Some(Debounce { since, newest: now });
        }
    }

    /// Whether it is time to try again what could not be done.
    fn retries(&mut self, now: Instant) -> bool {
        let due = self.retry.take_if(|at| *at <= now).is_some();
        if due {
            self.items.iter_mut().for_each(Source::retry);
        }
        due
    }
}

impl Debounce {
    fn add(unrest: &mut Option<Debounce>, now: Instant) {
        let since = unrest.map_or(now, |unrest| unrest.since);
        *unrest = Some(Debounce { since, newest: now });
    }
}

/// Of the nearest directory that exists.
fn locality(path: &Path) -> Locality {
    let nearest = nearest_dir::ancestors(path).find(|path| path.exists());
    Locality::of_path(nearest.unwrap_or(Path::new(".")))
}

/// Whether the file is there; an error if that cannot be said.
fn exists(path: &Path, places: &mut WatchSet) -> Result<bool, Errno> {
    places.add_route(path);
    match rustix::fs::stat(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(errno),
    }
}
