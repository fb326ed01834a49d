//! Removing the tombstones of the dead. A name is locked while its tombstone is removed, so that no
//! supervisor can start under it.

use crate::error::Error;
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use crate::store::publish::{self, PendingTombstone};
use rustix::io::Errno;

impl ExitDir {
    /// Removes every tombstone that no process holds a lock on, and every staging file that a crash
    /// left behind. Returns the number of removed files; 0 if the directory does not exist.
    ///
    /// Tombstones of other programs have no lock, so they are removed too, even if those programs
    /// are alive.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be read, or for the first file that cannot be removed.
    /// The other files are removed in any case.
    pub fn sweep(&self) -> Result<usize, Error> {
        if self.identity() == Err(Errno::NOENT) {
            return Ok(0);
        }
        let (mut swept, mut failure) = (0, None);
        for entry in self.entries()? {
            match self.sweep_entry(&entry) {
                Ok(removed) => swept += usize::from(removed),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(swept), Err)
    }

    fn sweep_entry(&self, entry: &[u8]) -> Result<bool, Error> {
        match (Name::from_bytes(entry), std::str::from_utf8(entry)) {
            (Some(name), _) => self.sweep_name(&name),
            (None, Ok(entry)) if Name::is_staging_name(entry.as_bytes()) => {
                // The lock test does not show a lock of this process, and closing the file drops
                // it.
                let _publishing = publish::exclude_threads();
                self.remove_abandoned(entry)
            }
            (None, _) => Ok(false),
        }
    }

    fn sweep_name(&self, name: &Name) -> Result<bool, Error> {
        // While this process holds the staging file, no supervisor can take the name between the
        // check and the removal.
        let pending = match PendingTombstone::acquire(self, name) {
            Ok(pending) => pending,
            Err(Error::NameTaken(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let removed = self.remove_abandoned(name.as_str());
        drop(pending);
        removed
    }

    /// Removes a regular file if its lock is known to be free, or if it cannot be read.
    fn remove_abandoned(&self, entry: &str) -> Result<bool, Error> {
        let is_abandoned = self
            .open_entry(entry)?
            .is_some_and(|opened| opened.is_abandoned());
        if !is_abandoned {
            return Ok(false);
        }
        match rustix::fs::unlink(self.entry(entry)) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::io("remove", &self.entry(entry), errno)),
        }
    }
}
