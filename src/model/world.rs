//! Everybody in the directory, as programs of system calls. [`World::next`] takes any one step.
//!
//! The programs are lists of deeds, so that a variant of the protocol is another list. They follow
//! `birth.rs`, `say.rs`, `exit_dir.rs` and `follow.rs` step by step; what a text and a lock mean is
//! asked of the crate itself.

use super::kernel::{Entry, Event, Inode, Kernel, Who};
use crate::condition::{Life, LockEvidence, News, Standing, Vantage};
use crate::tombstone::{Line, compose, compose_append};
use crate::verdict::{Ballot, Mode, Terms, Verdict};
use crate::{Condition, Death, Lock, LockIdentity, Name, State, Timestamp, Tombstone, Word};

/// The exit code of every leader; signallers say 0.
const LEADERS_CODE: u8 = 7;
const BOOT: &str = "b";
const DEVICE: (u32, u32) = (0, 1);

/// One step of somebody who publishes a tombstone, and of a leader's life behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    OpenNursery,
    LockNursery,
    CompareNursery,
    Truncate,
    OpenName,
    AskNameLock,
    /// A signaller's: is the corpse that is to be replaced still there?
    CompareCorpse,
    Fill,
    Rename,
    CompareName,
    WriteBorn,
    ReadOwn,
    WriteDeath,
    /// The same lines, in the wrong order.
    WriteDeathDiedFirst,
}

impl Deed {
    fn what(self) -> &'static str {
        match self {
            Deed::OpenNursery => "opens or creates .NAME.new",
            Deed::LockNursery => "tries to lock it",
            Deed::CompareNursery => "compares it with .NAME.new",
            Deed::Truncate => "truncates it",
            Deed::OpenName => "opens NAME",
            Deed::AskNameLock => "asks for the lock of that, and closes it",
            Deed::CompareCorpse => "compares NAME with the corpse",
            Deed::Fill => "writes half of the first record",
            Deed::Rename => "renames .NAME.new to NAME",
            Deed::CompareName => "compares its file with NAME",
            Deed::WriteBorn => "writes half of Born",
            Deed::ReadOwn => "reads whether it was said dead",
            Deed::WriteDeath | Deed::WriteDeathDiedFirst => "writes half of the death record",
        }
    }
}

/// A supervisor's life. From `LockNursery` on nobody else is being born.
pub(super) const LEADER: &[Deed] = &[
    Deed::OpenNursery,
    Deed::LockNursery,
    Deed::CompareNursery,
    Deed::Truncate,
    Deed::OpenName,
    Deed::AskNameLock,
    Deed::Fill,
    Deed::Rename,
    Deed::CompareName,
    Deed::WriteBorn,
    Deed::ReadOwn,
    Deed::WriteDeath,
];

/// A signaller in whose eyes the name is dead or absent.
const SIGNALLER: &[Deed] = &[
    Deed::OpenNursery,
    Deed::LockNursery,
    Deed::CompareNursery,
    Deed::Truncate,
    Deed::CompareCorpse,
    Deed::Fill,
    Deed::Rename,
    Deed::CompareName,
];

/// Where the protocol is left on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lapse {
    ScanBeforeArm,
    NoReadAgain,
    NoCompareAfterSaying,
    /// `IN_CLOSE_WRITE` is taken for the death itself.
    TrustEvents,
    IgnoreOverflow,
    NoSlowLook,
    /// A free lock is believed wherever it was taken.
    TrustForeignLocks,
    /// The order of `flock` and open-file-description locks: the event first.
    UnlockAfterEvent,
}

/// Who is there, and what can go wrong.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) leaders: usize,
    pub(super) leader: Vec<Deed>,
    /// Only the first leader ends, and nobody else is killed: next leaders live on, or are refused.
    pub(super) next_lives_on: bool,
    pub(super) signaller: Option<Word>,
    pub(super) follower: bool,
    /// How often a neighbour writes a file of its own.
    pub(super) noise: usize,
    pub(super) queue_limit: usize,
    /// Events can be dropped in silence; so the follower looks without one now and then.
    pub(super) blind: bool,
    /// The follower sees the directory through a mount that locks do not cross.
    pub(super) foreign: bool,
    pub(super) lapse: Option<Lapse>,
}

impl Setup {
    pub(super) fn lapses(&self, lapse: Lapse) -> bool {
        self.lapse == Some(lapse)
    }

