//! Recording that a life has died or is ready: `exitdir-signal` and [`ExitDir::signal`].
//!
//! A living life gets the record appended. A dead one, or none, is replaced by a new file. The life
//! can end or be replaced between the read and the write, so the name is compared again after every
//! write.

use crate::error::Error;
use crate::exit;
use crate::protocol::compose::{Line, compose};
use crate::protocol::life::{Life, Liveness};
use crate::protocol::name::Name;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::{Lock, Reason};
use crate::store::append::{DeathRecord, append};
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::publish::PendingTombstone;
use crate::store::snapshot::{TombstoneFile, WriteStability};
use crate::sys::clock::timestamp_now;
use crate::sys::poll;
use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// What is to be recorded of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announcement {
    /// It is dead, with this exit code.
    Died(u8),
    /// It is ready.
    Ready,
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalOutcome {
    /// The record was appended to the tombstone of a living life.
    Appended,
    /// A new tombstone with the record was published.
    Published,
    /// The record could not be written, for example on a full disk. An empty tombstone, which means
    /// exit code 0, was published instead. With the error number (errno(3)).
    PublishedEmpty(i32),
    /// The tombstone had this record already.
    AlreadyRecorded,
    /// The tombstone already has another death; the first one counts. Nothing was written.
    AlreadyDead,
    /// The tombstone has room for a death record only. Nothing was written.
    NoRoom,
    /// The announcement was about a command that has ended since. Its `exitdir-run` is still alive.
    /// Nothing was written.
    Outdated,
    /// The death was recorded, but a power loss can undo it: it could not be written to the disk.
    /// With the error number (errno(3)).
    NotDurable(i32),
}

/// An `exitdir-run` that was found alive, together with the command that it ran then. It gets
/// another tombstone when that command is down.
#[derive(Debug)]
pub struct LiveHandle {
    name: Name,
    /// Held open, so that no other file gets its inode number.
    tombstone: TombstoneFile,
}

/// The pause between two reads of a file that may still be written.
const REREAD_INTERVAL: Duration = Duration::from_millis(5);
/// How long to try while other processes publish under the name.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a supervisor may take to carry over what it finds in the tombstone that it replaced.
const CARRY_OVER_TIMEOUT: Duration = Duration::from_millis(500);

/// The longest file of another program that gets a record appended. Readers read 4 KiB of it, so
/// this leaves room for the record. In bytes.
const FOREIGN_APPEND_LIMIT: i64 = 2048;

/// Which lives an announcement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// Any: alive, dead, or without a tombstone.
    Any,
    /// A living exitdir-run only.
    Live,
    /// A living exitdir-run, as long as this is its tombstone.
    Same(FileId),
}

impl ExitDir {
    /// Records that `name` has died or is ready. Creates the directory if it is missing. A death is
    /// on the disk when the call returns.
    ///
    /// `message` is free text for people; 1 KiB of it is kept. Blocks for up to 2 seconds while
    /// other processes use the name.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Sticky`] if it cannot be written; [`Error::NameTaken`] if other
    /// processes keep publishing under the name for 2 seconds, or if this process lives under it.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("exitdir-doc-{}", std::process::id()));
    /// use exitdir::{Announcement, ExitDir, Name};
    /// let dir = ExitDir::new(&path);
    /// let leader: Name = "leader".parse()?;
    /// dir.signal(&leader, Announcement::Died(0), None)?;
    /// assert!(dir.life(&leader)?.is_some_and(|life| life.death().is_some()));
    /// # std::fs::remove_dir_all(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn signal(
        &self,
        name: &Name,
        announcement: Announcement,
        message: Option<&str>,
    ) -> Result<SignalOutcome, Error> {
        self.create()?;
        self.announce(name, announcement, message, Scope::Any)
    }

    /// As [`ExitDir::signal`], but only for a living `exitdir-run`: never creates or replaces a
    /// tombstone.
    ///
    /// # Errors
    /// [`Error::NotAlive`] if there is none; otherwise as [`ExitDir::signal`].
    pub fn signal_live(
        &self,
        name: &Name,
        announcement: Announcement,
        message: Option<&str>,
    ) -> Result<SignalOutcome, Error> {
        self.announce(name, announcement, message, Scope::Live)
    }

    /// Finds the living `exitdir-run` with this name, and the command that it runs now.
    ///
    /// # Errors
    /// [`Error::NotAlive`] if there is none; [`Error::Io`] if the tombstone cannot be read.
    pub fn find_live(&self, name: &Name) -> Result<LiveHandle, Error> {
        let not_alive = || Error::NotAlive(name.clone());
        let (tombstone, snapshot) = self.read_current(name)?.ok_or_else(not_alive)?;
        let writing = snapshot.write_state();
        let life = Life::judge(*snapshot.tombstone, snapshot.lock, writing);
        if !is_supervised(&life) {
            return Err(not_alive());
        }
        Ok(LiveHandle {
            name: name.clone(),
            tombstone,
        })
    }

    /// As [`ExitDir::signal_live`], but only about the command that ran when `live` was found.
    ///
    /// For a result that takes time, such as a probe's: if the command ends meanwhile, the result
    /// is [`SignalOutcome::Outdated`].
    ///
    /// # Errors
    /// As [`ExitDir::signal_live`].
    pub fn signal_handle(
        &self,
        live: &LiveHandle,
        announcement: Announcement,
        message: Option<&str>,
    ) -> Result<SignalOutcome, Error> {
        let scope = Scope::Same(live.tombstone.id);
        self.announce(&live.name, announcement, message, scope)
    }

    fn announce(
        &self,
        name: &Name,
        announcement: Announcement,
        message: Option<&str>,
        scope: Scope,
    ) -> Result<SignalOutcome, Error> {
        // This process would wait for itself.
        if self.holds(name)? {
            return Err(Error::NameTaken(name.clone()));
        }
        let announcer = Announcer {
            dir: self,
            name,
            announcement,
            message,
            scope,
        };
        let outcome = announcer.run()?;
        if !matches!(announcement, Announcement::Died(_)) {
            return Ok(outcome);
        }
        match (self.save(name), outcome) {
            (Err(Error::Io { source, .. }), SignalOutcome::Appended | SignalOutcome::Published) => {
                let errno = source.raw_os_error();
                Ok(errno.map_or(outcome, SignalOutcome::NotDurable))
            }
            _ => Ok(outcome),
        }
    }
}

