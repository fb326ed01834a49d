//! What the protocol takes from the kernel: one directory, its files, their locks, one inotify
//! queue.
//!
//! Each method is one system call and happens at once. Only a write takes time: it becomes visible
//! in two pieces, and other writers of the file wait until the second piece is written.

use std::collections::BTreeSet;
use std::rc::Rc;

/// The process that takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Actor {
    Leader(usize),
    Signaller,
    Follower,
    Neighbour,
    Kernel,
}

/// Entries of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Entry {
    /// `NAME`, the tombstone.
    Name,
    /// `.NAME.new`, in which it is prepared.
    Staging,
    /// A neighbour's file.
    Other,
}

/// How many of the files that are created can be locked by another process than their creator.
const CONTESTED_FILES: usize = 3;

/// Numbers are not reused: a process that compares them has the file open.
pub(super) type Inode = usize;

/// What inotify reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum FileEvent {
    /// `IN_CREATE`, `IN_MODIFY`, `IN_MOVED_TO`.
    Changed(Entry),
    /// `IN_CLOSE_WRITE`.
    Closed(Entry),
    /// `IN_Q_OVERFLOW`: the events after it are lost.
    Overflow,
}

/// How far a call to `write` has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteProgress {
    Complete,
    /// The next call writes the rest.
    Half,
    /// Another process is writing to the file.
    Blocked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct File {
    pub(super) text: Vec<u8>,
    /// The second piece of a write that is not complete, and its writer.
    writing: Option<(Actor, Vec<u8>)>,
    pub(super) lock: Option<Actor>,
    /// The file's last name. Its events carry this name even when another file has it by then.
    pub(super) entry: Entry,
    /// Only for the invariants: the leader whose life the file describes.
    pub(super) life: Option<usize>,
    /// Only for the invariants: how many of its bytes its successor accounts for.
    pub(super) accounted: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Kernel {
    /// Shared between worlds, because most steps change none of them.
    pub(super) files: Vec<Rc<File>>,
    pub(super) name: Option<Inode>,
    pub(super) staging: Option<Inode>,
    pub(super) armed: bool,
    /// A set, because the follower takes all events at once: their order and number do not matter.
    pub(super) queue: BTreeSet<FileEvent>,
    pub(super) queue_limit: usize,
    /// By how many bytes the first piece of a write is longer than the second.
    pub(super) tear: usize,
}

impl Kernel {
    pub(super) fn entry(&self, entry: Entry) -> Option<Inode> {
        match entry {
            Entry::Name => self.name,
            Entry::Staging => self.staging,
            Entry::Other => None,
        }
    }

    pub(super) fn file(&mut self, inode: Inode) -> &mut File {
        Rc::make_mut(&mut self.files[inode])
    }

    pub(super) fn raise(&mut self, event: FileEvent) {
        if !self.armed || self.queue.contains(&event) {
            return;
        }
        let full = self.queue.len() >= self.queue_limit;
        self.queue
            .insert(if full { FileEvent::Overflow } else { event });
    }

    /// Opens `.NAME.new`, or creates it. Says whether it has created it.
    ///
    /// Another process can be faster with the lock of the new file. It removes the file then, and
    /// the creator begins again. In truth that can go on for any number of files. Here it happens
    /// to the first ones, and the creator of a later one has its lock at once.
    pub(super) fn open_staging(&mut self, actor: Actor) -> (Inode, bool) {
        if let Some(inode) = self.staging {
            return (inode, false);
        }
        let is_contested = self.files.len() < CONTESTED_FILES;
        self.files.push(Rc::new(File {
            text: Vec::new(),
            writing: None,
            lock: Some(actor).filter(|_| !is_contested),
            entry: Entry::Staging,
            life: None,
            accounted: None,
        }));
        self.staging = Some(self.files.len() - 1);
        self.raise(FileEvent::Changed(Entry::Staging));
        (self.files.len() - 1, true)
    }

    /// `fcntl(F_SETLK)` for writing; false if another process holds the lock.
    pub(super) fn lock(&mut self, inode: Inode, actor: Actor) -> bool {
        let lock = &mut self.file(inode).lock;
        *lock = lock.or(Some(actor));
        *lock == Some(actor)
    }

    /// The next piece of a `write` with `O_APPEND`.
    pub(super) fn write(&mut self, inode: Inode, actor: Actor, text: &[u8]) -> WriteProgress {
        let middle = (text.len() + self.tear) / 2;
        let file = self.file(inode);
        match file.writing.take() {
            None => {
                let (first, second) = text.split_at(middle.min(text.len()));
                file.text.extend_from_slice(first);
                file.writing = Some((actor, second.to_vec()));
                WriteProgress::Half
            }
            Some((writer, second)) if writer == actor => {
                file.text.extend_from_slice(&second);
                self.raise(FileEvent::Changed(self.files[inode].entry));
                WriteProgress::Complete
            }
            other => {
                file.writing = other;
                WriteProgress::Blocked
            }
        }
    }

    /// The write of a killed process ends with the bytes that were written before.
    pub(super) fn cut_write(&mut self, inode: Inode, actor: Actor) {
        let file = self.file(inode);
        file.writing = file.writing.take().filter(|(writer, _)| *writer != actor);
    }

    pub(super) fn is_writing(&self) -> bool {
        self.files.iter().any(|file| file.writing.is_some())
    }

    /// `rename(".NAME.new", "NAME")`; false if there is no such file.
    pub(super) fn rename(&mut self) -> bool {
        let Some(inode) = self.staging.take() else {
            return false;
        };
        self.name = Some(inode);
        self.file(inode).entry = Entry::Name;
        self.raise(FileEvent::Changed(Entry::Name));
        true
    }

    /// A process that closes any descriptor of a file loses its lock on it (fcntl(2)).
    pub(super) fn unlock(&mut self, inode: Inode, actor: Actor) {
        let lock = &mut self.file(inode).lock;
        *lock = lock.filter(|holder| *holder != actor);
    }

    /// Tells watchers that a descriptor for writing was closed.
    pub(super) fn notify_close(&mut self, inode: Inode) {
        self.raise(FileEvent::Closed(self.files[inode].entry));
    }
}
