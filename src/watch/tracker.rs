//! What is known of the names that matter: lives, followed from look to look.
//!
//! A follower keeps the tombstones that matter to it open. Another life under a name then means that
//! the old one is over, and its end is read from the old file, even if it was replaced at once.
//! Only files of the living are held, and of those that nobody named as many as descriptors allow.
//! What the lives mean for anybody is decided elsewhere.

use crate::duration::Limit;
use crate::error::Error;
use crate::protocol::life::{Life, Liveness, LockState, Observation, WriteState};
use crate::protocol::name::Name;
use crate::protocol::timestamp::Timestamp;
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::snapshot::{SETTLE_TIME, Snapshot, TombstoneFile, WriteStability};
use crate::watch::cpu_time::CpuTimer;
use crate::watch::dir_watch::{DirChanges, DirWatch, WatchFault};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// What one look at everything that may have changed found.
#[derive(Debug, Default)]
pub(crate) struct ScanResult {
    pub(crate) news: Vec<Observation>,
    /// Of whom nothing can be said, because they could not be read.
    pub(crate) unread: Vec<Name>,
    /// What could not be read of what was asked for; the rest was.
    pub(crate) errors: Vec<Error>,
    /// Entries that nobody named and that could not be read.
    pub(crate) blemishes: Vec<Error>,
    pub(crate) trouble: Option<WatchFault>,
}

/// Follows the lives of some names, or of all but one.
#[derive(Debug)]
pub(crate) struct Tracker {
    watch: DirWatch,
    tracks: BTreeMap<Name, Track>,
    /// The names among them whose file may not be finished, and when that will be clear.
    settling: BTreeMap<Name, Instant>,
    /// The names that were asked for, in the order in which they were.
    named: Vec<Name>,
    everybody: bool,
    /// One's own name, which is not looked at.
    own: Option<Name>,
    /// How many files of the living are held, and how many may be that nobody named.
    held: usize,
    hold_limit: usize,
    /// When the last look at everything began.
    surveyed: Option<Instant>,
}

/// One name from look to look.
#[derive(Debug, Default)]
struct Track {
    /// Which file was there.
    id: Option<FileId>,
    /// The file, as long as its life goes on.
    held: Option<TombstoneFile>,
    life: Option<Life>,
    quiet: Option<WriteStability>,
}

impl Tracker {
    /// Will follow `names` (and with `everybody` all others too), except `own`. Until it is armed it can
    /// look, and is not told when.
    pub(crate) fn new(
        names: &[Name],
        everybody: bool,
        own: Option<&Name>,
        poll: Option<Limit>,
    ) -> Tracker {
        let mut follower = Tracker {
            watch: DirWatch::new(poll),
            tracks: BTreeMap::new(),
            settling: BTreeMap::new(),
            named: Vec::new(),
            everybody,
            own: own.cloned(),
            held: 0,
            hold_limit: hold_limit(),
            surveyed: None,
        };
        for name in names {
            follower.add(name);
        }
        follower
    }

    /// Begins to be told of changes. Look once more before sleeping.
    pub(crate) fn arm(&mut self, dir: &ExitDir) -> Option<WatchFault> {
        self.watch.arm(dir)
    }

    /// What was found before this moment does not count: unless the next look will be told of all that has
    /// changed, or everything was looked at since, it is at everything.
    pub(crate) fn doubt(&mut self, before: Instant) {
        if !self.watch.tells_everything() && self.surveyed.is_none_or(|at| at < before) {
            self.watch.refresh();
        }
    }

    /// Follows one more name; it is looked at with the next look.
    pub(crate) fn add(&mut self, name: &Name) {
        if !self.named.contains(name) && self.own.as_ref() != Some(name) {
            self.named.push(name.clone());
        }
    }

