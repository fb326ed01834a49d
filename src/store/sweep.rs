//! Removing the tombstones of the dead. A name is locked while its tombstone is removed, so that no
//! supervisor can start under it.

use crate::error::Error;
use crate::protocol::life::{Death, Life, Liveness, WriteState};
use crate::protocol::name::Name;
use crate::protocol::state::State;
use crate::store::exit_dir::{ExitDir, may_be_tombstone};
use crate::store::publish::{self, Patience, PendingTombstone};
use crate::store::snapshot::{SETTLE_TIME, TombstoneFile};
use crate::store::staging::LockAttempt;
use crate::sys::poll;
use rustix::io::Errno;
use std::io;
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

/// How long a sweep waits in all for other processes that use names.
const WAIT_LIMIT: Duration = Duration::from_secs(1);
/// How many entries are looked at: other users can create files as fast as they are removed.
const ENTRY_LIMIT: usize = 1 << 20;
/// How many errors are reported one by one.
const ERROR_LIMIT: usize = 100;

impl ExitDir {
    /// Removes tombstones that no process holds a lock on, and every staging file that a crash left
    /// behind. Creates the directory if it is missing.
    ///
    /// Tombstones of other programs have no lock, so they are removed too, even if those programs
    /// are alive.
    ///
    /// Blocks for up to a second in all while other processes use names. With [`Sweep::Unfinished`]
    /// it blocks for one more second if files are being written that do not say yet how their lives
    /// ended, whatever their number.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be created or read. A file that cannot be removed is
    /// in the result, as long as they are no more than 100.
    pub fn sweep(&self, sweep: Sweep) -> Result<SweepResult, Error> {
        self.create()?;
        // All steps are about the same directory.
        let handle = self.resolve();
        let _dir = handle.map_err(|error| Error::io("read", self.path(), error))?;
        let mut pass = Pass::new(self, sweep, WAIT_LIMIT);
        pass.run()?;
        if pass.is_undecided {
            poll::pause(SETTLE_TIME);
            let removed = pass.result.removed;
            pass = Pass::new(self, sweep, pass.patience);
            pass.is_settled = true;
            pass.result.removed = removed;
            pass.run()?;
        }
        Ok(pass.result)
    }
}

/// What is to be done with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Keep,
    Remove,
    /// It may be in the middle of being written.
    Undecided,
}

/// One look at all entries, one after the other: no list of them is made.
struct Pass<'d> {
    dir: &'d ExitDir,
    sweep: Sweep,
    /// How much of [`WAIT_LIMIT`] is left.
    patience: Duration,
    /// All files count as complete: they had the time.
    is_settled: bool,
    is_undecided: bool,
    result: SweepResult,
}

