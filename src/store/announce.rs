//! Saying that somebody is dead or ready: what `exitdir-signal` and [`ExitDir::signal`] do.
//!
//! A life that goes on gets the record appended; a corpse, or nothing, is replaced by a new file.
//! Between the look and the write the life can end or be replaced, so the name is compared again
//! after every write.

use crate::error::Error;
use crate::exit;
use crate::protocol::compose::{Line, compose};
use crate::protocol::life::{Life, Liveness};
use crate::protocol::name::Name;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Reason;
use crate::store::append::{DeathRecord, append};
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::publish::PendingTombstone;
use crate::store::snapshot::{TombstoneFile, WriteStability};
use crate::sys::clock::timestamp_now;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// What is to be said of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// It is dead, with this exit code.
    Died(u8),
    /// It is ready.
    Ready,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalOutcome {
    /// The record was appended to the life that goes on.
    Appended,
    /// A new tombstone says it.
    Published,
    /// The tombstone could not be filled, as on a full disk; an empty one says it. With the raw OS error.
    PublishedEmpty(i32),
    /// The tombstone said so already.
    AlreadyRecorded,
    /// The life was said dead before; the first word counts.
    AlreadyDead,
    /// The tombstone has no room left but for a death.
    NoRoom,
    /// It was about a command that has gone since: the life goes on, with another one or none.
    Outdated,
}

/// A living `exitdir-run`, as it was found: once its command is down it has another tombstone.
#[derive(Debug)]
pub struct LiveHandle {
    name: Name,
    /// Open, so that no other file gets its number.
    tombstone: TombstoneFile,
}

/// Between two looks at a file that somebody may be writing.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// How long somebody else may be busy being born under the name.
const RETRY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a supervisor may take to carry over what it finds in the tombstone that it has replaced.
const CARRY_OVER_TIMEOUT: Duration = Duration::from_millis(500);

/// Of a file that is not ours no more than 4 KiB are read; half of it leaves room for a record. In bytes.
const FOREIGN_APPEND_LIMIT: i64 = 2048;

/// Whom a word may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// The living, the dead and those who never were.
    Any,
    /// A living exitdir-run only.
    Live,
    /// The same, as long as this is its tombstone.
    Same(FileId),
}

impl ExitDir {
    /// Says that `name` is dead or ready. The directory is created if it is missing.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written; [`Error::NameTaken`] if others keep being born
    /// under the name for seconds.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("exitdir-doc-{}", std::process::id()));
    /// use exitdir::{Announcement, ExitDir, Name};
    /// let dir = ExitDir::new(&path);
    /// let leader = Name::new("leader").ok_or("not a name")?;
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
        Announcer {
            dir: self,
            name,
            announcement,
            message,
            scope: Scope::Any,
        }
        .settle()
    }

    /// The same, but only to a living `exitdir-run`: never creates or replaces a tombstone.
    ///
    /// # Errors
    /// [`Error::NotAlive`] if there is none; [`Error::Io`] if it cannot be written.
    pub fn signal_live(
        &self,
        name: &Name,
        announcement: Announcement,
        message: Option<&str>,
    ) -> Result<SignalOutcome, Error> {
        Announcer {
            dir: self,
            name,
            announcement,
            message,
            scope: Scope::Live,
        }
        .settle()
    }

    /// Finds the `exitdir-run` of this name that is alive.
    ///
    /// # Errors
    /// [`Error::NotAlive`] if there is none; [`Error::Io`] if that cannot be read.
    pub fn find_live(&self, name: &Name) -> Result<LiveHandle, Error> {
        let not_alive = || Error::NotAlive(name.clone());
        let (tombstone, snapshot) = self.read_current(name)?.ok_or_else(not_alive)?;
        let writing = snapshot.write_state();
        let life = Life::judge(snapshot.tombstone, snapshot.lock, writing);
        if !life.is_alive() || life.tombstone.waiting.is_none() {
            return Err(not_alive());
        }
        Ok(LiveHandle {
            name: name.clone(),
            tombstone,
        })
    }

    /// As [`ExitDir::signal_live`], but only about the command that was there when it was found.
    ///
    /// # Errors
    /// As for [`ExitDir::signal_live`].
    pub fn signal_handle(
        &self,
        live: &LiveHandle,
        announcement: Announcement,
        message: Option<&str>,
    ) -> Result<SignalOutcome, Error> {
        Announcer {
            dir: self,
            name: &live.name,
            announcement,
            message,
            scope: Scope::Same(live.tombstone.id),
        }
        .settle()
    }
}

/// One word on its way.
struct Announcer<'a> {
    dir: &'a ExitDir,
    name: &'a Name,
    announcement: Announcement,
    message: Option<&'a str>,
    scope: Scope,
}

