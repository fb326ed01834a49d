//! Names of lives: their grammars, and the hidden file under which a tombstone is prepared. Pure.

use crate::protocol::program::is_program;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a life, and the file name of its tombstone.
///
/// 1 to 255 bytes of `A-Z a-z 0-9 . _ -`, not beginning with `.` or `-`. So no name is a hidden
/// file, an option, or a path. The file names of exitdir's own programs, such as `exitdir-run` and
/// `kubexit`, are no names either.
///
/// The applet `kubexit` accepts more: every file name in UTF-8 that is not hidden. So a name that
/// was found in a directory or in a tombstone can have other characters. The cause of a death can
/// also be a source, such as `tcp:db:5432`: its name is the text of the source.
///
/// ```
/// use exitdir::Name;
/// let name: Name = "web-1".parse()?;
/// assert_eq!(name.as_str(), "web-1");
/// assert!("../web".parse::<Name>().is_err());
/// # Ok::<(), exitdir::NameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// A text that is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameError {
    /// The rejected text.
    pub text: String,
}

impl NameError {
    /// What is wrong, after "is" or a colon.
    pub(crate) fn expected(&self) -> &'static str {
        match is_program(&self.text) {
            true => "not a name: exitdir has a program of this name",
            false => "not a name: 1 to 255 of A-Z a-z 0-9 . _ -, not beginning with . or -",
        }
    }
}

/// What kubexit accepts, for messages.
pub(crate) const FILE_NAME_GRAMMAR: &str =
    "1 to 255 bytes without /, not beginning with ., and no program of exitdir";

/// The longest file name on Linux (`NAME_MAX`). In bytes.
const LONGEST: usize = 255;

impl Name {
    /// The text as a name.
    ///
    /// # Errors
    /// [`NameError`] if the grammar does not allow it.
    pub fn new(text: &str) -> Result<Name, NameError> {
        let is_valid = (1..=LONGEST).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            && !is_program(text);
        if is_valid {
            Ok(Name(text.into()))
        } else {
            let text = text.to_owned();
            Err(NameError { text })
        }
    }

    /// A file name as a name, as kubexit accepts it; `None` if it is hidden, a program of exitdir,
    /// or no file name.
    pub(crate) fn from_file_name(text: &str) -> Option<Name> {
        let is_valid = (1..=LONGEST).contains(&text.len())
            && !text.starts_with('.')
            && !text.contains(['/', '\0'])
            && !is_program(text);
        is_valid.then(|| Name(text.into()))
    }

    /// The name of a cause in a tombstone: a file name, or the text of a source, which is no file
    /// name if it has a slash.
    pub(crate) fn from_cause(text: &str) -> Option<Name> {
        let is_source = text.len() <= LONGEST
            && ["tcp:", "http:", "unix:"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',');
        let source = || is_source.then(|| Name(text.into()));
        Name::from_file_name(text).or_else(source)
    }

    /// The file name of a directory entry as a name; `None` if the entry cannot be a tombstone.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Name> {
        Name::from_file_name(std::str::from_utf8(bytes).ok()?)
    }

    /// Whether a directory entry has this name.
    pub(crate) fn is_entry(&self, entry: &[u8]) -> bool {
        self.0.as_bytes() == entry
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `.NAME.new`, the file in which a tombstone is prepared. Its lock decides which process may
    /// publish a tombstone under the name.
    ///
    /// A name that is too long for that is cut and gets its hash. The `~` before the hash is not
    /// allowed in names but in those of kubexit, so that hardly a shorter name has the same staging
    /// file.
    pub(crate) fn staging_name(&self) -> String {
        let plain = format!(".{}.new", self.0);
        if plain.len() <= LONGEST {
            return plain;
        }
        let end = (0..=200).rev().find(|end| self.0.is_char_boundary(*end));
        let kept = self.0.get(..end.unwrap_or(0)).unwrap_or_default();
        format!(".{kept}~{:016x}.new", fnv1a(self.0.as_bytes()))
    }

    /// Whether a directory entry can have been named by [`Name::staging_name`].
    pub(crate) fn is_staging_name(entry: &[u8]) -> bool {
        entry
            .strip_prefix(b".")
            .and_then(|rest| rest.strip_suffix(b".new"))
            .is_some_and(|inner| Name::from_bytes(inner).is_some())
    }
}

/// FNV-1a, 64 bits. Two names with the same hash would only wait for each other's publication.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        Name::new(text)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is {}", self.text, self.expected())
    }
}

impl std::error::Error for NameError {}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_accepted_or_rejected_as_the_grammar_says() {
        for byte in 0..=255_u8 {
            let inside = [b'a', byte];
            let allowed = byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let is_name = |bytes: &[u8]| {
                let text = std::str::from_utf8(bytes);
                text.is_ok_and(|text| Name::new(text).is_ok())
            };
            assert_eq!(is_name(&inside), allowed, "{byte}");
            let first = [byte, b'a'];
            assert_eq!(
                is_name(&first),
                allowed && byte != b'.' && byte != b'-',
                "{byte}"
            );
        }
    }

    #[test]
    fn a_directory_entry_is_a_name_if_it_is_not_hidden_and_utf8() {
        for (entry, expected) in [
            (&b"a@b+c:d"[..], true),
            ("caf\u{e9} \u{1f980}".as_bytes(), true),
            (b"-x", true),
            (b"a\nb~", true),
            (b".", false),
            (b"..", false),
            (b".a", false),
            (b"", false),
            (b"a/b", false),
            (b"a\0b", false),
            (b"a\xff", false),
            (b"kubexit", false),
            (&[b'a'; 255], true),
            (&[b'a'; 256], false),
        ] {
            assert_eq!(Name::from_bytes(entry).is_some(), expected, "{entry:?}");
        }
    }

    #[test]
    fn names_have_1_to_255_bytes() {
        assert!(Name::new("").is_err());
        assert!(Name::new("a").is_ok());
        assert!(Name::new(&"a".repeat(255)).is_ok());
        assert!(Name::new(&"a".repeat(256)).is_err());
    }

    #[test]
    fn the_file_names_of_exitdir_are_no_names() {
        for name in ["exitdir", "exitdir-run", "exitdir-signal", "kubexit"] {
            let error = Name::new(name).unwrap_err().to_string();
            assert!(
                error.ends_with("exitdir has a program of this name"),
                "{error}"
            );
            assert!(Name::from_bytes(name.as_bytes()).is_none(), "{name}");
            assert!(!Name::is_staging_name(format!(".{name}.new").as_bytes()));
        }
        for name in ["exitdir2", "exitdir-", "Kubexit", "kubexit-1"] {
            assert!(Name::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_staging_name_of_every_length_is_a_hidden_file_name_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for length in 1..=255 {
            // Characters of two bytes, which 200 bytes do not hold whole.
            let wide = format!("a{}", "\u{e9}".repeat(length / 2));
            for name in ["a".repeat(length), wide] {
                let staging = Name::from_file_name(&name).unwrap().staging_name();
                assert!(staging.len() <= 255 && Name::from_file_name(&staging).is_none());
                assert!(Name::is_staging_name(staging.as_bytes()), "{staging}");
                seen.insert(staging);
            }
        }
        // The wide names of an even and of the next odd length are the same.
        assert_eq!(seen.len(), 255 + 127);
        assert!(
            !Name::is_staging_name(b".new")
                && !Name::is_staging_name(b".hidden")
                && !Name::is_staging_name(b"a.new")
        );
    }
}
