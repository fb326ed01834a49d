//! Removing the tombstones of the dead: only safe while nobody is being born.

use crate::error::Error;
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use crate::store::publish::PendingTombstone;
use rustix::io::Errno;

impl ExitDir {
    /// Removes every tombstone that nobody holds a lock on, and what was left half born. Returns how
    /// many files went. A directory that does not exist is swept already.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be read, or the first file that cannot be removed; the
    /// others are.
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
            (Some(name), _) => self.sweep_one(&name),
            (None, Ok(entry)) if Name::is_staging_name(entry.as_bytes()) => {
                self.sweep_nursery(entry)
            }
            (None, _) => Ok(false),
        }
    }

    fn sweep_one(&self, name: &Name) -> Result<bool, Error> {
        // As long as we are the one being born, nobody can take the name between the look and the removal.
        let place = match PendingTombstone::acquire(self, name) {
            Ok(place) => place,
            Err(Error::NameTaken(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let removed = self.is_abandoned(name.as_str())? && self.remove(name.as_str())?;
        drop(place);
        Ok(removed)
    }

    fn sweep_nursery(&self, entry: &str) -> Result<bool, Error> {
        Ok(self.is_abandoned(entry)? && self.remove(entry)?)
    }

    /// Whether it is a regular file whose lock can be asked for, and is free.
    fn is_abandoned(&self, entry: &str) -> Result<bool, Error> {
        Ok(self
            .open_entry(entry)?
            .is_some_and(|opened| opened.is_locked() == Some(false)))
    }

    fn remove(&self, entry: &str) -> Result<bool, Error> {
        match rustix::fs::unlink(self.entry(entry)) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::io("remove", &self.entry(entry), errno)),
        }
    }
}
