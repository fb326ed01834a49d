//! What the protocol takes from the kernel: one directory, its files, their locks, one inotify queue.
//!
//! Every method is one system call, so it happens at once. Only a write takes time: it becomes visible
//! in two pieces, and until it has ended other writers wait.

use std::collections::BTreeSet;
use std::rc::Rc;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
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
    Nursery,
    /// Somebody else's.
    Other,
}

/// Numbers are never used again: whoever compares them has the file open.
pub(super) type Inode = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Event {
    /// `IN_CREATE`, `IN_MODIFY`, `IN_MOVED_TO`.
    Changed(Entry),
    /// `IN_CLOSE_WRITE`.
    Closed(Entry),
    /// `IN_Q_OVERFLOW`: what came after it is gone.
    Overflow,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct File {
    pub(super) text: Vec<u8>,
    /// What a write that goes on has not written yet, and whose it is.
    writing: Option<(Who, Vec<u8>)>,
    pub(super) lock: Option<Who>,
    /// The last name it had: its events are raised under that, even when another file has the name.
    pub(super) entry: Entry,
    /// For the checker alone: the supervisor that filled it.
    pub(super) life: Option<usize>,
    /// For the checker alone: how much of it its successor accounts for.
    pub(super) seen: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Kernel {
    /// Most steps change none of them.
    pub(super) files: Vec<Rc<File>>,
    pub(super) name: Option<Inode>,
    pub(super) nursery: Option<Inode>,
    pub(super) armed: bool,
    /// A follower takes all events at once, so neither their order nor their number makes a difference.
    pub(super) queue: BTreeSet<Event>,
    pub(super) queue_limit: usize,
    /// By how many bytes the first piece of a write is longer than the second.
    pub(super) tear: usize,
}

impl Kernel {
    pub(super) fn entry(&self, entry: Entry) -> Option<Inode> {
        match entry {
            Entry::Name => self.name,
            Entry::Nursery => self.nursery,
            Entry::Other => None,
        }
    }

    pub(super) fn file(&mut self, inode: Inode) -> &mut File {
        Rc::make_mut(&mut self.files[inode])
    }

    pub(super) fn raise(&mut self, event: Event) {
        if !self.armed || self.queue.contains(&event) {
            return;
        }
        let full = self.queue.len() >= self.queue_limit;
        self.queue
            .insert(if full { Event::Overflow } else { event });
    }

    /// `open(".NAME.new", O_CREAT)`, never `O_EXCL`.
    pub(super) fn open_nursery(&mut self) -> Inode {
        if let Some(inode) = self.nursery {
            return inode;
        }
        self.files.push(Rc::new(File {
            text: Vec::new(),
            writing: None,
            lock: None,
            entry: Entry::Nursery,
            life: None,
            seen: None,
        }));
        self.nursery = Some(self.files.len() - 1);
        self.raise(Event::Changed(Entry::Nursery));
        self.files.len() - 1
    }

    /// `fcntl(F_SETLK)` for writing; false if somebody else holds it.
    pub(super) fn lock(&mut self, inode: Inode, who: Who) -> bool {
        let lock = &mut self.file(inode).lock;
        *lock = lock.or(Some(who));
        *lock == Some(who)
    }

    pub(super) fn truncate(&mut self, inode: Inode) {
        self.file(inode).text.clear();
        self.raise(Event::Changed(self.files[inode].entry));
    }

    /// The next half of a `write` with `O_APPEND`. True when it has ended; `None` while another write to
    /// the file goes on.
    pub(super) fn write(&mut self, inode: Inode, who: Who, text: &[u8]) -> Option<bool> {
        let middle = (text.len() + self.tear) / 2;
        let file = self.file(inode);
        match file.writing.take() {
            None => {
                let (first, second) = text.split_at(middle.min(text.len()));
                file.text.extend_from_slice(first);
                file.writing = Some((who, second.to_vec()));
                Some(false)
            }
            Some((writer, second)) if writer == who => {
                file.text.extend_from_slice(&second);
                self.raise(Event::Changed(self.files[inode].entry));
                Some(true)
            }
            others => {
                file.writing = others;
                None
            }
        }
    }

    /// The write of somebody who was killed ends with what was written by then.
    pub(super) fn cut(&mut self, inode: Inode, who: Who) {
        let file = self.file(inode);
        file.writing = file.writing.take().filter(|(writer, _)| *writer != who);
    }

    pub(super) fn is_writing(&self) -> bool {
        self.files.iter().any(|file| file.writing.is_some())
    }

    /// `rename(".NAME.new", "NAME")`; false if there is no such file.
    pub(super) fn rename(&mut self) -> bool {
        let Some(inode) = self.nursery.take() else {
            return false;
        };
        self.name = Some(inode);
        self.file(inode).entry = Entry::Name;
        self.raise(Event::Changed(Entry::Name));
        true
    }

    /// A process that closes any descriptor of a file loses its lock on it (fcntl(2)).
    pub(super) fn unlock(&mut self, inode: Inode, who: Who) {
        let lock = &mut self.file(inode).lock;
        *lock = lock.filter(|holder| *holder != who);
    }

    /// What watchers hear when a descriptor for writing is closed.
    pub(super) fn tell_close(&mut self, inode: Inode) {
        self.raise(Event::Closed(self.files[inode].entry));
    }
}
