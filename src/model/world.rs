//! Everybody in the directory. [`World::next`] takes any one step of anybody.

use super::follower::{Follower, Sight, Watching};
use super::kernel::{Entry, Event, Kernel, Who};
use super::leader::{Leader, Pulse};
use super::publish::{Course, Deed};
use super::signaller::{Saying, Signaller};
use crate::store::announce::Announcement;

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
    /// A free lock is believed though the name leads to another file by now.
    NoCompareBeforeLost,
    /// A death is believed though the file that says it has been replaced.
    NoCompareBeforeDied,
    /// Half a death record counts as seen, and is carried over.
    SplitRecord,
}

/// Who is there, and what can go wrong.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) leaders: usize,
    pub(super) leader: Vec<Deed>,
    /// How much of that the first leader has done when the story begins.
    pub(super) begun: usize,
    /// Only the first leader ends, and nobody else is killed: next leaders live on, or are refused.
    pub(super) next_lives_on: bool,
    pub(super) signaller: Option<Announcement>,
    pub(super) follower: bool,
    /// How often a neighbour writes a file of its own.
    pub(super) noise: usize,
    pub(super) queue_limit: usize,
    /// As [`Kernel::tear`].
    pub(super) tear: usize,
    /// Events can be dropped in silence; so the follower looks without one now and then.
    pub(super) blind: bool,
    /// The follower sees the directory through a mount that locks do not cross.
    pub(super) foreign: bool,
    /// Nothing may be lost, not even with a leader that is killed while it replaces its tombstone.
    pub(super) strict: bool,
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
        let mut world = World {
            kernel: Kernel {
                queue_limit: setup.queue_limit,
                tear: setup.tear,
                ..Kernel::default()
            },
            leaders: vec![leader; setup.leaders],
            signaller: setup.signaller.map(|_| Signaller {
                pulse: Pulse::Running,
                saying: Saying::Look(Sight::Open),
                course: Course::default(),
                stood: None,
            }),
            follower: setup.follower.then_some(Follower {
                watching: first,
                known: None,
            }),
            noise: setup.noise,
        };
        world.begin(setup);
        world
    }

    /// What the first leader did before anybody else came.
    fn begin(&mut self, setup: &Setup) {
        let mut course = Course::default();
        while course.at < setup.begun {
            self.deed(
                Who::Leader(0),
                setup.leader[course.at],
                &mut course,
                None,
                None,
            );
        }
        self.leaders[0].lives = setup.begun > 0;
        self.leaders[0].course = course;
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
}
