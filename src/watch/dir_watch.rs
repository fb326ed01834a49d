//! "Look again now": inotify on one directory, and a slow look beside it. Knows no tombstones.
//!
//! An event is only a rumour; whoever is woken looks for himself. Some file systems drop events in
//! silence, so the slow look always runs, and where inotify is not to be had it runs alone and
//! faster. Once armed, the watch never stays silent for longer than its interval.

use crate::duration::Limit;
use crate::error::describe;
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::store::locality::Locality;
use crate::watch::inotify::Inotify;
use rustix::fs::inotify::{ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

/// Between slow looks where the kernel tells every change.
const LOCAL_INTERVAL: Duration = Duration::from_secs(10);
/// Between slow looks where it may not.
const REMOTE_INTERVAL: Duration = Duration::from_secs(1);
/// Between looks where there is no inotify at all.
const BLIND_INTERVAL: Duration = Duration::from_millis(250);
/// Of a processor's time, looks take at most this part.
const SHARE: u32 = 20;

/// What has been heard since the last time.
#[derive(Debug, Default)]
pub(crate) struct DirChanges {
    /// Everything must be looked at again: the first look, a slow look, or events were lost.
    pub(crate) everything: bool,
    /// Entries that something happened to, in the order of the first event of each.
    entries: Vec<Vec<u8>>,
    /// For each of them whether the last that was heard is that its writer has finished.
    finished: BTreeMap<Vec<u8>, bool>,
}

/// What a caller should be told about once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchFault {
    /// inotify is not to be had; the errno says why.
    NoInotify(Errno),
    /// The directory is not the one that was watched, or there is none.
    DirectoryGone,
    /// It is there again, and watched.
    DirectoryBack,
}

/// A watch on one directory.
#[derive(Debug)]
pub(crate) struct DirWatch {
    inotify: Option<Inotify>,
    /// Dropped after the descriptor that it takes care of.
    undertaker: Option<DeferredClose>,
    directory: Option<FileId>,
    poll: Option<Limit>,
    interval: Limit,
    next_look: Option<Instant>,
    armed: bool,
    /// There is inotify, on a file system whose changes are all made here.
    tells_everything: bool,
    /// Nothing was looked at since the watch was made, armed or refreshed.
    fresh: bool,
}

impl DirWatch {
    /// A watch that is not armed yet.
    pub(crate) fn new(poll: Option<Limit>) -> DirWatch {
        DirWatch {
            inotify: None,
            undertaker: None,
            directory: None,
            poll,
            interval: Limit::Never,
            next_look: None,
            armed: false,
            tells_everything: false,
            fresh: true,
        }
    }

    /// Begins to watch. The next [`DirWatch::listen`] asks for a look at everything, so that what came
    /// before the watch was armed is not missed.
    pub(crate) fn arm(&mut self, dir: &ExitDir) -> Option<WatchFault> {
        // Before the watch: if it is replaced in between, the next slow look sees another one.
        let identity = dir.identity();
        let tried = if is_gone(&identity) {
            None
        } else {
            Some(arm_inotify(dir))
        };
        self.directory = identity.ok();
        let (inotify, trouble) = match tried {
            Some(Ok(fd)) => (Some(fd), None),
            Some(Err(Errno::NOENT | Errno::NOTDIR)) | None => {
                (None, Some(WatchFault::DirectoryGone))
            }
            Some(Err(errno)) => (None, Some(WatchFault::NoInotify(errno))),
        };
        if trouble == Some(WatchFault::DirectoryGone) {
            self.directory = None;
        }
        self.inotify = inotify;
        self.interval = self.usual_interval(dir);
        (self.armed, self.fresh) = (true, true);
        trouble
    }

    fn usual_interval(&mut self, dir: &ExitDir) -> Limit {
        let blind = self.inotify.is_none();
        let locality = Locality::of_path(dir.path());
        self.tells_everything = !blind && locality == Locality::Local;
        if blind && self.poll.is_none() && self.directory.is_none() {
            return Limit::After(REMOTE_INTERVAL);
        }
        interval(self.poll, blind, locality)
    }

    /// Readable when there is something to hear; `None` without inotify.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// When to call [`DirWatch::listen`] even if the descriptor says nothing.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.next_look
    }

    /// Whether the kernel tells every change, so that whoever has just listened knows of all of them.
    pub(crate) fn tells_everything(&self) -> bool {
        self.tells_everything
    }

    /// The next [`DirWatch::listen`] asks for a look at everything, whatever it hears.
    pub(crate) fn refresh(&mut self) {
        self.fresh = true;
    }

    /// Hears what has happened. The first time asks for a look at everything. When a slow look is due,
    /// the directory itself is looked at too.
    pub(crate) fn listen(
        &mut self,
        dir: &ExitDir,
        now: Instant,
    ) -> (DirChanges, Option<WatchFault>) {
        let mut rumours = DirChanges::default();
        let moved = self
            .inotify
            .as_ref()
            .is_some_and(|inotify| drain(inotify, &mut rumours));
        let due = self.fresh || moved || self.next_look.is_some_and(|at| at <= now);
        rumours.everything |= due;
        let trouble = if due && self.armed {
            self.check_directory(dir, moved)
        } else {
            None
        };
        // Whoever asked will look now, after any arming.
        self.fresh = false;
        (rumours, trouble)
    }

    /// Leaves it to the kernel to close the watch some time after we have dropped it. Until then it
    /// counts against the user's limit of inotify instances, so this is only for those in a hurry.
    pub(crate) fn close_later(&mut self) {
        let appointed = self.inotify.as_ref().map(DeferredClose::appoint);
        // Without one, closing takes as long as it does.
        self.undertaker = appointed.and_then(Result::ok);
    }

    /// Does without inotify from now on, so that there is one more descriptor to look with; `None` if it
    /// did before.
    pub(crate) fn give_up(&mut self, dir: &ExitDir) -> Option<WatchFault> {
        self.inotify.take()?;
        self.undertaker = None;
        self.interval = self.usual_interval(dir);
        self.next_look = self.interval.deadline(Instant::now());
        Some(WatchFault::NoInotify(Errno::MFILE))
    }

    /// Says what the look has cost that [`DirWatch::listen`] had asked for.
    pub(crate) fn looked(&mut self, cost: Duration) {
        self.next_look = next_look(self.interval, cost, Instant::now());
    }

    /// Compares the directory with the one that is watched. One that was touched itself is another one,
    /// even if it has the same inode: file systems use them again.
    fn check_directory(&mut self, dir: &ExitDir, moved: bool) -> Option<WatchFault> {
        let identity = dir.identity();
        if identity.is_err() && !is_gone(&identity) && !moved {
            // That it cannot be looked at does not mean that it is gone; whoever looks into it will
            // say what is wrong.
            return None;
        }
        let now = identity.ok();
        match (self.directory, now) {
            (before, now) if before == now && !moved => None,
            (Some(_), _) => {
                self.inotify = None;
                self.undertaker = None;
                self.directory = None;
                self.interval = self.usual_interval(dir);
                Some(WatchFault::DirectoryGone)
            }
            (None, _) => Some(self.arm(dir).unwrap_or(WatchFault::DirectoryBack)),
        }
    }
}

