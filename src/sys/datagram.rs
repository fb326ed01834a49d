//! Datagrams with the sender's credentials (unix(7), cmsg(3)).
//!
//! A datagram can bring descriptors (`SCM_RIGHTS`) of which nothing is known. No descriptor is ever
//! received here: the buffer for ancillary data has room for the credentials only, so the kernel
//! releases the descriptors itself. Even that can take long, so the process that takes the datagram
//! is a matter of the caller.

use rustix::process::Pid;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A datagram and its sender.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// The first [`TEXT_LIMIT`] bytes.
    pub(crate) text: Vec<u8>,
    /// The sender's process id; `None` if it is outside of this PID namespace.
    pub(crate) process: Option<Pid>,
    /// The sender's user id.
    pub(crate) user: Option<u32>,
    /// Descriptors came with it.
    pub(crate) has_descriptors: bool,
}

/// The bytes that are read of one datagram.
const TEXT_LIMIT: usize = 4096;
/// The bytes for ancillary data: the credentials with their header, and nothing else.
const ANCILLARY_SIZE: usize = 32;

/// Reads the first datagram of a socket with `SO_PASSCRED` and leaves it there. Never waits, and
/// releases no descriptor: the datagram keeps its own.
///
/// # Errors
/// `EAGAIN` if there is none.
pub(crate) fn peek(socket: BorrowedFd<'_>) -> io::Result<Datagram> {
    // Numbers of 8 bytes give the alignment that the headers in the buffer need.
    let mut ancillary = [0_u64; ANCILLARY_SIZE / 8];
    let mut text = vec![0; TEXT_LIMIT];
    let mut part = part_of(&mut text);
    let mut header = header_of(&mut part);
    header.msg_control = ancillary.as_mut_ptr().cast();
    header.msg_controllen = ANCILLARY_SIZE as _;
    let length = receive(socket, &mut header, libc::MSG_PEEK)?;
    text.truncate(length);
    let mut datagram = Datagram {
        text,
        process: None,
        user: None,
        has_descriptors: header.msg_flags & libc::MSG_CTRUNC != 0,
    };
    // SAFETY: the kernel has filled the header, and `ancillary`, to which it points, still lives.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const header) };
    // SAFETY: the macro returns null or a pointer to a whole header inside of `ancillary`.
    if let Some(message) = unsafe { first.as_ref() }
        && (message.cmsg_level, message.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_CREDENTIALS)
    {
        // SAFETY: the data follows its header, and there is room for it inside of `ancillary`.
        let data = unsafe { libc::CMSG_DATA(first) };
        // SAFETY: as above, and the fields of a ucred are numbers.
        let sender: libc::ucred = unsafe { data.cast::<libc::ucred>().read_unaligned() };
        datagram.process = Pid::from_raw(sender.pid);
        datagram.user = Some(sender.uid);
    }
    Ok(datagram)
}

/// Takes the first datagram from a socket and drops it. If descriptors came with it, the kernel
/// releases them before this call returns. That can take for ever.
///
/// # Errors
/// `EAGAIN` if there is none.
pub(crate) fn take(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut part = part_of(&mut []);
    receive(socket, &mut header_of(&mut part), 0).map(drop)
}

fn part_of(buffer: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    }
}

/// A header for one buffer, without room for ancillary data.
fn header_of(part: &mut libc::iovec) -> libc::msghdr {
    // SAFETY: the fields are numbers and pointers, so a header of zero bytes is valid.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header
}

/// The caller has filled the header with pointers to its own buffers.
fn receive(
    socket: BorrowedFd<'_>,
    header: &mut libc::msghdr,
    flags: libc::c_int,
) -> io::Result<usize> {
    let flags = flags | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header points to buffers of the callers above, with their lengths. All of them
    // live across the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), header, flags) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}