/// Whether an exitdir-run is alive. Another program's tombstone has no `Lock` line.
fn is_supervised(life: &Life) -> bool {
    life.is_alive() && life.tombstone.lock.is_some()
}

/// One announcement, to be recorded.
struct Announcer<'a> {
    dir: &'a ExitDir,
    name: &'a Name,
    announcement: Announcement,
    message: Option<&'a str>,
    scope: Scope,
}

impl Announcer<'_> {
    /// Tries until the record stands under the name. An attempt returns `None` if the tombstone has
    /// changed meanwhile.
    fn run(&self) -> Result<SignalOutcome, Error> {
        let began = Instant::now();
        let mut stability = None;
        loop {
            match self.attempt(&mut stability) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) if began.elapsed() < ANNOUNCE_TIMEOUT => {
                    poll::pause(REREAD_INTERVAL);
                }
                Ok(None) => return Err(Error::NameTaken(self.name.clone())),
                Err(error) if error.is_name_in_use() && began.elapsed() < ANNOUNCE_TIMEOUT => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn attempt(
        &self,
        stability: &mut Option<WriteStability>,
    ) -> Result<Option<SignalOutcome>, Error> {
        let Some((opened, snapshot)) = self.dir.read_current(self.name)? else {
            return self.publish(None);
        };
        if let Scope::Same(found) = self.scope
            && found != opened.id
        {
            return Ok(Some(SignalOutcome::Outdated));
        }
        let known = WriteStability::after(*stability, opened.id, &snapshot, false);
        let writing = stability.insert(known).write_state(&snapshot);
        let life = Life::judge(*snapshot.tombstone, snapshot.lock, writing);
        match life.liveness {
            Liveness::Unsettled => Ok(None),
            Liveness::Alive(_) if self.scope != Scope::Any && !is_supervised(&life) => {
                Err(Error::NotAlive(self.name.clone()))
            }
            Liveness::Alive(_) => self.append(&opened, &life),
            Liveness::Dead(_) if self.is_recorded(&life) => {
                Ok(Some(SignalOutcome::AlreadyRecorded))
            }
            // Another process has recorded a death, and the supervisor is still alive.
            Liveness::Dead(_) if opened.is_locked() == Some(true) => {
                Ok(Some(SignalOutcome::AlreadyDead))
            }
            Liveness::Dead(_) => self.publish(Some(&opened)),
        }
    }

    fn is_recorded(&self, life: &Life) -> bool {
        match self.announcement {
            Announcement::Died(code) => {
                life.death().is_some_and(|death| death.code() == Some(code))
                    && !life.has_state(State::Lost)
                    && !life.tombstone.is_unreadable()
            }
            Announcement::Ready => life.is_alive() && life.tombstone.ready.is_some(),
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::io("write", &self.dir.entry(self.name.as_str()), errno)
    }

    /// Appends the record to a living life, and checks that the file still has the name.
    fn append(&self, found: &TombstoneFile, life: &Life) -> Result<Option<SignalOutcome>, Error> {
        if self.is_recorded(life) {
            return Ok(Some(SignalOutcome::AlreadyRecorded));
        }
        let Some(file) = self.open_for_append()? else {
            return Ok(None);
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| self.failed(errno))?;
        let id = FileId::of(&stat);
        let file = self.dir.leak_if_guarded(file, id);
        let Some(file) = file.filter(|_| id == found.id) else {
            return Ok(None);
        };
        if !is_own_file(life, &stat) && (stat.st_nlink > 1 || stat.st_size > FOREIGN_APPEND_LIMIT) {
            // It may be any file that a neighbour has linked here. Or no reader would read what is
            // appended there.
            return self.publish(Some(found));
        }
        let now = timestamp_now();
        let has_room = self
            .with_lines(&now, |lines| append(&file, lines))
            .map_err(|errno| self.failed(errno))?;
        if self.current_id()? != Some(found.id) {
            await_carry_over(found);
            return Ok(None);
        }
        Ok(Some(if has_room {
            SignalOutcome::Appended
        } else {
            SignalOutcome::NoRoom
        }))
    }

    /// Opens the tombstone; `None` if it is gone.
    fn open_for_append(&self) -> Result<Option<OwnedFd>, Error> {
        let how = OFlags::RDWR | OFlags::APPEND;
        match self.dir.open_at(self.name.as_str(), how, 0) {
            Ok(file) => Ok(Some(file)),
            // It is no longer the file that was read.
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::NODEV) => Ok(None),
            Err(errno) => Err(self.dir.write_refused(self.name.as_str(), errno)),
        }
    }

    fn current_id(&self) -> Result<Option<FileId>, Error> {
        let id = self.dir.id_of(self.name.as_str());
        id.map_err(|errno| self.failed(errno))
    }

    fn with_lines<T>(&self, time: &Timestamp, write: impl FnOnce(&[Line<'_>]) -> T) -> T {
        match self.announcement {
            Announcement::Died(code) => {
                let record = DeathRecord {
                    code,
                    signal: None,
                    reason: Some(Reason::Announced),
                    message: self.message,
                };
                write(&record.lines(time))
            }
            Announcement::Ready => {
                let mut lines = vec![Line::Ready(time)];
                lines.extend(self.message.map(Line::Message));
                write(&lines)
            }
        }
    }

    /// Publishes a new tombstone in place of `found`, the file of a dead life, or where there was
    /// none.
    fn publish(&self, found: Option<&TombstoneFile>) -> Result<Option<SignalOutcome>, Error> {
        if self.scope != Scope::Any {
            return Err(Error::NotAlive(self.name.clone()));
        }
        let pending = PendingTombstone::acquire(self.dir, self.name)?;
        // A sweep may have locked it, and is about to remove it.
        let is_locked = found.is_some_and(|found| found.is_locked() == Some(true));
        if is_locked || self.current_id()? != found.map(|found| found.id) {
            return Ok(None);
        }
        let lineage = pending.lineage(self.dir.open(self.name)?.as_ref());
        let now = timestamp_now();
        let mut lines = lineage.lines();
        match self.announcement {
            Announcement::Died(_) => {}
            Announcement::Ready => lines.push(Line::Born(&now)),
        }
        let mut text = compose(&lines);
        self.with_lines(&now, |lines| text.push_str(&compose(lines)));
        let outcome = match pending.write(&text) {
            Ok(()) => SignalOutcome::Published,
            Err(errno) if self.announcement == Announcement::Died(exit::SUCCESS) => {
                pending.empty().map_err(|errno| self.failed(errno))?;
                SignalOutcome::PublishedEmpty(errno.raw_os_error())
            }
            Err(errno) => return Err(self.failed(errno)),
        };
        pending.publish().map(|_| Some(outcome))
    }
}

/// Whether a tombstone names itself as the file of a supervisor, as no other file does by chance.
fn is_own_file(life: &Life, stat: &Stat) -> bool {
    matches!(&life.tombstone.lock, Some(Lock::Fcntl(lock)) if lock.inode == stat.st_ino)
}

/// Waits until the supervisor has carried over what other processes appended to its old tombstone:
/// it releases the old file's lock then. An announcer that read the new file before that would
/// record the same again.
fn await_carry_over(replaced: &TombstoneFile) {
    let began = Instant::now();
    while replaced.is_locked() == Some(true) && began.elapsed() < CARRY_OVER_TIMEOUT {
        poll::pause(REREAD_INTERVAL);
    }
}
