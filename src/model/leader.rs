//! Supervisors: their programs, and what the kernel does at their end.

use super::kernel::Who;
use super::publish::{Course, Deed, Outcome};
use super::world::{Lapse, Setup, Step, World};

/// A process' end takes two steps of the kernel: `filp_close` lets go of the lock, then tells the watchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pulse {
    Running,
    Ending,
    HalfEnded,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    pub(super) pulse: Pulse,
    pub(super) course: Course,
    /// It was born: nobody else may be until it ends.
    pub(super) lives: bool,
}

impl Setup {
    /// Where a leader's program last came to `deed`.
    fn back(&self, at: usize, deed: Deed) -> usize {
        let before = self.leader.iter().take(at);
        before
            .clone()
            .rposition(|other| *other == deed)
            .unwrap_or(0)
    }

    /// Ends the replacement of a tombstone, which stays.
    fn keep(&self, course: &mut Course) {
        course.file = course.old.take().map(|old| old.file).or(course.file);
        let rest = self.leader.iter().skip(course.at);
        let end = rest.clone().position(|deed| *deed == Deed::CloseOld);
        course.at += end.map_or(0, |end| end + 1);
    }
}

impl World {
    pub(super) fn leader_steps(&self, at: usize, setup: &Setup, next: &mut Vec<(Step, World)>) {
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
        let outcome = world.deed(who, deed, &mut course, None, setup.lapse);
        if outcome == Outcome::Refused {
            // It gives up now, or tries again within its patience.
            next.push(((who, "gives up"), world.give_up_refused(at, &course, setup)));
        }
        match outcome {
            Outcome::Blocked => return,
            Outcome::Done | Outcome::Half | Outcome::Refused => {}
            Outcome::Again => course.at = setup.back(course.at, Deed::OpenNursery),
            Outcome::Kept => setup.keep(&mut course),
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
            course.at = setup.back(course.at, back);
        }
        let leader = &mut world.leaders[at];
        leader.lives |= deed == Deed::CompareName && outcome == Outcome::Done;
        leader.course = course;
        next.push(((who, deed.what()), world));
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

    /// A newcomer ends; whoever lives already keeps the tombstone that it has.
    fn give_up_refused(&self, at: usize, course: &Course, setup: &Setup) -> World {
        let (mut world, mut course, who) = (self.clone(), course.clone(), Who::Leader(at));
        if course.old.is_some() {
            world.close(&mut course, who);
            setup.keep(&mut course);
        } else {
            world.give_up(&course, who);
            world.leaders[at].pulse = Pulse::Ending;
        }
        world.leaders[at].course = course;
        world
    }

    pub(super) fn kill(&self, who: Who, next: &mut Vec<(Step, World)>) {
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
    pub(super) fn end_step(&self, who: Who, setup: &Setup, next: &mut Vec<(Step, World)>) {
        let mut world = self.clone();
        let Some((pulse, course)) = world.mortal(who) else {
            return;
        };
        let first = *pulse == Pulse::Ending;
        // Descriptors are closed in the order of their numbers: the older file goes first.
        let old = course.old.as_ref().map(|old| old.file);
        let file = old.or(course.file);
        let last = old.is_none() || course.file.is_none();
        *pulse = match (first, last) {
            (true, _) => Pulse::HalfEnded,
            (false, true) => Pulse::Ended,
            (false, false) => Pulse::Ending,
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
            *course = Course {
                file: course.file.filter(|_| !last),
                ..Course::default()
            };
        }
        let what = if unlock {
            "lock is dropped"
        } else {
            "close is told"
        };
        next.push(((who, what), world));
    }
}
