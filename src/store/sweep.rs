//! Removing the tombstones of the dead. A name is locked while its tombstone is removed, so that no
//! supervisor can start under it.

use crate::error::Error;
use crate::protocol::life::{Death, Life, Liveness, WriteState};
use crate::protocol::name::Name;
use crate::protocol::state::State;
use crate::store::exit_dir::ExitDir;
use crate::store::publish::{self, PendingTombstone};
use crate::store::snapshot::{SETTLE_TIME, TombstoneFile};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// Which tombstones [`ExitDir::sweep`] removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sweep {
    /// All that no process holds a lock on. For lives that are all started again.
    Unlocked,
    /// Those of them that have not died with exit code 0. For lives that are started again until
    /// they succeed: one that has succeeded will not come back, and its tombstone is the only
    /// witness.
    Unfinished,
}

/// What [`ExitDir::sweep`] has done.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SweepResult {
    /// The number of removed files.
    pub removed: usize,
    /// Why a file could not be removed; one error for each.
    pub errors: Vec<Error>,
}

/// The pause between two reads of a file that may still be written.
const REREAD_INTERVAL: Duration = Duration::from_millis(5);

impl ExitDir {
    /// Removes tombstones that no process holds a lock on, and every staging file that a crash left
    /// behind. Creates the directory if it is missing.
    ///
    /// Tombstones of other programs have no lock, so they are removed too, even if those programs
    /// are alive.
    ///
    /// With [`Sweep::Unfinished`] it blocks for up to a second while a file is being written that
    /// does not say yet how its life ended.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be created or read. A file that cannot be removed is
    /// in the result.
    pub fn sweep(&self, sweep: Sweep) -> Result<SweepResult, Error> {
        self.create()?;
        let mut result = SweepResult::default();
        for entry in self.entries()? {
            match self.sweep_entry(&entry, sweep) {
                Ok(removed) => result.removed += usize::from(removed),
                Err(error) => result.errors.push(error),
            }
        }
        Ok(result)
    }

    fn sweep_entry(&self, entry: &[u8], sweep: Sweep) -> Result<bool, Error> {
        match (Name::from_bytes(entry), std::str::from_utf8(entry)) {
            (Some(name), _) => self.sweep_name(&name, sweep),
            (None, Ok(entry)) if Name::is_staging_name(entry.as_bytes()) => {
                // The lock test does not show a lock of this process, and closing the file drops
                // it.
                let _publishing = publish::exclude_threads();
                self.remove_swept(entry, Sweep::Unlocked)
            }
            (None, _) => Ok(false),
        }
    }

    fn sweep_name(&self, name: &Name, sweep: Sweep) -> Result<bool, Error> {
        // Before the name is locked: a tombstone that stays costs no right to write, and no start
        // under its name waits for the end of a write.
        if !self.is_swept(name.as_str(), sweep)? {
            return Ok(false);
        }
        // While this process holds the staging file, no supervisor can take the name between the
        // check and the removal.
        let pending = match PendingTombstone::acquire(self, name) {
            Ok(pending) => pending,
            Err(Error::NameTaken(_)) => return Ok(false),
            Err(error) => return Err(self.not_removed(name.as_str(), error)),
        };
        let removed = self.remove_swept(name.as_str(), sweep);
        drop(pending);
        removed
    }

    fn remove_swept(&self, entry: &str, sweep: Sweep) -> Result<bool, Error> {
        if !self.is_swept(entry, sweep)? {
            return Ok(false);
        }
        match rustix::fs::unlink(self.entry(entry)) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => {
                let sticky = self.sticky_error("remove", entry, errno);
                Err(sticky.unwrap_or_else(|| Error::io("remove", &self.entry(entry), errno)))
            }
        }
    }

    /// Whether an entry is a regular file that no supervisor holds, and that the sweep does not
    /// keep for its text.
    fn is_swept(&self, entry: &str, sweep: Sweep) -> Result<bool, Error> {
        let Some(opened) = self.open_entry(entry)? else {
            return Ok(false);
        };
        if !opened.is_abandoned() || !self.may_be_tombstone(entry, &opened) {
            return Ok(false);
        }
        match sweep {
            Sweep::Unlocked => Ok(true),
            Sweep::Unfinished => {
                let finished = self.has_finished(&opened);
                finished
                    .map(|finished| !finished)
                    .map_err(|errno| Error::io("read", &self.entry(entry), errno))
            }
        }
    }

    /// Whether a file can be removed as a tombstone. Names that only kubexit accepts are those of
    /// other files too, so such a file must say that it is a tombstone.
    fn may_be_tombstone(&self, entry: &str, opened: &TombstoneFile) -> bool {
        let is_kubexit_name =
            Name::from_bytes(entry.as_bytes()).is_some() && Name::new(entry).is_err();
        let has_id = || {
            let read = self.read(opened);
            read.is_ok_and(|snapshot| snapshot.tombstone.life().is_some())
        };
        !is_kubexit_name || has_id()
    }

    /// Whether a tombstone says that its life has died with exit code 0. One that is being written,
    /// or that is still empty, is read again until it says how it ended or has settled.
    fn has_finished(&self, opened: &TombstoneFile) -> Result<bool, Errno> {
        let began = Instant::now();
        loop {
            let snapshot = self.read(opened)?;
            let writing = match began.elapsed() < SETTLE_TIME {
                true => snapshot.write_state(),
                false => WriteState::Settled,
            };
            let life = Life::judge(snapshot.tombstone, snapshot.lock, writing);
            match life.liveness {
                Liveness::Unsettled | Liveness::Dead(Death::CodePending) => {
                    std::thread::sleep(REREAD_INTERVAL);
                }
                Liveness::Alive(_) | Liveness::Dead(_) => return Ok(life.has_state(State::Ok)),
            }
        }
    }

    /// The failure of a step before the removal, as a failure of the removal.
    fn not_removed(&self, entry: &str, error: Error) -> Error {
        match error {
            Error::Io { source, .. } => Error::io("remove", &self.entry(entry), source),
            error => error,
        }
    }
}
