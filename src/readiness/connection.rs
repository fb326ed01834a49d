//! One attempt of a `tcp` or `http` probe: a connection, and the beginning of the response. Never
//! blocks.
//!
//! The HTTP client is not a library, because the probe needs only the first line of a response, and
//! a library would be larger than the rest of the binary.

use crate::error::describe;
use crate::readiness::spec::HttpTarget;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Pending,
    Succeeded,
    Failed,
    /// The system does not allow what the attempt needs, so every attempt will fail.
    Refused(Errno),
}

impl Progress {
    /// What people must know: without it the command would just never be ready.
    pub(super) fn warning(self) -> Option<String> {
        match self {
            Progress::Refused(errno) => {
                let why = describe(&errno.into());
                Some(format!("cannot connect for tcp and http readiness: {why}"))
            }
            Progress::Pending | Progress::Succeeded | Progress::Failed => None,
        }
    }
}

pub(super) struct Connection {
    socket: OwnedFd,
    stage: ConnectionStage,
    /// What to send; `None` if an accepted connection is success.
    request: Option<Vec<u8>>,
}

enum ConnectionStage {
    Connecting,
    /// The number of bytes sent so far.
    Sending(usize),
    /// The response so far.
    Receiving(Vec<u8>),
}

/// The length of `HTTP/1.1 200`, the part of a response that is read.
const STATUS_LENGTH: usize = 12;

impl Connection {
    pub(super) fn tcp(address: SocketAddr) -> Result<Connection, Progress> {
        Connection::open(address, None)
    }

    pub(super) fn http(target: &HttpTarget) -> Result<Connection, Progress> {
        let HttpTarget { host, path, .. } = target;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: exitdir/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        );
        Connection::open(target.address, Some(request.into_bytes()))
    }

    fn open(address: SocketAddr, request: Option<Vec<u8>>) -> Result<Connection, Progress> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)
            .map_err(Progress::Refused)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Connection {
                socket,
                stage: ConnectionStage::Connecting,
                request,
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

    /// Does what is possible without waiting.
    pub(super) fn proceed(&mut self) -> Progress {
        loop {
            let step = match &mut self.stage {
                ConnectionStage::Connecting => self.connect(),
                ConnectionStage::Sending(sent) => {
                    let request = self.request.as_deref().unwrap_or_default();
                    send(&self.socket, request, sent)
                }
                ConnectionStage::Receiving(response) => return receive(&self.socket, response),
            };
            match step {
                Ok(Some(next)) => self.stage = next,
                Ok(None) => return Progress::Succeeded,
                Err(Errno::AGAIN) => return Progress::Pending,
                Err(errno) => return failure(errno),
            }
        }
    }

    /// The stage after an accepted connection; `None` if there is none.
    fn connect(&self) -> Result<Option<ConnectionStage>, Errno> {
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
        if Some(rustix::net::getsockname(&self.socket)?) == rustix::net::getpeername(&self.socket)?
        {
            return Err(Errno::CONNREFUSED);
        }
        Ok(self.request.as_ref().map(|_| ConnectionStage::Sending(0)))
    }
}

fn send(
    socket: &OwnedFd,
    request: &[u8],
    sent: &mut usize,
) -> Result<Option<ConnectionStage>, Errno> {
    let rest = request.get(*sent..).unwrap_or_default();
    *sent += rustix::net::send(socket, rest, SendFlags::NOSIGNAL)?;
    Ok(Some(if *sent >= request.len() {
        ConnectionStage::Receiving(Vec::new())
    } else {
        ConnectionStage::Sending(*sent)
    }))
}

/// Reads only up to the status, however long the response is.
fn receive(socket: &OwnedFd, response: &mut Vec<u8>) -> Progress {
    let mut buffer = [0; STATUS_LENGTH];
    loop {
        let wanted = STATUS_LENGTH.saturating_sub(response.len());
        let room = buffer.get_mut(..wanted).unwrap_or_default();
        match rustix::io::read(socket, &mut *room) {
            Ok(0) => return Progress::Failed,
            Ok(length) => response.extend(room.iter().take(length)),
            Err(Errno::AGAIN) => return Progress::Pending,
            Err(Errno::INTR) => {}
            Err(errno) => return failure(errno),
        }
        if response.len() >= STATUS_LENGTH {
            return evaluate(response);
        }
    }
}

/// A seccomp profile or a firewall refuses every attempt; a server that is not ready does not.
fn failure(errno: Errno) -> Progress {
    match errno {
        Errno::PERM | Errno::ACCESS | Errno::NOSYS => Progress::Refused(errno),
        _ => Progress::Failed,
    }
}

/// Success is `HTTP/1.x NNN` with 2xx or 3xx (RFC 9112, section 4).
fn evaluate(response: &[u8]) -> Progress {
    let is_http = response.starts_with(b"HTTP/1.") && response.get(8) == Some(&b' ');
    let class = response.get(9);
    if is_http && matches!(class, Some(b'2' | b'3')) {
        Progress::Succeeded
    } else {
        Progress::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_2xx_and_3xx_of_http_1_are_success() {
        for (response, progress) in [
            ("HTTP/1.1 200", Progress::Succeeded),
            ("HTTP/1.0 204", Progress::Succeeded),
            ("HTTP/1.1 302", Progress::Succeeded),
            ("HTTP/1.1 199", Progress::Failed),
            ("HTTP/1.1 404", Progress::Failed),
            ("HTTP/1.1 503", Progress::Failed),
            ("HTTP/1.1200 ", Progress::Failed),
            ("SSH-2.0-200 ", Progress::Failed),
            ("220 smtp 200", Progress::Failed),
        ] {
            assert_eq!(evaluate(response.as_bytes()), progress, "{response}");
        }
    }
}
