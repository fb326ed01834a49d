//! Publishing a tombstone: the hidden file `.NAME.new`, its lock, and the rename.
//!
//! One fixed temporary file is the mutex too: whoever holds its lock is the only one being born
//! under the name, and a file that a crash left behind is simply adopted. No reader ever sees a
//! tombstone that is half written, or that a living supervisor has not locked. The order of the
//! steps is the argument; DESIGN.md tells what went wrong with every other order.

use crate::error::Error;
use crate::exit;
use crate::protocol::compose::{Line, compose};
use crate::protocol::name::Name;
use crate::protocol::tombstone::{Lock, LockIdentity, RESERVED};
use crate::store::append::DeathRecord;
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::{FileId, device_numbers};
use crate::sys::clock::timestamp_now;
use crate::sys::write::write_all;
use rustix::fs::{FallocateFlags, FlockOperation, IFlags, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a lock may be held by somebody who is just going, before a birth is refused.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);
/// How long to begin again when others were quicker.
const RETRY_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two looks at a lock that is held.
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// A tombstone that nobody sees yet. Dropped, it leaves nothing behind.
pub(crate) struct PendingTombstone<'d> {
    dir: &'d ExitDir,
    name: &'d Name,
    staging_name: String,
    file: Option<OwnedFd>,
    pub(crate) id: FileId,
    locked: bool,
    /// Other threads are no other process to the lock of the staging_name.
    _only: MutexGuard<'static, ()>,
}

/// Held by whoever is being born in this process.
static BIRTH: Mutex<()> = Mutex::new(());

