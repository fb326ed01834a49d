//! The peers of this life: its birth and death dependencies, which are lives and sources.

use crate::duration::Limit;
use crate::probe::Prober;
use crate::protocol::condition::Condition;
use crate::protocol::death_deps::{DeathDeps, StopCause};
use crate::protocol::evaluator::{Evaluator, Mode, Terms, Verdict};
use crate::protocol::item::{Item, Part, names, parts};
use crate::protocol::life::Observation;
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::source::Source;
use crate::protocol::standing::{SourceDeath, SourceStanding};
use crate::sorted::{SortedSet, sorted};
use crate::store::exit_dir::ExitDir;
use crate::watch::dir_watch::WatchFault;
use crate::watch::scanning::{ScanResult, ScanSink};
use crate::watch::tracker::Tracker;
use std::time::Instant;

/// The peers that this life depends on.
pub(super) struct Peers<'p> {
    /// `None` if no dependency is a life.
    dir: Option<&'p ExitDir>,
    pub(super) tracker: Tracker,
    deaths: DeathDeps,
    births: Evaluator,
    /// Names whose last read failed.
    unread: SortedSet<Name>,
    /// The death dependencies that were never seen, in the order of the options.
    unseen: Vec<Name>,
    /// The same of the sources: they never answered.
    unanswered: Vec<Source>,
    /// The sources among the death dependencies that are dead.
    dead: Vec<(Source, SourceDeath)>,
    death_sources: Vec<Source>,
    /// [`Peers::take_all_seen`] has not returned true yet.
    reports_all_seen: bool,
    has_death_deps: bool,
    is_armed: bool,
}

impl<'p> Peers<'p> {
    /// `None` without dependencies. `fell` are the deaths for which earlier lives of this name have
    /// ended.
    pub(super) fn new(
        dir: Option<&'p ExitDir>,
        own: Option<&Name>,
        birth_deps: &[Item],
        death_deps: &[Item],
        fell: &[Cause],
        poll: Option<Limit>,
    ) -> Option<Peers<'p>> {
        let all_parts = || parts(death_deps).chain(parts(birth_deps));
        all_parts().next()?;
        let named: Vec<Name> = names(death_deps)
            .chain(names(birth_deps))
            .cloned()
            .collect();
        let all_names = lives(all_parts()).any(|condition| condition.name.is_none());
        let unseen: Vec<Name> = names(death_deps).cloned().collect();
        let unanswered = parts(death_deps).filter_map(Part::source);
        let unanswered: Vec<Source> = unanswered.cloned().collect();
        // Birth dependencies never become impossible, because containers are restarted.
        let terms = Terms {
            mode: Mode::All,
            keep_waiting: true,
            need_code: false,
        };
        Some(Peers {
            dir: dir.filter(|_| lives(all_parts()).next().is_some()),
            tracker: Tracker::new(&named, all_names, own, poll),
            deaths: DeathDeps::new(death_deps, birth_deps, own, fell),
            births: Evaluator::new(birth_deps, terms, own),
            unread: SortedSet::default(),
            reports_all_seen: !unseen.is_empty() || !unanswered.is_empty(),
            unseen,
            dead: Vec::new(),
            death_sources: unanswered.clone(),
            unanswered,
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
    pub(super) fn missing_births(&self, prober: Option<&Prober>) -> String {
        self.births.explain(&|source| why(prober, source))
    }

    /// Whether each death dependency was seen that has a name or is a source. Returns true once.
    pub(super) fn take_all_seen(&mut self) -> bool {
        let has_seen_all = self.unseen.is_empty() && self.unanswered.is_empty();
        has_seen_all && std::mem::take(&mut self.reports_all_seen)
    }

    /// Which death dependencies were never seen.
    pub(super) fn missing_deaths(&self, prober: Option<&Prober>) -> String {
        let sources = self.unanswered.iter();
        let sources = sources.map(|it| format!("{it} has never answered ({})", why(prober, it)));
        let names = self.dir.filter(|_| !self.unseen.is_empty());
        let names = names.map(|dir| self.missing_names(dir));
        let missing: Vec<String> = names.into_iter().chain(sources).collect();
        missing.join(", ")
    }

    /// Which names were never seen, and which are there.
    fn missing_names(&self, dir: &ExitDir) -> String {
        const SHOWN: usize = 5;
        const LISTED: usize = 4096;
        let mut names: Vec<Name> = Vec::new();
        let listed = dir.each_entry(&mut |entry| {
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
                format!("{} has {there}{more}", dir.path().display())
            }
            Err(error) => error.to_string(),
        };
        format!("no tombstone of {} was seen ({there})", join(&self.unseen))
    }

    /// Which death is a reason to stop, if one is.
    pub(super) fn stop_cause(&self) -> Option<&StopCause> {
        self.deaths.stop_cause()
    }

    /// Takes what is known of the sources now, before [`Peers::poll`].
    pub(super) fn take_sources(&mut self, prober: &Prober) {
        let now = Instant::now();
        let standing = |source: &Source| prober.standing(source);
        self.unanswered
            .retain(|source| !standing(source).is_some_and(SourceStanding::has_answered));
        self.births
            .take_sources(&|source| standing(source).is_some_and(|it| it.holds_at(now)));
        let dead = self.death_sources.iter().filter_map(|source| {
            let at = prober.standing(source)?.dead_since()?.clone();
            let why = prober.why(source);
            Some((source.clone(), SourceDeath { at, why }))
        });
        self.dead = dead.collect();
    }

    /// Reads the tombstones that may have changed. `read_signals` is called again and again if that
    /// takes long; it returns whether the poll goes on.
    pub(super) fn poll(&mut self, read_signals: &mut dyn FnMut() -> bool) -> ScanResult {
        // Kept open, so that the path is resolved once for all steps. Later polls have one step.
        let dir = self.dir.filter(|_| !self.is_armed);
        let _dir = dir.map(ExitDir::handle);
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
        let Some(dir) = self.dir.filter(|_| !self.is_armed) else {
            return false;
        };
        self.is_armed = true;
        faults.extend(self.tracker.arm(dir));
        true
    }

    fn scan(&mut self, result: &mut ScanResult, read_signals: &mut dyn FnMut() -> bool) {
        let scan = self.scan_lives(read_signals);
        for name in &scan.unread {
            self.unread.insert(name.clone());
        }
        let death = |source: &Source| {
            let mut dead = self.dead.iter();
            dead.find(|(it, _)| it == source)
                .map(|(_, death)| death.clone())
        };
        self.deaths.end_scan(&scan.unread, &death);
        self.births.end_scan();
        result.append(scan);
    }

    fn scan_lives(&mut self, read_signals: &mut dyn FnMut() -> bool) -> ScanResult {
        let Some(dir) = self.dir else {
            return ScanResult::default();
        };
        let mut sink = PeerSink {
            dir,
            deaths: &mut self.deaths,
            births: &mut self.births,
            unread: &mut self.unread,
            unseen: &mut self.unseen,
            read_signals,
        };
        self.tracker.scan(dir, &mut sink)
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

/// The conditions about lives among some parts.
fn lives<'i>(parts: impl Iterator<Item = &'i Part>) -> impl Iterator<Item = &'i Condition> {
    parts.filter_map(Part::life)
}

/// Why a source does not hold.
fn why(prober: Option<&Prober>, source: &Source) -> String {
    prober.map_or_else(String::new, |prober| prober.why(source))
}

fn join(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    names.join(", ")
}
