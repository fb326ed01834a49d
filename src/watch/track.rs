//! One name from scan to scan: its file, its life, and how that life ended.

use crate::error::Error;
use crate::protocol::life::{Life, Liveness, LockState, Remnant, Standing, WriteState};
use crate::protocol::name::Name;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Tombstone;
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::snapshot::{Snapshot, TombstoneFile, WriteStability};
use std::time::{Instant, SystemTime};

/// What the last scan found under one name.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Which file was there.
    id: Option<FileId>,
    /// The file, kept open as long as its life goes on.
    pub(super) held: Option<TombstoneFile>,
    life: Option<Remnant>,
    /// Not for a living life: it matters only for an end.
    stability: Option<Box<WriteStability>>,
    /// The id of the newest life that was read, if that of `life` is not.
    newest: Option<Timestamp>,
}

/// What one scan found: the lives that have ended and were replaced since the last one, the oldest
/// first, and the life that is there now.
pub(super) type FoundLives = (Vec<Life>, Option<Life>);

impl Track {
    /// Reads the tombstone. `first_scan` is when the first scan was; `None` while it goes on.
    pub(super) fn scan(
        &mut self,
        dir: &ExitDir,
        name: &Name,
        finished: bool,
        first_scan: Option<SystemTime>,
    ) -> Result<FoundLives, Error> {
        let Some((mut file, mut snapshot)) = dir.read_current(name)? else {
            return Ok(self.scan_missing(dir));
        };
        if snapshot.tombstone.is_unreadable()
            && let Some(known) = self.read_held(dir, file.id)
        {
            (file, snapshot) = known;
        }
        let missed = snapshot.tombstone.missed(self.newest(), first_scan);
        let same_file = self.id.is_none_or(|id| id == file.id);
        let newest = self.newest().cloned();
        let before = self.life.take();
        let before = before.filter(|kept| has_unknown_end(kept.standing));
        let replaced = before
            .as_ref()
            .filter(|old| !is_same_life(old, &snapshot, same_file));
        let read_end = |old| self.read_end(dir, old, same_file, &snapshot.tombstone);
        let mut ended = Vec::from_iter(replaced.map(read_end));
        ended.extend(missed);
        let rewriting = before
            .filter(|old| same_file && ended.is_empty() && is_being_rewritten(old, &snapshot));
        let writing = self.settle(file.id, &snapshot, finished);
        self.id = Some(file.id);
        // kubexit empties its tombstone before it writes the death. Until then the old text counts.
        let life = match rewriting {
            Some(old) => old.to_life(),
            None => Life::judge(*snapshot.tombstone, snapshot.lock, writing),
        };
        self.newest = newest.filter(|_| life.tombstone.life().is_none());
        self.keep(&life, file);
        Ok((ended, Some(life)))
    }

    /// The name has no tombstone.
    fn scan_missing(&mut self, dir: &ExitDir) -> FoundLives {
        let ended = self.vanish(dir).into_iter().collect();
        (ended, self.life.as_ref().map(Remnant::to_life))
    }

    /// A file that was closed to readers can still be read where it is held open.
    fn read_held(&mut self, dir: &ExitDir, id: FileId) -> Option<(TombstoneFile, Snapshot)> {
        let held = self.held.take_if(|held| held.id == id)?;
        let known = dir.read(&held).ok()?;
        Some((held, known))
    }

    /// Keeps what the next scan needs of this one.
    fn keep(&mut self, life: &Life, file: TombstoneFile) {
        self.held = life.is_alive().then_some(file);
        self.stability.take_if(|_| life.is_alive());
        self.life = Some(Remnant::of(life));
    }

    /// The id of the newest life that was read.
    fn newest(&self) -> Option<&Timestamp> {
        let current = self.life.as_ref().and_then(|life| life.id.as_ref());
        current.or(self.newest.as_ref())
    }

    /// Whether the name is gone, and with it all that was known.
    pub(super) fn is_gone(&self) -> bool {
        self.id.is_none() && self.life.is_none()
    }

    /// The name is gone. The file that is held open may still say how its life ended.
    fn vanish(&mut self, dir: &ExitDir) -> Option<Life> {
        let newest = self.newest().cloned();
        let last = std::mem::take(self);
        self.newest = newest;
        let life = last.life.filter(|life| is_alive(life.standing))?;
        let held = last.held?;
        let Ok(snapshot) = dir.read(&held) else {
            // The failure may be temporary: the next scan tries again.
            *self = Track {
                id: last.id,
                held: Some(held),
                life: Some(life),
                stability: last.stability,
                newest: self.newest.take(),
            };
            return None;
        };
        let life = Life::judge(*snapshot.tombstone, snapshot.lock, WriteState::Settled);
        if life.death().is_some() {
            return Some(life);
        }
        if snapshot.lock == LockState::Held {
            // The file was removed by hand. Its supervisor lives, as the lock shows.
            *self = Track {
                id: Some(held.id),
                held: Some(held),
                life: Some(Remnant::of(&life)),
                stability: None,
                newest: self.newest.take(),
            };
        }
        None
    }

    /// How the life ended that had not ended at the last scan. The file that is held open says so,
    /// or `current` does, which lists the lives before it.
    fn read_end(&self, dir: &ExitDir, old: &Remnant, same_file: bool, current: &Tombstone) -> Life {
        let held = if same_file { None } else { self.held.as_ref() };
        let held = held
            .and_then(|held| dir.read(held).ok())
            .map(|held| Life::judge(*held.tombstone, held.lock, WriteState::Settled));
        let end = current.end_of(old.id.as_ref(), held);
        end.unwrap_or_else(|| old.to_life().into_ended())
    }

    fn settle(&mut self, id: FileId, snapshot: &Snapshot, finished: bool) -> WriteState {
        let before = self.stability.as_deref().copied();
        let stability = WriteStability::after(before, id, snapshot, finished);
        self.stability = Some(Box::new(stability));
        stability.write_state(snapshot)
    }

    /// When a file that its writer may not have finished counts as finished, if it stays unchanged.
    pub(super) fn settles_at(&self) -> Option<Instant> {
        let may_be_unfinished = match self.life.as_ref()?.standing.liveness {
            Liveness::Unsettled => true,
            Liveness::Dead(death) => death.code().is_none(),
            Liveness::Alive(_) => false,
        };
        self.stability
            .as_ref()
            .filter(|_| may_be_unfinished)
            .map(|stability| stability.settles_at())
    }
}

/// Whether a life goes on, or has ended with an exit code that is not known yet.
fn has_unknown_end(standing: Standing) -> bool {
    match standing.liveness {
        Liveness::Alive(_) => true,
        Liveness::Dead(death) => death.code().is_none(),
        Liveness::Unsettled => false,
    }
}

fn is_alive(standing: Standing) -> bool {
    matches!(standing.liveness, Liveness::Alive(_))
}

/// Whether a scan found the same life that was alive before.
fn is_same_life(old: &Remnant, snapshot: &Snapshot, same_file: bool) -> bool {
    match (&old.id, snapshot.tombstone.life()) {
        (Some(before), Some(after)) => before == after,
        (_, None) | (None, Some(_)) => same_file,
    }
}

/// Whether this is a tombstone that its writer has just emptied to write it anew.
fn is_being_rewritten(old: &Remnant, snapshot: &Snapshot) -> bool {
    is_alive(old.standing) && old.standing.is_born && !snapshot.tombstone.has_line
}