impl<'d> Pass<'d> {
    fn new(dir: &'d ExitDir, sweep: Sweep, patience: Duration) -> Pass<'d> {
        Pass {
            dir,
            sweep,
            patience,
            is_settled: false,
            is_undecided: false,
            result: SweepResult::default(),
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        let mut more_errors = 0;
        for entry in self.dir.list()?.take(ENTRY_LIMIT) {
            let entry = entry.map_err(|errno| Error::io("read", self.dir.path(), errno))?;
            if !may_be_tombstone(&entry) {
                continue;
            }
            match self.sweep_entry(entry.file_name().to_bytes()) {
                Ok(removed) => self.result.removed += usize::from(removed),
                Err(error) if self.result.errors.len() < ERROR_LIMIT => {
                    self.result.errors.push(error);
                }
                Err(_) => more_errors += 1,
            }
        }
        if more_errors > 0 {
            let why = io::Error::other(format!("{more_errors} more files cannot be removed"));
            let error = Error::io("sweep", self.dir.path(), why);
            self.result.errors.push(error);
        }
        Ok(())
    }

    fn sweep_entry(&mut self, entry: &[u8]) -> Result<bool, Error> {
        match (Name::from_bytes(entry), std::str::from_utf8(entry)) {
            (Some(name), _) => self.sweep_name(&name),
            (None, Ok(entry)) if Name::is_staging_name(entry.as_bytes()) => {
                // The lock test does not show a lock of this process, and closing the file drops
                // it.
                let _publishing = publish::exclude_threads();
                self.remove(entry, Sweep::Unlocked)
            }
            (None, _) => Ok(false),
        }
    }

    fn sweep_name(&mut self, name: &Name) -> Result<bool, Error> {
        // Before the name is locked: a tombstone that stays costs no right to write, and no start
        // under its name waits for the end of a write.
        if !self.is_swept(name.as_str(), self.sweep)? {
            return Ok(false);
        }
        // While this process holds the staging file, no supervisor can take the name between the
        // check and the removal.
        let began = Instant::now();
        let pending =
            PendingTombstone::acquire_within(self.dir, name, Patience::at_most(self.patience));
        self.patience = self.patience.saturating_sub(began.elapsed());
        match pending {
            Ok(_pending) => self.remove(name.as_str(), self.sweep),
            Err(error) if error.is_name_in_use() => Ok(false),
            Err(Error::Io { source, .. }) if is_full(&source) => self.remove_on_full_disk(name),
            Err(error) => Err(self.not_removed(name.as_str(), error)),
        }
    }

    fn remove(&mut self, entry: &str, sweep: Sweep) -> Result<bool, Error> {
        Ok(self.is_swept(entry, sweep)? && self.unlink(entry)?)
    }

    fn unlink(&self, entry: &str) -> Result<bool, Error> {
        match self.dir.unlink(entry) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => {
                let sticky = self.dir.sticky_error("remove", entry, errno);
                Err(sticky.unwrap_or_else(|| self.failed("remove", entry, errno)))
            }
        }
    }

    /// Removes a tombstone where no staging file can be created, because the disk is full.
    ///
    /// A process that publishes under the name has its staging file from before it looks at the
    /// lock of the tombstone until its rename. So if there is none while this process holds that
    /// lock, such a process comes later, and finds the lock held until the tombstone is gone.
    fn remove_on_full_disk(&mut self, name: &Name) -> Result<bool, Error> {
        let _publishing = publish::exclude_threads();
        let entry = name.as_str();
        let failed = |errno| self.failed("remove", entry, errno);
        let Some(opened) = self.dir.open_to_lock(entry).map_err(failed)? else {
            return Ok(false);
        };
        let is_locked = matches!(opened.lock().map_err(failed)?, LockAttempt::Taken);
        let is_alone = || match self.dir.stat(&name.staging_name()) {
            Err(Errno::NOENT) => Ok(self.dir.id_of(entry)? == Some(opened.id)),
            result => result.map(|_| false),
        };
        if !is_locked || !is_alone().map_err(failed)? {
            return Ok(false);
        }
        Ok(self.decide(entry, &opened, self.sweep)? == Decision::Remove && self.unlink(entry)?)
    }

    /// Whether an entry is a regular file that no supervisor holds, and that the sweep does not
    /// keep for its text.
    fn is_swept(&mut self, entry: &str, sweep: Sweep) -> Result<bool, Error> {
        let Some(opened) = self.dir.open_entry(entry)? else {
            return Ok(false);
        };
        let decision = self.decide(entry, &opened, sweep)?;
        self.is_undecided |= decision == Decision::Undecided;
        Ok(decision == Decision::Remove)
    }

    fn decide(&self, entry: &str, opened: &TombstoneFile, sweep: Sweep) -> Result<Decision, Error> {
        if !opened.is_abandoned() || !self.may_be_tombstone(entry, opened) {
            return Ok(Decision::Keep);
        }
        match sweep {
            Sweep::Unlocked => Ok(Decision::Remove),
            Sweep::Unfinished => {
                let decision = self.decide_by_text(opened);
                decision.map_err(|errno| self.failed("read", entry, errno))
            }
        }
    }

    /// Whether a file can be removed as a tombstone. Names that only kubexit accepts are those of
    /// other files too, so such a file must say that it is a tombstone.
    fn may_be_tombstone(&self, entry: &str, opened: &TombstoneFile) -> bool {
        let is_kubexit_name =
            Name::from_bytes(entry.as_bytes()).is_some() && Name::new(entry).is_err();
        let has_id = || {
            let read = self.dir.read(opened);
            read.is_ok_and(|snapshot| snapshot.tombstone.life().is_some())
        };
        !is_kubexit_name || has_id()
    }

    /// Keeps a tombstone that says that its life has died with exit code 0.
    fn decide_by_text(&self, opened: &TombstoneFile) -> Result<Decision, Errno> {
        let snapshot = self.dir.read(opened)?;
        let writing = match self.is_settled {
            true => WriteState::Settled,
            false => snapshot.write_state(),
        };
        let life = Life::judge(*snapshot.tombstone, snapshot.lock, writing);
        Ok(match life.liveness {
            Liveness::Unsettled | Liveness::Dead(Death::CodePending) => Decision::Undecided,
            _ if life.has_state(State::Ok) => Decision::Keep,
            Liveness::Alive(_) | Liveness::Dead(_) => Decision::Remove,
        })
    }

    fn failed(&self, action: &'static str, entry: &str, errno: Errno) -> Error {
        Error::io(action, &self.dir.entry(entry), errno)
    }

    /// The failure of a step before the removal, as a failure of the removal.
    fn not_removed(&self, entry: &str, error: Error) -> Error {
        match error {
            Error::Io { source, .. } => Error::io("remove", &self.dir.entry(entry), source),
            error => error,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOSPC | Errno::DQUOT))
}
