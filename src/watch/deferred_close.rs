//! Leaves it to the kernel to close an inotify descriptor at some later time.

use super::inotify::Inotify;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

/// Keeps an inotify descriptor open until the kernel's collector closes it.
///
/// To close a descriptor that has a watch takes the kernel milliseconds (SRCU). A process that
/// waits for our end would wait for that too, and an event loop must not stand still for it.
///
/// It is a socket pair, in which a message to one end carries that same end and the inotify
/// descriptor. Once the process has closed its own descriptors, only this cycle holds them, and the
/// kernel's collector closes them later (unix(7)). Make it just before the descriptor is dropped,
/// and only where nothing may wait: the collector is slow, and until it comes the descriptor counts
/// against the user's limit of inotify instances.
#[derive(Debug)]
pub(crate) struct DeferredClose {
    _receiver: OwnedFd,
    /// Dropped last, because its end is what calls the collector.
    _sender: OwnedFd,
}

impl DeferredClose {
    /// # Errors
    /// No descriptor is left. Then the descriptor is closed at once, which takes as long as it
    /// does.
    pub(crate) fn new(inotify: &Inotify) -> Result<DeferredClose, Errno> {
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
