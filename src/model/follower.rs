//! Looking at a tombstone, and the follower that waits for a death, as `exit_dir.rs` and `follow.rs` have them.
//!
//! What a text and a lock mean, and what to make of it, is asked of the crate itself.

use super::kernel::{Entry, Event, Inode, Who};
use super::publish::{BOOT, DEVICE};
use super::world::{Lapse, Setup, Step, World};
use crate::protocol::condition::Condition;
use crate::protocol::evaluator::{Evaluator, Mode, Terms, Verdict};
use crate::protocol::life::{Death, Life, LockState, Observation, ReaderContext, WriteState};
use crate::protocol::name::Name;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Tombstone;

/// One look at a tombstone, system call by system call (`ExitDir::sight` and `ExitDir::read`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sight {
    Open,
    Read(Inode),
    AskLock(Inode, Vec<u8>),
    ReadAgain(Inode),
    /// A lock that shows a death is believed only if the name still leads to that file.
    CompareName(Inode, Vec<u8>),
    Seen(Inode, Vec<u8>, LockState),
    Nothing,
}

impl Sight {
    pub(super) fn what(&self) -> &'static str {
        match self {
            Sight::Open => "opens NAME to look",
            Sight::Read(_) => "reads it",
            Sight::AskLock(..) => "asks for its lock",
            Sight::ReadAgain(_) => "reads it again",
            Sight::CompareName(..) => "compares it with NAME",
            Sight::Seen(..) | Sight::Nothing => "has seen",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Watching {
    Arm,
    Look(Sight),
    /// Another life stands under the name (the second part): the end of the old one is read from its file.
    LastWords(Sight, Inode, Vec<u8>, LockState),
    Asleep,
    /// How which life ended.
    Told(Inode, Death),
}

/// A follower that waits for `NAME:died`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Follower {
    pub(super) watching: Watching,
    /// The file of the life that was alive when last seen, held open, and what names that life.
    pub(super) known: Option<(Inode, Option<Timestamp>)>,
}

impl World {
    /// The next step of a look. `by_name` if it began with the name.
    pub(super) fn look(&self, sight: &Sight, by_name: bool, setup: &Setup) -> Sight {
        let kernel = &self.kernel;
        match sight {
            Sight::Open => kernel.name.map_or(Sight::Nothing, Sight::Read),
            Sight::Read(file) => {
                let text = kernel.files[*file].text.clone();
                let tombstone = Tombstone::parse(&text);
                let dies = tombstone.died.is_some()
                    && by_name
                    && !setup.lapses(Lapse::NoCompareBeforeDied);
                if tombstone.lock.is_some() && tombstone.died.is_none() {
                    Sight::AskLock(*file, text)
                } else if dies {
                    Sight::CompareName(*file, text)
                } else {
                    Sight::Seen(*file, text, LockState::Unknown)
                }
            }
            Sight::AskLock(file, text) => {
                let evidence = self.ask_lock(*file, text, setup);
                match evidence {
                    LockState::Released if setup.lapses(Lapse::NoReadAgain) => {
                        Sight::CompareName(*file, text.clone())
                    }
                    LockState::Released => Sight::ReadAgain(*file),
                    other => Sight::Seen(*file, text.clone(), other),
                }
            }
            Sight::ReadAgain(file) => {
                let text = kernel.files[*file].text.clone();
                let said = Tombstone::parse(&text).died.is_some();
                let compared = if said {
                    !setup.lapses(Lapse::NoCompareBeforeDied)
                } else {
                    !setup.lapses(Lapse::NoCompareBeforeLost)
                };
                if by_name && compared {
                    Sight::CompareName(*file, text)
                } else {
                    Sight::Seen(*file, text, LockState::Released)
                }
            }
            Sight::CompareName(file, _) if by_name && kernel.name != Some(*file) => Sight::Open,
            Sight::CompareName(file, text) => Sight::Seen(*file, text.clone(), LockState::Released),
            Sight::Seen(..) | Sight::Nothing => sight.clone(),
        }
    }

    pub(super) fn ask_lock(&self, file: Inode, text: &[u8], setup: &Setup) -> LockState {
        let lock = Tombstone::parse(text).lock;
        let held = !setup.foreign && self.kernel.files[file].lock.is_some();
        let device = if setup.foreign && !setup.lapses(Lapse::TrustForeignLocks) {
            (0, 2)
        } else {
            DEVICE
        };
        let vantage = ReaderContext {
            boot: Some(BOOT),
            device,
            inode: file as u64,
            local: !setup.foreign,
        };
        LockState::judge(lock.as_ref(), held, vantage)
    }

