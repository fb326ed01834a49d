//! `--ready-on notify`: messages that the command sends to `$NOTIFY_SOCKET` (sd_notify(3)).

use super::discard::Discard;
use super::message::{Message, forwarded};
use super::pace::Pace;
use super::sender::Senders;
use super::spec::NotifyAccess;
use super::update::{CommandPhase, ReadinessUpdate};
use crate::error::describe;
use crate::sys::datagram::{self, Datagram};
use crate::sys::random;
use crate::watch::cpu_time::CpuTimer;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Pid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The variable with the address (sd_notify(3)).
pub(super) const VARIABLE: &str = "NOTIFY_SOCKET";
/// The datagrams that one poll reads at most. The kernel holds about 10 of them
/// (`net.unix.max_dgram_qlen`), but senders can refill the queue meanwhile.
const READ_LIMIT: usize = 16;
/// The time between two tries to read a socket that cannot be read.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the end of the command is put off for messages that it sent together with descriptors.
const LAST_WAIT: Duration = Duration::from_millis(100);
/// The socket to which one run of the command sends its messages.
///
/// No process can guess its abstract address. But the kernel lists it (`/proc/net/unix`), so any
/// process in the network namespace can send to it. Only the sender's credentials decide whether a
/// message counts, and nothing that arrives may block this process.
pub(crate) struct NotifySocket {
    fd: OwnedFd,
    /// As in the variable: `@` and the abstract name.
    address: String,
    senders: Senders,
    /// A sender that does not count was reported; that is done once.
    has_refused: bool,
    discard: Discard,
    pace: Pace,
    /// When the messages of a command that has ended are no longer waited for.
    last_wait: Option<Instant>,
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
    pub(super) fn open(access: NotifyAccess) -> Result<NotifySocket, Errno> {
        let name = format!("exitdir-notify-{}", random::hex::<16>()?);
        let fd = datagram_socket()?;
        // Before the socket has an address, so that every datagram has the sender's credentials.
        rustix::net::sockopt::set_socket_passcred(&fd, true)?;
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
        rustix::net::bind(&fd, &address)?;
        Ok(NotifySocket {
            fd,
            address: format!("@{name}"),
            senders: Senders::find(access),
            has_refused: false,
            discard: Discard::default(),
            pace: Pace::new(),
            last_wait: None,
            was_ready: false,
            outer: OuterManager::find(),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// `None` while the socket is not read.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.deadline().is_none().then(|| self.fd.as_fd())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.discard.deadline().or_else(|| self.pace.rest())
    }

    /// The worker processes.
    pub(super) fn helpers(&self) -> &[Pid] {
        self.discard.pids()
    }

    pub(super) fn reaped(&mut self, pid: Pid) {
        self.discard.reaped(pid);
    }

    pub(super) fn poll(&mut self, command: Option<Pid>, phase: CommandPhase) -> ReadinessUpdate {
        let mut update = ReadinessUpdate::default();
        if phase == CommandPhase::Ended {
            let now = Instant::now();
            let until = *self.last_wait.get_or_insert(now + LAST_WAIT);
            self.discard.wait(until);
        }
        let rests = phase == CommandPhase::Running && self.pace.rest().is_some();
        if self.discard.poll() && !rests {
            self.read(command, &mut update);
        }
        update.is_ready &= !self.was_ready;
        self.was_ready |= update.is_ready;
        update
    }

    fn read(&mut self, command: Option<Pid>, update: &mut ReadinessUpdate) {
        let timer = CpuTimer::start();
        for count in 0..READ_LIMIT {
            let taken = self.take().unwrap_or_else(|warning| {
                update.warning = Some(warning);
                self.pace.pause(RETRY_INTERVAL);
                None
            });
            update.has_more = taken.is_some();
            let Some(datagram) = taken else {
                if count == 0 {
                    return;
                }
                break;
            };
            self.accept(&datagram, command, update);
            if datagram.has_descriptors {
                break;
            }
        }
        self.pace.charge(timer);
    }

    /// Takes the first datagram from the socket; `None` if there is none. One with descriptors is
    /// left to a worker, which has the socket then.
    fn take(&mut self) -> Result<Option<Datagram>, String> {
        let datagram = match datagram::peek(self.fd.as_fd()) {
            Ok(datagram) => datagram,
            Err(error) if is_passing(&error) => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        };
        if datagram.has_descriptors {
            self.discard.start(self.fd.as_fd())?;
        } else {
            datagram::take(self.fd.as_fd()).map_err(|error| unreadable(&error))?;
        }
        Ok(Some(datagram))
    }

    /// Reads the message if its sender counts.
    fn accept(&mut self, datagram: &Datagram, command: Option<Pid>, update: &mut ReadinessUpdate) {
        if let Err(refusal) = self.senders.check(datagram, command) {
            // Once: a user can have as many numbers as it likes.
            if !std::mem::replace(&mut self.has_refused, true) {
                update.warning = Some(refusal);
            }
            return;
        }
        let text = String::from_utf8_lossy(&datagram.text);
        let message = Message::read(&text);
        update.is_ready |= message.is_ready;
        if let Some(status) = message.status {
            update.status = Some(status.to_owned());
        }
        if let Some(outer) = &self.outer {
            outer.forward(&text);
        }
    }
}

/// There is no datagram, or a signal came.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AGAIN | Errno::INTR)
    )
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot read notifications: {}", describe(error))
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
        if let Some(text) = forwarded(text) {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let _ = rustix::net::sendto(&self.fd, text.as_bytes(), flags, &self.address);
        }
    }
}

fn datagram_socket() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
}
