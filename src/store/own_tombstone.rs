//! The tombstone of the life that this process supervises: begun, appended to, replaced while the
//! command is down, and ended, even if its directory was replaced meanwhile.
//!
//! Other processes may append to it too. What they recorded is carried over to the next file, and
//! nothing is appended after a death.

use crate::error::Error;
use crate::protocol::compose::{Line, compose};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::tombstone::{Key, Lock, Tombstone};
use crate::store::append::{DeathRecord, append, append_after};
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::publish::{Patience, PendingTombstone};
use crate::store::snapshot::read_start;
use crate::sys::clock::timestamp_now;
use crate::sys::write::write_all;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The tombstone of this process's life. Its lock is held until the value is dropped.
#[derive(Debug)]
pub(crate) struct OwnTombstone {
    name: Name,
    file: OwnedFd,
    id: FileId,
    /// The deaths for which earlier lives of the name have ended.
    pub(crate) fell: Vec<Cause>,
    /// Whether readers notice if this process is killed: there is a lock, and they can judge it.
    pub(crate) locked: bool,
    /// Whether a command was started since this file was published. What another process records
    /// about that command later must not count for the next one, so the next one gets another file.
    command_started: bool,
}

/// How a life begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beginning<'a> {
    /// It waits. These lines stand behind the first two of its tombstone.
    Waiting(&'a [Line<'a>]),
    /// At once: others never see it unborn.
    Born,
}

impl OwnTombstone {
    /// Publishes the tombstone of a new life. The directory must exist.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if a supervisor with this name is alive; [`Error::Io`] if the tombstone
    /// cannot be created.
    pub(crate) fn begin(
        dir: &ExitDir,
        name: &Name,
        beginning: Beginning<'_>,
    ) -> Result<OwnTombstone, Error> {
        let pending = PendingTombstone::acquire(dir, name)?;
        let lineage = pending.await_free_name()?;
        let lock = pending.lock_line();
        let mut all = vec![Line::Waiting(&lineage.life), Line::Lock(&lock)];
        match beginning {
            Beginning::Waiting(lines) => all.extend_from_slice(lines),
            Beginning::Born => all.push(Line::Born(&lineage.life)),
        }
        all.extend(lineage.past_lines());
        pending.write_and_guard(&compose(&all))?;
        let (file, id) = pending.publish()?;
        Ok(OwnTombstone {
            name: name.clone(),
            file,
            id,
            fell: lineage.fell,
            locked: lock != Lock::Unavailable,
            command_started: false,
        })
    }

    /// Notes that a command was started.
    pub(crate) fn mark_started(&mut self) {
        self.command_started = true;
    }

