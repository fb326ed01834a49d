//! The file format: bytes in, values out, and back. Pure.
//!
//! A tombstone is lines of `Key: value`. It is only ever appended to, so the parser takes the
//! first value of a key, and any bytes at all: other programs write into the directory too.
//! What a tombstone *means* together with its lock is for [`crate::protocol::condition`].

use crate::protocol::name::Name;
use crate::protocol::timestamp::Timestamp;
use crate::signal::Signal;
use std::fmt;

/// No tombstone of ours is longer, and of a foreign file no more is read. In bytes.
pub(crate) const SIZE_LIMIT: usize = 4096;
/// What is reserved and read of our own: two writers that append at once can pass [`SIZE_LIMIT`]. In bytes.
pub(crate) const RESERVED: usize = 8192;
/// Where the records before the death record end at the latest, so that it always has room. In bytes.
const HEAD_LIMIT: usize = SIZE_LIMIT - DEATH_LIMIT;
/// A death record at its longest: a message, and under 256 bytes of everything else. In bytes.
const DEATH_LIMIT: usize = MESSAGE_LIMIT + 256;
/// A message at its longest, with its quotes and escapes. In bytes.
const MESSAGE_LIMIT: usize = 1024;

/// What a tombstone says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tombstone {
    /// When the supervisor began; the time names the life.
    pub waiting: Option<Timestamp>,
    /// Which lock the writer holds; `None` where there is no such line (kubexit's, or one by hand).
    pub lock: Option<Lock>,
    /// The conditions that must hold before the command is started, separated by commas.
    pub waiting_for: Option<String>,
    /// When the command was started.
    pub born: Option<Timestamp>,
    /// When it became ready.
    pub ready: Option<Timestamp>,
    /// The name whose death made this life stop.
    pub cause: Option<Name>,
    /// The exit code; what is negative or over 255 in the file is 255 here.
    pub exit_code: Option<u8>,
    /// The signal that ended the command.
    pub signal: Option<Signal>,
    /// Why the life ended.
    pub reason: Option<Reason>,
    /// When the command was deactivated.
    pub inactive: Option<Timestamp>,
    /// Free text: the newest.
    pub message: Option<String>,
    /// When the life ended.
    pub died: Option<Timestamp>,
    /// Whether there was at least one complete line; a file without one may be about to be written.
    pub has_line: bool,
}

/// The `Lock:` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// The writer holds an exclusive `fcntl` lock on the file, taken there.
    Fcntl(LockIdentity),
    /// The file system refused a lock, or the machine has no boot id: nobody can tell a crash.
    Unavailable,
}

/// Where a lock was taken: it can be judged only by a reader that sees the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockIdentity {
    /// The kernel's boot id.
    pub boot: String,
    /// The device of the file, as major and minor number.
    pub device: (u32, u32),
    /// The file's inode.
    pub inode: u64,
}

/// The `Reason:` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The command ended by itself, also after a signal that was passed on.
    Exited,
    /// A signal that the supervisor did not send ended it.
    Signaled,
    /// Stopped, or never started, for a death dependency.
    Stopped,
    /// Stopped, and `KILL` was needed.
    Killed,
    /// `--timeout` has passed.
    Timeout,
    /// `--birth-timeout` has passed.
    BirthTimeout,
    /// The command could not be executed.
    ExecFailed,
    /// Ended by a signal while the command was down.
    Interrupted,
    /// Written by `exitdir-signal`.
    Announced,
}

impl Reason {
    const ALL: [Reason; 9] = [
        Reason::Exited,
        Reason::Signaled,
        Reason::Stopped,
        Reason::Killed,
        Reason::Timeout,
        Reason::BirthTimeout,
        Reason::ExecFailed,
        Reason::Interrupted,
        Reason::Announced,
    ];

    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Exited => "exited",
            Reason::Signaled => "signaled",
            Reason::Stopped => "stopped",
            Reason::Killed => "killed",
            Reason::Timeout => "timeout",
            Reason::BirthTimeout => "birth-timeout",
            Reason::ExecFailed => "exec-failed",
            Reason::Interrupted => "interrupted",
            Reason::Announced => "said",
        }
    }

    fn parse(text: &str) -> Option<Reason> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for LockIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.device;
        write!(f, "fcntl {} {major}:{minor} {}", self.boot, self.inode)
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lock::Fcntl(identity) => identity.fmt(f),
            Lock::Unavailable => f.write_str("none"),
        }
    }
}