    pub(super) fn slow_look(&self) -> bool {
        self.blind && !self.lapses(Lapse::NoSlowLook)
    }
}

/// A process' end takes two steps of the kernel: `filp_close` lets go of the lock, then tells the watchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pulse {
    Running,
    Ending,
    HalfEnded,
    Ended,
}

/// Somebody on the way through a list of deeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Course {
    at: usize,
    /// The file being made, open.
    file: Option<Inode>,
    /// What stood under the name: opened by a leader, the corpse that a signaller found.
    other: Option<Inode>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    pub(super) pulse: Pulse,
    pub(super) course: Course,
    /// It was born: nobody else may be until it ends.
    pub(super) lives: bool,
}

/// One look at a tombstone, system call by system call (`ExitDir::sight` and `ExitDir::read`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sight {
    Open,
    Read(Inode),
    AskLock(Inode, Vec<u8>),
    ReadAgain(Inode),
    /// A lock that shows a death is believed only if the name still leads to that file.
    CompareName(Inode, Vec<u8>),
    Seen(Inode, Vec<u8>, LockEvidence),
    Nothing,
}

impl Sight {
    fn what(&self) -> &'static str {
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
pub(super) enum Saying {
    Look(Sight),
    OpenToAppend(Inode),
    Append(Inode),
    CompareName(Inode),
    Publish,
    /// True if the word was written, false if there was no need to.
    Said(bool),
}

impl Saying {
    fn what(&self, at: usize) -> &'static str {
        match self {
            Saying::Look(sight) => sight.what(),
            Saying::OpenToAppend(_) => "opens NAME to append",
            Saying::Append(_) => "writes half of its word",
            Saying::CompareName(_) => "compares its file with NAME",
            Saying::Publish => SIGNALLER.get(at).map_or("is done", |deed| deed.what()),
            Saying::Said(_) => "exits",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Signaller {
    pub(super) pulse: Pulse,
    pub(super) saying: Saying,
    course: Course,
    /// For the checker alone: the word has stood under the name.
    pub(super) stood: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Watching {
    Arm,
    Look(Sight),
    /// Another life stands under the name (the second part): the end of the old one is read from its file.
    LastWords(Sight, Inode, Vec<u8>, LockEvidence),
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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) kernel: Kernel,
    pub(super) leaders: Vec<Leader>,
    pub(super) signaller: Option<Signaller>,
    pub(super) follower: Option<Follower>,
    noise: usize,
}

/// What was done, for traces.
pub(super) type Step = (Who, &'static str);

fn stamp(text: impl ToString) -> Timestamp {
    Timestamp::from_text(text.to_string())
}

impl World {
    pub(super) fn new(setup: &Setup) -> World {
        let leader = Leader {
            pulse: Pulse::Running,
            course: Course::default(),
            lives: false,
        };
        let first = if setup.lapses(Lapse::ScanBeforeArm) {
            Watching::Look(Sight::Open)
        } else {
            Watching::Arm
        };
        World {
            kernel: Kernel {
                queue_limit: setup.queue_limit,
                ..Kernel::default()
            },
            leaders: vec![leader; setup.leaders],
            signaller: setup.signaller.map(|_| Signaller {
                pulse: Pulse::Running,
                saying: Saying::Look(Sight::Open),
                course: Course::default(),
                stood: false,
            }),
            follower: setup.follower.then_some(Follower {
                watching: first,
                known: None,
            }),
            noise: setup.noise,
        }
    }

    /// Every world that one step of anybody leads to.
    pub(super) fn next(&self, setup: &Setup) -> Vec<(Step, World)> {
        let mut next = Vec::new();
        if matches!(&self.follower, Some(follower) if matches!(follower.watching, Watching::Told(..)))
        {
            // The story is over.
            return next;
        }
        for at in 0..self.leaders.len() {
            self.leader_steps(at, setup, &mut next);
        }
        self.signaller_steps(setup, &mut next);
        self.follower_steps(setup, &mut next);
        if self.noise > 0 {
            let mut world = self.clone();
            world.noise -= 1;
            world.kernel.raise(Event::Changed(Entry::Other));
            world.kernel.raise(Event::Closed(Entry::Other));
            next.push(((Who::Neighbour, "writes a file"), world));
        }
        for event in self.kernel.queue.iter().filter(|_| setup.blind) {
            let mut world = self.clone();
            world.kernel.queue.remove(event);
            next.push(((Who::Kernel, "drops an event"), world));
        }
        next
    }

    fn leader_steps(&self, at: usize, setup: &Setup, next: &mut Vec<(Step, World)>) {
        let (who, leader) = (Who::Leader(at), &self.leaders[at]);
        match leader.pulse {
            Pulse::Running => {}
            Pulse::Ending | Pulse::HalfEnded => return self.end_step(who, setup, next),
            Pulse::Ended => return,
        }
        let deed = setup.leader.get(leader.course.at).copied();
        if at > 0 && setup.next_lives_on {
            if leader.lives {
                return;
            }
        } else {
            self.kill(who, next);
        }
        let Some(deed) = deed else {
            let mut world = self.clone();
            world.leaders[at].pulse = Pulse::Ending;
            next.push(((who, "exits"), world));
            return;
        };
        let mut world = self.clone();
        let mut course = leader.course.clone();
        let outcome = world.deed(who, deed, &mut course, None);
        if outcome == Outcome::Refused {
            // It gives up now, or tries again within its patience.
            let mut refused = world.clone();
            refused.give_up(&course, who);
            (refused.leaders[at].course, refused.leaders[at].pulse) =
                (course.clone(), Pulse::Ending);
            next.push(((who, "gives up"), refused));
        }
        match outcome {
            Outcome::Blocked => return,
            Outcome::Done | Outcome::Refused => {}
            Outcome::Again => course.at = 0,
            Outcome::SaidDead => course.at = setup.leader.len(),
            Outcome::Failed => world.leaders[at].pulse = Pulse::Ending,
        }
        if outcome == Outcome::Refused {
            let back = if deed == Deed::AskNameLock {
                Deed::OpenName
            } else {
                Deed::OpenNursery
            };
            if deed == Deed::LockNursery {
                world.close(&mut course, who);
            }
            course.at = setup
                .leader
                .iter()
                .position(|deed| *deed == back)
                .unwrap_or(0);
        }
        let leader = &mut world.leaders[at];
        leader.lives |= deed == Deed::CompareName && outcome == Outcome::Done;
        leader.course = course;
        next.push(((who, deed.what()), world));
    }

    /// One deed, and where it leaves the one who did it.
    fn deed(&mut self, who: Who, deed: Deed, course: &mut Course, word: Option<Word>) -> Outcome {
        let kernel = &mut self.kernel;
        let file = course.file.unwrap_or(0);
        let outcome = match deed {
            Deed::OpenNursery => {
                course.file = Some(kernel.open_nursery());
                Outcome::Done
            }
            Deed::LockNursery if kernel.lock(file, who) => Outcome::Done,
            Deed::LockNursery => Outcome::Refused,
            Deed::CompareNursery if kernel.nursery == Some(file) => Outcome::Done,
            // It was renamed or removed between the open and the lock.
            Deed::CompareNursery => {
                self.close(course, who);
                Outcome::Again
            }
            Deed::Truncate => {
                kernel.truncate(file);
                Outcome::Done
            }
            Deed::OpenName => {
                course.other = kernel.name;
                Outcome::Done
            }
            Deed::AskNameLock => {
                let other = course.other.take();
                let held = other.and_then(|other| kernel.files[other].lock);
                if let Some(other) = other {
                    kernel.unlock(other, who);
                }
                if held.is_some_and(|holder| holder != who) {
                    Outcome::Refused
                } else {
                    Outcome::Done
                }
            }
            Deed::CompareCorpse if kernel.name == course.other => Outcome::Done,
            Deed::CompareCorpse => {
                self.give_up(course, who);
                self.close(course, who);
                Outcome::Again
            }
            Deed::Rename if kernel.rename() => Outcome::Done,
            Deed::Rename => Outcome::Failed,
            Deed::CompareName if kernel.name == Some(file) => Outcome::Done,
            Deed::CompareName => Outcome::Failed,
            Deed::ReadOwn if Tombstone::parse(&kernel.files[file].text).died.is_some() => {
                Outcome::SaidDead
            }
            Deed::ReadOwn => Outcome::Done,
            Deed::Fill | Deed::WriteBorn | Deed::WriteDeath | Deed::WriteDeathDiedFirst => {
                if deed == Deed::Fill {
                    kernel.files[file].life = match who {
                        Who::Leader(at) => Some(at),
                        _ => None,
                    };
                }
                // As `compose_append` does: after half a record of somebody who was killed.
                let text = &kernel.files[file].text;
                let start = text.last().is_some_and(|last| *last != b'\n');
                let start = if start { "\n" } else { "" };
                let record = format!("{start}{}", record(who, deed, file, word));
                match kernel.write(file, who, record.as_bytes()) {
                    Some(true) => Outcome::Done,
                    // The next step ends the same write.
                    Some(false) => return Outcome::Done,
                    None => return Outcome::Blocked,
                }
            }
        };
        if outcome == Outcome::Done {
            course.at += 1;
        }
        outcome
    }

    /// Whoever gives up removes the nursery while holding its lock.
    fn give_up(&mut self, course: &Course, who: Who) {
        let holds = |file: Inode| self.kernel.files[file].lock == Some(who);
        if course.file.is_some_and(holds) {
            self.kernel.nursery = None;
        }
    }

    fn close(&mut self, course: &mut Course, who: Who) {
        if let Some(file) = course.file.take() {
            self.kernel.unlock(file, who);
            self.kernel.tell_close(file);
        }
    }

    fn mortal(&mut self, who: Who) -> Option<(&mut Pulse, &mut Course)> {
        match who {
            Who::Leader(at) => self
                .leaders
                .get_mut(at)
                .map(|leader| (&mut leader.pulse, &mut leader.course)),
            Who::Signaller => self
                .signaller
                .as_mut()
                .map(|signaller| (&mut signaller.pulse, &mut signaller.course)),
            Who::Follower | Who::Neighbour | Who::Kernel => None,
        }
    }

    fn kill(&self, who: Who, next: &mut Vec<(Step, World)>) {
        let mut killed = self.clone();
        let Some((pulse, course)) = killed.mortal(who) else {
            return;
        };
        *pulse = Pulse::Ending;
        if let Some(file) = course.file {
            killed.kernel.cut(file, who);
        }
        next.push(((who, "is killed"), killed));
    }

    /// What the kernel does for a process that is no more.
    fn end_step(&self, who: Who, setup: &Setup, next: &mut Vec<(Step, World)>) {
        let mut world = self.clone();
        let Some((pulse, course)) = world.mortal(who) else {
            return;
        };
        let (first, file) = (*pulse == Pulse::Ending, course.file);
        *pulse = if first {
            Pulse::HalfEnded
        } else {
            Pulse::Ended
        };
        let unlock = first != setup.lapses(Lapse::UnlockAfterEvent);
        if let Some(file) = file {
            if unlock {
                world.kernel.unlock(file, who);
            } else {
                world.kernel.tell_close(file);
            }
        }
        if let (false, Some((_, course))) = (first, world.mortal(who)) {
            *course = Course::default();
        }
        let what = if unlock {
            "lock is dropped"
        } else {
            "close is told"
        };
        next.push(((who, what), world));
    }

    /// The next step of a look. `by_name` if it began with the name.
    fn look(&self, sight: &Sight, by_name: bool, setup: &Setup) -> Sight {
        let kernel = &self.kernel;
        match sight {
            Sight::Open => kernel.name.map_or(Sight::Nothing, Sight::Read),
            Sight::Read(file) => {
                let text = kernel.files[*file].text.clone();
                let tombstone = Tombstone::parse(&text);
                if tombstone.lock.is_some() && tombstone.died.is_none() {
                    Sight::AskLock(*file, text)
                } else {
                    Sight::Seen(*file, text, LockEvidence::Unknown)
                }
            }
            Sight::AskLock(file, text) => {
                let evidence = self.ask_lock(*file, text, setup);
                match evidence {
                    LockEvidence::Gone if setup.lapses(Lapse::NoReadAgain) => {
                        Sight::CompareName(*file, text.clone())
                    }
                    LockEvidence::Gone => Sight::ReadAgain(*file),
                    other => Sight::Seen(*file, text.clone(), other),
                }
            }
            Sight::ReadAgain(file) => {
                let text = kernel.files[*file].text.clone();
                if by_name && Tombstone::parse(&text).died.is_none() {
                    Sight::CompareName(*file, text)
                } else {
                    Sight::Seen(*file, text, LockEvidence::Gone)
                }
            }
            Sight::CompareName(file, _) if by_name && kernel.name != Some(*file) => Sight::Open,
            Sight::CompareName(file, text) => Sight::Seen(*file, text.clone(), LockEvidence::Gone),
            Sight::Seen(..) | Sight::Nothing => sight.clone(),
        }
    }

    fn ask_lock(&self, file: Inode, text: &[u8], setup: &Setup) -> LockEvidence {
        let lock = Tombstone::parse(text).lock;
        let held = !setup.foreign && self.kernel.files[file].lock.is_some();
        let device = if setup.foreign && !setup.lapses(Lapse::TrustForeignLocks) {
            (0, 2)
        } else {
            DEVICE
        };
        let vantage = Vantage {
            boot: Some(BOOT),
            device,
            inode: file as u64,
            local: !setup.foreign,
        };
        LockEvidence::judge(lock.as_ref(), held, vantage)
    }

    fn signaller_steps(&self, setup: &Setup, next: &mut Vec<(Step, World)>) {
        let (Some(signaller), Some(word)) = (&self.signaller, setup.signaller) else {
            return;
        };
        let who = Who::Signaller;
        match signaller.pulse {
            Pulse::Running => {}
            Pulse::Ending | Pulse::HalfEnded => return self.end_step(who, setup, next),
            Pulse::Ended => return,
        }
        if !setup.next_lives_on {
            self.kill(who, next);
        }
        // Signallers stand where leaders do, and keep to the protocol.
        let sound = Setup {
            foreign: false,
            lapse: None,
            ..setup.clone()
        };
        let what = signaller.saying.what(signaller.course.at);
        let said = self.say(signaller, word, &sound, setup);
        next.extend(said.map(|world| ((who, what), world)));
    }

    fn say(
        &self,
        signaller: &Signaller,
        word: Word,
        sound: &Setup,
        setup: &Setup,
    ) -> Option<World> {
        let (mut world, mut course) = (self.clone(), signaller.course.clone());
        let saying = match &signaller.saying {
            Saying::Look(sight) => {
                return Some(self.say_next(self.look(sight, true, sound), word));
            }
            Saying::OpenToAppend(seen) if self.kernel.name == Some(*seen) => {
                course.file = Some(*seen);
                Saying::Append(*seen)
            }
            Saying::OpenToAppend(_) => Saying::Look(Sight::Open),
            Saying::Append(file) => {
                // `compose_append` asks for the last byte, and no write of a living leader is ever cut there.
                let text = &self.kernel.files[*file].text;
                let record = said(word);
                let lines = record.lines();
                let record = compose_append(&lines, text.len() as u64, text.last().copied());
                match world
                    .kernel
                    .write(*file, Who::Signaller, record.unwrap().as_bytes())
                {
                    None => return None,
                    Some(false) => Saying::Append(*file),
                    Some(true) if setup.lapses(Lapse::NoCompareAfterSaying) => Saying::Said(true),
                    Some(true) => Saying::CompareName(*file),
                }
            }
            Saying::CompareName(file) if self.kernel.name == Some(*file) => Saying::Said(true),
            Saying::CompareName(_) => {
                world.close(&mut course, Who::Signaller);
                Saying::Look(Sight::Open)
            }
            Saying::Publish => {
                let outcome = match SIGNALLER.get(course.at) {
                    Some(deed) => world.deed(Who::Signaller, *deed, &mut course, Some(word)),
                    None => Outcome::SaidDead,
                };
                match outcome {
                    Outcome::Blocked => return None,
                    Outcome::Done => Saying::Publish,
                    Outcome::SaidDead => Saying::Said(true),
                    Outcome::Again | Outcome::Refused | Outcome::Failed => {
                        world.close(&mut course, Who::Signaller);
                        Saying::Look(Sight::Open)
                    }
                }
            }
            Saying::Said(_) => {
                world.signaller.as_mut().unwrap().pulse = Pulse::Ending;
                return Some(world);
            }
        };
        let signaller = world.signaller.as_mut().unwrap();
        (signaller.saying, signaller.course) = (saying, course);
        Some(world)
    }

    /// What a signaller makes of what it sees (`Saying::step`).
    fn say_next(&self, sight: Sight, word: Word) -> World {
        let mut world = self.clone();
        let signaller = world.signaller.as_mut().unwrap();
        let mut publish = |corpse| {
            signaller.course = Course {
                other: corpse,
                ..Course::default()
            };
            Saying::Publish
        };
        signaller.saying = match sight {
            Sight::Nothing => publish(None),
            Sight::Seen(file, text, evidence) => {
                let life = Life::judge(Tombstone::parse(&text), evidence, false);
                let ready = life.is_alive() && life.tombstone.ready.is_some();
                match life.standing {
                    Standing::Alive(_) if ready && word == Word::Ready => Saying::Said(false),
                    Standing::Alive(_) => Saying::OpenToAppend(file),
                    Standing::Dead(_) if self.kernel.files[file].lock.is_some() => {
                        Saying::Said(false)
                    }
                    Standing::Dead(Death::Said(0)) if word == Word::Died(0) => Saying::Said(false),
                    Standing::Dead(_) => publish(Some(file)),
                    Standing::Unsettled => Saying::Look(Sight::Open),
                }
            }
            other => Saying::Look(other),
        };
        world
    }

    fn follower_steps(&self, setup: &Setup, next: &mut Vec<(Step, World)>) {
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

    fn follower_read_last_words(&mut self, sight: Sight, now: (Inode, &[u8], LockEvidence)) {
        let follower = self.follower.as_mut().unwrap();
        if let Sight::Seen(held, text, evidence) = sight {
            let life = Life::judge(Tombstone::parse(&text), evidence, true).into_ended();
            self.weigh(Some((held, life)), now);
        } else {
            follower.watching = Watching::LastWords(sight, now.0, now.1.to_vec(), now.2);
        }
    }

    /// Asks the ballot. It is a new one for each look, because a wait for a death keeps nothing of looks
    /// that did not show one.
    fn weigh(&mut self, ended: Option<(Inode, Life)>, now: (Inode, &[u8], LockEvidence)) {
        let rest = self.rest();
        let (file, text, evidence) = now;
        let life = Life::judge(Tombstone::parse(text), evidence, false);
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
        let mut ballot = Ballot::new(&[condition], terms, None);
        ballot.hear(&[News {
            name,
            ended: ended.as_ref().map(|(_, life)| life.clone()),
            now: Some(life.clone()),
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

    fn rest(&self) -> Watching {
        if self.kernel.armed {
            Watching::Asleep
        } else {
            Watching::Arm
        }
    }
}

/// How a deed went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Somebody else is writing the file.
    Blocked,
    /// Somebody else holds the lock.
    Refused,
    /// The file was taken away: begin again.
    Again,
    /// Our life was said dead.
    SaidDead,
    Failed,
}

/// A signaller's record, ready to be written.
struct Record(Word, Timestamp);

impl Record {
    fn lines(&self) -> Vec<Line<'_>> {
        match self.0 {
            Word::Died(code) => vec![Line::ExitCode(code), Line::Died(&self.1)],
            Word::Ready => vec![Line::Ready(&self.1)],
        }
    }
}

fn said(word: Word) -> Record {
    Record(word, stamp("s"))
}

/// The line by which a signaller's word is known again.
pub(super) fn mark(word: Word) -> String {
    compose(&said(word).lines())
}

/// The text that a deed writes.
fn record(who: Who, deed: Deed, inode: Inode, word: Option<Word>) -> String {
    let Who::Leader(at) = who else {
        let (word, time) = (word.map(said), stamp("s"));
        let word = word.as_ref().map(Record::lines).unwrap_or_default();
        let born = matches!(word.first(), Some(Line::Ready(_))).then_some(Line::Born(&time));
        return compose(&born.into_iter().chain(word).collect::<Vec<_>>());
    };
    let time = stamp(at);
    let lock = Lock::Fcntl(LockIdentity {
        boot: BOOT.to_owned(),
        device: DEVICE,
        inode: inode as u64,
    });
    let code = Line::ExitCode(LEADERS_CODE);
    match deed {
        Deed::Fill => compose(&[Line::Waiting(&time), Line::Lock(&lock)]),
        Deed::WriteBorn => compose(&[Line::Born(&time)]),
        Deed::WriteDeath => compose(&[code, Line::Died(&time)]),
        Deed::WriteDeathDiedFirst => compose(&[Line::Died(&time), code]),
        _ => String::new(),
    }
}
