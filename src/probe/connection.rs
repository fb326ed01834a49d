//! One connection of a try: opened, asked, and closed so that the server sees no reset. Never
//! blocks.
//!
//! The HTTP client is not a library, because a try needs only the status of a response, and a
//! library would be larger than the rest of the binary.

use super::response::{StatusFound, StatusReader};
use crate::protocol::standing::{Silence, TryResult};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType};
use std::os::fd::OwnedFd;

/// A connection on its way to an answer.
pub(super) struct Connection {
    socket: OwnedFd,
    stage: ConnectionStage,
    /// What to send; empty if an accepted connection is the answer.
    request: Vec<u8>,
    /// How many bytes may still be read.
    left: usize,
}

enum ConnectionStage {
    Connecting,
    /// The number of bytes sent so far.
    Sending(usize),
    Receiving(StatusReader),
}

/// The bytes of a response that are read, so that a server that sends without an end costs little.
const RESPONSE_LIMIT: usize = 64 << 10;
/// Bytes read at once.
const READ_SIZE: usize = 4 << 10;

impl Connection {
    /// # Errors
    /// The result of the try.
    pub(super) fn open(
        family: AddressFamily,
        address: &impl SocketAddrArg,
        request: Vec<u8>,
    ) -> Result<Connection, TryResult> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None);
        let socket = socket.map_err(failure)?;
        match rustix::net::connect(&socket, address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Connection {
                socket,
                stage: ConnectionStage::Connecting,
                request,
                left: RESPONSE_LIMIT,
            }),
            Err(errno) => Err(failure(errno)),
        }
    }

    /// The descriptor to wait for, and the event.
    pub(super) fn interest(&self) -> PollFd<'_> {
        let flags = match self.stage {
            ConnectionStage::Connecting | ConnectionStage::Sending(_) => PollFlags::OUT,
            ConnectionStage::Receiving(_) => PollFlags::IN,
        };
        PollFd::new(&self.socket, flags)
    }

    /// Does what is possible without waiting. `None` if there is no result yet.
    pub(super) fn proceed(&mut self) -> Option<TryResult> {
        loop {
            let step = match &mut self.stage {
                ConnectionStage::Connecting => self.connect(),
                ConnectionStage::Sending(sent) => send(&self.socket, &self.request, sent),
                ConnectionStage::Receiving(reader) => receive(&self.socket, reader, &mut self.left),
            };
            match step {
                Ok(ConnectionStep::Next(stage)) => self.stage = stage,
                Ok(ConnectionStep::End(result)) => return Some(result),
                Err(Errno::AGAIN) => return None,
                Err(Errno::INTR) => {}
                Err(errno) => return Some(failure(errno)),
            }
        }
    }

    fn connect(&self) -> Result<ConnectionStep, Errno> {
        let mut ready = [PollFd::new(&self.socket, PollFlags::OUT)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if rustix::event::poll(&mut ready, Some(&at_once))? == 0 {
            return Err(Errno::AGAIN);
        }
        rustix::net::sockopt::socket_error(&self.socket)??;
        // If no process listens on the port, and the port is in the ephemeral range, the kernel can
        // choose it for this end too: then the socket is connected to itself.
        let own = rustix::net::getsockname(&self.socket)?;
        if rustix::net::getpeername(&self.socket) == Ok(Some(own)) {
            return Err(Errno::CONNREFUSED);
        }
        Ok(match self.request.is_empty() {
            true => ConnectionStep::End(TryResult::Success),
            false => ConnectionStep::Next(ConnectionStage::Sending(0)),
        })
    }

    /// Begins to close a connection. `None` if that is done: the server has closed its end, or
    /// nothing was connected.
    pub(super) fn close(self) -> Option<ClosingConnection> {
        if matches!(self.stage, ConnectionStage::Connecting) {
            if !self.request.is_empty() {
                return None;
            }
            // A server that expects nothing but a request closes its end now. One that answers a
            // request may take this for the wish to have no answer.
            rustix::net::shutdown(&self.socket, Shutdown::Write).ok()?;
        }
        let mut closing = ClosingConnection {
            awaits_rest: !self.request.is_empty(),
            socket: self.socket,
            left: self.left,
        };
        let is_closed = closing.drain();
        (!is_closed).then_some(closing)
    }
}

