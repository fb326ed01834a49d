//! Datagrams for the notification socket, with and without descriptors.

use crate::support::readiness_life::life;
use crate::support::sandbox::{Running, Sandbox, Start};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketType,
};
use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

/// The descriptors that one datagram can bring (`SCM_MAX_FD`).
pub const MOST_DESCRIPTORS: usize = 253;

/// A life whose command sends no notification, and the address of its socket.
pub fn silent(sandbox: &Sandbox) -> (Running, String) {
    let script = "echo $NOTIFY_SOCKET >$W/new; mv $W/new $W/address; exec sleep 60";
    let life = life(sandbox, "notify", script).start();
    let address = address(sandbox);
    (life, address)
}

/// The address of a life that writes it to a file.
pub fn address(sandbox: &Sandbox) -> String {
    sandbox.await_file("address");
    sandbox.await_key("x", "Born");
    sandbox.lines("address").remove(0)
}

/// A socket that sends to an address.
pub fn sender(address: &str) -> OwnedFd {
    let name = address.strip_prefix('@').expect("an abstract socket");
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::DGRAM, None).unwrap();
    rustix::net::connect(&socket, &address).unwrap();
    socket
}

/// Sends a datagram.
pub fn send(address: &str, text: &[u8]) {
    rustix::net::send(sender(address), text, SendFlags::empty()).unwrap();
}

/// Sends a datagram and descriptors along with it, as sd_pid_notify_with_fds(3) does.
pub fn send_along(address: &str, text: &str, descriptors: &[BorrowedFd<'_>]) {
    try_send_along(&sender(address), text, descriptors).unwrap();
}

pub fn try_send_along(
    socket: &OwnedFd,
    text: &str,
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    let text = [IoSlice::new(text.as_bytes())];
    rustix::net::sendmsg(socket, &text, &mut control, SendFlags::empty())
}

/// A connection with unsent data, and its other end. The process that closes it last waits until
/// the other end has read everything.
pub fn lingering_connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other_end, _) = listener.accept().unwrap();
    connection.set_nonblocking(true).unwrap();
    while connection.write(&[0; 65536]).is_ok() {}
    rustix::net::sockopt::set_socket_linger(&connection, Some(Duration::from_secs(600))).unwrap();
    (connection, other_end)
}
