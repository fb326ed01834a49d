//! Every world that can come about, shortest way first, and what must hold in each of them.

use super::follower::{Sight, Watching};
use super::kernel::{Entry, File, Inode, Who};
use super::leader::Pulse;
use super::publish::{LEADERS_CODE, mark};
use super::signaller::Saying;
use super::world::{Lapse, Setup, Step, World};
use crate::protocol::life::{Death, Life, LockState, WriteState};
use crate::protocol::tombstone::Tombstone;
use crate::store::announce::Announcement;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

/// What a walk through all worlds found.
pub(super) struct Found {
    pub(super) states: usize,
    /// A promise that was broken, and the shortest way to that.
    pub(super) fault: Option<(&'static str, Vec<Step>)>,
    /// How many worlds show the end of the story that the setup is about: a follower that was told, or,
    /// without one, a life that was born and has ended.
    pub(super) ends: usize,
}

/// Hashing is half of the work, and nobody here wants to bring about collisions.
#[derive(Default)]
struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mixer {
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

struct Visit {
    world: Rc<World>,
    /// The visit from which it was reached, and by which step.
    from: Option<(usize, Step)>,
}

/// Walks until nothing new is found, or a promise is broken.
pub(super) fn explore(setup: &Setup) -> Found {
    let first = Rc::new(World::new(setup));
    let mut seen: HashSet<_, BuildHasherDefault<Mixer>> = HashSet::default();
    seen.insert(Rc::clone(&first));
    let mut visits = vec![Visit {
        world: first,
        from: None,
    }];
    let (mut at, mut ends) = (0, 0);
    while at < visits.len() {
        let world = Rc::clone(&visits[at].world);
        ends += usize::from(world.is_end());
        for (step, mut world) in world.next(setup) {
            world.note_what_stands(setup);
            let world = Rc::new(world);
            if !seen.insert(Rc::clone(&world)) {
                continue;
            }
            let fault = world.fault(setup);
            visits.push(Visit {
                world,
                from: Some((at, step)),
            });
            if let Some(fault) = fault {
                let trace = trace(&visits);
                return Found {
                    states: visits.len(),
                    fault: Some((fault, trace)),
                    ends,
                };
            }
        }
        at += 1;
    }
    Found {
        states: visits.len(),
        fault: None,
        ends,
    }
}

fn trace(visits: &[Visit]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut at = visits.len() - 1;
    while let Some((from, step)) = &visits[at].from {
        steps.push(*step);
        at = *from;
    }
    steps.reverse();
    steps
}

impl World {
    /// Remembers that the signaller's word has stood under the name.
    fn note_what_stands(&mut self, setup: &Setup) {
        let (Some(word), Some(file)) = (setup.signaller, self.kernel.name) else {
            return;
        };
        let stands = has(&self.kernel.files[file].text, word);
        if let Some(signaller) = self.signaller.as_mut().filter(|_| stands) {
            signaller.stood = Some(file);
        }
    }

    fn is_end(&self) -> bool {
        match &self.follower {
            Some(follower) => matches!(follower.watching, Watching::Told(..)),
            None => self
                .leaders
                .iter()
                .any(|leader| leader.lives && leader.pulse == Pulse::Ended),
        }
    }

    /// The first promise that this world breaks.
    fn fault(&self, setup: &Setup) -> Option<&'static str> {
        self.two_lives()
            .or_else(|| self.naked_tombstone())
            .or_else(|| self.false_news())
            .or_else(|| self.mixed_record(setup))
            .or_else(|| self.lost_word(setup))
            .or_else(|| self.sleeper(setup))
    }

    fn two_lives(&self) -> Option<&'static str> {
        let lives = self
            .leaders
            .iter()
            .filter(|leader| leader.lives && leader.pulse == Pulse::Running);
        (lives.count() > 1).then_some("two lives at once under one name")
    }