    /// Readable when something may have happened; `None` without inotify.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.descriptor()
    }

    /// As [`DirWatch::close_later`].
    pub(crate) fn close_later(&mut self) {
        self.watch.close_later();
    }

    /// When to look even if the descriptor says nothing.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let settling = self.settling.values().min().copied();
        [settling, self.watch.next_look()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Looks at what may have changed, in the order in which the names were given, then by event or name.
    pub(crate) fn look(&mut self, dir: &ExitDir) -> ScanResult {
        let (effort, began) = (CpuTimer::begin(), Instant::now());
        let (rumours, trouble) = self.watch.listen(dir, began);
        let mut look = ScanResult {
            trouble,
            ..ScanResult::default()
        };
        let mut due = self.due(dir, &rumours, began, &mut look.errors);
        if look.errors.iter().any(Error::is_shortage_of_descriptors)
            && let Some(trouble) = self.watch.give_up(dir)
        {
            look = ScanResult {
                trouble: look.trouble.or(Some(trouble)),
                ..ScanResult::default()
            };
            due = self.due(dir, &rumours, began, &mut look.errors);
        }
        for name in due {
            let mut visit = self.visit(dir, &name, &rumours);
            if visit.as_ref().is_err_and(Error::is_shortage_of_descriptors)
                && let Some(trouble) = self.watch.give_up(dir)
            {
                // A look is worth more than being told when.
                look.trouble = look.trouble.or(Some(trouble));
                visit = self.visit(dir, &name, &rumours);
            }
            match visit {
                Ok(news) => look.news.push(news),
                Err(error) => {
                    // Perhaps it was only a moment's trouble.
                    self.settling
                        .insert(name.clone(), Instant::now() + SETTLE_TIME);
                    look.unread.push(name.clone());
                    let asked_for = self.named.contains(&name);
                    let list = if asked_for {
                        &mut look.errors
                    } else {
                        &mut look.blemishes
                    };
                    list.push(error);
                }
            }
        }
        if rumours.everything {
            self.watch.looked(effort.so_far());
            self.surveyed = Some(began);
        }
        look
    }

    fn visit(
        &mut self,
        dir: &ExitDir,
        name: &Name,
        rumours: &DirChanges,
    ) -> Result<Observation, Error> {
        let finished = rumours.is_finished(name.as_str().as_bytes());
        let named = self.named.contains(name);
        let track = self.tracks.entry(name.clone()).or_default();
        let before = usize::from(track.held.is_some());
        let ended = track.look(dir, name, finished)?;
        if !named && self.held - before >= self.hold_limit {
            track.held = None;
        }
        self.held = self.held - before + usize::from(track.held.is_some());
        let current = track.life.clone();
        match track.settles_at() {
            Some(at) => self.settling.insert(name.clone(), at),
            None => self.settling.remove(name),
        };
        Ok(Observation {
            name: name.clone(),
            ended,
            current,
        })
    }

    /// The names to look at, each once.
    fn due(
        &self,
        dir: &ExitDir,
        rumours: &DirChanges,
        now: Instant,
        errors: &mut Vec<Error>,
    ) -> Vec<Name> {
        let mut due: Vec<Name> = Vec::new();
        if rumours.everything {
            due.extend(self.named.iter().cloned());
            if self.everybody {
                match dir.names() {
                    Ok(names) => due.extend(names),
                    Err(error) => errors.push(error),
                }
                due.extend(self.tracks.keys().cloned());
            }
        } else {
            due.extend(
                self.named
                    .iter()
                    .filter(|name| !self.tracks.contains_key(name))
                    .cloned(),
            );
            due.extend(
                self.settling
                    .iter()
                    .filter(|(_, at)| **at <= now)
                    .map(|(name, _)| name.clone()),
            );
            due.extend(rumours.entries().filter_map(|entry| self.wanted(entry)));
        }
        let mut seen = BTreeSet::new();
        due.retain(|name| self.own.as_ref() != Some(name) && seen.insert(name.clone()));
        due
    }

    fn wanted(&self, entry: &[u8]) -> Option<Name> {
        let name = Name::from_bytes(entry)?;
        (self.everybody || self.named.contains(&name)).then_some(name)
    }
}

