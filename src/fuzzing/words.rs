//! The small words of options and tombstones: a text is refused with one sentence, or its value is
//! read back from what the value is written as.

use crate::duration::{Limit, parse_duration};
use crate::error::escaped;
use crate::hook::spec::{HookAction, has_program, parse_actions};
use crate::managed::spec::{ConfigItem, Usage};
use crate::protocol::condition::Condition;
use crate::protocol::item::Item;
use crate::protocol::name::Name;
use crate::protocol::source::{Endpoint, Host, HttpTarget, Source, SourceKind};
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::readiness::spec::ReadyOn;
use crate::signal::Signal;
use std::path::Path;
use std::time::{Duration, Instant};

/// The first byte says which kind of word the rest is.
pub fn target(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else {
        return;
    };
    let text = &*String::from_utf8_lossy(data);
    match kind % 9 {
        0 => name(data, text),
        1 => state(text),
        2 => condition(text),
        3 => duration(text),
        4 => signal(text),
        5 => timestamp(text),
        6 => {
            ready_on(text);
            condition_source(text);
            actions(text);
        }
        7 => config_item(text, ConfigItem::parse(text)),
        _ => config_item(text, ConfigItem::parse_archive(text)),
    }
    assert_is_one_line(&escaped(text));
}

/// What a message may hold, whatever was in the text that it is about.
pub(super) fn assert_is_one_line(sentence: &str) {
    let breaks = |c: char| c.is_control();
    assert!(!sentence.contains(breaks), "{sentence:?}");
}

fn name(data: &[u8], text: &str) {
    let in_grammar = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let is_program = matches!(text, "exitdir" | "kubexit")
        || ["run", "wait", "signal", "status", "install"]
            .iter()
            .any(|applet| *text == format!("exitdir-{applet}"));
    let expected = text.as_bytes().iter().all(in_grammar)
        && (1..256).contains(&text.len())
        && !matches!(text.as_bytes()[0], b'.' | b'-')
        && !is_program;
    match Name::new(text) {
        Ok(name) => {
            assert!(expected, "{text:?}");
            assert_eq!(name.to_string(), text);
            assert_eq!(Name::from_file_name(text), Some(name));
        }
        Err(error) => {
            assert!(!expected, "{text:?}");
            assert_is_one_line(&error.to_string());
        }
    }
    if let Some(name) = Name::from_bytes(data) {
        file_name(&name);
    }
}

/// The name stays in its directory, and so does its staging file, which is no life.
fn file_name(name: &Name) {
    let is_one = |name: &str| Path::new(name).file_name() == Some(name.as_ref());
    let staging = name.staging_name();
    assert!(is_one(name.as_str()) && is_one(&staging), "{name:?}");
    assert!(staging.starts_with('.') && staging.len() < 256, "{staging}");
    assert!(Name::is_staging_name(staging.as_bytes()), "{staging}");
    assert_eq!(Name::from_file_name(&staging), None);
}

fn state(text: &str) {
    if let Some(state) = State::parse(text) {
        assert_eq!(State::parse(&state.to_string()), Some(state));
    }
}

fn condition(text: &str) {
    match Condition::parse(text, State::Ready) {
        Ok(condition) => {
            let written = condition.to_string();
            assert_eq!(Condition::from_recorded(&written), Some(condition.clone()));
            assert_eq!(written.parse(), Ok(condition));
        }
        Err(error) => assert_is_one_line(&error.to_string()),
    }
    if let Some(condition) = Condition::from_recorded(text) {
        let written = condition.to_string();
        assert_eq!(Condition::from_recorded(&written), Some(condition));
    }
    item(text);
}

/// A part is a life or a source, and never both.
fn item(text: &str) {
    match Item::parse(text, State::Ready) {
        Ok(item) => {
            let written = item.to_string();
            assert_eq!(item.parts.len(), text.split('+').count());
            assert_eq!(Item::from_recorded(&written).as_ref(), Some(&item));
            assert_eq!(Item::parse(&written, State::Ready), Ok(item));
        }
        Err(sentence) => assert_is_one_line(&sentence),
    }
    if let Some(item) = Item::from_recorded(text) {
        assert_eq!(Item::from_recorded(&item.to_string()), Some(item));
    }
}

fn duration(text: &str) {
    let Some(limit) = parse_duration(text) else {
        return;
    };
    limit.deadline(Instant::now());
    let printed = match limit {
        Limit::Never => Limit::Never,
        // Parts of a millisecond are cut off.
        Limit::After(duration) => {
            let below = Duration::from_nanos(u64::from(duration.subsec_nanos() % 1_000_000));
            Limit::After(duration - below)
        }
    };
    assert_eq!(
        parse_duration(&limit.to_string()),
        Some(printed),
        "{text:?}"
    );
}