    /// Whatever stands under the name is whole, and locked as long as its supervisor lives.
    fn naked_tombstone(&self) -> Option<&'static str> {
        let file = &self.kernel.files[self.kernel.name?];
        let at = file
            .life
            .filter(|at| self.leaders[*at].pulse == Pulse::Running)?;
        let tombstone = Tombstone::parse(&file.text);
        let life = Life::judge(tombstone, LockState::Held, WriteState::Ongoing).tombstone;
        if life.waiting.is_none() || life.lock.is_none() {
            return Some("a half-written tombstone of a living supervisor is seen");
        }
        (file.lock != Some(Who::Leader(at)))
            .then_some("an unlocked tombstone of a living supervisor is seen")
    }

    /// What a follower was told is true, and the whole truth.
    fn false_news(&self) -> Option<&'static str> {
        let Watching::Told(file, death) = self.follower.as_ref()?.watching else {
            return None;
        };
        if !self.is_over(file) {
            return Some("a follower was told that a life is over which goes on");
        }
        let said = Tombstone::parse(&self.kernel.files[file].text);
        match death {
            Death::CodePending => Some("a follower was told of a death that is half written"),
            Death::Recorded(code) if said.exit_code != Some(code) => {
                Some("a follower was told another exit code than the first that was written")
            }
            // A signaller may say more of a corpse after we have read it for the last time.
            Death::Lost if said.died.as_ref().is_some_and(|died| died.as_str() != "s") => {
                Some("a follower was told that a life is lost which ended in order")
            }
            Death::Recorded(_) | Death::Lost => None,
        }
    }

    fn lost_word(&self, setup: &Setup) -> Option<&'static str> {
        let signaller = self.signaller.as_ref()?;
        let word = setup
            .signaller
            .filter(|_| signaller.saying == Saying::Said(true))?;
        let Some(stood) = signaller.stood else {
            return Some("a signaller's word has never stood under the name");
        };
        let (old, now) = (&self.kernel.files[stood], self.kernel.name?);
        let life = old
            .life
            .filter(|life| stood != now && self.latest(*life) == Some(now))?;
        let known = has(&old.text[..old.seen.unwrap_or(0)], word);
        let leader = &self.leaders[life];
        let excused = leader.pulse != Pulse::Running && !setup.strict;
        (!known && !excused && leader.course.old.is_none())
            .then_some("a signaller's word is lost with the tombstone that was replaced")
    }

    /// The code of a death is that of whoever was the first to say it. Only a supervisor that is killed in the
    /// middle of its death record can leave its code, which is true, to somebody else's `Died`.
    fn mixed_record(&self, setup: &Setup) -> Option<&'static str> {
        let file = &self.kernel.files[self.kernel.name?];
        if file.life.is_some_and(|at| self.has_ended(at)) || self.kernel.is_writing() {
            return None;
        }
        let said = Tombstone::parse(&file.text);
        let code = match (said.died?.as_str(), setup.signaller) {
            ("s", Some(Announcement::Died(code))) => code,
            _ => LEADERS_CODE,
        };
        match said.exit_code {
            None => Some("a death stands there half written"),
            Some(other) => (other != code).then_some("a death has somebody else's exit code"),
        }
    }

    fn sleeper(&self, setup: &Setup) -> Option<&'static str> {
        let follower = self.follower.as_ref()?;
        let asleep = follower.watching == Watching::Asleep && self.kernel.queue.is_empty();
        if !asleep || !self.is_awaited(setup) {
            return None;
        }
        (!setup.slow_look() || !self.hears_by_looking(setup))
            .then_some("the leader is dead and a follower is asleep for ever")
    }

    /// Whether there is a death that the follower should have heard of: of the life that it saw, or of
    /// the one that stands there. While a process is ending or writes, the kernel still has something to tell.
    fn is_awaited(&self, setup: &Setup) -> bool {
        let ending = |pulse: Pulse| matches!(pulse, Pulse::Ending | Pulse::HalfEnded);
        let leaders = self.leaders.iter().map(|leader| leader.pulse);
        let signallers = self.signaller.iter().map(|signaller| signaller.pulse);
        if leaders.chain(signallers).any(ending) || self.kernel.is_writing() {
            return false;
        }
        let seen = self.follower.as_ref().and_then(|f| f.known.as_ref());
        let over = |file: Inode| {
            // A lock that does not cross the mount shows nothing, only words and a next life do.
            let silent = setup.foreign && self.kernel.name == Some(file);
            match self.kernel.files[file].life {
                Some(at) => self.says_died(self.latest(at)) || !silent && self.has_ended(at),
                None => self.says_died(Some(file)) || !silent && self.is_over(file),
            }
        };
        if self.newcomer_holds_a_corpse() {
            return false;
        }
        let files = [seen.map(|(file, _)| *file), self.kernel.name];
        files.into_iter().flatten().any(over)
    }

    /// Whoever opened the nursery before it was renamed, and locked it after its supervisor's end, takes a
    /// corpse for the nursery until the next step. Then it closes it, which is told to everybody.
    fn newcomer_holds_a_corpse(&self) -> bool {
        let file = self.kernel.name.map(|name| &self.kernel.files[name]);
        file.is_some_and(|file| match (file.lock, file.life) {
            (Some(Who::Leader(holder)), Some(life)) => holder != life,
            (Some(Who::Signaller), Some(_)) | (Some(Who::Leader(_)), None) => true,
            _ => false,
        })
    }

    /// The truth about the life in a file. What stands in a file that was replaced within the life, and is not
    /// carried over, is not true.
    fn is_over(&self, file: Inode) -> bool {
        let Some(at) = self.kernel.files[file].life else {
            return self.kernel.name != Some(file) || self.says_died(Some(file));
        };
        self.has_ended(at) || self.says_died(self.latest(at)) || self.carries_death(at)
    }

    fn has_ended(&self, at: usize) -> bool {
        self.leaders[at].pulse != Pulse::Running
    }

    fn says_died(&self, file: Option<Inode>) -> bool {
        file.is_some_and(|file| {
            let said = Tombstone::parse(&self.kernel.files[file].text);
            said.died.is_some()
        })
    }

    /// Whether a leader is about to carry a death over to the file that it has put in the place of its old one.
    fn carries_death(&self, at: usize) -> bool {
        self.leaders[at]
            .course
            .old
            .as_ref()
            .is_some_and(|old| match &old.rest {
                Some(rest) => Tombstone::parse(rest).died.is_some(),
                None => self.says_died(Some(old.file)),
            })
    }

    /// The last file that a life has put under the name. Whatever is put there is newer than what was there.
    fn latest(&self, at: usize) -> Option<Inode> {
        let published = |file: &Rc<File>| file.life == Some(at) && file.entry == Entry::Name;
        self.kernel.files.iter().rposition(published)
    }

    /// Whether one slow look, while everybody else stands still, tells it.
    fn hears_by_looking(&self, setup: &Setup) -> bool {
        let mut world = self.clone();
        world.leaders.clear();
        let alone = Setup {
            lapse: setup.lapse.filter(|lapse| *lapse != Lapse::NoSlowLook),
            ..setup.clone()
        };
        if let Some(follower) = world.follower.as_mut() {
            follower.watching = Watching::Look(Sight::Open);
        }
        loop {
            let watching = world.follower.as_ref().map(|f| &f.watching);
            match watching {
                Some(Watching::Told(..)) => return true,
                Some(Watching::Asleep) | None => return false,
                Some(_) => {}
            }
            let mut steps = world.next(&alone).into_iter();
            let Some((_, next)) = steps.rfind(|(step, _)| step.0 == Who::Follower) else {
                return false;
            };
            world = next;
        }
    }
}

fn has(text: &[u8], word: Announcement) -> bool {
    let mark = mark(word);
    text.windows(mark.len())
        .any(|window| window == mark.as_bytes())
}