impl<'d> PendingTombstone<'d> {
    /// Becomes the only one being born under `name`.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if somebody else holds the place for longer than [`LOCK_TIMEOUT`];
    /// [`Error::Io`] if the file cannot be made.
    pub(crate) fn acquire(dir: &'d ExitDir, name: &'d Name) -> Result<PendingTombstone<'d>, Error> {
        PendingTombstone::acquire_within(dir, name, LOCK_TIMEOUT)
    }

    pub(crate) fn acquire_within(
        dir: &'d ExitDir,
        name: &'d Name,
        timeout: Duration,
    ) -> Result<PendingTombstone<'d>, Error> {
        let staging_name = name.staging_name();
        // There is nothing behind the mutex that a panic could have left half done.
        let only = BIRTH.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        loop {
            let failed = |errno| Error::io("create", &dir.entry(&staging_name), errno);
            let waited = began.elapsed();
            match PublishAttempt::make(dir, &staging_name).map_err(failed)? {
                PublishAttempt::Ours { file, id, locked } => {
                    return Ok(PendingTombstone {
                        dir,
                        name,
                        staging_name,
                        file: Some(file),
                        id,
                        locked,
                        _only: only,
                    });
                }
                // Somebody has got on meanwhile, so all of us do in the end.
                PublishAttempt::Lost if waited < RETRY_TIMEOUT => {
                    std::thread::sleep(RETRY_INTERVAL)
                }
                PublishAttempt::Held | PublishAttempt::Forbidden(_) if waited < timeout => {
                    std::thread::sleep(RETRY_INTERVAL)
                }
                PublishAttempt::Held | PublishAttempt::Lost => {
                    return Err(Error::NameTaken(name.clone()));
                }
                // Its maker was killed before he could open it to all of us.
                PublishAttempt::Forbidden(errno) if waited < RETRY_TIMEOUT => {
                    rustix::fs::unlink(dir.entry(&staging_name)).map_err(|_| failed(errno))?;
                }
                PublishAttempt::Forbidden(errno) => return Err(failed(errno)),
            }
        }
    }

    /// Waits until nobody holds the lock of the tombstone that we are about to replace.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if it is still held after [`LOCK_TIMEOUT`], whatever its text says.
    pub(crate) fn await_free_name(&self) -> Result<(), Error> {
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            let last_try = Instant::now() >= deadline;
            match self.dir.open(self.name)? {
                Some(opened) if opened.is_locked() == Some(true) => {}
                Some(_) | None => return Ok(()),
            }
            if last_try {
                return Err(Error::NameTaken(self.name.clone()));
            }
            std::thread::sleep(RETRY_INTERVAL);
        }
    }

    /// Reserves the space for the whole life, so that a full disk cannot swallow the death record.
    /// File systems that cannot promise it are used without the promise.
    pub(crate) fn reserve(&self) -> Result<(), Errno> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        // btrfs writes every change elsewhere unless it is told not to while the file is empty.
        if let Ok(flags) = rustix::fs::ioctl_getflags(file) {
            // Where the flag is unknown the reservation holds without it.
            let _ = rustix::fs::ioctl_setflags(file, flags | IFlags::NOCOW);
        }
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, RESERVED as u64) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO)) => Err(errno),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes the text.
    pub(crate) fn write(&self, text: &str) -> Result<(), Errno> {
        self.file
            .as_ref()
            .map_or(Ok(()), |file| write_all(file, text.as_bytes()))
    }

    /// Empties what [`PendingTombstone::write`] could not finish: an empty tombstone says "exit" too.
    pub(crate) fn empty(&self) -> Result<(), Errno> {
        self.file
            .as_ref()
            .map_or(Ok(()), |file| rustix::fs::ftruncate(file, 0))
    }

    /// The `Lock:` line for this file.
    pub(crate) fn lock_line(&self) -> Lock {
        let identity = || {
            let boot = self.dir.boot_id()?.to_owned();
            let stat = rustix::fs::fstat(self.file.as_ref()?).ok()?;
            Some(LockIdentity {
                boot,
                device: device_numbers(&stat),
                inode: stat.st_ino as u64,
            })
        };
        let identity = if self.locked { identity() } else { None };
        identity.map_or(Lock::Unavailable, Lock::Fcntl)
    }

    /// Reserves and writes a tombstone of a life that begins or goes on, and keeps its lock from us ourselves.
    pub(crate) fn write_and_guard(&self, text: &str) -> Result<(), Error> {
        let filled = self.reserve().and_then(|()| self.write(text));
        filled.map_err(|errno| Error::io("create", &self.dir.entry(self.name.as_str()), errno))?;
        self.dir.guard(self.id);
        Ok(())
    }

    /// Puts the file in its place. The lock is kept as long as the descriptor that is returned.
    ///
    /// # Errors
    /// [`Error::Io`] if the rename is refused, as in a sticky directory with somebody else's corpse.
    pub(crate) fn publish(mut self) -> Result<(OwnedFd, FileId), Error> {
        let (from, to) = (
            self.dir.entry(&self.staging_name),
            self.dir.entry(self.name.as_str()),
        );
        rustix::fs::rename(&from, &to).map_err(|errno| Error::io("create", &to, errno))?;
        // From here on the hidden name is somebody else's.
        let file = self.file.take();
        let replaced = match self.dir.id_of(self.name.as_str()) {
            Ok(now) => now != Some(self.id),
            // That it cannot be asked does not mean that it is gone.
            Err(_) => false,
        };
        match file {
            Some(file) if !replaced => Ok((file, self.id)),
            // Somebody removed or replaced the file between our look and the rename.
            Some(_) | None => Err(Error::NameTaken(self.name.clone())),
        }
    }
}

impl Drop for PendingTombstone<'_> {
    fn drop(&mut self) {
        if self.file.is_some() {
            // While the lock is held: nobody else can be using the file. If it cannot be removed,
            // the next birth adopts it.
            let _ = rustix::fs::unlink(self.dir.entry(&self.staging_name));
        }
    }
}

/// How one attempt to get hold of the staging_name went.
enum PublishAttempt {
    Ours {
        file: OwnedFd,
        id: FileId,
        locked: bool,
    },
    /// The file was renamed or removed under us: begin again.
    Lost,
    /// Somebody else is being born.
    Held,
    /// Left behind by another user, in the moment before it was opened to all.
    Forbidden(Errno),
}

