//! Text in quotes: how a tombstone and JSON output write it, and how a tombstone is read. Pure.

use crate::protocol::name::Name;
use std::borrow::Cow;

/// The longest quoted text in a tombstone, with its quotes and escapes. In bytes.
pub(super) const QUOTED_LIMIT: usize = 1024;

/// The text in double quotes with JSON's escapes. Text that would exceed [`QUOTED_LIMIT`] is cut at
/// a whole character.
pub(super) fn quote(text: &str) -> String {
    let whole = json_string(text);
    if whole.len() <= QUOTED_LIMIT {
        return whole;
    }
    let mut out = String::with_capacity(QUOTED_LIMIT);
    out.push('"');
    for c in text.chars() {
        let whole = out.len();
        escape(c, &mut out);
        if out.len() + 1 > QUOTED_LIMIT {
            out.truncate(whole);
            break;
        }
    }
    out.push('"');
    out
}

/// The text in JSON's double quotes, at any length: for output, not for tombstones.
pub(crate) fn json_string(text: &str) -> String {
    if text.bytes().all(is_plain) {
        return ["\"", text, "\""].concat();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|c| escape(c, &mut out));
    out.push('"');
    out
}

/// Whether a byte stands for itself inside JSON's double quotes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Adds a character inside JSON's double quotes (RFC 8259, section 7).
///
/// Escapes more than JSON requires: YAML does not allow C1 control characters, line separators and
/// non-characters in a quoted text, and other characters deceive the reader of a terminal.
fn escape(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_deceptive(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push(c),
    }
}

/// Whether a character can make a terminal show something else than what is written: it changes the
/// terminal's state or the direction of the text, begins a new line, or takes no space (Unicode
/// Standard Annex 9, section 2; Unicode 16, sections 23.2 and 23.8). All of them have four
/// hexadecimal digits at most.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'
                | '\u{ffff}'
        )
}

/// A name, in quotes if YAML would read it as another type (YAML 1.1, "Language-Independent Types
/// for YAML": null, boolean, numbers, dates), or if only kubexit accepts it. It is never cut: a
/// part of a name is another name.
pub(super) fn plain(name: &str) -> String {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_word = words.iter().any(|word| name.eq_ignore_ascii_case(word));
    let is_wide = Name::new(name).is_err();
    if is_word || is_wide || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return json_string(name);
    }
    name.to_owned()
}

/// The text that a plain, single-quoted or double-quoted value stands for. JSON's escapes are
/// decoded; a broken escape never makes the value unreadable.
pub(super) fn unquote(value: &str) -> Cow<'_, str> {
    if let Some(inner) = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        return inner.replace("''", "'").into();
    }
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.into();
    };
    if !inner.contains('\\') {
        return inner.into();
    }
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
            Some('u') => out.push(decode_unicode(&mut rest)),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out.into()
}

/// The character after `\u`, together with the second half of a surrogate pair.
fn decode_unicode(rest: &mut std::str::Chars<'_>) -> char {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_are_decoded_and_broken_ones_do_no_harm() {
        for (value, text) in [
            (r#""\u00e9""#, "\u{e9}"),
            (r#""\ud83e\udd80""#, "\u{1f980}"),
            (r#""\ud83e""#, "\u{fffd}"),
            (r#""\ud83ex""#, "\u{fffd}x"),
            (r#""\ud83e\u0041""#, "\u{fffd}A"),
            (r#""\u12""#, "\u{fffd}"),
            (r#""\b\f\/\q""#, "\u{8}\u{c}/q"),
            (r#""open"#, "\"open"),
            (r#"""#, "\""),
            (r#""end\""#, "end"),
            ("", ""),
            ("'it''s'", "it's"),
        ] {
            assert_eq!(unquote(value), text, "{value}");
        }
    }

    #[test]
    fn json_escapes_what_changes_the_direction_of_text_or_takes_no_space() {
        for (text, json) in [
            ("a\u{202e}b", r#""a\u202eb""#),
            ("\u{2066}\u{2069}", r#""\u2066\u2069""#),
            ("\u{61c}\u{200b}\u{200f}", r#""\u061c\u200b\u200f""#),
            (
                "caf\u{e9} \u{5d0} \u{1f980}",
                "\"caf\u{e9} \u{5d0} \u{1f980}\"",
            ),
        ] {
            assert_eq!(json_string(text), json);
            assert_eq!(unquote(json), text);
        }
    }

    #[test]
    fn a_name_is_written_whole_even_if_all_of_it_is_escaped() {
        let name = "\u{1}".repeat(255);
        assert_eq!(unquote(&plain(&name)), name);
    }

    #[test]
    fn a_quoted_text_takes_at_most_1024_bytes_and_is_cut_at_a_whole_character() {
        for text in [
            "x".repeat(5000),
            "\"".repeat(5000),
            "\u{1}".repeat(5000),
            "\u{1f980}".repeat(5000),
        ] {
            let quoted = quote(&text);
            let length = quoted.len();
            assert!(
                length <= QUOTED_LIMIT && length > QUOTED_LIMIT - 8,
                "{length}"
            );
            assert!(text.starts_with(&*unquote(&quoted)));
        }
    }
}
