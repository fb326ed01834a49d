//! What must hold in every world.

use super::kernel::{Actor, Entry, File, Inode};
use super::process::{FollowerState, ProcState, ReadState, SignallerState};
use super::records::{AnnouncementRecord, LEADER_CODE, SIGNALLER_TIME};
use super::setup::{Mutation, Setup};
use super::world::World;
use crate::protocol::life::{Death, Life, LockState, WriteState};
use crate::protocol::tombstone::Tombstone;
use crate::store::announce::Announcement;
use std::rc::Rc;

impl World {
    /// Remembers that the signaller's record was visible under the name.
    pub(super) fn note_visible_record(&mut self, setup: &Setup) {
        let (Some(announcement), Some(file)) = (setup.signaller, self.kernel.name) else {
            return;
        };
        let record = AnnouncementRecord::new(announcement);
        let is_visible = record.is_in(&self.kernel.files[file].text);
        if let Some(signaller) = self.signaller.as_mut().filter(|_| is_visible) {
            signaller.visible_in = Some(file);
        }
    }

    /// The first invariant that this world breaks.
    pub(super) fn violation(&self, setup: &Setup) -> Option<&'static str> {
        self.two_lives()
            .or_else(|| self.exposed_tombstone())
            .or_else(|| self.false_notification())
            .or_else(|| self.mixed_record(setup))
            .or_else(|| self.lost_record(setup))
            .or_else(|| self.missed_death(setup))
    }

    fn two_lives(&self) -> Option<&'static str> {
        let lives = self
            .leaders
            .iter()
            .filter(|leader| leader.is_born && leader.proc == ProcState::Running);
        (lives.count() > 1).then_some("two lives at once under one name")
    }

    /// The tombstone under the name is whole, and locked as long as its supervisor runs.
    fn exposed_tombstone(&self) -> Option<&'static str> {
        let file = &self.kernel.files[self.kernel.name?];
        let leader = file.life.filter(|leader| !self.has_ended(*leader))?;
        let tombstone = Tombstone::parse(&file.text);
        let life = Life::judge(tombstone, LockState::Held, WriteState::Ongoing).tombstone;
        if life.waiting.is_none() || life.lock.is_none() {
            return Some("a half-written tombstone of a running supervisor is visible");
        }
        (file.lock != Some(Actor::Leader(leader)))
            .then_some("an unlocked tombstone of a running supervisor is visible")
    }

    /// What the follower was told is true and complete.
    fn false_notification(&self) -> Option<&'static str> {
        let FollowerState::Notified(file, death) = self.follower.as_ref()?.state else {
            return None;
        };
        if !self.is_over(file) {
            return Some("a follower was told of the death of a life that goes on");
        }
        let tombstone = self.last_words(file);
        match death {
            Death::CodePending => Some("a follower was told of a death that is half written"),
            Death::Recorded(code) if tombstone.exit_code != Some(code) => {
                Some("a follower was told an exit code other than the first that was written")
            }
            // A signaller may write to a dead tombstone after the follower has read it for the last
            // time.
            Death::Lost
                if tombstone
                    .died
                    .as_ref()
                    .is_some_and(|died| died.as_str() != SIGNALLER_TIME) =>
            {
                Some("a follower was told that a life is lost that ended in order")
            }
            Death::Recorded(_) | Death::Lost => None,
        }
    }

    /// What is recorded at last of the life in a file. If the life has another file, and nothing of
    /// its death is there, that which is in this one counts.
    fn last_words(&self, file: Inode) -> Tombstone {
        let leader = self.kernel.files[file].life;
        let latest = leader.and_then(|leader| self.latest_file(leader));
        let parse = |file: Inode| Tombstone::parse(&self.kernel.files[file].text);
        let tombstone = latest.map(parse).filter(|it| it.exit_code.is_some());
        tombstone.unwrap_or_else(|| parse(file))
    }

    /// The code of a death is that of the process that was the first to record it. The one
    /// exception is a supervisor that is killed in the middle of its death record: its code, which
    /// is true, can precede another process's `Died`.
    fn mixed_record(&self, setup: &Setup) -> Option<&'static str> {
        let file = &self.kernel.files[self.kernel.name?];
        if file.life.is_some_and(|leader| self.has_ended(leader)) || self.kernel.is_writing() {
            return None;
        }
        let tombstone = Tombstone::parse(&file.text);
        let code = match (tombstone.died?.as_str(), setup.signaller) {
            (SIGNALLER_TIME, Some(Announcement::Died(code))) => code,
            _ => LEADER_CODE,
        };
        match tombstone.exit_code {
            None => Some("a recorded death is half written"),
            Some(other) => (other != code).then_some("a death has another process's exit code"),
        }
    }

    fn lost_record(&self, setup: &Setup) -> Option<&'static str> {
        let signaller = self.signaller.as_ref()?;
        let announcement = setup
            .signaller
            .filter(|_| signaller.state == SignallerState::Recorded)?;
        let Some(file) = signaller.visible_in else {
            return Some("a signaller's record was never visible under the name");
        };
        let (old, current) = (&self.kernel.files[file], self.kernel.name?);
        let life = old
            .life
            .filter(|life| file != current && self.latest_file(*life) == Some(current))?;
        let accounted = &old.text[..old.accounted.unwrap_or(0)];
        let known = AnnouncementRecord::new(announcement).is_in(accounted);
        let excused = self.has_ended(life) && !setup.no_excuse;
        let is_replacing = self.leaders[life].execution.old.is_some();
        (!known && !excused && !is_replacing)
            .then_some("a signaller's record is lost with the tombstone that was replaced")
    }

    fn missed_death(&self, setup: &Setup) -> Option<&'static str> {
        let follower = self.follower.as_ref()?;
        let asleep = follower.state == FollowerState::Asleep && self.kernel.queue.is_empty();
        if !asleep || !self.is_death_due(setup) {
            return None;
        }
        (!setup.rescans() || !self.rescan_notifies(setup))
            .then_some("the leader is dead and a follower sleeps for ever")
    }

    /// Whether there is a death that the follower should know of: of the life that it has seen, or
    /// of the one under the name. While a process is ending or writing, the kernel has events to
    /// come.
    fn is_death_due(&self, setup: &Setup) -> bool {
        let leaders = self.leaders.iter().map(|leader| leader.proc);
        let signallers = self.signaller.iter().map(|signaller| signaller.proc);
        if leaders.chain(signallers).any(ProcState::is_ending) || self.kernel.is_writing() {
            return false;
        }
        if self.newcomer_holds_dead_tombstone() {
            return false;
        }
        let follower = self.follower.as_ref();
        let known = follower.and_then(|follower| follower.known.as_ref());
        let files = [known.map(|(file, _)| *file), self.kernel.name];
        let is_due = |file| self.shows_end(file, setup);
        files.into_iter().flatten().any(is_due)
    }

    /// Whether the follower can see that the life in a file is over.
    fn shows_end(&self, file: Inode, setup: &Setup) -> bool {
        // A lock that does not cross the mount shows nothing: only a record or a next life does.
        let is_silent = setup.remote_follower && self.kernel.name == Some(file);
        match self.kernel.files[file].life {
            Some(leader) => {
                self.says_died(self.latest_file(leader)) || !is_silent && self.has_ended(leader)
            }
            None => self.says_died(Some(file)) || !is_silent && self.is_over(file),
        }
    }

    /// A newcomer that opened the staging file before its rename, and locked it after its
    /// supervisor's end, holds a dead tombstone until its next step. Then it closes it, and
    /// watchers are notified.
    fn newcomer_holds_dead_tombstone(&self) -> bool {
        let file = self.kernel.name.map(|name| &self.kernel.files[name]);
        file.is_some_and(|file| match (file.lock, file.life) {
            (Some(Actor::Leader(holder)), Some(life)) => holder != life,
            (Some(Actor::Signaller), Some(_)) | (Some(Actor::Leader(_)), None) => true,
            _ => false,
        })
    }

    /// The truth about the life in a file. A record in a file that was replaced within the life,
    /// and that is not carried over, is not true.
    fn is_over(&self, file: Inode) -> bool {
        let Some(leader) = self.kernel.files[file].life else {
            return self.kernel.name != Some(file) || self.says_died(Some(file));
        };
        self.has_ended(leader)
            || self.says_died(self.latest_file(leader))
            || self.carries_death(leader)
    }

    fn has_ended(&self, leader: usize) -> bool {
        self.leaders[leader].proc != ProcState::Running
    }

    fn says_died(&self, file: Option<Inode>) -> bool {
        file.is_some_and(|file| {
            let tombstone = Tombstone::parse(&self.kernel.files[file].text);
            tombstone.died.is_some()
        })
    }

    /// Whether a leader is about to carry a death over to the successor of its old file.
    fn carries_death(&self, leader: usize) -> bool {
        let old = self.leaders[leader].execution.old.as_ref();
        old.is_some_and(|old| match &old.rest {
            Some(rest) => Tombstone::parse(rest).died.is_some(),
            None => self.says_died(Some(old.file)),
        })
    }

    /// The file that a life has put under the name last. Files are numbered in the order in which
    /// they are made.
    fn latest_file(&self, leader: usize) -> Option<Inode> {
        let published = |file: &Rc<File>| file.life == Some(leader) && file.entry == Entry::Name;
        self.kernel.files.iter().rposition(published)
    }

    /// Whether one rescan, while no other process takes a step, notifies the follower.
    fn rescan_notifies(&self, setup: &Setup) -> bool {
        let mut world = self.clone();
        let mutation = setup.mutation.filter(|it| *it != Mutation::NoRescan);
        let setup = Setup {
            mutation,
            ..setup.clone()
        };
        if let Some(follower) = world.follower.as_mut() {
            follower.state = FollowerState::Read(ReadState::Open);
        }
        loop {
            match world.follower.as_ref().map(|follower| &follower.state) {
                Some(FollowerState::Notified(..)) => return true,
                Some(FollowerState::Asleep) | None => return false,
                Some(_) => {}
            }
            let mut steps = Vec::new();
            world.follower_steps(&setup, &mut steps);
            let Some((_, next)) = steps.pop() else {
                return false;
            };
            world = next;
        }
    }
}