/// Between two slow looks. `poll` is what was asked for; `blind` that there is no inotify.
pub(crate) fn interval(poll: Option<Limit>, blind: bool, locality: Locality) -> Limit {
    match (poll, blind) {
        (Some(poll), true) => poll.min(Limit::After(BLIND_INTERVAL)),
        (Some(poll), false) => poll,
        (None, true) => Limit::After(BLIND_INTERVAL),
        (None, false) => Limit::After(match locality {
            Locality::Local => LOCAL_INTERVAL,
            Locality::Remote => REMOTE_INTERVAL,
        }),
    }
}

/// When to look again after a look that has cost so much.
pub(crate) fn next_look(interval: Limit, cost: Duration, ended: Instant) -> Option<Instant> {
    let rest = cost.saturating_mul(SHARE - 1);
    let interval = match interval {
        Limit::After(interval) => Limit::After(interval.max(rest)),
        Limit::Never => Limit::Never,
    };
    interval.deadline(ended)
}

/// The one warning where inotify is not to be had.
pub(crate) fn no_inotify(errno: Errno) -> String {
    format!(
        "inotify is unavailable ({}): polling every 250 ms",
        describe(&errno.into())
    )
}

/// Whether there is no directory any more, as opposed to one that cannot be looked at just now.
fn is_gone(identity: &Result<FileId, Errno>) -> bool {
    matches!(identity, Err(Errno::NOENT | Errno::NOTDIR | Errno::STALE))
}

/// Closes the inotify descriptor when we are gone: the kernel takes milliseconds to close one that has
/// a watch, and whoever waits for our end would wait for that too.
///
/// A socket pair, in which a message to one end carries that same end and the inotify descriptor. Once
/// we hold none of them any more, nothing but the cycle does, and the kernel's collector closes them
/// later (unix(7)). Made at the end and only by those in a hurry: the collector is slow, and until it
/// comes the descriptor counts against the user's limit.
#[derive(Debug)]
pub(crate) struct DeferredClose {
    _receiver: OwnedFd,
    /// The last to go: its end is what calls the collector.
    _sender: OwnedFd,
}

impl DeferredClose {
    /// # Errors
    /// That there is no descriptor left: closing takes as long as it does then.
    pub(crate) fn appoint(inotify: &Inotify) -> Result<DeferredClose, Errno> {
        let (receiver, sender) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let descriptors = [receiver.as_fd(), inotify.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        rustix::net::sendmsg(
            &sender,
            &[IoSlice::new(b".")],
            &mut rights,
            SendFlags::NOSIGNAL,
        )?;
        Ok(DeferredClose {
            _receiver: receiver,
            _sender: sender,
        })
    }
}

fn arm_inotify(dir: &ExitDir) -> Result<Inotify, Errno> {
    // While there is a descriptor for it: without it no lost life is seen.
    let _ = dir.boot_id();
    let inotify = Inotify::new()?;
    let mask = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::MODIFY
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    inotify.add(dir.path(), mask)?;
    Ok(inotify)
}

/// Reads all queued events. True if the directory itself was touched.
fn drain(inotify: &Inotify, rumours: &mut DirChanges) -> bool {
    let mut moved = false;
    inotify.drain(|event| {
        rumours.everything |= event.is_overflow();
        moved |= event.flags.intersects(
            ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED | ReadFlags::UNMOUNT,
        );
        if let Some(name) = event.name {
            let finished = ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO;
            rumours.hear(name.as_bytes(), event.flags.intersects(finished));
        }
    });
    moved
}

impl DirChanges {
    fn hear(&mut self, entry: &[u8], finished: bool) {
        if let Some(known) = self.finished.get_mut(entry) {
            *known = finished;
            return;
        }
        self.entries.push(entry.to_vec());
        self.finished.insert(entry.to_vec(), finished);
    }

    /// Entries that something happened to, in the order of the first event of each.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(Vec::as_slice)
    }

    /// Whether the writer of an entry has closed it, or renamed it into place, and nobody wrote since.
    pub(crate) fn is_finished(&self, entry: &[u8]) -> bool {
        self.finished.get(entry).copied().unwrap_or(false)
    }
}
