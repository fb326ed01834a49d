//! One inotify instance (inotify(7)): adds and removes watches and reads events. Keeps no state
//! beside the descriptor; what an event means is for its users.

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes read at once: room for at least 15 events with the longest name.
const BUFFER_SIZE: usize = 4096;

/// Events read in one turn: more than a queue holds (16,384 by default). Another process may go on
/// making more.
const EVENT_LIMIT: usize = 32_768;

/// An inotify instance. Its descriptor is readable when events are queued.
#[derive(Debug)]
pub(crate) struct Inotify(OwnedFd);

/// A watch of one instance. Two paths to one inode are one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatchId(i32);

/// One event.
#[derive(Debug)]
pub(crate) struct InotifyEvent<'b> {
    pub(crate) watch: WatchId,
    pub(crate) flags: ReadFlags,
    /// The entry of the watched directory; `None` if the event is about the watched inode itself.
    pub(crate) name: Option<&'b OsStr>,
}

impl Inotify {
    /// # Errors
    /// `MFILE` if the user has too many instances or the process too many descriptors;
    /// inotify_init(2) lists others. The error of read(2) if that is refused.
    pub(crate) fn new() -> Result<Inotify, Errno> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // Events that cannot be read would wake the reader for ever.
        match rustix::io::read(&fd, &mut [0]) {
            Err(Errno::AGAIN) => Ok(Inotify(fd)),
            other => Err(other.err().unwrap_or(Errno::IO)),
        }
    }

    /// Watches the inode that the path leads to now.
    ///
    /// # Errors
    /// `NOSPC` if the user has too many watches; inotify_add_watch(2) lists others.
    pub(crate) fn add(&self, path: &Path, flags: WatchFlags) -> Result<WatchId, Errno> {
        inotify::add_watch(&self.0, path, flags).map(WatchId)
    }

    /// Removes a watch.
    pub(crate) fn remove(&self, watch: WatchId) {
        // Fails only if the inode is gone: the kernel has removed its watch then.
        let _ = inotify::remove_watch(&self.0, watch.0);
    }

    /// Reads all queued events, in the order in which they came, but about [`EVENT_LIMIT`] at most.
    pub(crate) fn drain(&self, mut each: impl FnMut(InotifyEvent<'_>)) {
        let mut buffer = [MaybeUninit::<u8>::uninit(); BUFFER_SIZE];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        // Ends with AGAIN when the queue is empty. Any other error ends it too: all users also
        // rescan periodically.
        let mut count = 0;
        while (count < EVENT_LIMIT || !reader.is_buffer_empty())
            && let Ok(event) = reader.next()
        {
            count += 1;
            each(InotifyEvent {
                watch: WatchId(event.wd()),
                flags: event.events(),
                name: event
                    .file_name()
                    .map(|name| OsStr::from_bytes(name.to_bytes())),
            });
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl InotifyEvent<'_> {
    /// The queue was full: events were lost (`/proc/sys/fs/inotify/max_queued_events`).
    pub(crate) fn is_overflow(&self) -> bool {
        self.flags.contains(ReadFlags::QUEUE_OVERFLOW)
    }
}
