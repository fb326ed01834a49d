//! The values of `--ready-on`: what makes a command ready. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A source of readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadyOn {
    /// The command has been executed.
    Start,
    /// `exitdir-signal --ready` reports it.
    Signal,
    /// The command reports it to `$NOTIFY_SOCKET` (sd_notify(3)).
    Notify,
    /// The command writes a newline to this descriptor (s6's notification-fd).
    Descriptor(u16),
    /// The file exists.
    File(PathBuf),
    /// A connection is accepted.
    Tcp(SocketAddr),
    /// The response to a GET request has status 2xx or 3xx.
    Http(HttpTarget),
    /// A program exits with 0; these are its words.
    Exec(Vec<String>),
}

/// Where to send the request, and for which path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpTarget {
    pub(crate) address: SocketAddr,
    /// The value of the `Host` header.
    pub(crate) host: String,
    /// Begins with a slash.
    pub(crate) path: String,
}

/// The descriptor of `fd` without a number, as usual for s6.
const DEFAULT_DESCRIPTOR: u16 = 3;
/// The highest descriptor that any common limit allows.
const MAX_DESCRIPTOR: u16 = 255;

impl ReadyOn {
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse(text: &str) -> Result<ReadyOn, String> {
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("start", None) => Ok(ReadyOn::Start),
            ("signal", None) => Ok(ReadyOn::Signal),
            ("notify", None) => Ok(ReadyOn::Notify),
            ("fd", None) => Ok(ReadyOn::Descriptor(DEFAULT_DESCRIPTOR)),
            ("fd", Some(number)) => parse_descriptor(number),
            ("file", Some(path)) if !path.is_empty() => Ok(ReadyOn::File(PathBuf::from(path))),
            ("tcp", Some(address)) => parse_address(address).map(ReadyOn::Tcp),
            ("http", Some(rest)) => parse_target(rest).map(ReadyOn::Http),
            ("exec", Some(line)) => parse_program(line),
            _ => Err(
                "expected start, notify, fd[:N], file:PATH, tcp:[HOST:]PORT, http:[HOST:]PORT/PATH, \
                 exec:PROG or signal"
                    .to_owned(),
            ),
        }
    }
}

fn parse_descriptor(text: &str) -> Result<ReadyOn, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (3..=MAX_DESCRIPTOR).contains(number));
    number
        .map(ReadyOn::Descriptor)
        .ok_or_else(|| format!("expected a descriptor from 3 to {MAX_DESCRIPTOR}"))
}

/// `PORT`, `HOST:PORT` or `[HOST]:PORT`. HOST is an IP address, because an image may have no
/// resolver.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let expected =
        || "expected [HOST:]PORT, with an IP address for HOST, IPv6 in brackets".to_owned();
    let address = if is_port(text) {
        let port = text.parse().map_err(|_| expected())?;
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    } else {
        text.parse().map_err(|_| expected())?
    };
    if address.port() == 0 {
        return Err(expected());
    }
    Ok(address)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_target(text: &str) -> Result<HttpTarget, String> {
    let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let path = if path.is_empty() { "/" } else { path };
    // These characters would end the request line, or start another header.
    if path.contains(|c: char| c.is_ascii_control() || c == ' ') {
        return Err("expected a path without spaces".to_owned());
    }
    let address = parse_address(host)?;
    Ok(HttpTarget {
        address,
        // As typed, because the code that writes an IPv6 address is large.
        host: match is_port(host) {
            true => format!("{}:{}", Ipv4Addr::LOCALHOST, address.port()),
            false => host.to_owned(),
        },
        path: path.to_owned(),
    })
}

fn parse_program(line: &str) -> Result<ReadyOn, String> {
    let words: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        return Err("expected exec:PROG [ARG]...".to_owned());
    }
    Ok(ReadyOn::Exec(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_parsed_and_everything_else_is_rejected() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let http = |at: &str, path: &str| {
            ReadyOn::Http(HttpTarget {
                address: address(at),
                host: at.to_owned(),
                path: path.to_owned(),
            })
        };
        for (text, source) in [
            ("start", ReadyOn::Start),
            ("signal", ReadyOn::Signal),
            ("notify", ReadyOn::Notify),
            ("fd", ReadyOn::Descriptor(3)),
            ("fd:7", ReadyOn::Descriptor(7)),
            ("file:/run/x:y", ReadyOn::File("/run/x:y".into())),
            ("tcp:80", ReadyOn::Tcp(address("127.0.0.1:80"))),
            ("tcp:10.0.0.1:80", ReadyOn::Tcp(address("10.0.0.1:80"))),
            ("tcp:[::1]:80", ReadyOn::Tcp(address("[::1]:80"))),
            (
                "http:8080/healthz?a=b",
                http("127.0.0.1:8080", "/healthz?a=b"),
            ),
            ("http:8080", http("127.0.0.1:8080", "/")),
            ("http:[::1]:80/a:b/c", http("[::1]:80", "/a:b/c")),
            (
                "exec:/bin/test -e  /x",
                ReadyOn::Exec(vec!["/bin/test".into(), "-e".into(), "/x".into()]),
            ),
        ] {
            assert_eq!(ReadyOn::parse(text), Ok(source), "{text}");
        }
        for text in [
            "",
            "Start",
            "start:",
            "signal:x",
            "notify:1",
            "fd:",
            "fd:2",
            "fd:256",
            "fd:x",
            "file",
            "file:",
            "tcp",
            "tcp:",
            "tcp:0",
            "tcp:65536",
            "tcp:localhost:80",
            "tcp:::1:80",
            "tcp:+1",
            "tcp:80/x",
            "http",
            "http:/x",
            "http:80/a b",
            "http:80/a\rb",
            "exec",
            "exec:",
            "exec: ",
        ] {
            assert!(ReadyOn::parse(text).is_err(), "{text:?}");
        }
    }
}
