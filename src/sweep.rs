//! Removing the tombstones of the dead: only safe while nobody is being born.

use crate::birth::Unborn;
use crate::{Error, ExitDir, Name};
use rustix::io::Errno;

impl ExitDir {
    /// Removes every tombstone that nobody holds a lock on, and what was left half born. Returns how
    /// many files went. A directory that does not exist is swept already.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be read or a file cannot be removed.
    pub fn sweep(&self) -> Result<usize, Error> {
        if self.identity() == Err(Errno::NOENT) {
            return Ok(0);
        }
        let mut swept = 0;
        for entry in self.entries()? {
            if let Some(name) = Name::from_bytes(&entry) {
                swept += usize::from(self.sweep_one(&name)?);
            } else if Name::is_nursery(&entry) {
                swept += usize::from(self.sweep_nursery(&entry)?);
            }
        }
        Ok(swept)
    }

    fn sweep_one(&self, name: &Name) -> Result<bool, Error> {
        // As long as we are the one being born, nobody can take the name between the look and the removal.
        let place = match Unborn::conceive(self, name) {
            Ok(place) => place,
            Err(Error::NameTaken(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let held = self
            .open(name)?
            .is_some_and(|opened| opened.is_locked() != Some(false));
        let removed = !held && self.remove(name.as_str())?;
        drop(place);
        Ok(removed)
    }

    fn sweep_nursery(&self, entry: &[u8]) -> Result<bool, Error> {
        let Ok(entry) = std::str::from_utf8(entry) else {
            return Ok(false);
        };
        let held = self
            .open_entry(entry)?
            .is_some_and(|opened| opened.is_locked() != Some(false));
        if held { Ok(false) } else { self.remove(entry) }
    }

    fn remove(&self, entry: &str) -> Result<bool, Error> {
        match rustix::fs::unlink(self.entry(entry)) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::io("remove", &self.entry(entry), errno)),
        }
    }
}