/// What one step of a connection leads to.
enum ConnectionStep {
    Next(ConnectionStage),
    End(TryResult),
}

fn send(socket: &OwnedFd, request: &[u8], sent: &mut usize) -> Result<ConnectionStep, Errno> {
    let rest = request.get(*sent..).unwrap_or_default();
    *sent += rustix::net::send(socket, rest, SendFlags::NOSIGNAL)?;
    Ok(ConnectionStep::Next(if *sent >= request.len() {
        ConnectionStage::Receiving(StatusReader::default())
    } else {
        ConnectionStage::Sending(*sent)
    }))
}

/// Reads up to the status of the final response.
fn receive(
    socket: &OwnedFd,
    reader: &mut StatusReader,
    left: &mut usize,
) -> Result<ConnectionStep, Errno> {
    let mut buffer = [0; READ_SIZE];
    loop {
        let bytes = read(socket, &mut buffer, left)?;
        if bytes.is_empty() {
            let silence = match left {
                0 => Silence::NotHttp,
                _ => Silence::Closed,
            };
            return Ok(ConnectionStep::End(TryResult::Silent(silence)));
        }
        match reader.feed(bytes) {
            StatusFound::Nothing => {}
            StatusFound::Status(200..=399) => return Ok(ConnectionStep::End(TryResult::Success)),
            StatusFound::Status(status) => {
                return Ok(ConnectionStep::End(TryResult::Status(status)));
            }
            StatusFound::NotHttp => {
                return Ok(ConnectionStep::End(TryResult::Silent(Silence::NotHttp)));
            }
        }
    }
}

/// Reads what is there, as far as the limit allows. Empty at the end.
fn read<'b>(
    socket: &OwnedFd,
    buffer: &'b mut [u8; READ_SIZE],
    left: &mut usize,
) -> Result<&'b [u8], Errno> {
    let room = buffer.get_mut(..READ_SIZE.min(*left)).unwrap_or_default();
    let length = rustix::io::read(socket, &mut *room)?;
    *left = left.saturating_sub(length);
    Ok(room.get(..length).unwrap_or_default())
}

/// The result of a try whose system call has failed.
fn failure(errno: Errno) -> TryResult {
    match errno {
        // A UNIX socket that does not exist, and one to which no process listens.
        Errno::CONNREFUSED | Errno::NOENT => TryResult::Refused,
        Errno::CONNRESET | Errno::PIPE => TryResult::Silent(Silence::Closed),
        // No descriptor, no memory, no port of this end.
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL => {
            TryResult::Untried(errno.raw_os_error())
        }
        _ => TryResult::Silent(Silence::System(errno.raw_os_error())),
    }
}

/// A connection that has given its answer. The kernel resets a connection that is closed before all
/// was read, so it is closed once the server has closed its end.
pub(super) struct ClosingConnection {
    socket: OwnedFd,
    left: usize,
    /// The server still sends the rest of a response.
    awaits_rest: bool,
}

impl ClosingConnection {
    /// Reads what is there. Returns whether nothing is left to be read.
    pub(super) fn drain(&mut self) -> bool {
        let mut buffer = [0; READ_SIZE];
        loop {
            match read(&self.socket, &mut buffer, &mut self.left) {
                Ok([]) => return true,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return errno != Errno::AGAIN,
            }
        }
    }

    pub(super) fn awaits_rest(&self) -> bool {
        self.awaits_rest
    }

    pub(super) fn interest(&self) -> PollFd<'_> {
        PollFd::new(&self.socket, PollFlags::IN)
    }
}