impl Lock {
    fn parse(text: &str) -> Option<Lock> {
        if text == "none" {
            return Some(Lock::Unavailable);
        }
        let mut words = text.split(' ');
        let ("fcntl", Some(boot), Some(device), Some(inode), None) = (
            words.next()?,
            words.next(),
            words.next(),
            words.next(),
            words.next(),
        ) else {
            return None;
        };
        let (major, minor) = device.split_once(':')?;
        Some(Lock::Fcntl(LockIdentity {
            boot: boot.to_owned(),
            device: (major.parse().ok()?, minor.parse().ok()?),
            inode: inode.parse().ok()?,
        }))
    }
}

/// One line of a tombstone, about to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Line<'a> {
    Waiting(&'a Timestamp),
    Lock(&'a Lock),
    WaitingFor(&'a str),
    Born(&'a Timestamp),
    Ready(&'a Timestamp),
    Inactive(&'a Timestamp),
    Cause(&'a Name),
    ExitCode(u8),
    Signal(Signal),
    Reason(Reason),
    Message(&'a str),
    Died(&'a Timestamp),
}

impl Line<'_> {
    fn write(self, out: &mut String) {
        let (key, value) = match self {
            Line::Waiting(time) => ("Waiting", quote(time.as_str())),
            Line::Lock(lock) => ("Lock", lock.to_string()),
            Line::WaitingFor(conditions) => ("WaitingFor", quote(conditions)),
            Line::Born(time) => ("Born", quote(time.as_str())),
            Line::Ready(time) => ("Ready", quote(time.as_str())),
            Line::Inactive(time) => ("Inactive", quote(time.as_str())),
            Line::Cause(name) => ("Cause", plain(name.as_str())),
            Line::ExitCode(code) => ("ExitCode", code.to_string()),
            Line::Signal(signal) => ("Signal", signal.to_string()),
            Line::Reason(reason) => ("Reason", reason.as_str().to_owned()),
            Line::Message(text) => ("Message", quote(text)),
            Line::Died(time) => ("Died", quote(time.as_str())),
        };
        out.push_str(key);
        out.push_str(": ");
        out.push_str(&value);
        out.push('\n');
    }
}

/// The lines as they stand in the file.
pub(crate) fn compose(lines: &[Line<'_>]) -> String {
    let mut out = String::new();
    for line in lines {
        line.write(&mut out);
    }
    out
}

/// The record to append to a file of `length` bytes whose last byte is `last`, or `None` if it has no room.
///
/// What comes before the death record leaves it room; a death record itself gives up its message
/// before it gives up anything else.
pub(crate) fn compose_append(lines: &[Line<'_>], length: u64, last: Option<u8>) -> Option<String> {
    let start = if last.is_none_or(|byte| byte == b'\n') {
        ""
    } else {
        "\n"
    };
    let dies = lines.iter().any(|line| matches!(line, Line::Died(_)));
    let limit = if dies { SIZE_LIMIT } else { HEAD_LIMIT };
    let fits = |text: &String| {
        usize::try_from(length).is_ok_and(|at| at.saturating_add(text.len()) <= limit)
    };
    let whole = format!("{start}{}", compose(lines));
    if fits(&whole) {
        return Some(whole);
    }
    let terse: Vec<Line<'_>> = lines
        .iter()
        .copied()
        .filter(|line| !matches!(line, Line::Message(_)))
        .collect();
    let terse = format!("{start}{}", compose(&terse));
    // A death is said in any case: beyond the limit is better than not at all.
    (dies || fits(&terse)).then_some(terse)
}

impl Tombstone {
    /// Reads a tombstone from what a file holds. Takes any bytes; never fails.
    ///
    /// ```
    /// let tombstone = exitdir::Tombstone::parse(b"Born: \"2026-11-20T21:29:27Z\"\nExitCode: 3\nDied: \"2026-11-20T21:30:00Z\"\n");
    /// assert_eq!(tombstone.exit_code, Some(3));
    /// assert!(tombstone.died.is_some());
    /// ```
    pub fn parse(bytes: &[u8]) -> Tombstone {
        let tombstone = Tombstone::parse_lines(bytes.get(..RESERVED).unwrap_or(bytes));
        match bytes.get(..SIZE_LIMIT) {
            // Only what we wrote ourselves can have a reason to be longer.
            Some(head) if tombstone.lock.is_none() => Tombstone::parse_lines(head),
            _ => tombstone,
        }
    }

    fn parse_lines(bytes: &[u8]) -> Tombstone {
        let mut tombstone = Tombstone::default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                break;
            };
            let line = String::from_utf8_lossy(line);
            tombstone.has_line = true;
            if tombstone.died.is_none() {
                tombstone.take_line(&line);
            } else if tombstone.lock.is_none() && tombstone.exit_code.is_none() {
                // kubexit's keys are sorted: its code comes after its death.
                tombstone.take_late_code(&line);
            } else {
                break;
            }
        }
        tombstone
    }

    fn take_line(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':') else {
            return;
        };
        let value = unquote(value.trim_matches([' ', '\t', '\r']));
        let time = || Timestamp::from_text(value.clone());
        match key {
            "Waiting" => first(&mut self.waiting, || Some(time())),
            "Lock" => first(&mut self.lock, || Lock::parse(&value)),
            "WaitingFor" => first(&mut self.waiting_for, || Some(value.clone())),
            "Born" => first(&mut self.born, || Some(time())),
            "Ready" => first(&mut self.ready, || Some(time())),
            "Cause" => first(&mut self.cause, || Name::new(&value)),
            "ExitCode" => first(&mut self.exit_code, || parse_code(&value)),
            "Signal" => first(&mut self.signal, || Signal::parse(&value)),
            "Reason" => first(&mut self.reason, || Reason::parse(&value)),
            "Inactive" => first(&mut self.inactive, || Some(time())),
            "Message" => self.message = Some(value),
            "Died" => first(&mut self.died, || Some(time())),
            _ => {}
        }
    }

    fn take_late_code(&mut self, line: &str) {
        if line.starts_with("ExitCode:") {
            self.take_line(line);
        }
    }

    /// The time that names the life: `Waiting`, or `Born` where another program wrote the file.
    pub fn life(&self) -> Option<&Timestamp> {
        self.waiting.as_ref().or(self.born.as_ref())
    }
}

fn first<T>(slot: &mut Option<T>, value: impl FnOnce() -> Option<T>) {
    if slot.is_none() {
        *slot = value();
    }
}

/// Codes of other programs can be anything (kubexit writes -1); what is no exit status is 255.
fn parse_code(text: &str) -> Option<u8> {
    let code: i64 = text.parse().ok()?;
    Some(u8::try_from(code).unwrap_or(u8::MAX))
}

/// A name, in quotes where YAML would take it for something else (YAML 1.1, "Language-Independent Types").
fn plain(name: &str) -> String {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_word = words.iter().any(|word| name.eq_ignore_ascii_case(word));
    if is_word || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return quote(name);
    }
    name.to_owned()
}

/// Double quotes and JSON's escapes, cut to [`MESSAGE_LIMIT`] bytes.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for escaped in text.chars().map(escape) {
        if out.len() + escaped.len() + 1 > MESSAGE_LIMIT {
            break;
        }
        out.push_str(&escaped);
    }
    out.push('"');
    out
}

/// A character inside of JSON's double quotes (RFC 8259, section 7). YAML and terminals want more
/// escaped than JSON does: C1 controls, line separators, non-characters.
fn escape(c: char) -> String {
    match c {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        c if c.is_control()
            || matches!(
                c,
                '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            ) =>
        {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    }
}

/// The text that a value means: JSON's escapes undone, a broken escape taken as it stands.
fn unquote(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        return inner.replace("''", "'");
    }
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => out.push(unescape_unicode(&mut rest)),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// The character after `\u`, with its second half if it is a surrogate pair.
fn unescape_unicode(rest: &mut std::str::Chars<'_>) -> char {
    let Some(high) = hex4(rest) else {
        return char::REPLACEMENT_CHARACTER;
    };
    if let Some(c) = char::from_u32(high) {
        return c;
    }
    let mut ahead = rest.clone();
    let low = match (ahead.next(), ahead.next()) {
        (Some('\\'), Some('u')) => hex4(&mut ahead),
        _ => None,
    };
    match low {
        Some(low @ 0xdc00..=0xdfff) if high < 0xdc00 => {
            *rest = ahead;
            let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        _ => char::REPLACEMENT_CHARACTER,
    }
}

fn hex4(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    let mut code = 0;
    for _ in 0..4 {
        code = code * 16 + rest.next()?.to_digit(16)?;
    }
    Some(code)
}

/// The text in JSON's double quotes, whatever its length: for output, not for tombstones.
pub(crate) fn json_string(text: &str) -> String {
    let escaped: String = text.chars().map(escape).collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests;
