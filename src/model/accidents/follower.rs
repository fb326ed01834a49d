//! One life as a follower of others: what its looks find.

use super::Flaw;
use crate::protocol::condition::Condition;
use crate::protocol::death_deps::DeathDeps;
use crate::protocol::item::Item;
use crate::protocol::life::{Life, LockState, Observation, WriteState};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Tombstone;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::SystemTime;

/// All files that there ever were, by number. A follower can hold one that has no name any more.
pub(super) type Files = Vec<String>;
/// Which file has a name.
pub(super) type Directory = BTreeMap<Name, usize>;

pub(super) fn read(text: &str) -> Life {
    let tombstone = Tombstone::parse(text.as_bytes());
    let lock = match tombstone.died {
        Some(_) => LockState::Unknown,
        None => LockState::Held,
    };
    Life::judge(tombstone, lock, WriteState::Settled)
}

pub(super) struct SimulatedFollower {
    names: Vec<Name>,
    deaths: DeathDeps,
    flaw: Option<Flaw>,
    /// The file that was found last, and whether its life went on.
    last: BTreeMap<Name, (usize, bool)>,
    newest: BTreeMap<Name, Timestamp>,
    first_look: Option<SystemTime>,
    /// For the rule of version 0.1: the causes that dead lives had at the first look, and the names
    /// that have lived since.
    inherited: HashMap<Timestamp, Name>,
    alive_since: BTreeSet<Name>,
}

impl SimulatedFollower {
    pub(super) fn new(
        own: &Name,
        names: &[Name],
        fell: &[Cause],
        flaw: Option<Flaw>,
    ) -> SimulatedFollower {
        let condition = |name: &Name| Condition {
            name: Some(name.clone()),
            state: State::Died,
        };
        let items: Vec<Item> = names.iter().map(condition).map(Item::from).collect();
        let remembered = match flaw {
            Some(Flaw::CauseLivesAgain | Flaw::NoFell) => &[],
            Some(Flaw::NoPast) | None => fell,
        };
        SimulatedFollower {
            names: names.to_vec(),
            deaths: DeathDeps::new(&items, &[], Some(own), remembered),
            flaw,
            last: BTreeMap::new(),
            newest: BTreeMap::new(),
            first_look: None,
            inherited: HashMap::new(),
            alive_since: BTreeSet::new(),
        }
    }

    pub(super) fn has_looked(&self) -> bool {
        self.first_look.is_some()
    }

    /// Looks at every name. Returns the cause to stop for, if there is one.
    pub(super) fn look(
        &mut self,
        now: SystemTime,
        dir: &Directory,
        files: &Files,
    ) -> Option<Cause> {
        let found: Vec<(Name, Option<&usize>)> = self
            .names
            .iter()
            .map(|name| (name.clone(), dir.get(name)))
            .collect();
        let mut observations: Vec<Observation> = found
            .into_iter()
            .map(|(name, file)| self.observe(name, file.copied(), files))
            .collect();
        if self.flaw == Some(Flaw::CauseLivesAgain) {
            self.forget_old_accidents(&mut observations, dir, files);
        }
        let is_still_dead = |cause: &Cause| {
            let life = dir.get(&cause.name).map(|file| read(&files[*file]));
            life.is_some_and(|life| cause.is_last(&life))
        };
        self.deaths
            .observe(&observations, &[], &is_still_dead, &|_| None);
        self.first_look.get_or_insert(now);
        self.deaths.stop_cause().map(|stop| stop.cause.clone())
    }

    /// As `watch/track.rs` does.
    fn observe(&mut self, name: Name, file: Option<usize>, files: &Files) -> Observation {
        let current = file.map(|file| read(&files[file]));
        let mut ended = Vec::new();
        if let Some((old, true)) = self.last.get(&name)
            && Some(*old) != file
        {
            ended.push(read(&files[*old]).into_ended());
        }
        if let (Some(file), Some(life)) = (file, &current) {
            let newest = self.newest.get(&name);
            match self.flaw {
                Some(Flaw::CauseLivesAgain | Flaw::NoPast) => {}
                Some(Flaw::NoFell) | None => {
                    ended.extend(life.tombstone.missed(newest, self.first_look));
                }
            }
            self.last.insert(name.clone(), (file, life.is_alive()));
            self.newest
                .insert(name.clone(), life.tombstone.life().unwrap().clone());
        }
        Observation {
            name,
            ended,
            current,
        }
    }

    /// Leaves out the deaths that do not count by the rule of version 0.1.
    fn forget_old_accidents(
        &mut self,
        observations: &mut [Observation],
        dir: &Directory,
        files: &Files,
    ) {
        let lives = dir.iter().map(|(name, file)| (name, read(&files[*file])));
        let alive = lives.filter(|(_, life)| life.is_alive());
        self.alive_since.extend(alive.map(|(name, _)| name.clone()));
        let (is_first, inherited, alive_since) =
            (!self.has_looked(), &mut self.inherited, &self.alive_since);
        for observation in observations {
            let life = observation.current.as_ref().filter(|_| is_first);
            if let Some(tombstone) = life.map(|life| &life.tombstone)
                && let (Some(id), Some(cause)) = (tombstone.life(), &tombstone.cause)
            {
                inherited.insert(id.clone(), cause.clone());
            }
            let is_over = |life: &Life| {
                let cause = life.tombstone.life().and_then(|id| inherited.get(id));
                cause.is_some_and(|cause| alive_since.contains(cause))
            };
            observation.ended.retain(|life| !is_over(life));
            observation.current.take_if(|life| is_over(life));
        }
    }
}
