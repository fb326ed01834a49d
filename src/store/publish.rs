//! Publishing a tombstone: the staging file, its lock, and the rename.
//!
//! The staging file of a name is always the same, so its lock is also the mutex of the name: only
//! the process that holds it may publish under the name. A staging file that a crash left behind is
//! adopted. No reader ever sees a tombstone that is half written, or a living supervisor's
//! tombstone without its lock. The steps are safe in this order only; DESIGN.md says what went
//! wrong with the others.

use crate::error::Error;
use crate::exit;
use crate::protocol::compose::{Line, compose};
use crate::protocol::life::{Life, WriteState};
use crate::protocol::lineage::Lineage;
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::tombstone::{Lock, LockIdentity, RESERVED};
use crate::store::append::DeathRecord;
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::locality::BTRFS;
use crate::store::snapshot::TombstoneFile;
use crate::store::staging::{ClosedFile, StagingAttempt, StagingEntry, StagingFile};
use crate::sys::clock::timestamp_now;
use crate::sys::poll;
use crate::sys::write::write_all;
use rustix::fs::{FallocateFlags, IFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long another process may hold the lock of a name before the name counts as taken. A process
/// that is just exiting releases it sooner.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);
/// How long to try again after another process was faster.
const RETRY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a staging file may be closed to this user, before it counts as left behind by a crash.
const CLOSED_TIMEOUT: Duration = Duration::from_millis(100);
/// The same by the clocks of both machines, for callers that do not wait.
const CLOSED_AGE: Duration = Duration::from_secs(1);
/// The pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// How long to wait for other processes that use the staging file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// While one of them holds its lock.
    pub(crate) lock: Duration,
    /// In all, as long as they come and go.
    pub(crate) total: Duration,
}

impl Patience {
    pub(crate) const USUAL: Patience = Patience {
        lock: LOCK_TIMEOUT,
        total: RETRY_TIMEOUT,
    };

    /// Not longer than `limit`, whatever the others do.
    pub(crate) fn at_most(limit: Duration) -> Patience {
        Patience {
            lock: limit.min(LOCK_TIMEOUT),
            total: limit.min(RETRY_TIMEOUT),
        }
    }
}

/// A tombstone that no reader sees yet. If it is dropped, it leaves nothing behind.
pub(crate) struct PendingTombstone<'d> {
    dir: &'d ExitDir,
    name: &'d Name,
    /// Dropped before the file: the entry is removed while the lock is held.
    entry: StagingEntry<'d>,
    file: OwnedFd,
    id: FileId,
    has_lock: bool,
    /// All steps are about the same directory.
    _handle: Arc<OwnedFd>,
    _publishing: MutexGuard<'static, ()>,
}

/// Held by the thread that publishes. An fcntl(2) lock belongs to the whole process, so it does not
/// exclude other threads.
static PUBLISHING: Mutex<()> = Mutex::new(());