    /// Appends a record. Drops a `Ready` line if the tombstone has one already: another process may
    /// have recorded it, or the tombstone could not be replaced. Drops a record after a death, and
    /// one that has no room.
    pub(crate) fn append(&self, lines: &[Line<'_>]) -> Result<(), Errno> {
        let text = read_start(&self.file)?;
        let current = Tombstone::parse(&text);
        let is_new =
            |line: &&Line<'_>| !(matches!(line, Line::Ready(_)) && current.ready.is_some());
        let lines: Vec<Line<'_>> = lines.iter().filter(is_new).copied().collect();
        if current.died.is_some() || lines.is_empty() {
            return Ok(());
        }
        let (length, last) = (text.len() as u64, text.last().copied());
        append_after(&self.file, length, last, &lines).map(|_| ())
    }

    /// Replaces the tombstone by one that says that the command is down.
    ///
    /// Does nothing if the tombstone says so already and no command was started since, or if
    /// another process has recorded a death.
    ///
    /// Waits up to `timeout` for other processes that use the name, such as a concurrent start that
    /// is going to be rejected.
    ///
    /// A process that appends to the old file after the rename compares the names and starts over.
    /// What it appended before the rename is carried over.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::NameBusy`] if the tombstone cannot be replaced; the old one is
    /// kept then.
    pub(crate) fn replace(
        &mut self,
        dir: &ExitDir,
        by: Replacement,
        timeout: Duration,
    ) -> Result<(), Error> {
        let entry = dir.entry(self.name.as_str());
        let failed = |errno| Error::io("replace", &entry, errno);
        let text = read_start(&self.file).map_err(failed)?;
        let old = Tombstone::parse(&text);
        let is_stale =
            old.ready.is_some() || old.inactive.is_some() != (by == Replacement::Inactive);
        if old.died.is_some() || !(is_stale || self.command_started) {
            return Ok(());
        }
        let pending =
            PendingTombstone::acquire_within(dir, &self.name, Patience::at_most(timeout))?;
        if dir.id_of(self.name.as_str()).map_err(failed)? != Some(self.id) {
            // It was removed, or moved away with its directory. No reader takes it for ready.
            return Ok(());
        }
        let lock = pending.lock_line();
        pending.write_and_guard(&text_while_down(&old, &lock, by))?;
        let (file, id) = pending.publish()?;
        let old_file = std::mem::replace(&mut self.file, file);
        let carried = carry_over(&old_file, &self.file, committed(&text).len());
        // A follower may hold the old file. If this fails, it reads the new one in most cases.
        let _ = append(&old_file, &[Line::Replaced(&timestamp_now())]);
        // Closing the old file releases its lock. After that its inode number can be reused.
        drop(old_file);
        ExitDir::unguard(std::mem::replace(&mut self.id, id));
        self.command_started = false;
        carried.map_err(failed)
    }

    /// What the tombstone says now, with what other processes have appended.
    pub(crate) fn tombstone(&self) -> Result<Tombstone, Errno> {
        read_start(&self.file).map(|bytes| Tombstone::parse(&bytes))
    }

    /// Writes the death record, unless another process has recorded a death. Makes sure that the
    /// directory that has the path now contains it.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written. Readers then take the life for lost once its lock is
    /// released.
    pub(crate) fn end(&self, dir: &ExitDir, record: &DeathRecord<'_>) -> Result<(), Error> {
        let failed = |errno| Error::io("write", &dir.entry(self.name.as_str()), errno);
        let is_recorded = self
            .tombstone()
            .is_ok_and(|tombstone| tombstone.died.is_some());
        if !is_recorded {
            let died = timestamp_now();
            append(&self.file, &record.lines(&died)).map_err(failed)?;
        }
        if dir.id_of(self.name.as_str()).map_err(failed)? == Some(self.id) {
            return Ok(());
        }
        self.republish(dir)
    }

    /// Makes the end durable, as [`ExitDir::save_file`] does, and releases the lock before that:
    /// the end is recorded, and a disk may take its time. Nothing is written after this.
    ///
    /// # Errors
    /// [`Error::Io`] if the disk fails.
    pub(crate) fn save(&self, dir: &ExitDir) -> Result<(), Error> {
        // A lock that stays is released when the process ends.
        let _ = rustix::fs::fcntl_lock(&self.file, FlockOperation::Unlock);
        match dir.id_of(self.name.as_str()) {
            Ok(Some(id)) if id == self.id => dir.save_file(&self.name, &self.file),
            // The end was published again.
            Ok(_) | Err(_) => dir.save(&self.name),
        }
    }

    /// Publishes the text again where readers look for it: the tombstone was removed, or its
    /// directory was replaced.
    fn republish(&self, dir: &ExitDir) -> Result<(), Error> {
        let failed = |errno| Error::io("write", &dir.entry(self.name.as_str()), errno);
        if dir.id_of(self.name.as_str()).map_err(failed)?.is_some() {
            // Another life, or a record of another process. It is newer than this life.
            return Ok(());
        }
        let text = read_start(&self.file).map_err(failed)?;
        let pending = PendingTombstone::acquire(dir, &self.name)?;
        pending
            .write(&String::from_utf8_lossy(&text))
            .map_err(failed)?;
        pending.publish().map(|_| ())
    }
}

impl Drop for OwnTombstone {
    fn drop(&mut self) {
        // Before the file is closed: a reader in this process that is woken by that may read it.
        ExitDir::unguard(self.id);
    }
}

/// What a tombstone is replaced by while the command is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    /// The command will start again: neither ready nor inactive.
    Down,
    /// The command was deactivated.
    Inactive,
}

/// The text for the same life while its command is down, with the lock of another file.
fn text_while_down(old: &Tombstone, lock: &Lock, by: Replacement) -> String {
    let now = timestamp_now();
    let mut lines: Vec<Line<'_>> = old.waiting.iter().map(Line::Waiting).collect();
    lines.push(Line::Lock(lock));
    if old.born.is_none() {
        lines.extend(old.waiting_for.as_deref().map(Line::WaitingFor));
    }
    lines.extend(old.follows.as_deref().map(Line::Follows));
    lines.extend(old.past_lines());
    lines.extend(old.born.iter().map(Line::Born));
    lines.extend(old.cause.iter().map(Line::Cause));
    lines.extend(old.cause_life.iter().map(Line::CauseLife));
    if by == Replacement::Inactive {
        lines.push(Line::Inactive(&now));
    }
    // The message is left out: it was recorded together with the readiness.
    compose(&lines)
}

/// Appends to `to` what was committed in `from` after the first `known` bytes.
fn carry_over(from: &OwnedFd, to: &OwnedFd, known: usize) -> Result<(), Errno> {
    let text = read_start(from)?;
    write_all(to, committed(&text).get(known..).unwrap_or_default())
}

/// The text without an incomplete last line, and without a death record that has no `Died` line
/// yet. Its writer may be in the middle of it; the writer will compare the names and start over.
fn committed(text: &[u8]) -> &[u8] {
    let is_dead = Tombstone::parse(text).died.is_some();
    let begins_death =
        |line: &[u8]| line.starts_with(format!("{}:", Key::ExitCode.as_str()).as_bytes());
    let is_committed = |line: &&[u8]| line.ends_with(b"\n") && (is_dead || !begins_death(line));
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let end = lines.take_while(is_committed).map(<[u8]>::len).sum();
    text.get(..end).unwrap_or_default()
}
