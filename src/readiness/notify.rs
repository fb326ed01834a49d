//! `$NOTIFY_SOCKET`: what a command says of itself (sd_notify(3)).

use super::Finding;
use crate::exit_dir::{ExitDir, FileId};
use crate::sys::{self, Datagram};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::fmt::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where a command finds the address (sd_notify(3)).
pub(super) const VARIABLE: &str = "NOTIFY_SOCKET";
/// Datagrams taken in one look: a command that talks without end must not keep us from everything else.
const BATCH: usize = 64;

/// Our end, with an address that nobody can guess: everybody in the network namespace could use it.
pub(crate) struct Socket {
    fd: OwnedFd,
    /// As the variable has it: `@` and the abstract name.
    address: String,
    /// It was said before that the command is ready, which is news once.
    ready: bool,
    /// Who is told as well: whoever started us wanted to know.
    outer: Option<Outer>,
}

/// The socket that we were started with.
struct Outer {
    fd: OwnedFd,
    address: SocketAddrUnix,
}

impl Socket {
    pub(super) fn open() -> Result<Socket, Errno> {
        let name = format!("exitdir-notify-{}", random_hex()?);
        let fd = datagram_socket()?;
        // Before it has an address, so that there is no datagram of which nobody knows the sender.
        rustix::net::sockopt::set_socket_passcred(&fd, true)?;
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
        rustix::net::bind(&fd, &address)?;
        Ok(Socket {
            fd,
            address: format!("@{name}"),
            ready: false,
            outer: Outer::find(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn look(&mut self, command: Option<i32>, dir: Option<&ExitDir>) -> Finding {
        let mut finding = Finding::default();
        for _ in 0..BATCH {
            // Any other error than AGAIN would be the kernel's own, and gone the next time.
            let Ok(datagram) = sys::receive(self.fd.as_fd()) else {
                break;
            };
            self.take(datagram, command, dir, &mut finding);
        }
        finding.ready &= !self.ready;
        self.ready |= finding.ready;
        finding
    }

    fn take(
        &self,
        datagram: Datagram,
        command: Option<i32>,
        dir: Option<&ExitDir>,
        finding: &mut Finding,
    ) {
        let own = rustix::process::geteuid().as_raw();
        let known = datagram.user == Some(own) || datagram.process == command;
        if known {
            let text = String::from_utf8_lossy(&datagram.text);
            for line in text.lines() {
                match line.split_once('=') {
                    Some(("READY", "1")) => finding.ready = true,
                    Some(("STATUS", status)) => finding.status = Some(status.to_owned()),
                    // The rest is for a manager of services: whose main process it is we know.
                    Some(_) | None => {}
                }
            }
            if let Some(outer) = &self.outer {
                outer.tell(&datagram.text);
            }
        } else {
            finding.complaint = Some(match datagram.user {
                Some(user) => format!("a notification of user {user} was refused"),
                None => "a notification of an unknown user was refused".to_owned(),
            });
        }
        close_all(datagram.descriptors, dir);
    }
}

impl Outer {
    fn find() -> Option<Outer> {
        let text = std::env::var(VARIABLE).ok()?;
        let address = match text.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
            None if text.starts_with('/') => SocketAddrUnix::new(text.as_str()),
            None => return None,
        };
        Some(Outer {
            fd: datagram_socket().ok()?,
            address: address.ok()?,
        })
    }

    /// Whether anybody listens is not our business, and must not hold us up.
    fn tell(&self, text: &[u8]) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let _ = rustix::net::sendto(&self.fd, text, flags, &self.address);
    }
}

fn datagram_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
}

fn random_hex() -> Result<String, Errno> {
    let mut bytes = [0_u8; 16];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        length += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Closes descriptors that came along (`FDSTORE=1`, `BARRIER=1`), so that whoever waits for that goes on.
fn close_all(descriptors: Vec<OwnedFd>, dir: Option<&ExitDir>) {
    for descriptor in descriptors {
        let id = rustix::fs::fstat(&descriptor).map(|stat| FileId::of(&stat));
        if id.is_ok_and(|id| dir.is_some_and(|dir| dir.is_own(Some(id)))) {
            // The lock on our tombstone would go with it.
            std::mem::forget(descriptor);
        }
    }
}