/// No other thread of this process uses a staging file while the result lives.
pub(super) fn exclude_threads() -> MutexGuard<'static, ()> {
    // The mutex protects no data that a panic could have left half changed.
    PUBLISHING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'d> PendingTombstone<'d> {
    /// Makes this thread the only one that publishes under `name`.
    ///
    /// # Errors
    /// [`Error::NameBusy`] if other processes publish under the name for longer than
    /// [`Patience::USUAL`]; [`Error::Io`] or [`Error::Sticky`] if the staging file cannot be
    /// created.
    pub(crate) fn acquire(dir: &'d ExitDir, name: &'d Name) -> Result<PendingTombstone<'d>, Error> {
        PendingTombstone::acquire_within(dir, name, Patience::USUAL)
    }

    /// As [`PendingTombstone::acquire`], with other limits.
    pub(crate) fn acquire_within(
        dir: &'d ExitDir,
        name: &'d Name,
        patience: Patience,
    ) -> Result<PendingTombstone<'d>, Error> {
        let publishing = exclude_threads();
        let entry = name.staging_name();
        let handle = dir
            .handle()
            .map_err(|errno| staging_error(dir, &entry, errno))?;
        let staging = acquire_staging_file(dir, name, &entry, patience)?;
        Ok(PendingTombstone {
            dir,
            name,
            _handle: handle,
            entry: StagingEntry::new(dir, entry),
            file: staging.file,
            id: staging.id,
            has_lock: staging.has_lock,
            _publishing: publishing,
        })
    }

    /// Waits until no process holds the lock of the tombstone that is to be replaced. Returns what
    /// the life that replaces it takes over from it.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if it is still held after [`LOCK_TIMEOUT`], whatever its text says, and
    /// at once if this process holds it.
    pub(crate) fn await_free_name(&self) -> Result<Lineage, Error> {
        if self.dir.holds(self.name)? {
            return Err(Error::NameTaken(self.name.clone()));
        }
        let deadline = Instant::now() + LOCK_TIMEOUT;
        loop {
            let is_last_attempt = Instant::now() >= deadline;
            match self.dir.open(self.name)? {
                Some(opened) if opened.is_locked() == Some(true) => {}
                predecessor => return Ok(self.lineage(predecessor.as_ref())),
            }
            if is_last_attempt {
                return Err(Error::NameTaken(self.name.clone()));
            }
            poll::pause(RETRY_INTERVAL);
        }
    }

    /// What the life that replaces `predecessor` takes over from it.
    pub(crate) fn lineage(&self, predecessor: Option<&TombstoneFile>) -> Lineage {
        // A predecessor that cannot be read counts like none: its text is not worth a failed start.
        let snapshot = predecessor.and_then(|opened| self.dir.read(opened).ok());
        let life = snapshot
            .map(|snapshot| Life::judge(*snapshot.tombstone, snapshot.lock, WriteState::Settled));
        Lineage::after(life.as_ref(), SystemTime::now())
    }

    /// The `Lock:` line for this file.
    pub(crate) fn lock_line(&self) -> Lock {
        let identity = || {
            Some(LockIdentity {
                boot: self.dir.boot_id()?.to_owned(),
                device: self.id.device_numbers(),
                inode: self.id.inode(),
            })
        };
        let identity = if self.has_lock { identity() } else { None };
        identity.map_or(Lock::Unavailable, Lock::Fcntl)
    }

    pub(crate) fn write(&self, text: &str) -> Result<(), Errno> {
        write_all(&self.file, text.as_bytes())
    }

    /// Removes what [`PendingTombstone::write`] wrote before it failed. An empty tombstone means
    /// "exit" too.
    pub(crate) fn empty(&self) -> Result<(), Errno> {
        rustix::fs::ftruncate(&self.file, 0)
    }

    /// Writes the tombstone of a life that begins or goes on: reserves its space, and guards its
    /// lock against other code of this process.
    pub(crate) fn write_and_guard(&self, text: &str) -> Result<(), Error> {
        let written = self.reserve().and_then(|()| self.write(text));
        written.map_err(|errno| Error::io("create", &self.dir.entry(self.name.as_str()), errno))?;
        ExitDir::guard(self.id);
        Ok(())
    }

    /// Reserves space for the whole life, so that a full disk cannot prevent the death record. A
    /// file system that cannot reserve space is used without.
    fn reserve(&self) -> Result<(), Errno> {
        // By default btrfs writes every change to another place, which needs new space. The flag
        // can be set only while the file is empty.
        if self.dir.file_system(self.id, &self.file) == Some(BTRFS)
            && let Ok(flags) = rustix::fs::ioctl_getflags(&self.file)
        {
            let _ = rustix::fs::ioctl_setflags(&self.file, flags | IFlags::NOCOW);
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, RESERVED as u64) {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO)) => Err(errno),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Renames the file to its final name. The lock is held as long as the returned descriptor is
    /// open.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Sticky`] if the rename fails; [`Error::NameTaken`] if another
    /// process has removed or replaced the file meanwhile.
    pub(crate) fn publish(mut self) -> Result<(OwnedFd, FileId), Error> {
        let name = self.name.as_str();
        if let Err(errno) = self.entry.rename(name) {
            ExitDir::unguard(self.id);
            return Err(self.rename_error(errno));
        }
        let is_replaced = match self.dir.id_of(name) {
            Ok(current) => current != Some(self.id),
            // A failed stat does not mean that the file is gone.
            Err(_) => false,
        };
        if is_replaced {
            ExitDir::unguard(self.id);
            return Err(Error::NameTaken(self.name.clone()));
        }
        Ok((self.file, self.id))
    }

    /// Why the rename failed. In a sticky directory the old tombstone can belong to another user,
    /// and so can a staging file that was adopted.
    fn rename_error(&self, errno: Errno) -> Error {
        let name = self.name.as_str();
        if errno == Errno::ISDIR {
            let why = "it is a directory; remove it or use another name";
            let error = io::Error::new(io::ErrorKind::IsADirectory, why);
            return Error::io("replace", &self.dir.entry(name), error);
        }
        let entries = [self.entry.name(), name];
        let is_sticky = |entry| self.dir.sticky_error("replace", entry, errno);
        let sticky = entries.into_iter().find_map(is_sticky);
        sticky.unwrap_or_else(|| Error::io("create", &self.dir.entry(name), errno))
    }
}

