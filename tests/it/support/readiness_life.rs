//! A life for the tests of `--ready-on`: a command that announces its readiness, or does not.

use crate::support::sandbox::{Running, Sandbox, Start};
use rustix::net::{AddressFamily, SocketType};
use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::Command;

/// Sends each of its words as a datagram, with perl, which every Debian has, since no shell can.
const SAY: &str = r#"use Socket; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die "$!"; (my $a = $ENV{NOTIFY_SOCKET}) =~ s/^@/\0/;
connect($s, pack_sockaddr_un($a)) or die "connect: $!"; for (@ARGV) { send($s, $_, 0) // die "send: $!" }"#;

/// `exitdir-run -n x --ready-on SOURCE -- sh -c SCRIPT`, where `$W` is the sandbox and `say` the
/// client of `$NOTIFY_SOCKET`.
pub fn life(sandbox: &Sandbox, source: &str, script: &str) -> Command {
    life_with(sandbox, &["-n", "x", "--ready-on", source], script)
}

pub fn life_with(sandbox: &Sandbox, options: &[&str], script: &str) -> Command {
    let script = format!("say() {{ perl -e \"$SAY\" \"$@\"; }}; {script}");
    let mut command = sandbox.run(options);
    command
        .args(["--", "sh", "-c", &script])
        .env("SAY", SAY)
        .env("W", sandbox.path("."));
    command
}

/// Starts a life that becomes ready only when the test does something.
pub fn unready(sandbox: &Sandbox, source: &str) -> Running {
    let life = life(sandbox, source, "exec sleep 60").start();
    sandbox.await_key("x", "Born");
    assert_eq!(sandbox.key("x", "Ready"), None, "{source}");
    life
}

/// A port on which no process listens yet, and only the returned socket can.
pub fn port(address: SocketAddr) -> (OwnedFd, u16) {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let socket = rustix::net::socket(family, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &address).unwrap();
    let bound = rustix::net::getsockname(&socket).unwrap();
    let port = SocketAddr::try_from(bound).unwrap().port();
    (socket, port)
}

/// `exec:` with a script that is written to a file.
pub fn probe(sandbox: &Sandbox, script: &str) -> String {
    let path = sandbox.path("probe");
    fs::write(&path, script).unwrap();
    format!("exec:sh {}", path.display())
}
