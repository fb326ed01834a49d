//! Names of lives: the grammar, and the hidden name under which a tombstone is prepared. Pure.

use std::fmt;

/// A name that a tombstone can have: 1 to 255 bytes of `A-Z a-z 0-9 . _ -`, not beginning with `.` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// The longest file name that Linux' file systems take (`NAME_MAX`).
const LONGEST: usize = 255;

impl Name {
    /// The text as a name; `None` if the grammar does not allow it.
    pub fn new(text: &str) -> Option<Name> {
        let sound = (1..=LONGEST).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        sound.then(|| Name(text.to_owned()))
    }

    /// The name of a directory entry; `None` for entries that can never be tombstones.
    pub fn from_bytes(bytes: &[u8]) -> Option<Name> {
        Name::new(std::str::from_utf8(bytes).ok()?)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `.NAME.new`, the file in which a tombstone is prepared and whose lock decides who is born.
    ///
    /// A name too long for that is cut and told apart by its hash; `~` is in no name, so no
    /// shorter name can meet it.
    pub(crate) fn staging_name(&self) -> String {
        let plain = format!(".{}.new", self.0);
        if plain.len() <= LONGEST {
            return plain;
        }
        let kept = self.0.get(..200).unwrap_or(&self.0);
        format!(".{kept}~{:016x}.new", fnv1a(self.0.as_bytes()))
    }

    /// Whether a directory entry is a hidden file that [`Name::staging_name`] can have named.
    pub(crate) fn is_staging_name(entry: &[u8]) -> bool {
        entry
            .strip_prefix(b".")
            .and_then(|rest| rest.strip_suffix(b".new"))
            .is_some_and(|inner| {
                let name = inner.split(|b| *b == b'~').next().unwrap_or(inner);
                Name::from_bytes(name).is_some()
            })
    }
}

/// FNV-1a, 64 bits: two names that meet in it would only wait for each other's birth.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_allowed_or_refused_as_the_grammar_says() {
        for byte in 0..=255_u8 {
            let inside = [b'a', byte];
            let allowed = byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            assert_eq!(Name::from_bytes(&inside).is_some(), allowed, "{byte}");
            let first = [byte, b'a'];
            assert_eq!(
                Name::from_bytes(&first).is_some(),
                allowed && byte != b'.' && byte != b'-',
                "{byte}"
            );
        }
    }

    #[test]
    fn lengths_from_1_to_255_are_names() {
        assert!(Name::new("").is_none());
        assert!(Name::new("a").is_some());
        assert!(Name::new(&"a".repeat(255)).is_some());
        assert!(Name::new(&"a".repeat(256)).is_none());
    }

    #[test]
    fn the_nursery_of_every_length_is_a_hidden_file_name_of_its_own() {
        let mut seen = std::collections::BTreeSet::new();
        for length in 1..=255 {
            let staging_name = Name::new(&"a".repeat(length)).unwrap().staging_name();
            assert!(staging_name.len() <= 255 && Name::new(&staging_name).is_none());
            assert!(
                Name::is_staging_name(staging_name.as_bytes()),
                "{staging_name}"
            );
            assert!(seen.insert(staging_name));
        }
        assert!(
            !Name::is_staging_name(b".new")
                && !Name::is_staging_name(b".hidden")
                && !Name::is_staging_name(b"a.new")
        );
    }
}
