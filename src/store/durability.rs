//! Making a death survive a power loss. The runtime remembers that a container has ended with 0,
//! and does not start it again, so its tombstone must remember that too.

use crate::error::Error;
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use crate::store::locality::is_in_memory;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::AsFd;

impl ExitDir {
    /// Makes the tombstone with this name durable, as [`ExitDir::save_file`] does.
    pub(crate) fn save(&self, name: &Name) -> Result<(), Error> {
        match self.open(name)? {
            Some(opened) => self.save_file(name, &opened),
            None => Ok(()),
        }
    }

    /// Waits until the file and its entry in the directory are on the disk. Does nothing on a file
    /// system in memory. `file` is the tombstone with this name.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written to the disk.
    pub(super) fn save_file(&self, name: &Name, file: impl AsFd) -> Result<(), Error> {
        if is_in_memory(&file) {
            return Ok(());
        }
        match rustix::fs::fsync(&file) {
            // A file system without a disk of its own.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(Error::io("save", &self.entry(name.as_str()), errno)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = self.handle();
        let opened = opened.and_then(|dir| rustix::fs::openat(dir, ".", flags, Mode::empty()));
        if let Ok(dir) = opened {
            // The text is on the disk. A file system that cannot do this, or a directory that only
            // others may read, is no reason to report a failure.
            let _ = rustix::fs::fsync(&dir);
        }
        Ok(())
    }
}
