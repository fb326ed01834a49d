//! Creating the exit directory.

use crate::error::Error;
use crate::store::exit_dir::ExitDir;
use crate::sys::mkdir::mkdir_without_umask;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;

/// All users may create tombstones: the containers of a pod run as different users.
const OPEN_TO_ALL: u32 = 0o777;
const OPEN_TO_READERS: u32 = 0o755;

impl ExitDir {
    /// Creates the directory if it is missing, with mode 0777 whatever the umask, because the
    /// containers of a pod run as different users. Missing parents are created too: all users may
    /// search them, and those that may write to the directory above may write to them.
    ///
    /// Does not change the umask of the process: the directory is created by a child process, which
    /// exits at once and is reaped before the function returns.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory cannot be created, or if the path leads to something else.
    pub fn create(&self) -> Result<(), Error> {
        match self.identity() {
            Ok(_) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::io("use", self.path(), errno)),
        }
        let made = match self.make() {
            Err(Errno::NOENT) => self.make_parents().and_then(|()| self.make()),
            result => result,
        };
        let made = match made {
            // Another process was faster, or the path is a link that leads nowhere.
            Err(Errno::EXIST) => self.identity().map(|_| ()),
            result => result,
        };
        made.map_err(|errno| Error::io("create", self.path(), errno))
    }

    /// Only after mkdir(2) has failed for want of them: looking at each parent first would take the
    /// locks of all of them.
    fn make_parents(&self) -> Result<(), Errno> {
        self.path().parent().map_or(Ok(()), make_with_parents)
    }

    /// The directory has all its rights from the first moment. With a chmod(2) afterwards, a
    /// process that was killed in between would leave a directory that other users cannot use, and
    /// no process would ever repair it.
    fn make(&self) -> Result<(), Errno> {
        mkdir_without_umask(self.path(), Mode::from_raw_mode(OPEN_TO_ALL))?;
        self.open_to_all()
    }

    /// Gives the new directory the rights that a default ACL (acl(5)) has taken away, or the umask
    /// if there was no process left to avoid it.
    ///
    /// Another process may have put something else in its place already. So a link is not followed,
    /// and a directory of another user stays as it is.
    fn open_to_all(&self) -> Result<(), Errno> {
        // Without a slash at the end, which would make the kernel follow a link.
        let path = self.path().components().as_path();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&dir)?;
        let is_open = stat.st_mode & OPEN_TO_ALL == OPEN_TO_ALL;
        if is_open || stat.st_uid != rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        match rustix::fs::fchmod(&dir, Mode::from_raw_mode(OPEN_TO_ALL)) {
            // A file system without modes (vfat, some SMB and 9p mounts).
            Err(Errno::PERM) => Ok(()),
            result => result,
        }
    }
}

/// Creates a parent of the exit directory, and its own parents. Another user may be creating the
/// same ones, or may have been killed after the first. So whatever the umask, each user that could
/// have created a parent can create the next directory in it.
fn make_with_parents(dir: &Path) -> Result<(), Errno> {
    // The parent of a relative path with one component is empty.
    let parent = dir.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new("."));
    let stat = match rustix::fs::stat(parent) {
        Err(Errno::NOENT) => make_with_parents(parent).and_then(|()| rustix::fs::stat(parent))?,
        result => result?,
    };
    let writers = Mode::from_raw_mode(stat.st_mode) & (Mode::WGRP | Mode::WOTH);
    match mkdir_without_umask(dir, Mode::from_raw_mode(OPEN_TO_READERS) | writers) {
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}
