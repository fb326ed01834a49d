//! Creating the exit directory.

use crate::error::Error;
use crate::store::exit_dir::ExitDir;
use rustix::fs::Mode;
use rustix::io::Errno;
use std::sync::{Mutex, PoisonError};

impl ExitDir {
    /// Creates the directory if it is missing: parents as `mkdir -p` would, itself with mode 0777
    /// whatever the umask, since the containers of a pod run as different users.
    /// The umask of the whole process is 0 for the instant in which it is made.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be created or something else has its name.
    pub fn create(&self) -> Result<(), Error> {
        let failed = |errno| Error::io("create", self.path(), errno);
        match self.identity() {
            Ok(_) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::io("use", self.path(), errno)),
        }
        self.make(true)
            .or_else(|errno| match errno {
                // Somebody else was quicker, or a link leads to nowhere.
                Errno::EXIST => self.identity().map(|_| ()),
                errno => Err(errno),
            })
            .map_err(failed)
    }

    /// Makes the directory; parents are looked after only if that is why it fails, because it takes
    /// their parents' locks.
    fn make(&self, with_parents: bool) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(0o777);
        // At once with all its rights: whoever is killed, or looks, before a chmod would find a
        // directory that is closed to other users, and nobody would ever open it.
        let made = with_umask_zero(|| rustix::fs::mkdir(self.path(), mode));
        match made {
            // A default ACL stands above the umask.
            Ok(()) => rustix::fs::chmod(self.path(), mode),
            Err(Errno::NOENT) if with_parents => {
                let parent = self.path().parent().unwrap_or(self.path());
                std::fs::create_dir_all(parent)
                    .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
                self.make(false)
            }
            Err(errno) => Err(errno),
        }
    }
}

/// Does something with the umask of the process at 0. Threads take turns, or one would take the
/// other's 0 for the umask to restore.
fn with_umask_zero<T>(deed: impl FnOnce() -> T) -> T {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let umask = rustix::process::umask(Mode::empty());
    let result = deed();
    rustix::process::umask(umask);
    result
}
