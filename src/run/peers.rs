//! The peers of this life: its birth and death dependencies.

use crate::duration::Limit;
use crate::protocol::condition::Condition;
use crate::protocol::death_deps::{DeathDeps, StopCause};
use crate::protocol::evaluator::{Evaluator, Mode, Terms, Verdict};
use crate::protocol::life::Observation;
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::sorted::{SortedSet, sorted};
use crate::store::exit_dir::ExitDir;
use crate::watch::dir_watch::WatchFault;
use crate::watch::scanning::{ScanResult, ScanSink};
use crate::watch::tracker::Tracker;

/// The peers that this life depends on.
pub(super) struct Peers<'p> {
    dir: &'p ExitDir,
    pub(super) tracker: Tracker,
    deaths: DeathDeps,
    births: Evaluator,
    /// Names whose last read failed.
    unread: SortedSet<Name>,
    /// The death dependencies that were never seen, in the order of the options.
    unseen: Vec<Name>,
    /// [`Peers::take_all_seen`] has not returned true yet.
    reports_all_seen: bool,
    has_death_deps: bool,
    is_armed: bool,
}

impl<'p> Peers<'p> {
    /// `None` without dependencies. `fell` are the deaths for which earlier lives of this name have
    /// ended.
    pub(super) fn new(
        dir: &'p ExitDir,
        own: Option<&Name>,
        birth_deps: &[Condition],
        death_deps: &[Condition],
        fell: &[Cause],
        poll: Option<Limit>,
    ) -> Option<Peers<'p>> {
        let conditions = || death_deps.iter().chain(birth_deps);
        conditions().next()?;
        let name = |condition: &Condition| condition.name.clone();
        let names: Vec<Name> = conditions().filter_map(name).collect();
        let all_names = conditions().any(|condition| condition.name.is_none());
        // Birth dependencies never become impossible, because containers are restarted.
        let terms = Terms {
            mode: Mode::All,
            keep_waiting: true,
            need_code: false,
        };
        Some(Peers {
            dir,
            tracker: Tracker::new(&names, all_names, own, poll),
            deaths: DeathDeps::new(death_deps, birth_deps, own, fell),
            births: Evaluator::new(birth_deps, terms, own),
            unread: SortedSet::default(),
            unseen: death_deps.iter().filter_map(name).collect(),
            reports_all_seen: death_deps.iter().any(|condition| condition.name.is_some()),
            has_death_deps: !death_deps.is_empty(),
            is_armed: false,
        })
    }

    /// Whether the birth dependencies hold. The state of a name that cannot be read is unknown, so
    /// it holds nothing.
    pub(super) fn births_hold(&self) -> bool {
        match self.births.verdict() {
            Verdict::Holds(matches) => matches
                .iter()
                .all(|decisive| !self.unread.contains(&decisive.name)),
            Verdict::Open | Verdict::Impossible => false,
        }
    }

    /// A birth dependency that has died and cannot hold.
    pub(super) fn birth_failure(&self) -> Option<StopCause> {
        let (name, life) = self.births.failure()?;
        // The state of a name that cannot be read is unknown.
        let is_known = !self.unread.contains(name);
        is_known.then(|| self.deaths.birth_failure(name, life))
    }

    /// Which birth dependencies do not hold.
    pub(super) fn missing_births(&self) -> String {
        self.births.explain()
    }

    /// Whether each death dependency that has a name was seen. Returns true once.
    pub(super) fn take_all_seen(&mut self) -> bool {
        self.unseen.is_empty() && std::mem::take(&mut self.reports_all_seen)
    }

    /// Which death dependencies were never seen, and which names are there.
    pub(super) fn missing_deaths(&self) -> String {
        const SHOWN: usize = 5;
        const LISTED: usize = 4096;
        let mut names: Vec<Name> = Vec::new();
        let listed = self.dir.each_entry(&mut |entry| {
            names.extend(Name::from_bytes(entry));
            names.len() < LISTED
        });
        let names = sorted(names);
        let there = match listed {
            Ok(()) => {
                let more = if names.len() > SHOWN { ", ..." } else { "" };
                let shown = names.get(..SHOWN).unwrap_or(&names);
                let there = Some(join(shown)).filter(|there| !there.is_empty());
                let there = there.unwrap_or_else(|| "no tombstone".to_owned());
                format!("{} has {there}{more}", self.dir.path().display())
            }
            Err(error) => error.to_string(),
        };
        format!("no tombstone of {} was seen ({there})", join(&self.unseen))
    }

    /// Which death is a reason to stop, if one is.
    pub(super) fn stop_cause(&self) -> Option<&StopCause> {
        self.deaths.stop_cause()
    }

    /// Reads the tombstones that may have changed. `read_signals` is called again and again if that
    /// takes long; it returns whether the poll goes on.
    pub(super) fn poll(&mut self, read_signals: &mut dyn FnMut() -> bool) -> ScanResult {
        let mut result = ScanResult::default();
        // Before the first scan: a short life of a death dependency is not missed.
        if self.has_death_deps {
            self.arm(&mut result.faults);
        }
        self.scan(&mut result, read_signals);
        // Birth dependencies that hold with the first scan need no watch.
        if !self.births_hold() && self.arm(&mut result.faults) {
            self.scan(&mut result, read_signals);
        }
        result
    }

    /// Begins to watch. Returns whether it did not watch before: then scan once more.
    fn arm(&mut self, faults: &mut Vec<WatchFault>) -> bool {
        if self.is_armed {
            return false;
        }
        self.is_armed = true;
        faults.extend(self.tracker.arm(self.dir));
        true
    }

    fn scan(&mut self, result: &mut ScanResult, read_signals: &mut dyn FnMut() -> bool) {
        let mut sink = PeerSink {
            dir: self.dir,
            deaths: &mut self.deaths,
            births: &mut self.births,
            unread: &mut self.unread,
            unseen: &mut self.unseen,
            read_signals,
        };
        let scan = self.tracker.scan(self.dir, &mut sink);
        for name in &scan.unread {
            self.unread.insert(name.clone());
        }
        self.deaths.end_scan(&scan.unread);
        self.births.end_scan();
        result.append(scan);
    }
}

/// Takes what one scan finds.
struct PeerSink<'s> {
    dir: &'s ExitDir,
    deaths: &'s mut DeathDeps,
    births: &'s mut Evaluator,
    unread: &'s mut SortedSet<Name>,
    unseen: &'s mut Vec<Name>,
    read_signals: &'s mut dyn FnMut() -> bool,
}

impl ScanSink for PeerSink<'_> {
    fn take(&mut self, observation: &Observation) {
        self.unread.remove(&observation.name);
        if observation.lives().next().is_some() {
            self.unseen.retain(|name| *name != observation.name);
        }
        // One file is read, and no chain is followed: the cause is the death that came first.
        let is_still_dead = |cause: &Cause| {
            let life = self.dir.life(&cause.name).ok().flatten();
            life.is_some_and(|life| cause.is_last(&life))
        };
        self.deaths.take(observation, &is_still_dead);
        self.births.take(observation);
    }

    fn read_signals(&mut self) -> bool {
        (self.read_signals)()
    }
}

fn join(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    names.join(", ")
}
