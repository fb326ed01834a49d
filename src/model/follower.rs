//! What a follower that waits for a death can do next, as `watch/tracker.rs` and `watch/waiter.rs`
//! have it. What a text means, and whether the condition holds, is asked of the crate itself.

use super::kernel::{Actor, Entry, FileEvent, Inode};
use super::process::{Follower, FollowerState, ReadState, Reading};
use super::reader::{Mount, ReadBy};
use super::setup::{Mutation, Setup};
use super::world::{Successors, Transition, World};
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::{Evaluator, Mode, Terms, Verdict};
use crate::protocol::life::{Death, Life, Observation, WriteState};
use crate::protocol::name::Name;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Tombstone;

impl World {
    pub(super) fn follower_steps(&self, setup: &Setup, next: &mut Successors) {
        let Some(follower) = &self.follower else {
            return;
        };
        let mount = Mount::of_follower(setup);
        match &follower.state {
            FollowerState::Arm => next.push(self.arm(setup)),
            FollowerState::Read(read) => {
                let mut world = self.clone();
                world.follower_has_read(self.read(read, ReadBy::Name, mount));
                next.push(((Actor::Follower, read.description()), world));
            }
            FollowerState::ReadEnd(read, current) => {
                let mut world = self.clone();
                let after = self.read(read, ReadBy::Descriptor, mount);
                world.follower_has_read_end(after, current, setup);
                next.push(((Actor::Follower, read.description()), world));
            }
            FollowerState::Asleep => {
                if !self.kernel.queue.is_empty() {
                    let mut world = self.with_follower(self.woken(setup));
                    world.kernel.queue.clear();
                    next.push(((Actor::Follower, "wakes"), world));
                }
                if setup.rescans() {
                    let world = self.with_follower(FollowerState::Read(ReadState::Open));
                    next.push(((Actor::Follower, "wakes for a rescan"), world));
                }
            }
            FollowerState::Notified(..) => {}
        }
    }

    fn with_follower(&self, state: FollowerState) -> World {
        let mut world = self.clone();
        world.follower.as_mut().unwrap().state = state;
        world
    }

    fn arm(&self, setup: &Setup) -> (Transition, World) {
        let mut world = self.with_follower(if setup.has(Mutation::ScanBeforeArm) {
            FollowerState::Asleep
        } else {
            FollowerState::Read(ReadState::Open)
        });
        world.kernel.armed = true;
        ((Actor::Follower, "arms the watch"), world)
    }

    /// What the queued events lead to. They are hints only: the follower reads the name again.
    fn woken(&self, setup: &Setup) -> FollowerState {
        let queue = &self.kernel.queue;
        if let (true, true, Some(file)) = (
            setup.has(Mutation::TrustEvents),
            queue.contains(&FileEvent::Closed(Entry::Name)),
            self.kernel.entry(Entry::Name),
        ) {
            return FollowerState::Notified(file, Death::Lost);
        }
        let concerns_name = queue.iter().any(|event| match event {
            FileEvent::Changed(entry) | FileEvent::Closed(entry) => *entry == Entry::Name,
            FileEvent::Overflow => !setup.has(Mutation::IgnoreOverflow),
        });
        if concerns_name {
            FollowerState::Read(ReadState::Open)
        } else {
            FollowerState::Asleep
        }
    }

    /// As `Track` does: another life under the name means that the old one is over.
    fn follower_has_read(&mut self, read: ReadState) {
        let idle = self.idle();
        let follower = self.follower.as_mut().unwrap();
        follower.state = match read {
            // No process in the model removes a tombstone.
            ReadState::Absent => idle,
            ReadState::Complete(current) => match follower.replaced_by(&current) {
                Some(old) => FollowerState::ReadEnd(ReadState::Read(old), current),
                None => return self.evaluate(None, &current),
            },
            other => FollowerState::Read(other),
        };
    }

    /// As `Track::read_end` does.
    fn follower_has_read_end(&mut self, read: ReadState, current: &Reading, setup: &Setup) {
        if let ReadState::Complete(old) = read {
            let held = Life::judge(Tombstone::parse(&old.text), old.lock, WriteState::Settled);
            let mut after = Tombstone::parse(&current.text);
            if setup.has(Mutation::NoPast) {
                after.past.clear();
            }
            let end = after.end_of(held.tombstone.life(), Some(held.clone()));
            let life = end.unwrap_or_else(|| held.into_ended());
            self.evaluate(Some((old.file, life)), current);
        } else {
            self.follower.as_mut().unwrap().state = FollowerState::ReadEnd(read, current.clone());
        }
    }

    /// Asks the evaluator. Each scan gets a new one, because a wait for a death keeps nothing of
    /// scans that have shown none.
    fn evaluate(&mut self, ended: Option<(Inode, Life)>, current: &Reading) {
        let idle = self.idle();
        let life = Life::judge(
            Tombstone::parse(&current.text),
            current.lock,
            WriteState::Ongoing,
        );
        let verdict = verdict(ended.as_ref().map(|(_, life)| life), &life);
        let follower = self.follower.as_mut().unwrap();
        follower.state = match verdict {
            Verdict::Holds(_) => {
                let (file, life) = ended.unwrap_or((current.file, life));
                FollowerState::Notified(file, life.death().unwrap())
            }
            Verdict::Open | Verdict::Impossible => {
                follower.known = life
                    .is_alive()
                    .then(|| (current.file, life.tombstone.life().cloned()));
                idle
            }
        };
    }

    fn idle(&self) -> FollowerState {
        if self.kernel.armed {
            FollowerState::Asleep
        } else {
            FollowerState::Arm
        }
    }
}

impl FollowerState {
    pub(super) fn first(setup: &Setup) -> FollowerState {
        if setup.has(Mutation::ScanBeforeArm) {
            FollowerState::Read(ReadState::Open)
        } else {
            FollowerState::Arm
        }
    }
}

impl Follower {
    /// The file of the known life, if it is another one than that under the name.
    fn replaced_by(&self, current: &Reading) -> Option<Inode> {
        let after = Tombstone::parse(&current.text).life().cloned();
        let replaced = |(file, before): &(Inode, Option<Timestamp>)| match (before, &after) {
            (Some(before), Some(after)) => before != after,
            (_, None) | (None, Some(_)) => *file != current.file,
        };
        let known = self.known.as_ref().filter(|known| replaced(known));
        known.map(|(file, _)| *file)
    }
}

/// What the crate makes of a wait for a death after one scan.
fn verdict(ended: Option<&Life>, current: &Life) -> Verdict {
    let name = Name::new("n").unwrap();
    let condition = Condition {
        name: Some(name.clone()),
        state: State::Died,
    };
    let terms = Terms {
        mode: Mode::All,
        keep_waiting: false,
        need_code: false,
    };
    let mut evaluator = Evaluator::new(&[condition.into()], terms, None);
    evaluator.observe(&[Observation {
        name,
        ended: ended.cloned().into_iter().collect(),
        current: Some(current.clone()),
    }]);
    evaluator.verdict()
}
