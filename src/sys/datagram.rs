//! Datagrams with the sender's credentials and descriptors (unix(7), cmsg(3)).

use rustix::process::Pid;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A datagram, its sender, and the descriptors that came with it.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// The first [`TEXT_LIMIT`] bytes.
    pub(crate) text: Vec<u8>,
    /// The sender's process id; `None` if it is outside of this PID namespace.
    pub(crate) process: Option<Pid>,
    /// The sender's user id.
    pub(crate) user: Option<u32>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// The bytes that are read of one datagram.
const TEXT_LIMIT: usize = 4096;
/// The bytes for ancillary data: credentials, and as many descriptors as the kernel allows in one
/// datagram (`SCM_MAX_FD`, 253).
const ANCILLARY_SIZE: usize = 2048;

/// Takes one datagram from a socket with `SO_PASSCRED`, without waiting.
///
/// # Errors
/// `EAGAIN` if there is none.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Datagram> {
    let mut text = vec![0_u8; TEXT_LIMIT];
    // Numbers of 8 bytes give the alignment that the headers in the buffer need.
    let mut ancillary = [0_u64; ANCILLARY_SIZE / 8];
    let mut part = libc::iovec {
        iov_base: text.as_mut_ptr().cast(),
        iov_len: text.len(),
    };
    // SAFETY: the fields are numbers and pointers, so a header of zero bytes is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = ancillary.as_mut_ptr().cast();
    header.msg_controllen = ANCILLARY_SIZE as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header points to `part` and `ancillary` with their lengths, and `part` to `text`.
    // All of them live across the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    text.truncate(length);
    let mut datagram = Datagram {
        text,
        process: None,
        user: None,
        descriptors: Vec::new(),
    };
    // SAFETY: the kernel has filled the header, and `ancillary`, to which it points, still lives.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    while !next.is_null() {
        // SAFETY: the macros return null or a pointer to a whole header inside of `ancillary`.
        let message = unsafe { &*next };
        // SAFETY: the data follows its header inside of `ancillary`.
        let data = unsafe { libc::CMSG_DATA(next) };
        datagram.add(message, data);
        // SAFETY: `header` and `next` are as above.
        next = unsafe { libc::CMSG_NXTHDR(&raw const header, next) };
    }
    Ok(datagram)
}

impl Datagram {
    /// Adds one ancillary message, whose data is at `data`.
    fn add(&mut self, message: &libc::cmsghdr, data: *const u8) {
        if message.cmsg_level != libc::SOL_SOCKET {
            return;
        }
        // SAFETY: this macro only calculates.
        let head = unsafe { libc::CMSG_LEN(0) } as usize;
        #[allow(clippy::unnecessary_cast)] // the type of the field differs between musl and glibc
        let length = (message.cmsg_len as usize).saturating_sub(head);
        match message.cmsg_type {
            libc::SCM_CREDENTIALS if length >= size_of::<libc::ucred>() => {
                // SAFETY: `length` says that a whole ucred is there, and its fields are numbers.
                let sender: libc::ucred = unsafe { data.cast::<libc::ucred>().read_unaligned() };
                self.process = Pid::from_raw(sender.pid);
                self.user = Some(sender.uid);
            }
            libc::SCM_RIGHTS => {
                for at in 0..length / size_of::<RawFd>() {
                    // SAFETY: `length` says that so many numbers are there.
                    let place = unsafe { data.cast::<RawFd>().add(at) };
                    // SAFETY: as above; a descriptor is a number.
                    let fd = unsafe { place.read_unaligned() };
                    // SAFETY: recvmsg has just created the descriptor, and nothing else owns it.
                    self.descriptors.push(unsafe { OwnedFd::from_raw_fd(fd) });
                }
            }
            _ => {}
        }
    }
}
