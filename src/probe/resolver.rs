//! The addresses of a host, by libc's resolver in a worker process: it can wait for a name server
//! for longer than any turn of an event loop may take.

use crate::exit::ExitStatus;
use crate::process::worker::WorkerProcess;
use crate::sys::poll::readable;
use rustix::event::PollFd;
use rustix::io::Errno;
use rustix::process::Pid;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::os::fd::BorrowedFd;

/// Addresses of one name that are tried.
const ADDRESS_LIMIT: usize = 16;
/// What the worker writes for one address: the bytes of an IPv6 address, which can stand for an
/// IPv4 address too, and its scope.
const RECORD: usize = 16 + 4;
/// The last byte of the worker's output.
const END: u8 = b'.';

/// A name that is being resolved. Dropping the value kills the worker.
pub(super) struct Resolver {
    worker: WorkerProcess,
    port: u16,
}

/// The addresses of a name that every machine has, and that needs no resolver (RFC 6761).
pub(super) fn known(name: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let name = name.trim_end_matches('.');
    let loopback = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    name.eq_ignore_ascii_case("localhost").then(|| {
        loopback
            .map(|address| SocketAddr::new(address, port))
            .to_vec()
    })
}

impl Resolver {
    /// # Errors
    /// No process can be started now.
    pub(super) fn start(name: &str, port: u16) -> Result<Resolver, Errno> {
        let mut work = |pipe: BorrowedFd<'_>| {
            let mut output = Vec::new();
            // A name without addresses is a name that does not resolve.
            for address in (name, port).to_socket_addrs().into_iter().flatten() {
                if output.len() < ADDRESS_LIMIT * RECORD {
                    output.extend(encode(&address));
                }
            }
            output.push(END);
            // An output that is cut off has no end.
            let _ = rustix::io::write(pipe, &output);
        };
        let worker = WorkerProcess::start(&[], &mut work)?;
        Ok(Resolver { worker, port })
    }

    /// The worker, unless it was reaped.
    pub(super) fn worker(&self) -> Option<Pid> {
        self.worker.is_running().then(|| self.worker.pid())
    }

    pub(super) fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.worker.reaped(pid, status);
    }

    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        self.worker.descriptor().map(readable)
    }

    /// The addresses, none if the name has none. `None` while the worker runs.
    pub(super) fn poll(&mut self) -> Option<Vec<SocketAddr>> {
        self.worker.poll();
        let output = self.worker.output_so_far();
        match output.split_last() {
            Some((&END, records)) if records.len() % RECORD == 0 => {
                Some(decode(records, self.port))
            }
            _ if self.worker.descriptor().is_some() => None,
            // The worker has failed.
            _ => Some(Vec::new()),
        }
    }
}

fn encode(address: &SocketAddr) -> [u8; RECORD] {
    let (ip, scope) = match address {
        SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), 0),
        SocketAddr::V6(v6) => (*v6.ip(), v6.scope_id()),
    };
    let mut record = [0; RECORD];
    let bytes = ip.octets().into_iter().chain(scope.to_ne_bytes());
    record
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = from);
    record
}

fn decode(records: &[u8], port: u16) -> Vec<SocketAddr> {
    let decode = |record: &[u8]| {
        let (ip, scope) = record.split_first_chunk::<16>()?;
        let scope = u32::from_ne_bytes(scope.try_into().ok()?);
        let ip = Ipv6Addr::from(*ip);
        Some(match ip.to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(IpAddr::V4(v4), port),
            None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope)),
        })
    };
    records.chunks_exact(RECORD).filter_map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_pipe() {
        let addresses: [SocketAddr; 4] = [
            "10.0.0.1:80".parse().unwrap(),
            "[::1]:80".parse().unwrap(),
            "[fe80::1%7]:80".parse().unwrap(),
            "255.255.255.255:80".parse().unwrap(),
        ];
        let records: Vec<u8> = addresses.iter().flat_map(encode).collect();
        assert_eq!(decode(&records, 80), addresses);
        assert_eq!(decode(&records[1..], 80).len(), 3);
    }

    #[test]
    fn localhost_needs_no_resolver() {
        for name in ["localhost", "LOCALHOST", "localhost."] {
            assert_eq!(known(name, 7).map(|found| found.len()), Some(2), "{name}");
        }
        for name in ["localhost.x", "xlocalhost", "db"] {
            assert_eq!(known(name, 7), None, "{name}");
        }
    }
}
