//! Notifications: a datagram is received with its sender and never with its descriptors, and its
//! text says only what stands in a line of its own.

use crate::fuzzing::input::Input;
use crate::readiness::message::{Message, forwarded};
use crate::sys::datagram::{peek, take};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;

/// The bytes that are read of one datagram.
const TEXT_LIMIT: usize = 4096;
const KEYS: [&str; 9] = [
    "READY=1",
    "READY=1\r",
    "READY=0",
    " READY=1",
    "STATUS=",
    "MAINPID=1",
    "FDSTORE=1",
    "BARRIER",
    "RELOADING=1",
];

thread_local! {
    static SOCKETS: (UnixDatagram, UnixDatagram) = pair();
}

fn pair() -> (UnixDatagram, UnixDatagram) {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    rustix::net::sockopt::set_socket_passcred(&receiver, true).unwrap();
    (sender, receiver)
}

/// Reads a text of lines, and one in 16 as a datagram.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, descriptors, repeats) = (input.byte(), input.byte(), input.byte());
    let mut bytes = Vec::new();
    while !input.is_empty() {
        bytes.extend(input.word(&KEYS).into_bytes());
        bytes.push(input.byte());
    }
    if choice % 16 == 0 {
        let sent = bytes.repeat(1 + usize::from(repeats));
        SOCKETS.with(|(sender, receiver)| send(sender, receiver, &sent, descriptors % 4));
    }
    check_text(&String::from_utf8_lossy(&bytes));
}

fn send(sender: &UnixDatagram, receiver: &UnixDatagram, bytes: &[u8], count: u8) {
    let descriptors = vec![sender.as_fd(); usize::from(count)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if count > 0 {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    }
    let sent = sendmsg(
        sender,
        &[IoSlice::new(bytes)],
        &mut ancillary,
        SendFlags::empty(),
    );
    if sent.is_err() {
        // It is larger than the kernel's buffer.
        return assert!(bytes.len() > 100_000, "{sent:?}");
    }
    let datagram = peek(receiver.as_fd()).unwrap();
    assert_eq!(datagram.text, bytes[..bytes.len().min(TEXT_LIMIT)]);
    assert_eq!(datagram.has_descriptors, count > 0);
    assert_eq!(datagram.process, Some(rustix::process::getpid()));
    assert_eq!(datagram.user, Some(rustix::process::getuid().as_raw()));
    take(receiver.as_fd()).unwrap();
    let error = peek(receiver.as_fd()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

/// Looks for the lines by hand.
fn check_text(text: &str) {
    let ends = format!("\n{}\n", text.replace("\r\n", "\n"));
    let message = Message::read(text);
    assert_eq!(message.is_ready, ends.contains("\nREADY=1\n"), "{text:?}");
    let last = ends.rfind("\nSTATUS=").map(|at| &ends[at + 8..]);
    let last = last.map(|rest| &rest[..rest.find('\n').unwrap()]);
    assert_eq!(message.status, last, "{text:?}");
    let sent = forwarded(text);
    let own = |line: &str| {
        let key = line.split_once('=').map_or(line, |(key, _)| key);
        key == "MAINPID" || key == "BARRIER" || key.starts_with("FD") && known(key)
    };
    let expected: Vec<&str> = text.lines().filter(|line| !own(line)).collect();
    let sent: Vec<&str> = sent.iter().flat_map(|sent| sent.split('\n')).collect();
    assert_eq!(sent, expected, "{text:?}");
}

fn known(key: &str) -> bool {
    matches!(key, "FDSTORE" | "FDSTOREREMOVE" | "FDNAME" | "FDPOLL")
}
