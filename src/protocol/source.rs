//! A source: something beside a tombstone on which a condition can be, such as `tcp:db:5432`. Its
//! grammar, and what its parts mean. Pure.
//!
//! `tcp:["//"][HOST:]PORT`, `http:[HOST:]PORT[/PATH]`, `http://HOST[:PORT][/PATH]`, `unix:PATH`,
//! `file:PATH`. Nothing here knows what it means that a source answers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// What can be tried, with its text as typed. Two sources are the same if their texts are.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    text: String,
    kind: SourceKind,
}

/// How a source is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceKind {
    /// A connection is accepted.
    Tcp(Endpoint),
    /// A GET request is answered.
    Http(HttpTarget),
    /// A connection to a UNIX socket is accepted.
    Unix(PathBuf),
    /// The file exists.
    File(PathBuf),
}

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Host,
    /// Never 0.
    pub(crate) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    /// A name to resolve.
    Name(String),
}

/// Where an HTTP request goes, and for which path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpTarget {
    pub(crate) endpoint: Endpoint,
    /// The value of the `Host` header.
    pub(crate) host: String,
    /// Begins with a slash. Has visible ASCII characters only.
    pub(crate) path: String,
    pub(crate) method: Method,
}

/// What an HTTP request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// Nothing happens by it.
    Get,
    /// An action. Its body is empty.
    Post,
}

/// The words before the first colon that begin a source, or what is taken for one.
const PREFIXES: [&str; 8] = [
    "tcp", "http", "https", "unix", "file", "exec", "post", "sleep",
];
/// The port of `http://HOST`.
const HTTP_PORT: u16 = 80;
/// The longest path of a UNIX socket (unix(7)), in bytes.
const MAX_SOCKET_PATH: usize = 107;
/// The longest host name (RFC 1035), in bytes.
const MAX_HOST: usize = 253;
const NO_TLS: &str = "no TLS: use exec: with a program that speaks it";
const NO_PROGRAM: &str = "exec: is not a condition: it is an action, and a source of --ready-on";
const NO_TLS_IN_CONDITION: &str =
    "no TLS: let the server's exitdir-run ask with --ready-on exec:PROG, and wait for its NAME";
const EXPECTED: &str = "expected [HOST:]PORT";

impl Source {
    /// Whether a text begins as a source does. It is a life all the same if a state follows.
    pub(crate) fn is_prefixed(text: &str) -> bool {
        let word = text.split_once(':').map(|(word, _)| word);
        word.is_some_and(|word| PREFIXES.contains(&word))
    }

    /// Reads a source in a condition. What separates conditions is not in `text` any more.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Source, String> {
        if text.contains(is_blank) {
            return Err("no blanks inside a condition".to_owned());
        }
        let (word, rest) = text.split_once(':').unwrap_or((text, ""));
        let kind = match word {
            "file" => SourceKind::File(parse_path("file:", rest)?),
            "exec" => return Err(NO_PROGRAM.to_owned()),
            "post" | "sleep" => return Err(format!("{word}: is an action, not a condition")),
            "https" => return Err(NO_TLS_IN_CONDITION.to_owned()),
            _ => SourceKind::parse(word, rest)?,
        };
        Ok(Source::new(text, kind))
    }

    /// Reads a source in a value of `--ready-on`, where no life and no list can stand: the path of
    /// a file may be any. `None` if the value does not name a source.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn for_readiness(text: &str) -> Result<Option<Source>, String> {
        let kind = match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => SourceKind::File(path.into()),
            Some((word @ ("tcp" | "http" | "https" | "unix"), rest)) => {
                SourceKind::parse(word, rest)?
            }
            Some(_) | None => return Ok(None),
        };
        Ok(Some(Source::new(text, kind)))
    }

    /// Reads what follows `post:` in an action.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn for_action(text: &str) -> Result<Source, String> {
        if text.starts_with("https:") {
            return Err(NO_TLS.to_owned());
        }
        let target = HttpTarget {
            method: Method::Post,
            ..HttpTarget::parse(text)?
        };
        Ok(Source::new(
            &["post:", text].concat(),
            SourceKind::Http(target),
        ))
    }

    fn new(text: &str, kind: SourceKind) -> Source {
        Source {
            text: text.to_owned(),
            kind,
        }
    }

    /// Whether a try depends on the working directory.
    pub(crate) fn has_relative_path(&self) -> bool {
        match &self.kind {
            SourceKind::Tcp(_) | SourceKind::Http(_) => false,
            SourceKind::Unix(path) | SourceKind::File(path) => path.is_relative(),
        }
    }

    pub(crate) fn kind(&self) -> &SourceKind {
        &self.kind
    }

    /// The text as typed.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Source) -> bool {
        self.text == other.text
    }
}

impl Eq for Source {}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl SourceKind {
    fn parse(word: &str, rest: &str) -> Result<SourceKind, String> {
        match word {
            "tcp" => parse_tcp(rest).map(SourceKind::Tcp),
            "http" => HttpTarget::parse(rest).map(SourceKind::Http),
            "https" => Err(NO_TLS.to_owned()),
            "unix" => parse_socket(rest).map(SourceKind::Unix),
            _ => Err("expected tcp:, http:, unix: or file:".to_owned()),
        }
    }
}

