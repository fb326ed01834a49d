//! The tombstone of the life that this process leads: begun, added to, replaced while the command is down, and
//! ended, wherever its directory is by then.
//!
//! Others may write into it too: what they have said is carried over, and nothing follows a death.

use crate::error::Error;
use crate::protocol::compose::{Line, compose};
use crate::protocol::name::Name;
use crate::protocol::tombstone::{Lock, Tombstone};
use crate::store::append::{DeathRecord, append};
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::publish::PendingTombstone;
use crate::store::snapshot::read_start;
use crate::sys::clock::timestamp_now;
use crate::sys::write::write_all;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// A life that this process leads: its tombstone, and the lock on it until the value is dropped.
#[derive(Debug)]
pub(crate) struct OwnTombstone {
    name: Name,
    file: OwnedFd,
    id: FileId,
    /// Whether a crash will be seen, because the lock could be taken and can be judged.
    pub(crate) locked: bool,
    /// A command was started since this file was made: who speaks of that one later finds another file.
    is_used: bool,
}

impl OwnTombstone {
    /// Publishes the tombstone of a new life. The directory must exist. `waiting_for` are its birth dependencies.
    ///
    /// # Errors
    /// [`Error::NameTaken`] if somebody lives under this name; [`Error::Io`] if it cannot be made.
    pub(crate) fn begin(
        dir: &ExitDir,
        name: &Name,
        waiting_for: Option<&str>,
    ) -> Result<OwnTombstone, Error> {
        let pending = PendingTombstone::acquire(dir, name)?;
        pending.await_free_name()?;
        let lock = pending.lock_line();
        let now = timestamp_now();
        let begun = [Line::Waiting(&now), Line::Lock(&lock)].into_iter();
        let lines: Vec<Line<'_>> = begun.chain(waiting_for.map(Line::WaitingFor)).collect();
        let text = compose(&lines);
        pending.write_and_guard(&text)?;
        let (file, id) = pending.publish()?;
        Ok(OwnTombstone {
            name: name.clone(),
            file,
            id,
            locked: lock != Lock::Unavailable,
            is_used: false,
        })
    }

    /// A command is started.
    pub(crate) fn mark_started(&mut self) {
        self.is_used = true;
    }

    /// Appends a record, but no readiness that stands there already: others may have said it, or the tombstone
    /// could not be replaced. Nothing follows a death, and what finds no room is dropped.
    pub(crate) fn append(&self, lines: &[Line<'_>]) -> Result<(), Errno> {
        let text = self.tombstone()?;
        let is_new = |line: &&Line<'_>| !(matches!(line, Line::Ready(_)) && text.ready.is_some());
        let lines: Vec<Line<'_>> = lines.iter().filter(is_new).copied().collect();
        if text.died.is_some() || lines.is_empty() {
            return Ok(());
        }
        append(&self.file, &lines).map(|_| ())
    }

    /// Replaces the tombstone by one of the same life that is down, unless that is what it says and no command was
    /// started since, or it was said dead.
    ///
    /// A newcomer under the name is waited for until he is refused, for so long at most.
    ///
    /// Whoever writes into the old file after the rename compares the names and begins again; what was
    /// written before it is carried over.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::NameTaken`] if it cannot be replaced; the old one is kept then.
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
        let stale = old.ready.is_some() || old.inactive.is_some() != (by == Replacement::Inactive);
        if old.died.is_some() || !(stale || self.is_used) {
            return Ok(());
        }
        let pending = PendingTombstone::acquire_within(dir, &self.name, timeout)?;
        if dir.id_of(self.name.as_str()).map_err(failed)? != Some(self.id) {
            // It was removed or moved away with its directory: nobody takes it for ready.
            return Ok(());
        }
        let lock = pending.lock_line();
        pending.write_and_guard(&text_while_down(&old, &lock, by))?;
        let successor = pending.id;
        let (file, id) = pending.publish().inspect_err(|_| dir.unguard(successor))?;
        let before = std::mem::replace(&mut self.file, file);
        let carried = carry_over(&before, &self.file, committed(&text).len());
        // Its lock goes with it, and the inode's number may become somebody else's.
        drop(before);
        dir.unguard(std::mem::replace(&mut self.id, id));
        self.is_used = false;
        carried.map_err(failed)
    }

    /// What the tombstone says by now, other people's words included.
    pub(crate) fn tombstone(&self) -> Result<Tombstone, Errno> {
        read_start(&self.file).map(|bytes| Tombstone::parse(&bytes))
    }

    /// Writes the death record, unless somebody has said it already, and makes sure that the
    /// directory that is there at the end has it.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written; releasing the lock then still tells everybody.
    pub(crate) fn end(&self, dir: &ExitDir, record: &DeathRecord<'_>) -> Result<(), Error> {
        let failed = |errno| Error::io("write", &dir.entry(self.name.as_str()), errno);
        let said = self
            .tombstone()
            .is_ok_and(|tombstone| tombstone.died.is_some());
        if !said {
            let died = timestamp_now();
            append(&self.file, &record.lines(&died)).map_err(failed)?;
        }
        if dir.id_of(self.name.as_str()).map_err(failed)? == Some(self.id) {
            return Ok(());
        }
        self.republish(dir)
    }

    /// The tombstone was removed, or its directory replaced: what it says goes where it is looked for.
    fn republish(&self, dir: &ExitDir) -> Result<(), Error> {
        let failed = |errno| Error::io("write", &dir.entry(self.name.as_str()), errno);
        if dir.id_of(self.name.as_str()).map_err(failed)?.is_some() {
            // Another life, or somebody else's words: theirs are newer.
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

/// What a tombstone is replaced by while the command is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replacement {
    /// It will be back: neither ready nor inactive.
    Down,
    /// It was deactivated.
    Inactive,
}

/// The tombstone of the same life while it is down, with another file's lock.
fn text_while_down(old: &Tombstone, lock: &Lock, by: Replacement) -> String {
    let now = timestamp_now();
    let mut lines: Vec<Line<'_>> = old.waiting.iter().map(Line::Waiting).collect();
    lines.push(Line::Lock(lock));
    if old.born.is_none() {
        lines.extend(old.waiting_for.as_deref().map(Line::WaitingFor));
    }
    lines.extend(old.born.iter().map(Line::Born));
    lines.extend(old.cause.iter().map(Line::Cause));
    if by == Replacement::Inactive {
        lines.push(Line::Inactive(&now));
    }
    // A message came with the readiness, and goes with it.
    compose(&lines)
}

/// Appends to `to` what was written into `from` behind `seen`, as far as it is committed.
fn carry_over(from: &OwnedFd, to: &OwnedFd, seen: usize) -> Result<(), Errno> {
    let text = read_start(from)?;
    write_all(to, committed(&text).get(seen..).unwrap_or_default())
}

/// The text without a last line that lacks its newline, and without a death record that no `Died` has
/// committed: its writer may be in the middle of it, and will compare the names and begin again.
fn committed(text: &[u8]) -> &[u8] {
    let dead = Tombstone::parse(text).died.is_some();
    let committed =
        |line: &&[u8]| line.ends_with(b"\n") && (dead || !line.starts_with(b"ExitCode:"));
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let end = lines.take_while(committed).map(<[u8]>::len).sum();
    text.get(..end).unwrap_or_default()
}