fn acquire_staging_file(
    dir: &ExitDir,
    name: &Name,
    entry: &str,
    patience: Patience,
) -> Result<StagingFile, Error> {
    let failed = |errno| staging_error(dir, entry, errno);
    let busy = |holder: Option<i32>| Error::NameBusy {
        name: name.clone(),
        path: dir.entry(entry),
        holder: holder.map(i32::unsigned_abs),
    };
    let began = Instant::now();
    let mut closed: Option<(ClosedFile, Instant)> = None;
    loop {
        let waited = began.elapsed();
        match StagingAttempt::make(dir, entry).map_err(failed)? {
            StagingAttempt::Acquired(staging) => return Ok(staging),
            // Another process has made progress, so all processes do in the end.
            StagingAttempt::Gone if waited < patience.total => {}
            StagingAttempt::Held(_) if waited < patience.lock => {}
            StagingAttempt::Held(holder) => return Err(busy(holder)),
            StagingAttempt::Gone => return Err(busy(None)),
            StagingAttempt::Forbidden(errno, _) if waited >= patience.total => {
                return Err(failed(errno));
            }
            StagingAttempt::Forbidden(errno, file) => {
                let known = closed.filter(|(known, _)| *known == file);
                let since = known.map_or_else(Instant::now, |(_, since)| since);
                closed = Some((file, since));
                // The process that created it had time to open it to all users, so it was killed.
                if since.elapsed() >= CLOSED_TIMEOUT || age(file) >= CLOSED_AGE {
                    dir.unlink(entry).map_err(|_| failed(errno))?;
                }
            }
        }
        poll::pause(RETRY_INTERVAL);
    }
}

/// For how long a file has been closed; 0 if its time is in the future.
fn age((_, seconds, nanos): ClosedFile) -> Duration {
    let since = Duration::new(u64::try_from(seconds).unwrap_or(0), 0);
    let closed = UNIX_EPOCH + since + Duration::from_nanos(nanos);
    SystemTime::now().duration_since(closed).unwrap_or_default()
}

fn staging_error(dir: &ExitDir, entry: &str, errno: Errno) -> Error {
    if errno == Errno::ISDIR {
        let why = "it is a directory; remove it";
        let error = io::Error::new(io::ErrorKind::IsADirectory, why);
        return Error::io("replace", &dir.entry(entry), error);
    }
    let sticky = dir.sticky_error("replace", entry, errno);
    sticky.unwrap_or_else(|| Error::io("create", &dir.entry(entry), errno))
}

/// Publishes the tombstone of a life that is over and had none before. `cause` is what stopped it,
/// if anything did.
///
/// # Errors
/// [`Error::NameTaken`] if a supervisor with this name is alive; [`Error::Io`] if the tombstone
/// cannot be written. On a full disk, exit code 0 is published as an empty file instead.
pub(crate) fn publish_dead(
    dir: &ExitDir,
    name: &Name,
    cause: Option<&Cause>,
    record: &DeathRecord<'_>,
) -> Result<(), Error> {
    let failed = |errno| Error::io("write", &dir.entry(name.as_str()), errno);
    let pending = PendingTombstone::acquire(dir, name)?;
    let lineage = pending.await_free_name()?;
    let now = timestamp_now();
    let mut lines = lineage.lines();
    if let Some(cause) = cause {
        lines.push(Line::Cause(&cause.name));
        lines.extend(cause.life.as_ref().map(Line::CauseLife));
    }
    lines.extend(record.lines(&now));
    match pending.write(&compose(&lines)) {
        Ok(()) => {}
        Err(_) if record.code == exit::SUCCESS => pending.empty().map_err(failed)?,
        Err(errno) => return Err(failed(errno)),
    }
    pending.publish().map(|_| ())
}
