//! The search through all worlds that a setup leads to, breadth first, so that a trace is the
//! shortest.

use super::process::{Leader, ProcState};
use super::setup::Setup;
use super::world::{Transition, World};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

/// What a search has found.
pub(super) struct Exploration {
    pub(super) states: usize,
    /// An invariant that broke, and the shortest way to that.
    pub(super) violation: Option<(&'static str, Vec<Transition>)>,
    /// How many worlds show the end of what the setup is about: a follower that was notified, or,
    /// without one, a leader that was born and has ended.
    pub(super) ends: usize,
}

/// A fast hash: hashing is half of the work, and the model does not attack itself with collisions.
#[derive(Default)]
struct WordHasher(u64);

impl WordHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0.rotate_left(20)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.mix(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.mix(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.mix(value as u64);
    }
}

struct Visited {
    world: Rc<World>,
    /// The index of the world from which it was reached, and by which step.
    from: Option<(usize, Transition)>,
}

/// Searches until there is no new world, or an invariant breaks.
pub(super) fn explore(setup: &Setup) -> Exploration {
    let mut search = Search::default();
    search.add(World::new(setup), None);
    let (mut at, mut ends) = (0, 0);
    while at < search.visited.len() {
        let world = Rc::clone(&search.visited[at].world);
        ends += usize::from(world.is_end());
        for (transition, mut next) in world.successors(setup) {
            next.note_visible_record(setup);
            let Some(new) = search.add(next, Some((at, transition))) else {
                continue;
            };
            if let Some(violation) = new.violation(setup) {
                return Exploration {
                    states: search.visited.len(),
                    violation: Some((violation, search.trace())),
                    ends,
                };
            }
        }
        at += 1;
    }
    Exploration {
        states: search.visited.len(),
        violation: None,
        ends,
    }
}

#[derive(Default)]
struct Search {
    known: HashSet<Rc<World>, BuildHasherDefault<WordHasher>>,
    visited: Vec<Visited>,
}

impl Search {
    /// Adds a world that was reached as `from` says; `None` if it is known already.
    fn add(&mut self, world: World, from: Option<(usize, Transition)>) -> Option<Rc<World>> {
        let world = Rc::new(world);
        if !self.known.insert(Rc::clone(&world)) {
            return None;
        }
        self.visited.push(Visited {
            world: Rc::clone(&world),
            from,
        });
        Some(world)
    }

    /// The transitions to the world that was added last.
    fn trace(&self) -> Vec<Transition> {
        let mut transitions = Vec::new();
        let mut at = self.visited.len() - 1;
        while let Some((from, transition)) = &self.visited[at].from {
            transitions.push(*transition);
            at = *from;
        }
        transitions.reverse();
        transitions
    }
}

impl World {
    fn is_end(&self) -> bool {
        if self.follower.is_some() {
            return self.follower_is_notified();
        }
        let is_over = |leader: &Leader| leader.is_born && leader.proc == ProcState::Ended;
        self.leaders.iter().any(is_over)
    }
}
