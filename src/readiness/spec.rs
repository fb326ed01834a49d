//! The values of `--ready-on`: what makes a command ready. Pure.

use crate::protocol::source::Source;

/// What makes a command ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadyOn {
    /// The command has been executed.
    Start,
    /// `exitdir-signal --ready` reports it.
    Signal,
    /// The command reports it to `$NOTIFY_SOCKET` (sd_notify(3)).
    Notify(NotifyAccess),
    /// The command writes a newline to this descriptor (s6's notification-fd).
    Descriptor(u16),
    /// A source answers.
    Source(Source),
    /// A program exits with 0; these are its words.
    Exec(Vec<String>),
}

/// Whose notifications count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotifyAccess {
    /// The command, and the processes of our own user.
    OwnUser,
    /// Every process that can reach the socket: those of the whole network namespace.
    All,
}

/// The descriptor of `fd` without a number, as usual for s6.
const DEFAULT_DESCRIPTOR: u16 = 3;
/// The highest descriptor that any common limit allows.
const MAX_DESCRIPTOR: u16 = 255;

impl ReadyOn {
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse(text: &str) -> Result<ReadyOn, String> {
        if let Some(source) = Source::for_readiness(text)? {
            return Ok(ReadyOn::Source(source));
        }
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("start", None) => Ok(ReadyOn::Start),
            ("signal", None) => Ok(ReadyOn::Signal),
            ("notify", None) => Ok(ReadyOn::Notify(NotifyAccess::OwnUser)),
            ("notify", Some("all")) => Ok(ReadyOn::Notify(NotifyAccess::All)),
            ("fd", None) => Ok(ReadyOn::Descriptor(DEFAULT_DESCRIPTOR)),
            ("fd", Some(number)) => parse_descriptor(number),
            ("exec", Some(line)) => parse_program(line),
            _ => Err(
                "expected start, notify[:all], fd[:N], file:PATH, unix:PATH, tcp:[HOST:]PORT, \
                 http:[HOST:]PORT/PATH, http://HOST[:PORT]/PATH, exec:PROG or signal"
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
        for (text, source) in [
            ("start", ReadyOn::Start),
            ("signal", ReadyOn::Signal),
            ("notify", ReadyOn::Notify(NotifyAccess::OwnUser)),
            ("notify:all", ReadyOn::Notify(NotifyAccess::All)),
            ("fd", ReadyOn::Descriptor(3)),
            ("fd:7", ReadyOn::Descriptor(7)),
            (
                "exec:/bin/test -e  /x",
                ReadyOn::Exec(vec!["/bin/test".into(), "-e".into(), "/x".into()]),
            ),
        ] {
            assert_eq!(ReadyOn::parse(text), Ok(source), "{text}");
        }
        for text in ["file:x", "tcp:db:80", "http://db/x,y+z", "unix:/run/x"] {
            let parsed = ReadyOn::parse(text);
            assert!(
                matches!(&parsed, Ok(ReadyOn::Source(source)) if source.as_str() == text),
                "{parsed:?}"
            );
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
