//! Host names for one process: `/etc/hosts` and `/etc/resolv.conf` of its own, and a name server
//! that does not answer.

use crate::support::namespaces::with_mounts;
use crate::support::requirements::{is_permitted, skip};
use crate::support::sandbox::Sandbox;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;

const MOUNTS: &str = "mount --bind $W/hosts /etc/hosts; mount --bind $W/resolv /etc/resolv.conf";

/// A program for which the file `hosts` of the sandbox is `/etc/hosts`. `None` if that is not
/// possible here.
pub fn with_hosts(
    sandbox: &Sandbox,
    hosts: &str,
    server: Option<&NameServer>,
    program: &str,
) -> Option<Command> {
    // Without a name server, no process listens where the questions go.
    let server = server.map_or("127.99.99.99".to_owned(), NameServer::address);
    std::fs::write(sandbox.path("hosts"), hosts).unwrap();
    std::fs::write(sandbox.path("resolv"), format!("nameserver {server}\n")).unwrap();
    let inside = |program: &str| {
        let mut command = with_mounts(sandbox, MOUNTS, program);
        command.env("W", sandbox.path("."));
        command
    };
    is_permitted("mounting", &mut inside("true")).then(|| inside(program))
}

/// Takes questions and answers none.
pub struct NameServer(UdpSocket);

impl NameServer {
    /// `None` if the port of name servers is not open to this user, or not free.
    pub fn bind() -> Option<NameServer> {
        let addresses = (1..=200).map(|host| SocketAddr::from(([127, 98, 97, host], 53)));
        let socket = addresses
            .into_iter()
            .find_map(|address| UdpSocket::bind(address).ok());
        if socket.is_none() {
            skip("a name server");
        }
        let socket = socket?;
        socket.set_nonblocking(true).unwrap();
        Some(NameServer(socket))
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().ip().to_string()
    }

    /// Who asks: each resolver has a port of its own.
    pub fn asker(&self) -> Option<SocketAddr> {
        self.0.recv_from(&mut [0; 600]).ok().map(|(_, asker)| asker)
    }
}