impl Announcer<'_> {
    /// Tries until the word stands under the name. `None` from a step means: it has changed, look again.
    fn settle(&self) -> Result<SignalOutcome, Error> {
        let began = Instant::now();
        let mut quiet = None;
        loop {
            match self.step(&mut quiet) {
                Ok(Some(said)) => return Ok(said),
                Ok(None) if began.elapsed() < RETRY_TIMEOUT => std::thread::sleep(RETRY_INTERVAL),
                Ok(None) => return Err(Error::NameTaken(self.name.clone())),
                Err(Error::NameTaken(_)) if began.elapsed() < RETRY_TIMEOUT => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn step(&self, quiet: &mut Option<WriteStability>) -> Result<Option<SignalOutcome>, Error> {
        let Some((opened, snapshot)) = self.dir.read_current(self.name)? else {
            return self.publish(None);
        };
        if let Scope::Same(found) = self.scope
            && found != opened.id
        {
            return Ok(Some(SignalOutcome::Outdated));
        }
        let quiet = quiet.insert(WriteStability::after(*quiet, opened.id, &snapshot, false));
        let writing = quiet.write_state(&snapshot);
        let life = Life::judge(snapshot.tombstone, snapshot.lock, writing);
        match life.liveness {
            Liveness::Unsettled => Ok(None),
            Liveness::Alive(_) if self.scope != Scope::Any && life.tombstone.waiting.is_none() => {
                Err(Error::NotAlive(self.name.clone()))
            }
            Liveness::Alive(_) => self.append(&opened, &life),
            Liveness::Dead(_) if self.is_said(&life) => Ok(Some(SignalOutcome::AlreadyRecorded)),
            // Said dead while its supervisor lives: the first word counts.
            Liveness::Dead(_) if opened.is_locked() == Some(true) => {
                Ok(Some(SignalOutcome::AlreadyDead))
            }
            Liveness::Dead(_) => self.publish(Some(opened.id)),
        }
    }

    fn is_said(&self, life: &Life) -> bool {
        match self.announcement {
            Announcement::Died(code) => {
                life.death().is_some_and(|death| death.code() == Some(code))
                    && !life.has_state(State::Lost)
            }
            Announcement::Ready => life.is_alive() && life.tombstone.ready.is_some(),
        }
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::io("write", &self.dir.entry(self.name.as_str()), errno)
    }

    /// Adds the word to a life that goes on, and looks whether it was still the one.
    fn append(&self, seen: &TombstoneFile, life: &Life) -> Result<Option<SignalOutcome>, Error> {
        if self.is_said(life) {
            return Ok(Some(SignalOutcome::AlreadyRecorded));
        }
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let file = match rustix::fs::open(self.dir.entry(self.name.as_str()), flags, Mode::empty())
        {
            Err(Errno::NOENT) => return Ok(None),
            result => result.map_err(|errno| self.failed(errno))?,
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| self.failed(errno))?;
        if FileId::of(&stat) != seen.id {
            return Ok(None);
        }
        if life.tombstone.lock.is_none() && stat.st_size > FOREIGN_APPEND_LIMIT {
            // Nobody would read what is written there.
            return self.publish(Some(seen.id));
        }
        let time = timestamp_now();
        let written = self
            .with_lines(&time, |lines| append(&file, lines))
            .map_err(|errno| self.failed(errno))?;
        let still = self
            .dir
            .id_of(self.name.as_str())
            .map_err(|errno| self.failed(errno))?
            == Some(seen.id);
        if !still {
            await_carry_over(seen);
        }
        Ok(still.then_some(if written {
            SignalOutcome::Appended
        } else {
            SignalOutcome::NoRoom
        }))
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

    /// Puts a new tombstone in the place of `corpse`, or where there was none.
    fn publish(&self, corpse: Option<FileId>) -> Result<Option<SignalOutcome>, Error> {
        if self.scope != Scope::Any {
            return Err(Error::NotAlive(self.name.clone()));
        }
        let pending = PendingTombstone::acquire(self.dir, self.name)?;
        if self
            .dir
            .id_of(self.name.as_str())
            .map_err(|errno| self.failed(errno))?
            != corpse
        {
            return Ok(None);
        }
        let time = timestamp_now();
        let mut text = match self.announcement {
            Announcement::Died(_) => String::new(),
            Announcement::Ready => compose(&[Line::Born(&time)]),
        };
        self.with_lines(&time, |lines| text.push_str(&compose(lines)));
        let said = match pending.write(&text) {
            Ok(()) => SignalOutcome::Published,
            Err(errno) if self.announcement == Announcement::Died(exit::SUCCESS) => {
                pending.empty().map_err(|errno| self.failed(errno))?;
                SignalOutcome::PublishedEmpty(errno.raw_os_error())
            }
            Err(errno) => return Err(self.failed(errno)),
        };
        pending.publish().map(|_| Some(said))
    }
}

/// A supervisor that has replaced its tombstone lets go of the old one when it has carried over what
/// others wrote there. Whoever looked before that would say it once more.
fn await_carry_over(replaced: &TombstoneFile) {
    let began = Instant::now();
    while replaced.is_locked() == Some(true) && began.elapsed() < CARRY_OVER_TIMEOUT {
        std::thread::sleep(RETRY_INTERVAL);
    }
}