impl HttpTarget {
    /// Reads what follows `http:` in a source, and `post:` in an action.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<HttpTarget, String> {
        let (text, default_port) = match text.strip_prefix("//") {
            Some(text) => (text, Some(HTTP_PORT)),
            None => (text, None),
        };
        let (at, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        check_path(path)?;
        let path = if path.is_empty() { "/" } else { path };
        let endpoint = Endpoint::parse(at, default_port)?;
        Ok(HttpTarget {
            // As typed, because the code that writes an IPv6 address is large.
            host: match is_number(at) {
                true => format!("127.0.0.1:{}", endpoint.port),
                false => at.to_owned(),
            },
            endpoint,
            path: path.to_owned(),
            method: Method::Get,
        })
    }
}

impl Endpoint {
    /// Reads `PORT`, `HOST:PORT`, and `HOST` where there is a default for the port.
    fn parse(text: &str, default_port: Option<u16>) -> Result<Endpoint, String> {
        if text.contains('@') {
            return Err("no user in a URL".to_owned());
        }
        if is_number(text) && default_port.is_none() {
            return Ok(Endpoint {
                host: Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                port: parse_port(text)?,
            });
        }
        let (host, port) = split_port(text)?;
        let port = match (port, default_port) {
            (Some(port), _) => parse_port(port),
            (None, Some(port)) => Ok(port),
            (None, None) => Err(format!("{text:?} has no port: {EXPECTED}")),
        };
        Ok(Endpoint {
            host: Host::parse(host)?,
            port: port?,
        })
    }
}

impl Host {
    fn parse(text: &str) -> Result<Host, String> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(parse_ipv6);
            return address.ok_or_else(|| format!("{text:?} is not an IPv6 address"));
        }
        if let Ok(address) = text.parse() {
            return Ok(Host::Address(IpAddr::V4(address)));
        }
        // libc's resolver takes 10.1 for 10.0.0.1, and 010.0.0.1 for 8.0.0.1.
        let mut labels = text.trim_end_matches('.').split('.');
        if labels.next_back().is_some_and(is_number) {
            return Err(format!("{text:?} is not an IPv4 address"));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_odd = text.is_empty() || text.starts_with(['-', '.']) || text.len() > MAX_HOST;
        if is_odd || !text.bytes().all(allowed) {
            return Err(format!("{text:?} is not a host: {EXPECTED}"));
        }
        Ok(Host::Name(text.to_owned()))
    }
}

/// Splits at the colon before the port.
fn split_port(text: &str) -> Result<(&str, Option<&str>), String> {
    if text.is_empty() {
        return Err(EXPECTED.to_owned());
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Ok((text, None));
    };
    if text.starts_with('[') {
        // A colon inside of the brackets is no end of the host.
        return Ok(match host.ends_with(']') {
            true => (host, Some(port)),
            false => (text, None),
        });
    }
    for (address, port) in [(host, port), (text, "PORT")] {
        if address.contains(':') && parse_ipv6(address).is_some() {
            // It may hold anything.
            let port = if is_number(port) { port } else { "PORT" };
            return Err(format!(
                "an IPv6 address needs brackets: [{address}]:{port}"
            ));
        }
    }
    Ok((host, Some(port)))
}

fn parse_ipv6(text: &str) -> Option<Host> {
    let address = text.parse::<Ipv6Addr>().ok()?;
    Some(Host::Address(IpAddr::V6(address)))
}

fn parse_port(text: &str) -> Result<u16, String> {
    // The parser of numbers would take a sign.
    let port = Some(text).filter(|text| is_number(text));
    let port = port.and_then(|text| text.parse().ok());
    port.filter(|port| *port != 0)
        .ok_or_else(|| format!("{text:?} is not a port: 1 to 65535"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

fn parse_tcp(text: &str) -> Result<Endpoint, String> {
    let text = text.strip_prefix("//").unwrap_or(text);
    if text.contains('/') {
        return Err("tcp: has no path: expected tcp:[HOST:]PORT".to_owned());
    }
    Endpoint::parse(text, None)
}

/// The characters of a request line: others would end it, or start a header.
fn check_path(path: &str) -> Result<(), String> {
    let is_visible = |c: char| c.is_ascii_graphic();
    if path.contains('#') {
        Err("no \"#\" in a path: write %23".to_owned())
    } else if path.contains(is_blank) {
        Err("no blanks in a path: write %20".to_owned())
    } else if !path.chars().all(is_visible) {
        Err("only ASCII in a path: write others as %XX".to_owned())
    } else {
        Ok(())
    }
}

fn parse_socket(text: &str) -> Result<PathBuf, String> {
    let path = parse_path("unix:", text)?;
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(format!(
            "the path of a socket has at most {MAX_SOCKET_PATH} bytes"
        ));
    }
    Ok(path)
}

/// The path after `word`. It has a slash, so that it cannot be taken for a state.
fn parse_path(word: &str, text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("//").unwrap_or(text);
    if path.is_empty() {
        Err(format!("expected {word}PATH"))
    } else if path.contains(char::is_control) {
        Err("no control characters in a path".to_owned())
    } else if path.ends_with('/') {
        Err(format!("{path:?} ends in \"/\""))
    } else if !path.contains('/') {
        Err(format!("no \"/\": write {word}./{path}"))
    } else if path.len() != text.len() && !path.starts_with('/') {
        // Where a URL has a host.
        Err(format!("after \"//\" a path is absolute: {word}///run/..."))
    } else {
        Ok(path.into())
    }
}

#[cfg(test)]
mod tests;
