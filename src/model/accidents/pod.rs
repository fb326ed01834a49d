//! A pod in virtual time: its directory, its lives, and what happens next.

use super::follower::{Directory, Files, SimulatedFollower, read};
use super::{Behaviour, Graph, Outcome, Random};
use crate::protocol::compose::{Line, compose};
use crate::protocol::lineage::Lineage;
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{Lock, Tombstone};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A follower that goes on for this long after a death that counts has missed it.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Nothing dies any more this long before the end, or the pod does not come to rest.
const REST: Duration = Duration::from_secs(15);
/// Tombstones are removed during this time only: before that all have started.
const REMOVALS_UNTIL: Duration = Duration::from_secs(8);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PodEvent {
    Birth(Name),
    /// By the life with this number.
    Look(usize),
    Death(usize),
    Accident(Name),
}

struct SimulatedLife {
    name: Name,
    id: Timestamp,
    file: usize,
    follower: SimulatedFollower,
    /// The version of the directory at its last look.
    seen: Option<usize>,
    first_look: Option<Duration>,
    /// When it began to stop, and what for.
    stop: Option<(Duration, Cause)>,
    end: Option<Duration>,
}

/// A death, and the one that caused it: its own, if it was an accident.
struct SimulatedDeath {
    at: Duration,
    name: Name,
    cause: Cause,
}

pub(super) struct SimulatedPod {
    graph: BTreeMap<Name, Vec<Name>>,
    behaviour: Behaviour,
    random: Random,
    queue: BinaryHeap<Reverse<(Duration, usize, PodEvent)>>,
    queued: usize,
    dir: Directory,
    files: Files,
    /// Changes with each change of a file.
    version: usize,
    lives: Vec<SimulatedLife>,
    deaths: Vec<SimulatedDeath>,
}

fn system_time(at: Duration) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000) + at
}

impl SimulatedPod {
    pub(super) fn new(graph: Graph, behaviour: Behaviour, seed: u64) -> SimulatedPod {
        let name = |text: &&str| Name::new(text).unwrap();
        let graph = graph
            .iter()
            .map(|(who, deps)| (name(who), deps.iter().map(name).collect()))
            .collect();
        let mut pod = SimulatedPod {
            graph,
            behaviour,
            random: Random(seed),
            queue: BinaryHeap::new(),
            queued: 0,
            dir: Directory::new(),
            files: Files::new(),
            version: 0,
            lives: Vec::new(),
            deaths: Vec::new(),
        };
        pod.plan();
        pod
    }

    /// Queues the first births and all accidents.
    fn plan(&mut self) {
        let names: Vec<Name> = self.graph.keys().cloned().collect();
        for name in &names {
            let at = self.random.up_to(Duration::from_millis(50));
            self.queue(at, PodEvent::Birth(name.clone()));
        }
        let mut who = 0;
        let mut at = self.random.about(self.behaviour.first_accident);
        for _ in 0..self.behaviour.accidents {
            self.queue(at, PodEvent::Accident(names[who].clone()));
            let pauses = match self.behaviour.in_a_row {
                true => &[210][..],
                false => &[210, 250, 400, 700, 1500][..],
            };
            let pause = pauses[self.random.below(pauses.len() as u64) as usize];
            at += Duration::from_millis(pause);
            if !self.behaviour.in_a_row && self.random.percent(50) {
                who = self.random.below(names.len() as u64) as usize;
            }
        }
    }

    fn queue(&mut self, at: Duration, event: PodEvent) {
        self.queued += 1;
        self.queue.push(Reverse((at, self.queued, event)));
    }

    pub(super) fn run(mut self) -> Outcome {
        while let Some(Reverse((at, _, event))) = self.queue.pop() {
            if at > self.behaviour.horizon {
                break;
            }
            match event {
                PodEvent::Birth(name) => self.birth(at, name),
                PodEvent::Look(life) => self.look(at, life),
                PodEvent::Death(life) => self.die(at, life),
                PodEvent::Accident(name) => self.accident(at, &name),
            }
        }
        self.outcome()
    }

