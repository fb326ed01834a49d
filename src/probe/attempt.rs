//! One try of one source, from its start to its result: a name is resolved, its addresses are
//! tried one after the other, and the first answer counts.
//!
//! The next address is tried as soon as one fails, and soon if one is silent (RFC 8305). So a
//! server that listens on one address of several is found, and gets one request.

use super::connection::{ClosingConnection, Connection};
use super::resolver::{self, Resolver};
use crate::exit::ExitStatus;
use crate::protocol::source::{Endpoint, Host, HttpTarget, Method, Source, SourceKind};
use crate::protocol::standing::{Silence, TryResult};
use rustix::event::PollFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix};
use rustix::process::Pid;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long one try may take, unless it is a POST.
pub(super) const TRY_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a POST may take. It does something: a server may answer when that is done.
const POST_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Attempt {
    /// When the try is over, whatever has come.
    deadline: Instant,
    resolver: Option<Resolver>,
    /// Addresses that were not tried yet.
    waiting: VecDeque<SocketAddr>,
    running: Vec<Connection>,
    /// Connections that have given a result.
    closing: Vec<ClosingConnection>,
    /// When the next address is tried even if the others are silent.
    next_start: Instant,
    /// The time between two such starts.
    pause: Duration,
    request: Vec<u8>,
    /// The result if no more comes.
    result: Option<TryResult>,
}

impl Attempt {
    pub(super) fn start(source: &Source, now: Instant) -> Attempt {
        let mut attempt = Attempt {
            deadline: now + timeout_of(source),
            resolver: None,
            waiting: VecDeque::new(),
            running: Vec::new(),
            closing: Vec::new(),
            next_start: now,
            pause: TRY_TIMEOUT,
            request: Vec::new(),
            result: None,
        };
        match source.kind() {
            SourceKind::Tcp(endpoint) => attempt.find(endpoint),
            SourceKind::Http(target) => {
                attempt.request = request(target);
                attempt.find(&target.endpoint);
            }
            SourceKind::Unix(path) => attempt.open_unix(SocketAddrUnix::new(path)),
            SourceKind::File(path) => attempt.note(match rustix::fs::stat(path) {
                Ok(_) => TryResult::Success,
                Err(Errno::NOENT) => TryResult::Refused,
                Err(errno) => TryResult::Silent(Silence::System(errno.raw_os_error())),
            }),
        }
        attempt
    }

    fn find(&mut self, endpoint: &Endpoint) {
        let port = endpoint.port;
        match &endpoint.host {
            Host::Address(address) => self.take([SocketAddr::new(*address, port)].into()),
            Host::Name(name) => match resolver::known(name, port) {
                Some(addresses) => self.take(addresses),
                None => match Resolver::start(name, port) {
                    Ok(resolver) => self.resolver = Some(resolver),
                    Err(errno) => self.note(TryResult::Untried(errno.raw_os_error())),
                },
            },
        }
    }

    fn take(&mut self, addresses: Vec<SocketAddr>) {
        if addresses.is_empty() {
            self.note(TryResult::Silent(Silence::NoName));
        }
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        self.pause = TRY_TIMEOUT / count.max(1);
        self.waiting = addresses.into();
    }

    fn open(&mut self, address: SocketAddr) {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let opened = Connection::open(family, &address, self.request.clone());
        self.keep(opened);
    }

    fn open_unix(&mut self, address: Result<SocketAddrUnix, Errno>) {
        let opened = address
            .map_err(|errno| TryResult::Silent(Silence::System(errno.raw_os_error())))
            .and_then(|address| Connection::open(AddressFamily::UNIX, &address, Vec::new()));
        self.keep(opened);
    }

    fn keep(&mut self, opened: Result<Connection, TryResult>) {
        match opened {
            Ok(connection) => self.running.push(connection),
            Err(result) => self.note(result),
        }
    }

    /// The result of one address. Of several the one counts that says most.
    fn note(&mut self, result: TryResult) {
        if self.result.is_none_or(|old| weight(old) <= weight(result)) {
            self.result = Some(result);
        }
    }

    pub(super) fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        let resolver = self.resolver.as_ref().and_then(Resolver::interest);
        resolver
            .into_iter()
            .chain(self.running.iter().map(Connection::interest))
    }

    pub(super) fn deadline(&self) -> Instant {
        match self.waiting.is_empty() {
            true => self.deadline,
            false => self.deadline.min(self.next_start),
        }
    }

    /// The worker that resolves the name, unless it was reaped.
    pub(super) fn worker(&self) -> Option<Pid> {
        self.resolver.as_ref().and_then(Resolver::worker)
    }

    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        if let Some(resolver) = &mut self.resolver {
            resolver.reaped(pid, status);
        }
    }

    /// Does what is possible without waiting. Returns the result once there is one.
    pub(super) fn proceed(&mut self, now: Instant) -> Option<TryResult> {
        if let Some(resolver) = &mut self.resolver
            && let Some(addresses) = resolver.poll()
        {
            self.resolver = None;
            self.take(addresses);
        }
        self.proceed_connections();
        while self.result != Some(TryResult::Success)
            && (self.running.is_empty() || self.next_start <= now)
            && let Some(address) = self.waiting.pop_front()
        {
            self.next_start = now + self.pause;
            self.open(address);
            self.proceed_connections();
        }
        let is_over = self.resolver.is_none() && self.running.is_empty() && self.waiting.is_empty();
        if self.result != Some(TryResult::Success) && !is_over {
            if self.deadline > now {
                return None;
            }
            self.note(TryResult::Silent(match self.resolver {
                Some(_) => Silence::NoName,
                None => Silence::TimedOut,
            }));
        }
        self.result
    }

    fn proceed_connections(&mut self) {
        for at in (0..self.running.len()).rev() {
            if let Some(result) = self.running.get_mut(at).and_then(Connection::proceed) {
                self.note(result);
                let connection = self.running.swap_remove(at);
                self.closing.extend(connection.close());
            }
        }
    }

    /// Ends the try. Returns the connections that must still be read.
    pub(super) fn end(self) -> impl Iterator<Item = ClosingConnection> {
        let running = self.running.into_iter().filter_map(Connection::close);
        self.closing.into_iter().chain(running)
    }
}

/// How much a result says, among those of several addresses. One that this machine cannot reach
/// says nothing.
fn weight(result: TryResult) -> u8 {
    const UNREACHABLE: [i32; 2] = [
        Errno::NETUNREACH.raw_os_error(),
        Errno::AFNOSUPPORT.raw_os_error(),
    ];
    match result {
        TryResult::Success => 4,
        TryResult::Status(_) => 3,
        TryResult::Untried(_) => 0,
        TryResult::Silent(Silence::System(errno)) if UNREACHABLE.contains(&errno) => 0,
        TryResult::Silent(_) => 2,
        TryResult::Refused => 1,
    }
}

/// How long one try may take.
pub(super) fn timeout_of(source: &Source) -> Duration {
    match source.kind() {
        SourceKind::Http(target) if target.method == Method::Post => POST_TIMEOUT,
        _ => TRY_TIMEOUT,
    }
}

fn request(target: &HttpTarget) -> Vec<u8> {
    let HttpTarget { host, path, .. } = target;
    let (method, header) = match target.method {
        Method::Get => ("GET", ""),
        Method::Post => ("POST", "Content-Length: 0\r\n"),
    };
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: exitdir/{}\r\nAccept: */*\r\nConnection: close\r\n{header}\r\n",
        env!("CARGO_PKG_VERSION")
    );
    text.into_bytes()
}
