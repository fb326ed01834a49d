//! The command line of `exitdir-run` that means what was typed and set, for `--verbose`.

use super::args::ParsedArgs;
use super::run_options::SPEC;
use super::spec::{Opt, QUIET};
use crate::duration::parse_duration;
use crate::error::escaped;
use crate::signal::Signal;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// The options that differ from their defaults, and the command, quoted for a shell.
pub(super) fn command_line(args: &ParsedArgs) -> String {
    let mut line = String::new();
    if args.names_are_off {
        line.push_str("EXIT_DIR= ");
    }
    line.push_str(SPEC.name);
    let has_effect = |opt: &&&Opt| !opt.long.is_empty() && opt.long != QUIET.long;
    for opt in SPEC.options.iter().filter(has_effect) {
        let values: Vec<_> = args.values(opt).collect();
        let ignored = match opt.is_repeatable() {
            true => 0,
            false => values.len().saturating_sub(1),
        };
        for value in values.into_iter().skip(ignored) {
            if !value.is_some_and(|value| is_default(opt, value)) {
                line.push_str(&format!(" --{}", opt.long));
                push(&mut line, value);
            }
        }
    }
    line.push_str(" --");
    for word in args.command.iter().flatten() {
        push(&mut line, Some(word));
    }
    line
}

fn push(line: &mut String, word: Option<&OsStr>) {
    if let Some(word) = word {
        line.push(' ');
        line.push_str(&quoted(word));
    }
}

/// Whether a value means the same as the default.
fn is_default(opt: &Opt, value: &OsStr) -> bool {
    let (Some(default), Some(value)) = (opt.default(), value.to_str()) else {
        return false;
    };
    let duration = parse_duration(default);
    let signal = Signal::parse(default);
    value == default
        || duration.is_some() && parse_duration(value) == duration
        || signal.is_some() && Signal::parse(value) == signal
}

/// A word of a command line. Where a character cannot be shown, bash, zsh and busybox read its
/// bytes.
fn quoted(word: &OsStr) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&byte);
    // zsh replaces a word that begins with an equals sign.
    let is_word =
        |text: &str| !text.is_empty() && !text.starts_with('=') && text.bytes().all(is_plain);
    match word.to_str().filter(|text| escaped(text) == *text) {
        Some(text) if is_word(text) => text.to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', "'\\''")),
        None => {
            let bytes = word.as_bytes().iter();
            let escapes = bytes.map(|byte| match byte {
                b'\n' => "\\n".to_owned(),
                b'\\' | b'\'' => format!("\\{}", char::from(*byte)),
                b' '..=b'~' => char::from(*byte).to_string(),
                _ => format!("\\x{byte:02x}"),
            });
            format!("$'{}'", escapes.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applet::args::parse;
    use crate::applet::run_plan::plan;
    use crate::log::Logger;
    use std::ffi::OsString;

    fn resolved(words: &[&str]) -> String {
        let args = parse(&SPEC, words.iter().map(OsString::from).collect());
        assert_eq!(args.error(), None);
        command_line(&args)
    }

    #[test]
    fn options_that_have_their_default_are_left_out() {
        let line = "--grace-period 30 --birth-timeout 300s --stop-signal 15 --stop-delay 0s \
                    --timeout off --missing-timeout off --restart never --ready-on start -qv \
                    --on-config restart --termination-log /dev/termination-log -w true";
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(resolved(&words), "exitdir-run --verbose -- true");
    }

    #[test]
    fn the_defaults_that_help_names_are_those_that_count() {
        let planned = |words: &[&str]| {
            let words = [words, &["--config", "/x", "--", "true"]].concat();
            let args = parse(&SPEC, words.iter().map(OsString::from).collect());
            format!("{:?}", plan(&args, Logger::new("test")).unwrap())
        };
        let mut count = 0;
        for opt in SPEC.options {
            if let Some(default) = opt.default().filter(|default| !default.starts_with('$')) {
                let typed = format!("--{}={default}", opt.long);
                assert_eq!(planned(&[&typed]), planned(&[]), "{typed}");
                count += 1;
            }
        }
        assert_eq!(count, 10);
    }

    #[test]
    fn options_with_other_values_are_shown_in_the_order_of_help() {
        for (words, expected) in [
            (
                &["--timeout=3", "-n", "a", "-nb", "x"][..],
                "--name b --timeout 3 -- x",
            ),
            (
                &["--birth-deps", "a", "-ge3", "--birth-deps", "b", "-e4", "x"],
                "--birth-deps a --birth-deps b --expect-code 3 --expect-code 4 --group -- x",
            ),
            (
                &["--poll=10s", "--restart", "always", "--", "-x", "--", ""],
                "--restart always --poll 10s -- -x -- ''",
            ),
        ] {
            assert_eq!(resolved(words), format!("exitdir-run {expected}"));
        }
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_change_it() {
        for (word, expected) in [
            (&b"a/b-c.d:e=f,g"[..], "a/b-c.d:e=f,g"),
            (b"", "''"),
            (b"=x", "'=x'"),
            (b"a b", "'a b'"),
            (b"$HOME;*", "'$HOME;*'"),
            (b"it's", "'it'\\''s'"),
            ("\u{e9}".as_bytes(), "'\u{e9}'"),
            (b"a\nb", "$'a\\nb'"),
            (b"\x1b[m\\'", "$'\\x1b[m\\\\\\''"),
            (b"\xff", "$'\\xff'"),
            ("\u{202e}".as_bytes(), "$'\\xe2\\x80\\xae'"),
        ] {
            assert_eq!(quoted(OsStr::from_bytes(word)), expected);
        }
    }
}
