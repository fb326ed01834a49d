//! One name from scan to scan: its file, its life, and how that life ended.

use crate::error::Error;
use crate::protocol::life::{Life, Liveness, LockState, WriteState};
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
    pub(super) life: Option<Life>,
    stability: Option<WriteStability>,
    /// The id of the newest life that was read.
    newest: Option<Timestamp>,
}

impl Track {
    /// Reads the tombstone. Returns the lives that have ended and were replaced since the last
    /// scan, the oldest first. `first_scan` is when the first scan was; `None` while it goes on.
    pub(super) fn scan(
        &mut self,
        dir: &ExitDir,
        name: &Name,
        finished: bool,
        first_scan: Option<SystemTime>,
    ) -> Result<Vec<Life>, Error> {
        let Some((mut file, mut snapshot)) = dir.read_current(name)? else {
            return Ok(self.vanish(dir).into_iter().collect());
        };
        // A file that was closed to readers can still be read where it is held open.
        if snapshot.tombstone.is_unreadable()
            && let Some(held) = self.held.take_if(|held| held.id == file.id)
            && let Ok(known) = dir.read(&held)
        {
            (file, snapshot) = (held, known);
        }
        let missed = snapshot.tombstone.missed(self.newest.as_ref(), first_scan);
        let same_file = self.id.is_none_or(|id| id == file.id);
        let before = self.life.take().filter(has_unknown_end);
        let replaced = before
            .as_ref()
            .filter(|old| !is_same_life(old, &snapshot, same_file));
        let mut ended: Vec<Life> = replaced
            .map(|old| self.read_end(dir, old, same_file, &snapshot.tombstone))
            .into_iter()
            .collect();
        ended.extend(missed);
        let rewriting = before
            .filter(|old| same_file && ended.is_empty() && is_being_rewritten(old, &snapshot));
        let writing = self.settle(file.id, &snapshot, finished);
        self.id = Some(file.id);
        self.newest = snapshot.tombstone.life().cloned().or(self.newest.take());
        // kubexit empties its tombstone before it writes the death. Until then the old text counts.
        let life =
            rewriting.unwrap_or_else(|| Life::judge(snapshot.tombstone, snapshot.lock, writing));
        self.held = life.is_alive().then_some(file);
        self.life = Some(life);
        Ok(ended)
    }

    /// The name is gone. The file that is held open may still say how its life ended.
    fn vanish(&mut self, dir: &ExitDir) -> Option<Life> {
        let last = std::mem::take(self);
        self.newest.clone_from(&last.newest);
        let life = last.life.filter(Life::is_alive)?;
        let held = last.held?;
        let Ok(snapshot) = dir.read(&held) else {
            // The failure may be temporary: the next scan tries again.
            *self = Track {
                id: last.id,
                held: Some(held),
                life: Some(life),
                ..last
            };
            return None;
        };
        let life = Life::judge(snapshot.tombstone, snapshot.lock, WriteState::Settled);
        if life.death().is_some() {
            return Some(life);
        }
        if snapshot.lock == LockState::Held {
            // The file was removed by hand. Its supervisor lives, as the lock shows.
            *self = Track {
                id: Some(held.id),
                held: Some(held),
                life: Some(life),
                stability: None,
                newest: last.newest,
            };
        }
        None
    }

    /// How the life ended that had not ended at the last scan. The file that is held open says so,
    /// or `current` does, which lists the lives before it.
    fn read_end(&self, dir: &ExitDir, old: &Life, same_file: bool, current: &Tombstone) -> Life {
        let held = if same_file { None } else { self.held.as_ref() };
        let held = held
            .and_then(|held| dir.read(held).ok())
            .map(|held| Life::judge(held.tombstone, held.lock, WriteState::Settled));
        let end = current.end_of(old.tombstone.life(), held);
        end.unwrap_or_else(|| old.clone().into_ended())
    }

    fn settle(&mut self, id: FileId, snapshot: &Snapshot, finished: bool) -> WriteState {
        let stability = WriteStability::after(self.stability, id, snapshot, finished);
        self.stability = Some(stability);
        stability.write_state(snapshot)
    }

    /// When a file that its writer may not have finished counts as finished, if it stays unchanged.
    pub(super) fn settles_at(&self) -> Option<Instant> {
        let may_be_unfinished = match self.life.as_ref()?.liveness {
            Liveness::Unsettled => true,
            Liveness::Dead(death) => death.code().is_none(),
            Liveness::Alive(_) => false,
        };
        self.stability
            .filter(|_| may_be_unfinished)
            .map(|stability| stability.settles_at())
    }
}

/// Whether a life goes on, or has ended with an exit code that is not known yet.
fn has_unknown_end(life: &Life) -> bool {
    life.is_alive() || life.death().is_some_and(|death| death.code().is_none())
}

/// Whether a scan found the same life that was alive before.
fn is_same_life(old: &Life, snapshot: &Snapshot, same_file: bool) -> bool {
    let (before, after) = (old.tombstone.life(), snapshot.tombstone.life());
    match (before, after) {
        (Some(before), Some(after)) => before == after,
        (_, None) | (None, Some(_)) => same_file,
    }
}

/// Whether this is a tombstone that its writer has just emptied to write it anew.
fn is_being_rewritten(old: &Life, snapshot: &Snapshot) -> bool {
    let born: Option<&Timestamp> = old.tombstone.born.as_ref();
    old.is_alive() && born.is_some() && !snapshot.tombstone.has_line
}
