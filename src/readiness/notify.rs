//! `$NOTIFY_SOCKET`: what a command says of itself (sd_notify(3)).

use super::update::ReadinessUpdate;
use crate::store::exit_dir::ExitDir;
use crate::store::file_id::FileId;
use crate::sys::datagram::{self, Datagram};
use crate::sys::random;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where a command finds the address (sd_notify(3)).
pub(super) const VARIABLE: &str = "NOTIFY_SOCKET";
/// Datagrams taken in one look: a command that talks without end must not keep us from everything else.
const BATCH: usize = 64;

/// So many descriptors that must not be closed are kept for senders, and no more.
const KEPT: usize = 8;
/// What is said to a manager of services about its own bookkeeping, which has us for its service and not the
/// command.
const BOOKKEEPING: [&str; 6] = [
    "MAINPID",
    "FDSTORE",
    "FDSTOREREMOVE",
    "FDNAME",
    "FDPOLL",
    "BARRIER",
];

/// Our end, with an address that nobody can guess. But the kernel lists it (`/proc/net/unix`): whoever is in
/// the network namespace can send here, so only the sender's user protects what is believed, and nothing that
/// comes may hold us up.
pub(crate) struct NotifySocket {
    fd: OwnedFd,
    /// Descriptors of our own tombstone that somebody sent.
    kept: Vec<OwnedFd>,
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

impl NotifySocket {
    pub(super) fn open() -> Result<NotifySocket, Errno> {
        let name = format!("exitdir-notify-{}", random::hex::<16>()?);
        let fd = datagram_socket()?;
        // Before it has an address, so that there is no datagram of which nobody knows the sender.
        rustix::net::sockopt::set_socket_passcred(&fd, true)?;
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
        rustix::net::bind(&fd, &address)?;
        Ok(NotifySocket {
            fd,
            kept: Vec::new(),
            address: format!("@{name}"),
            ready: false,
            outer: Outer::find(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// `None` when nobody is listened to any more.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        (self.kept.len() < KEPT).then(|| self.fd.as_fd())
    }

    pub(super) fn poll(&mut self, command: Option<Pid>, dir: Option<&ExitDir>) -> ReadinessUpdate {
        let mut update = ReadinessUpdate::default();
        for taken in 0..BATCH {
            if self.kept.len() >= KEPT {
                let sentence = "somebody sends our own tombstone to the notification socket";
                update.warning = Some(format!("{sentence}: nobody is listened to any more"));
                break;
            }
            update.has_more = taken + 1 == BATCH;
            // Any other error than AGAIN would be the kernel's own, and gone the next time.
            let Ok(datagram) = datagram::receive(self.fd.as_fd()) else {
                update.has_more = false;
                break;
            };
            self.take(datagram, command, dir, &mut update);
        }
        update.is_ready &= !self.ready;
        self.ready |= update.is_ready;
        update
    }

    fn take(
        &mut self,
        datagram: Datagram,
        command: Option<Pid>,
        dir: Option<&ExitDir>,
        update: &mut ReadinessUpdate,
    ) {
        let own = rustix::process::geteuid().as_raw();
        let known = datagram.user == Some(own) || datagram.process == command;
        if known {
            let text = String::from_utf8_lossy(&datagram.text);
            for line in text.lines() {
                match line.split_once('=') {
                    Some(("READY", "1")) => update.is_ready = true,
                    Some(("STATUS", status)) => update.status = Some(status.to_owned()),
                    // The rest is for a manager of services: whose main process it is we know.
                    Some(_) | None => {}
                }
            }
            if let Some(outer) = &self.outer {
                outer.tell(&text);
            }
        } else {
            update.warning = Some(match datagram.user {
                Some(user) => format!("a notification of user {user} was refused"),
                None => "a notification of an unknown user was refused".to_owned(),
            });
        }
        for descriptor in datagram.descriptors {
            self.close(descriptor, dir);
        }
    }

    /// Closes a descriptor that came along (`FDSTORE=1`, `BARRIER=1`), so that whoever waits for that goes on.
    fn close(&mut self, descriptor: OwnedFd, dir: Option<&ExitDir>) {
        let id = rustix::fs::fstat(&descriptor).map(|stat| FileId::of(&stat));
        if id.is_ok_and(|id| dir.is_some_and(|dir| dir.is_guarded(id))) {
            // The lock on our tombstone would go with it.
            self.kept.push(descriptor);
            return;
        }
        // A connection with something to send can be told to make whoever closes it wait (socket(7)). What is
        // no socket has no such thing.
        let _ = rustix::net::sockopt::set_socket_linger(&descriptor, None);
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        // Until the end of the process, as above.
        self.kept.drain(..).for_each(std::mem::forget);
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
    fn tell(&self, text: &str) {
        let key = |line: &str| line.split('=').next().map(str::to_owned);
        let is_news =
            |line: &&str| key(line).is_none_or(|key| !BOOKKEEPING.contains(&key.as_str()));
        let news: Vec<&str> = text.lines().filter(is_news).collect();
        if !news.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let text = news.join("\n");
            let _ = rustix::net::sendto(&self.fd, text.as_bytes(), flags, &self.address);
        }
    }
}

fn datagram_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
}
