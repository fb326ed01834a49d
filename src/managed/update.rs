//! What one poll of the managed application found.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What changed, and what the caller logs.
#[derive(Debug, Default)]
pub(crate) struct ManagedUpdate {
    /// Whether the command may run, if that changed.
    pub(crate) active: Option<bool>,
    /// A new configuration was installed.
    pub(crate) reconfigured: bool,
    /// Sentences to write each time.
    pub(crate) warnings: Vec<String>,
    /// Sentences to write each time, which are no errors.
    pub(crate) notices: Vec<String>,
    /// Sentences to write only the first time.
    pub(crate) warnings_once: Vec<String>,
    /// Paths that have changed: lines as [`ChangeKind::line`] writes them.
    pub(crate) changes: Vec<String>,
}

/// How a path has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Created,
    Modified,
    Deleted,
}

impl ChangeKind {
    const ALL: [ChangeKind; 3] = [
        ChangeKind::Created,
        ChangeKind::Modified,
        ChangeKind::Deleted,
    ];

    const fn letter(self) -> char {
        match self {
            ChangeKind::Created => 'C',
            ChangeKind::Modified => 'M',
            ChangeKind::Deleted => 'D',
        }
    }

    /// The line about a path, in which `printf %b` finds the path: control characters, backslashes
    /// and what is not UTF-8 are octal escapes.
    pub(crate) fn line(self, path: &Path) -> String {
        let mut line = String::from_iter([self.letter(), ' ']);
        for chunk in path.as_os_str().as_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                if c.is_control() || c == '\\' {
                    let mut buffer = [0; 4];
                    push_octal(&mut line, c.encode_utf8(&mut buffer).as_bytes());
                } else {
                    line.push(c);
                }
            }
            push_octal(&mut line, chunk.invalid());
        }
        line
    }
}

fn push_octal(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        line.push_str("\\0");
        let digits = [byte >> 6, byte >> 3 & 7, byte & 7];
        line.extend(digits.map(|digit| char::from(b'0' + digit)));
    }
}

/// The line in words, for the log.
pub(crate) fn in_words(line: &str) -> String {
    let kind = ChangeKind::ALL
        .into_iter()
        .find(|kind| line.starts_with(kind.letter()));
    let word = match kind {
        Some(ChangeKind::Created) => "created",
        Some(ChangeKind::Modified) => "modified",
        Some(ChangeKind::Deleted) | None => "deleted",
    };
    [word, line.get(1..).unwrap_or_default()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_line_is_one_line_whatever_the_name_and_printf_turns_it_back() {
        for (path, line) in [
            (&b"/etc/app/a b.conf"[..], "C /etc/app/a b.conf"),
            ("/\u{e4}".as_bytes(), "C /\u{e4}"),
            (b"/a\nb", "C /a\\0012b"),
            (b"/a\\n", "C /a\\0134n"),
            (b"/\xff\x7f", "C /\\0377\\0177"),
        ] {
            let path = Path::new(OsStr::from_bytes(path));
            assert_eq!(ChangeKind::Created.line(path), line);
        }
        let lines = ChangeKind::ALL.map(|kind| in_words(&kind.line(Path::new("x"))));
        assert_eq!(lines, ["created x", "modified x", "deleted x"]);
    }
}
