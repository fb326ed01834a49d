//! `--ready-on notify`: messages that the command sends to `$NOTIFY_SOCKET` (sd_notify(3)).
//!
//! Descriptors that come with a message are closed, except those of this life's own tombstone:
//! closing one of them would release the lock on it.

use super::update::ReadinessUpdate;
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::sys::datagram::{self, Datagram};
use crate::sys::random;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The variable with the address (sd_notify(3)).
pub(super) const VARIABLE: &str = "NOTIFY_SOCKET";
/// The datagrams that one poll reads at most: a sender that never stops must not keep this process
/// from its other work.
const READ_LIMIT: usize = 64;
/// The number of descriptors that are kept open before the socket is no longer read.
const KEPT_LIMIT: usize = 8;
/// What a service says about its own administration. These keys are not forwarded, because the
/// service of the outer manager is exitdir-run and not the command.
const UNFORWARDED_KEYS: [&str; 6] = [
    "MAINPID",
    "FDSTORE",
    "FDSTOREREMOVE",
    "FDNAME",
    "FDPOLL",
    "BARRIER",
];

/// The socket to which one run of the command sends its messages.
///
/// No process can guess its abstract address. But the kernel lists it (`/proc/net/unix`), so any
/// process in the network namespace can send to it. Only the sender's credentials decide whether a
/// message counts, and nothing that arrives may block this process.
pub(crate) struct NotifySocket {
    fd: OwnedFd,
    /// Received descriptors of this life's own tombstone.
    kept: Vec<OwnedFd>,
    /// As in the variable: `@` and the abstract name.
    address: String,
    /// The command has been reported as ready; it is reported once.
    was_ready: bool,
    outer: Option<OuterManager>,
}

/// The service manager that started this process and waits for its notifications.
struct OuterManager {
    fd: OwnedFd,
    address: SocketAddrUnix,
}

impl NotifySocket {
    pub(super) fn open() -> Result<NotifySocket, Errno> {
        let name = format!("exitdir-notify-{}", random::hex::<16>()?);
        let fd = datagram_socket()?;
        // Before the socket has an address, so that every datagram has the sender's credentials.
        rustix::net::sockopt::set_socket_passcred(&fd, true)?;
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
        rustix::net::bind(&fd, &address)?;
        Ok(NotifySocket {
            fd,
            kept: Vec::new(),
            address: format!("@{name}"),
            was_ready: false,
            outer: OuterManager::find(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// `None` once the socket is no longer read.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (self.kept.len() < KEPT_LIMIT).then(|| self.fd.as_fd())
    }

    pub(super) fn poll(&mut self, command: Option<Pid>, dir: Option<&ExitDir>) -> ReadinessUpdate {
        let mut update = ReadinessUpdate::default();
        for count in 0..READ_LIMIT {
            if self.kept.len() >= KEPT_LIMIT {
                let why = "senders keep passing this life's own tombstone";
                update.warning = Some(format!("ignoring further notifications: {why}"));
                break;
            }
            update.has_more = count + 1 == READ_LIMIT;
            // Any error but EAGAIN is a passing one of the kernel; the next poll reads again.
            let Ok(datagram) = datagram::receive(self.fd.as_fd()) else {
                update.has_more = false;
                break;
            };
            self.accept(&datagram, command, &mut update);
            for descriptor in datagram.descriptors {
                self.close(descriptor, dir);
            }
        }
        update.is_ready &= !self.was_ready;
        self.was_ready |= update.is_ready;
        update
    }

    /// Reads the message if it is from the command, or from any process of the same user.
    fn accept(&self, datagram: &Datagram, command: Option<Pid>, update: &mut ReadinessUpdate) {
        let own = rustix::process::geteuid().as_raw();
        if datagram.user != Some(own) && datagram.process != command {
            update.warning = Some(match datagram.user {
                Some(user) => format!("refused a notification from user {user}"),
                None => "refused a notification from an unknown user".to_owned(),
            });
            return;
        }
        let text = String::from_utf8_lossy(&datagram.text);
        for line in text.lines() {
            match line.split_once('=') {
                Some(("READY", "1")) => update.is_ready = true,
                Some(("STATUS", status)) => update.status = Some(status.to_owned()),
                // The other keys are for a service manager.
                Some(_) | None => {}
            }
        }
        if let Some(outer) = &self.outer {
            outer.forward(&text);
        }
    }

    /// Closes a descriptor that came with a message (`FDSTORE=1`, `BARRIER=1`): the sender of a
    /// barrier waits until it is closed.
    fn close(&mut self, descriptor: OwnedFd, dir: Option<&ExitDir>) {
        let id = rustix::fs::fstat(&descriptor).map(|stat| FileId::of(&stat));
        if id.is_ok_and(|id| dir.is_some_and(|dir| dir.is_guarded(id))) {
            // Closing it would release the lock on the tombstone.
            self.kept.push(descriptor);
            return;
        }
        // With SO_LINGER, closing a connection can block until its data is sent (socket(7)). The
        // call fails for a descriptor that is no socket, and cannot linger.
        let _ = rustix::net::sockopt::set_socket_linger(&descriptor, None);
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        // Left open until the process ends, so that the lock stays.
        self.kept.drain(..).for_each(std::mem::forget);
    }
}

impl OuterManager {
    fn find() -> Option<OuterManager> {
        let text = std::env::var(VARIABLE).ok()?;
        let address = match text.strip_prefix('@') {
            Some(name) => SocketAddrUnix::new_abstract_name(name.as_bytes()),
            None if text.starts_with('/') => SocketAddrUnix::new(text.as_str()),
            None => return None,
        };
        Some(OuterManager {
            fd: datagram_socket().ok()?,
            address: address.ok()?,
        })
    }

    /// Sends the command's message on. An error is ignored and nothing waits: a manager that does
    /// not listen must not hold this process up.
    fn forward(&self, text: &str) {
        let is_forwarded = |line: &&str| {
            let key = line.split('=').next();
            key.is_none_or(|key| !UNFORWARDED_KEYS.contains(&key))
        };
        let lines: Vec<&str> = text.lines().filter(is_forwarded).collect();
        if !lines.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let text = lines.join("\n");
            let _ = rustix::net::sendto(&self.fd, text.as_bytes(), flags, &self.address);
        }
    }
}

fn datagram_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
}