fn signal(text: &str) {
    let Some(signal) = Signal::parse(text) else {
        return;
    };
    assert!((1..=64).contains(&signal.number()));
    assert_eq!(Signal::parse(&signal.to_string()), Some(signal));
    assert_eq!(Signal::parse(&signal.number().to_string()), Some(signal));
}

fn timestamp(text: &str) {
    let written = Timestamp::from_text(text.to_owned());
    assert_eq!(written.as_str(), text);
    assert!(written.has_reached(&written));
    if let Some(time) = written.to_system_time() {
        let ours = Timestamp::from_system_time(time);
        assert_eq!(ours.to_system_time(), Some(time), "{text:?}");
        assert!(ours.has_reached(&written) && written.has_reached(&ours));
    }
}

/// A list of actions, as `--on-exit` takes it.
fn actions(text: &str) {
    match parse_actions(text) {
        Err(sentence) => assert_is_one_line(&sentence),
        Ok(actions) => {
            assert!(!actions.is_empty());
            let programs = has_program(&actions[..actions.len() - 1]);
            assert!(!programs, "exec: takes the rest: {text:?}");
            for action in actions {
                if let HookAction::Post(source) = action
                    && let SourceKind::Http(target) = source.kind()
                {
                    assert_is_endpoint(&target.endpoint);
                    assert!(text.contains(source.as_str()), "{text:?}");
                    assert_is_one_line(&[&*target.host, &target.path].concat());
                }
            }
        }
    }
}

fn ready_on(text: &str) {
    match ReadyOn::parse(text) {
        Err(sentence) => assert_is_one_line(&sentence),
        Ok(ReadyOn::Start | ReadyOn::Signal | ReadyOn::Notify(_)) => {}
        Ok(ReadyOn::Descriptor(number)) => assert!((3..256).contains(&number)),
        Ok(ReadyOn::Source(source)) => source_of(text, &source),
        Ok(ReadyOn::Exec(words)) => {
            let same = ReadyOn::parse(&format!("exec:{}", words.join(" ")));
            assert_eq!(same, Ok(ReadyOn::Exec(words)));
        }
    }
}

/// A source in `--ready-on`, where more is allowed than in a condition.
fn source_of(text: &str, source: &Source) {
    assert_eq!(source.as_str(), text);
    match source.kind() {
        SourceKind::Tcp(endpoint) => assert_is_endpoint(endpoint),
        SourceKind::Http(target) => {
            assert_is_endpoint(&target.endpoint);
            let head = format!("GET {} HTTP/1.0\r\nHost: {}", target.path, target.host);
            assert_eq!(head.split([' ', '\r', '\n']).count(), 6, "{head:?}");
            let is_control = |c: char| c.is_ascii_control();
            assert!(!head.replace("\r\n", "").contains(is_control));
            let same = HttpTarget::parse(&format!("//{}{}", target.host, target.path));
            assert_eq!(same.as_ref(), Ok(target));
        }
        SourceKind::Unix(path) => assert!(path.as_os_str().len() < 108),
        SourceKind::File(path) => assert_eq!(Some(path.to_str().unwrap()), text.get(5..)),
    }
}

fn condition_source(text: &str) {
    match Source::parse(text) {
        Err(sentence) => assert_is_one_line(&sentence),
        Ok(source) => {
            assert!(Source::is_prefixed(text));
            assert!(!text.contains(char::is_whitespace));
            assert_eq!(Source::for_readiness(text), Ok(Some(source)));
        }
    }
}

fn assert_is_endpoint(endpoint: &Endpoint) {
    assert_ne!(endpoint.port, 0);
    if let Host::Name(name) = &endpoint.host {
        assert!(name.parse::<std::net::IpAddr>().is_err());
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

/// A source has a name, and its copy lies beside it.
fn config_item(text: &str, item: Result<ConfigItem, String>) {
    let item = match item {
        Ok(item) => item,
        Err(sentence) => return assert_is_one_line(&sentence),
    };
    assert!(item.source.file_name().is_some(), "{text:?}");
    let source = item.source.to_str().unwrap();
    let Some(target) = item.usage.target() else {
        assert_eq!(ConfigItem::parse(source), Ok(item.clone()), "{text:?}");
        return;
    };
    assert!(target.file_name().is_some(), "{text:?}");
    let apart = !target.starts_with(source) && !Path::new(source).starts_with(target);
    assert!(apart, "{text:?}");
    let written = format!("{source}={}", target.to_str().unwrap());
    let read = match item.usage {
        Usage::Unpacked(_) => ConfigItem::parse_archive(&written),
        Usage::Watched | Usage::Copied(_) => ConfigItem::parse(&written),
    };
    assert_eq!(read, Ok(item), "{text:?}");
}