impl Track {
    /// Looks once. Returns the life that has ended and been replaced since the last look.
    fn look(&mut self, dir: &ExitDir, name: &Name, finished: bool) -> Result<Option<Life>, Error> {
        let Some((opened, snapshot)) = dir.read_current(name)? else {
            return Ok(self.vanish(dir));
        };
        let same_file = self.id.is_none_or(|id| id == opened.id);
        let before = self.life.take().filter(Life::is_alive);
        let ended = match &before {
            Some(old) if !is_same_life(old, &snapshot, same_file) => {
                Some(self.last_words(dir, old, same_file))
            }
            Some(_) | None => None,
        };
        let rewriting =
            before.filter(|old| same_file && ended.is_none() && is_being_rewritten(old, &snapshot));
        let writing = self.settle(opened.id, &snapshot, finished);
        self.id = Some(opened.id);
        // kubexit empties its tombstone before it writes the death: until then it is what it was.
        let life =
            rewriting.unwrap_or_else(|| Life::judge(snapshot.tombstone, snapshot.lock, writing));
        self.held = life.is_alive().then_some(opened);
        self.life = Some(life);
        Ok(ended)
    }

    /// The name is gone. The file that we hold may still tell of its life.
    fn vanish(&mut self, dir: &ExitDir) -> Option<Life> {
        let last = std::mem::take(self);
        let life = last.life.filter(Life::is_alive)?;
        let held = last.held?;
        let Ok(snapshot) = dir.read(&held) else {
            // Perhaps it was only a moment's trouble: the next look tries again.
            *self = Track {
                id: last.id,
                held: Some(held),
                life: Some(life),
                quiet: last.quiet,
            };
            return None;
        };
        let life = Life::judge(snapshot.tombstone, snapshot.lock, WriteState::Settled);
        if life.death().is_some() {
            return Some(life);
        }
        if snapshot.lock == LockState::Held {
            // Removed by hand; its supervisor lives and can be told from its lock.
            *self = Track {
                id: Some(held.id),
                held: Some(held),
                life: Some(life),
                quiet: None,
            };
        }
        None
    }

    /// How the life ended that was alive when last seen: read from the file that we hold.
    fn last_words(&self, dir: &ExitDir, old: &Life, same_file: bool) -> Life {
        let held = if same_file { None } else { self.held.as_ref() };
        match held.map(|held| dir.read(held)) {
            Some(Ok(snapshot)) => {
                Life::judge(snapshot.tombstone, snapshot.lock, WriteState::Settled).into_ended()
            }
            Some(Err(_)) | None => old.clone().into_ended(),
        }
    }

    fn settle(&mut self, id: FileId, snapshot: &Snapshot, finished: bool) -> WriteState {
        let quiet = WriteStability::after(self.quiet, id, snapshot, finished);
        self.quiet = Some(quiet);
        quiet.write_state(snapshot)
    }

    /// When a file that its writer may not have finished has been left alone for long enough.
    fn settles_at(&self) -> Option<Instant> {
        let open = match self.life.as_ref()?.liveness {
            Liveness::Unsettled => true,
            Liveness::Dead(death) => death.code().is_none(),
            Liveness::Alive(_) => false,
        };
        self.quiet.filter(|_| open).map(|quiet| quiet.settles_at())
    }
}

/// How many tombstones that nobody named are kept open: the descriptors are the command's too.
fn hold_limit() -> usize {
    let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    allowed.map_or(usize::MAX, |allowed| {
        usize::try_from(allowed / 2).unwrap_or(usize::MAX)
    })
}

/// Whether a look found the life again that was alive before.
fn is_same_life(old: &Life, snapshot: &Snapshot, same_file: bool) -> bool {
    let (before, after) = (old.tombstone.life(), snapshot.tombstone.life());
    match (before, after) {
        (Some(before), Some(after)) => before == after,
        (_, None) | (None, Some(_)) => same_file,
    }
}

/// Whether this is a tombstone that its writer has just emptied to write it anew.
fn is_being_rewritten(old: &Life, snapshot: &Snapshot) -> bool {
    let born: Option<&Timestamp> = old.tombstone.born.as_ref();
    old.is_alive() && born.is_some() && !snapshot.tombstone.has_line
}