    fn birth(&mut self, at: Duration, name: Name) {
        let removes = at < REMOVALS_UNTIL && self.random.percent(self.behaviour.removals);
        let predecessor = self.dir.get(&name).filter(|_| !removes);
        let predecessor = predecessor.map(|file| read(&self.files[*file]));
        let lineage = Lineage::after(predecessor.as_ref(), system_time(at));
        let born = Timestamp::from_system_time(system_time(at));
        let mut lines = vec![Line::Waiting(&lineage.life), Line::Lock(&Lock::Unavailable)];
        lines.extend(lineage.past_lines());
        lines.push(Line::Born(&born));
        self.version += 1;
        self.files.push(compose(&lines));
        self.dir.insert(name.clone(), self.files.len() - 1);
        let deps = &self.graph[&name];
        let follower = SimulatedFollower::new(&name, deps, &lineage.fell, self.behaviour.flaw);
        self.lives.push(SimulatedLife {
            name,
            id: lineage.life.clone(),
            file: self.files.len() - 1,
            follower,
            seen: None,
            first_look: None,
            stop: None,
            end: None,
        });
        let soon = self.random.up_to(Duration::from_millis(3));
        self.queue(at + soon, PodEvent::Look(self.lives.len() - 1));
    }

    fn look(&mut self, at: Duration, life: usize) {
        let state = &mut self.lives[life];
        if state.end.is_some() || state.stop.is_some() {
            return;
        }
        state.first_look.get_or_insert(at);
        // A look at an unchanged directory decides nothing new.
        let is_unchanged = state.seen.replace(self.version) == Some(self.version);
        let cause = match is_unchanged {
            true => None,
            false => state.follower.look(system_time(at), &self.dir, &self.files),
        };
        match cause {
            Some(cause) => self.stop(at, life, cause),
            None => {
                let pause = self.random.about(self.behaviour.interval);
                self.queue(at + pause, PodEvent::Look(life));
            }
        }
    }

    fn stop(&mut self, at: Duration, life: usize, cause: Cause) {
        let mut lines = vec![Line::Cause(&cause.name)];
        lines.extend(cause.life.as_ref().map(Line::CauseLife));
        let text = compose(&lines);
        let state = &mut self.lives[life];
        self.version += 1;
        self.files[state.file].push_str(&text);
        state.stop = Some((at, cause));
        let mut time = self.random.up_to(self.behaviour.longest_stop);
        if self.random.percent(10) {
            time *= 4;
        }
        self.queue(at + time, PodEvent::Death(life));
    }

    fn die(&mut self, at: Duration, life: usize) {
        let state = &mut self.lives[life];
        if state.end.replace(at).is_some() {
            return;
        }
        let died = Timestamp::from_system_time(system_time(at));
        let code = if state.stop.is_some() { 143 } else { 1 };
        let text = compose(&[Line::ExitCode(code), Line::Died(&died)]);
        self.version += 1;
        self.files[state.file].push_str(&text);
        let accident = || Cause {
            name: state.name.clone(),
            life: Some(state.id.clone()),
        };
        let cause = Tombstone::parse(self.files[state.file].as_bytes()).cause();
        self.deaths.push(SimulatedDeath {
            at,
            name: state.name.clone(),
            cause: cause.unwrap_or_else(accident),
        });
        let name = state.name.clone();
        let pause = self.random.about(self.behaviour.back_off);
        self.queue(at + pause, PodEvent::Birth(name));
    }

    fn accident(&mut self, at: Duration, name: &Name) {
        let alive =
            |life: &SimulatedLife| life.name == *name && life.end.is_none() && life.stop.is_none();
        if let Some(life) = self.lives.iter().rposition(alive) {
            self.die(at, life);
        }
    }

    fn outcome(&self) -> Outcome {
        let horizon = self.behaviour.horizon;
        let missed = self.lives.iter().map(|life| self.missed_by(life)).sum();
        Outcome {
            deaths: self.deaths.len(),
            missed,
            restless: self.deaths.iter().any(|death| death.at > horizon - REST),
        }
    }

    /// How many deaths that count did not stop the life: the death and its accident came after the
    /// life's first look.
    fn missed_by(&self, life: &SimulatedLife) -> usize {
        let Some(began) = life.first_look else {
            return 0;
        };
        let horizon = self.behaviour.horizon;
        let end = life.end.unwrap_or(horizon);
        let reaction = life.stop.as_ref().map_or(end, |(at, _)| (*at).min(end));
        let counts = |death: &&SimulatedDeath| {
            self.graph[&life.name].contains(&death.name)
                && death.cause.name != life.name
                && death.at > began
                && self
                    .accident_time(&death.cause)
                    .is_some_and(|at| at > began)
                && reaction > death.at + PATIENCE
                && death.at + PATIENCE * 2 < horizon
        };
        self.deaths.iter().filter(counts).count()
    }

    fn accident_time(&self, cause: &Cause) -> Option<Duration> {
        let is_it = |death: &&SimulatedDeath| death.name == cause.name && death.cause == *cause;
        self.deaths.iter().find(is_it).map(|death| death.at)
    }
}
