//! What is known of the names that matter: lives, followed from look to look.
//!
//! A follower keeps the tombstones that matter to it open. Another life under a name then means that
//! the old one is over, and its end is read from the old file, even if it was replaced at once.
//! What the lives mean for anybody is decided elsewhere.

use crate::condition::{LockEvidence, News, Standing};
use crate::exit_dir::{ExitDir, Fingerprint, Opened, SETTLING, Snapshot};
use crate::watch::{DirWatch, Rumours, Trouble};
use crate::{Error, Life, Limit, Name, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;
use std::time::Instant;

/// How many tombstones are kept open that nobody named, so that descriptors do not run out.
const OPEN_LIMIT: usize = 200;

/// What one look at everything that may have changed found.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) news: Vec<News>,
    /// What could not be read; the rest was.
    pub(crate) errors: Vec<Error>,
    pub(crate) trouble: Option<Trouble>,
}

/// Follows the lives of some names, or of all but one.
#[derive(Debug)]
pub(crate) struct Follower {
    watch: DirWatch,
    tracks: BTreeMap<Name, Track>,
    /// The names among them whose file may not be finished, and when that will be clear.
    settling: BTreeMap<Name, Instant>,
    /// The names that were asked for, in the order in which they were.
    named: Vec<Name>,
    everybody: bool,
    /// One's own name, which is not looked at.
    own: Option<Name>,
}

/// One name from look to look.
#[derive(Debug, Default)]
struct Track {
    held: Option<Opened>,
    life: Option<Life>,
    quiet: Option<Quiet>,
}

/// Since when a file has not changed, and whether its writer is known to have finished.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    print: Fingerprint,
    since: Instant,
    finished: bool,
}

impl Follower {
    /// Begins to follow `names` (and with `everybody` all others too), except `own`.
    pub(crate) fn begin(
        dir: &ExitDir,
        names: &[Name],
        everybody: bool,
        own: Option<&Name>,
        poll: Option<Limit>,
    ) -> (Follower, Option<Trouble>) {
        let (watch, trouble) = DirWatch::arm(dir, poll);
        let mut follower = Follower {
            watch,
            tracks: BTreeMap::new(),
            settling: BTreeMap::new(),
            named: Vec::new(),
            everybody,
            own: own.cloned(),
        };
        for name in names {
            follower.add(name);
        }
        (follower, trouble)
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

    /// When to look even if the descriptor says nothing.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let settling = self.settling.values().min().copied();
        [settling, self.watch.next_look()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Looks at what may have changed, in the order in which the names were given, then by event or name.
    pub(crate) fn look(&mut self, dir: &ExitDir) -> Look {
        let began = Instant::now();
        let (rumours, trouble) = self.watch.listen(dir, began);
        let mut look = Look {
            trouble,
            ..Look::default()
        };
        for name in self.due(dir, &rumours, began, &mut look.errors) {
            match self.visit(dir, name, &rumours, began) {
                Ok(news) => look.news.push(news),
                Err(error) => look.errors.push(error),
            }
        }
        if rumours.everything {
            self.watch.looked(began, Instant::now());
        }
        look
    }

    fn visit(
        &mut self,
        dir: &ExitDir,
        name: Name,
        rumours: &Rumours,
        now: Instant,
    ) -> Result<News, Error> {
        let finished = rumours.is_finished(name.as_str().as_bytes());
        let keep = self.tracks.len() < OPEN_LIMIT || self.named.contains(&name);
        let track = self.tracks.entry(name.clone()).or_default();
        let ended = track.look(dir, &name, finished, now)?;
        if !keep {
            track.held = None;
        }
        let (life, settles_at) = (track.life.clone(), track.settles_at());
        match settles_at {
            Some(at) => self.settling.insert(name.clone(), at),
            None => self.settling.remove(&name),
        };
        Ok(News {
            name,
            ended,
            now: life,
        })
    }

    /// The names to look at, each once.
    fn due(
        &self,
        dir: &ExitDir,
        rumours: &Rumours,
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
    fn look(
        &mut self,
        dir: &ExitDir,
        name: &Name,
        finished: bool,
        now: Instant,
    ) -> Result<Option<Life>, Error> {
        let Some((opened, snapshot)) = dir.sight(name)? else {
            return Ok(self.vanish(dir, now));
        };
        let same_file = self.held.as_ref().is_none_or(|held| held.id == opened.id);
        let before = self.life.take();
        let ended = match before.as_ref().filter(|life| life.is_alive()) {
            Some(old) if !is_same_life(old, &snapshot, same_file) => {
                Some(self.last_words(dir, old.clone(), same_file))
            }
            _ => None,
        };
        let rewriting =
            before.filter(|old| same_file && ended.is_none() && is_being_rewritten(old, &snapshot));
        let settled = self.settle(&snapshot, finished, same_file, now);
        self.held = Some(opened);
        // kubexit empties its tombstone before it writes the death: until then it is what it was.
        self.life = Some(
            rewriting
                .unwrap_or_else(|| Life::judge(snapshot.tombstone, snapshot.evidence, settled)),
        );
        Ok(ended)
    }

    /// The name is gone. The file that we hold may still tell of its life.
    fn vanish(&mut self, dir: &ExitDir, now: Instant) -> Option<Life> {
        let held = self.held.take();
        self.life.take().filter(Life::is_alive)?;
        let held = held?;
        let snapshot = dir.read(&held).ok()?;
        let settled = self.settle(&snapshot, false, true, now);
        let life = Life::judge(snapshot.tombstone, snapshot.evidence, settled);
        if life.death().is_some() {
            return Some(life);
        }
        if snapshot.evidence == LockEvidence::Held {
            // Removed by hand; its supervisor lives and can be told from its lock.
            self.held = Some(held);
            self.life = Some(life);
        }
        None
    }

    /// How the life ended that was alive when last seen: read from the file that we hold.
    fn last_words(&self, dir: &ExitDir, old: Life, same_file: bool) -> Life {
        let held = if same_file { None } else { self.held.as_ref() };
        match held.map(|held| dir.read(held)) {
            Some(Ok(snapshot)) => {
                Life::judge(snapshot.tombstone, snapshot.evidence, true).into_ended()
            }
            Some(Err(_)) | None => old.into_ended(),
        }
    }

    fn settle(
        &mut self,
        snapshot: &Snapshot,
        finished: bool,
        same_file: bool,
        now: Instant,
    ) -> bool {
        let known = self
            .quiet
            .filter(|quiet| same_file && quiet.print == snapshot.print);
        let quiet = match known {
            Some(quiet) => Quiet {
                finished: quiet.finished || finished,
                ..quiet
            },
            None => Quiet {
                print: snapshot.print,
                since: now,
                finished,
            },
        };
        self.quiet = Some(quiet);
        quiet.finished || snapshot.is_old() || now.duration_since(quiet.since) >= SETTLING
    }

    /// When a file that its writer may not have finished has been left alone for long enough.
    fn settles_at(&self) -> Option<Instant> {
        let open = match self.life.as_ref()?.standing {
            Standing::Unsettled => true,
            Standing::Dead(death) => death.code().is_none(),
            Standing::Alive(_) => false,
        };
        if open {
            self.quiet.map(|quiet| quiet.since + SETTLING)
        } else {
            None
        }
    }
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
