//! Every world that can come about, shortest way first, and what must hold in each of them.

use super::kernel::{Inode, Who};
use super::world::{Lapse, Pulse, Saying, Setup, Sight, Step, Watching, World, mark};
use crate::condition::LockEvidence;
use crate::{Death, Life, Tombstone};
use std::collections::HashSet;
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

struct Visit {
    world: Rc<World>,
    /// The visit from which it was reached, and by which step.
    from: Option<(usize, Step)>,
}

/// Walks until nothing new is found, or a promise is broken.
pub(super) fn explore(setup: &Setup) -> Found {
    let first = Rc::new(World::new(setup));
    let mut seen = HashSet::from([Rc::clone(&first)]);
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
        let Some(signaller) = self.signaller.as_mut().filter(|signaller| !signaller.stood) else {
            return;
        };
        let (text, mark) = (&self.kernel.files[file].text, mark(word));
        signaller.stood = text
            .windows(mark.len())
            .any(|window| window == mark.as_bytes());
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
            .or_else(|| self.lost_word())
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
        let life = Life::judge(tombstone, LockEvidence::Held, false).tombstone;
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
            Death::Said(code) if said.exit_code != Some(code) => {
                Some("a follower was told another exit code than the first that was written")
            }
            // A signaller may say more of a corpse after we have read it for the last time.
            Death::Lost if said.died.as_ref().is_some_and(|died| died.as_str() != "s") => {
                Some("a follower was told that a life is lost which ended in order")
            }
            Death::Said(_) | Death::Lost => None,
        }
    }

    fn lost_word(&self) -> Option<&'static str> {
        let signaller = self.signaller.as_ref()?;
        let said = signaller.saying == Saying::Said(true);
        (said && !signaller.stood).then_some("a signaller's word has never stood under the name")
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
            let said = Tombstone::parse(&self.kernel.files[file].text);
            // A lock that does not cross the mount shows nothing, only words and a next life do.
            let silent = setup.foreign && self.kernel.name == Some(file);
            said.died.is_some() || !silent && self.is_over(file)
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

    /// The truth about the life in a file.
    fn is_over(&self, file: Inode) -> bool {
        let said = Tombstone::parse(&self.kernel.files[file].text);
        let over = match self.kernel.files[file].life {
            Some(at) => self.leaders[at].pulse != Pulse::Running,
            None => self.kernel.name != Some(file),
        };
        said.died.is_some() || over
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
