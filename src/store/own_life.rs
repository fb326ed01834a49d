//! [`OwnLife`]: the life of a program that supervises itself.

use crate::error::Error;
use crate::protocol::compose::Line;
use crate::protocol::life::{Life, LockState, WriteState};
use crate::protocol::name::Name;
use crate::protocol::tombstone::Reason;
use crate::store::append::DeathRecord;
use crate::store::exit_dir::ExitDir;
use crate::store::own_tombstone::{Beginning, OwnTombstone};
use crate::sys::clock::timestamp_now;
use rustix::io::Errno;

/// The life of a program that supervises itself. [`ExitDir::begin`] begins it.
///
/// Other processes see the life as born, then as ready after [`OwnLife::ready`], then as dead with
/// an exit code after [`OwnLife::finish`]. They see it as lost, with exit code 137, if the process
/// ends in any other way: by a signal, a crash or `std::process::exit`. The same holds if the value
/// is dropped, for example by a panic. [`std::mem::forget`] keeps the life alive until the process
/// ends.
///
/// # The lock
/// Others learn of an end without a record from the lock on the tombstone. It is a POSIX lock
/// (fcntl(2)). The process loses it as soon as it closes *any* descriptor of the file, whichever
/// thread or library has opened it; others then take the life for lost. So do not open the
/// tombstone by its path, for example with [`std::fs::read`]: use [`OwnLife::life`]. This crate
/// does not open it either, through no value of [`ExitDir`] or [`Watch`](crate::Watch). So for this
/// process there is no tombstone under the name: [`ExitDir::life`] returns `None`, and conditions
/// about the name do not hold until the life is over.
///
/// # Threads and other processes
/// Any thread may use and drop the value. The lock belongs to the process, not to a thread.
///
/// A program that this process starts gets neither the descriptor, which is close-on-exec, nor the
/// lock. It may outlive the life. A process that replaces itself (execve(2)) closes the descriptor,
/// so its life is lost; call [`OwnLife::finish`] before. A child after fork(2) has no lock. It must
/// not call a method of the value; to drop it there changes nothing for the parent. A daemon that
/// forks into the background begins its life after that.
///
/// # Records of other processes
/// `exitdir-signal NAME` and [`ExitDir::signal`] of another process can record that this life is
/// ready or dead. The first death counts. After it, `ready` and `finish` write nothing.
#[derive(Debug)]
#[must_use = "the life ends as lost when this value is dropped"]
pub struct OwnLife {
    dir: ExitDir,
    name: Name,
    tombstone: OwnTombstone,
}

impl ExitDir {
    /// Begins a life under `name`: publishes a tombstone that this process holds a lock on. Creates
    /// the directory if it is missing. A tombstone of a life that is over is replaced.
    ///
    /// Blocks for up to 100 milliseconds while another process holds the name, and for up to 2
    /// seconds while others publish under it.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if a life with this name goes on, in this process or in another one;
    /// [`Error::Io`] or [`Error::Sticky`] if the directory or the tombstone cannot be created.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("exitdir-doc-begin-{}", std::process::id()));
    /// use exitdir::ExitDir;
    /// let dir = ExitDir::new(&path);
    /// let life = dir.begin(&"db".parse()?)?;
    /// // Open the port, load the data.
    /// life.ready()?;
    /// // Serve until the end.
    /// life.finish(0)?;
    /// # std::fs::remove_dir_all(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn begin(&self, name: &Name) -> Result<OwnLife, Error> {
        self.create()?;
        Ok(OwnLife {
            dir: self.clone(),
            name: name.clone(),
            tombstone: OwnTombstone::begin(self, name, Beginning::Born)?,
        })
    }
}

impl OwnLife {
    /// The name of the life.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether others notice if the process ends without a record. False if the file system has no
    /// locks, or if the boot id of the machine cannot be read. Then a life that is dropped seems to
    /// go on.
    pub fn is_locked(&self) -> bool {
        self.tombstone.locked
    }

    /// Records that the program is ready. Does nothing if that is recorded already.
    ///
    /// # Errors
    /// [`Error::Io`] if the tombstone cannot be written.
    pub fn ready(&self) -> Result<(), Error> {
        let now = timestamp_now();
        let appended = self.tombstone.append(&[Line::Ready(&now)]);
        appended.map_err(|errno| self.failed("write", errno))
    }

    /// Records the death with this exit code, and ends the life. 0 means success. If the directory
    /// was replaced or the tombstone was removed meanwhile, the tombstone is published again.
    /// Others see the end at once; the call returns when it is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] if the death cannot be recorded; then others see the life as lost.
    /// [`Error::NameTaken`] if other processes keep publishing under the name of a tombstone that
    /// was removed.
    pub fn finish(self, code: u8) -> Result<(), Error> {
        let record = DeathRecord {
            code,
            signal: None,
            reason: Some(Reason::Exited),
            message: None,
        };
        self.tombstone.end(&self.dir, &record)?;
        // The end is recorded and visible; only a power loss could undo it now.
        let _ = self.tombstone.save(&self.dir);
        Ok(())
    }

    /// What other processes see of this life now, with what they have recorded.
    ///
    /// # Errors
    /// [`Error::Io`] if the tombstone cannot be read.
    pub fn life(&self) -> Result<Life, Error> {
        let tombstone = self.tombstone.tombstone();
        let tombstone = tombstone.map_err(|errno| self.failed("read", errno))?;
        let lock = if self.is_locked() {
            LockState::Held
        } else {
            LockState::Unknown
        };
        Ok(Life::judge(tombstone, lock, WriteState::Settled))
    }

    fn failed(&self, action: &'static str, errno: Errno) -> Error {
        Error::io(action, &self.dir.entry(self.name.as_str()), errno)
    }
}