impl PublishAttempt {
    fn make(dir: &ExitDir, staging_name: &str) -> Result<PublishAttempt, Errno> {
        let file = match open_or_create(dir, staging_name) {
            Ok(file) => file,
            Err(errno @ Errno::ACCESS) if matches!(dir.id_of(staging_name), Ok(Some(_))) => {
                return Ok(PublishAttempt::Forbidden(errno));
            }
            Err(Errno::LOOP | Errno::NXIO) => return remove_obstacle(dir, staging_name),
            Err(errno) => return Err(errno),
        };
        let locked = match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(Errno::AGAIN | Errno::ACCESS) => return Ok(PublishAttempt::Held),
            // The file system has no locks; without them everybody is alone.
            Err(_) => false,
        };
        let stat = rustix::fs::fstat(&file)?;
        let id = FileId::of(&stat);
        match dir.id_of(staging_name)? {
            Some(now) if now == id => {}
            Some(_) => return Ok(PublishAttempt::Lost),
            None if rustix::fs::FileType::from_raw_mode(stat.st_mode)
                == rustix::fs::FileType::RegularFile =>
            {
                return Ok(PublishAttempt::Lost);
            }
            None => return remove_obstacle(dir, staging_name),
        }
        let opened = match rustix::fs::fchmod(&file, Mode::from_raw_mode(0o666)) {
            // Another user's, whom only death kept from opening it: it is open enough to be here.
            Err(Errno::PERM) if stat.st_mode & 0o666 == 0o666 => Ok(()),
            // Our own, on a file system that has no modes to change (vfat, some SMB and 9p mounts).
            Err(Errno::PERM) if stat.st_uid == rustix::process::geteuid().as_raw() => Ok(()),
            Err(Errno::PERM) => return remove_obstacle(dir, staging_name),
            result => result,
        };
        if let Err(errno) = opened.and_then(|()| rustix::fs::ftruncate(&file, 0)) {
            // It is ours alone, so it goes with us; if it cannot, the next birth adopts it.
            let _ = rustix::fs::unlink(dir.entry(staging_name));
            return Err(errno);
        }
        Ok(PublishAttempt::Ours { file, id, locked })
    }
}

/// Opens what is there before it creates: in a sticky directory the kernel refuses `O_CREAT` on
/// other people's files (`fs.protected_regular`).
fn open_or_create(dir: &ExitDir, staging_name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let path = dir.entry(staging_name);
    match rustix::fs::open(&path, flags, Mode::empty()) {
        Err(Errno::NOENT) => {
            rustix::fs::open(&path, flags | OFlags::CREATE, Mode::from_raw_mode(0o666))
        }
        result => result,
    }
}

/// What stands in the way under the hidden name is nobody's tombstone: it goes.
fn remove_obstacle(dir: &ExitDir, staging_name: &str) -> Result<PublishAttempt, Errno> {
    match rustix::fs::unlink(dir.entry(staging_name)) {
        Ok(()) | Err(Errno::NOENT) => Ok(PublishAttempt::Lost),
        Err(errno) => Err(errno),
    }
}

/// Publishes the tombstone of a life that is over already, for one that showed none before.
///
/// # Errors
/// [`Error::NameTaken`] if somebody lives under this name; [`Error::Io`] if it cannot be written. On a
/// full disk an end with code 0 is published as an empty file.
pub(crate) fn publish_dead(
    dir: &ExitDir,
    name: &Name,
    record: &DeathRecord<'_>,
) -> Result<(), Error> {
    let failed = |errno| Error::io("write", &dir.entry(name.as_str()), errno);
    let pending = PendingTombstone::acquire(dir, name)?;
    pending.await_free_name()?;
    let time = timestamp_now();
    let mut lines = vec![Line::Waiting(&time)];
    lines.extend(record.lines(&time));
    match pending.write(&compose(&lines)) {
        Ok(()) => {}
        Err(_) if record.code == exit::SUCCESS => pending.empty().map_err(failed)?,
        Err(errno) => return Err(failed(errno)),
    }
    pending.publish().map(|_| ())
}