    pub(super) fn follower_steps(&self, setup: &Setup, next: &mut Vec<(Step, World)>) {
        let Some(follower) = &self.follower else {
            return;
        };
        let turn = |watching: Watching| {
            let mut world = self.clone();
            world.follower.as_mut().unwrap().watching = watching;
            world
        };
        match &follower.watching {
            Watching::Arm => {
                let after = if setup.lapses(Lapse::ScanBeforeArm) {
                    Watching::Asleep
                } else {
                    Watching::Look(Sight::Open)
                };
                let mut world = turn(after);
                world.kernel.armed = true;
                next.push(((Who::Follower, "arms the watch"), world));
            }
            Watching::Look(sight) => {
                let mut world = self.clone();
                world.follower_saw(self.look(sight, true, setup));
                next.push(((Who::Follower, sight.what()), world));
            }
            Watching::LastWords(sight, file, text, evidence) => {
                let mut world = self.clone();
                let now = (*file, text.as_slice(), *evidence);
                world.follower_read_last_words(self.look(sight, false, setup), now);
                next.push(((Who::Follower, sight.what()), world));
            }
            Watching::Asleep => {
                if !self.kernel.queue.is_empty() {
                    let mut world = turn(self.heard(setup));
                    world.kernel.queue.clear();
                    next.push(((Who::Follower, "wakes"), world));
                }
                if setup.slow_look() {
                    let world = turn(Watching::Look(Sight::Open));
                    next.push(((Who::Follower, "wakes by itself"), world));
                }
            }
            Watching::Told(..) => {}
        }
    }

    /// What the queued events lead to: they only say where to look.
    fn heard(&self, setup: &Setup) -> Watching {
        let queue = &self.kernel.queue;
        if let (true, true, Some(file)) = (
            setup.lapses(Lapse::TrustEvents),
            queue.contains(&Event::Closed(Entry::Name)),
            self.kernel.entry(Entry::Name),
        ) {
            return Watching::Told(file, Death::Lost);
        }
        let look = queue.iter().any(|event| match event {
            Event::Changed(entry) | Event::Closed(entry) => *entry == Entry::Name,
            Event::Overflow => !setup.lapses(Lapse::IgnoreOverflow),
        });
        if look {
            Watching::Look(Sight::Open)
        } else {
            Watching::Asleep
        }
    }

    /// `Track::look`: another life under the name means that the old one is over.
    fn follower_saw(&mut self, sight: Sight) {
        let rest = self.rest();
        let follower = self.follower.as_mut().unwrap();
        follower.watching = match sight {
            // Nobody in this world removes a tombstone.
            Sight::Nothing => rest,
            Sight::Seen(file, text, evidence) => {
                let after = Tombstone::parse(&text).life().cloned();
                let replaced = |(held, before): &(Inode, Option<Timestamp>)| match (before, &after)
                {
                    (Some(before), Some(after)) => before != after,
                    (_, None) | (None, Some(_)) => *held != file,
                };
                match follower.known.clone().filter(replaced) {
                    Some((held, _)) => Watching::LastWords(Sight::Read(held), file, text, evidence),
                    None => return self.weigh(None, (file, &text, evidence)),
                }
            }
            other => Watching::Look(other),
        };
    }

    fn follower_read_last_words(&mut self, sight: Sight, now: (Inode, &[u8], LockState)) {
        let follower = self.follower.as_mut().unwrap();
        if let Sight::Seen(held, text, evidence) = sight {
            let life =
                Life::judge(Tombstone::parse(&text), evidence, WriteState::Settled).into_ended();
            self.weigh(Some((held, life)), now);
        } else {
            follower.watching = Watching::LastWords(sight, now.0, now.1.to_vec(), now.2);
        }
    }

    /// Asks the ballot. It is a new one for each look, because a wait for a death keeps nothing of looks
    /// that did not show one.
    fn weigh(&mut self, ended: Option<(Inode, Life)>, now: (Inode, &[u8], LockState)) {
        let rest = self.rest();
        let (file, text, evidence) = now;
        let life = Life::judge(Tombstone::parse(text), evidence, WriteState::Ongoing);
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
        let mut ballot = Evaluator::new(&[condition], terms, None);
        ballot.observe(&[Observation {
            name,
            ended: ended.as_ref().map(|(_, life)| life.clone()),
            current: Some(life.clone()),
        }]);
        let follower = self.follower.as_mut().unwrap();
        follower.watching = match ballot.verdict() {
            Verdict::Holds(_) => {
                let (file, life) = ended.unwrap_or((file, life));
                Watching::Told(file, life.death().unwrap())
            }
            Verdict::Open | Verdict::Impossible => {
                follower.known = life
                    .is_alive()
                    .then(|| (file, life.tombstone.life().cloned()));
                rest
            }
        };
    }

    pub(super) fn rest(&self) -> Watching {
        if self.kernel.armed {
            Watching::Asleep
        } else {
            Watching::Arm
        }
    }
}
