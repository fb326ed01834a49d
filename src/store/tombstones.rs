//! All tombstones of the directory, one after the other.

use crate::error::Error;
use crate::protocol::life::Life;
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use std::iter::FusedIterator;

/// The tombstones of an exit directory, sorted by name. Returned by [`ExitDir::tombstones`].
#[derive(Debug)]
pub struct Tombstones<'d> {
    dir: &'d ExitDir,
    names: std::vec::IntoIter<Name>,
}

impl ExitDir {
    /// Lists the directory and returns an iterator over its tombstones, sorted by name.
    ///
    /// Each tombstone is read when the iterator comes to it. A tombstone that is removed before
    /// that is skipped, and so are entries that are not regular files, are hidden, or have a name
    /// that is not UTF-8. A tombstone that cannot be read is an error; the iterator goes on after
    /// it.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be read.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("exitdir-doc-list-{}", std::process::id()));
    /// use exitdir::{Announcement, ExitDir};
    /// let dir = ExitDir::new(&path);
    /// dir.signal(&"leader".parse()?, Announcement::Died(3), None)?;
    /// for entry in dir.tombstones()? {
    ///     let (name, life) = entry?;
    ///     println!("{name} {:?}", life.state());
    /// }
    /// # std::fs::remove_dir_all(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tombstones(&self) -> Result<Tombstones<'_>, Error> {
        Ok(Tombstones {
            dir: self,
            names: self.names()?.into_iter(),
        })
    }
}

impl Iterator for Tombstones<'_> {
    type Item = Result<(Name, Life), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let name = self.names.next()?;
            match self.dir.life(&name) {
                Ok(Some(life)) => return Some(Ok((name, life))),
                // Removed since the directory was listed, or not a regular file.
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl FusedIterator for Tombstones<'_> {}
