//! `--config` and its sisters: what a managed application is configured with. Pure: text in, value out.

use std::path::{Path, PathBuf};

/// One source of configuration, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigItem {
    pub(crate) source: PathBuf,
    pub(crate) usage: Usage,
}

/// What becomes of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// The command reads it where it is.
    Watched,
    /// It is copied there, file or directory.
    Copied(PathBuf),
    /// It is a tar archive, which is unpacked there.
    Unpacked(PathBuf),
}

/// Everything that a managed application depends on, besides others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ManagedSpec {
    pub(crate) items: Vec<ConfigItem>,
    /// The program that is asked about a candidate, and its first arguments.
    pub(crate) check: Option<Vec<String>>,
    /// The command runs while this exists.
    pub(crate) active_while: Option<PathBuf>,
}

impl Usage {
    /// Where the command finds it, if not at its source.
    pub(crate) fn target(&self) -> Option<&Path> {
        match self {
            Usage::Watched => None,
            Usage::Copied(place) | Usage::Unpacked(place) => Some(place),
        }
    }
}

impl ConfigItem {
    /// Reads `SRC[=DST]`.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse(text: &str) -> Result<ConfigItem, String> {
        let expected = "expected SRC or SRC=DST";
        match text.split_once('=') {
            None => ConfigItem::new(text, expected, |_| Usage::Watched),
            Some((source, place)) => copied(source, place, expected, Usage::Copied),
        }
    }

    /// Reads `SRC=DIR` of an archive.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse_archive(text: &str) -> Result<ConfigItem, String> {
        let expected = "expected SRC=DIR, a tar archive and where to unpack it";
        let (source, place) = text.split_once('=').ok_or(expected)?;
        copied(source, place, expected, Usage::Unpacked)
    }

    fn new(
        source: &str,
        expected: &str,
        usage: impl FnOnce(&Path) -> Usage,
    ) -> Result<ConfigItem, String> {
        let source = plain(source);
        // "/" and ".." are places that nothing can be put in place of.
        if source.file_name().is_none() {
            return Err(expected.to_owned());
        }
        let usage = usage(&source);
        Ok(ConfigItem { source, usage })
    }
}

/// Without a slash at the end, which would mean what a link leads to.
fn plain(path: &str) -> PathBuf {
    Path::new(path).components().collect()
}

fn copied(
    source: &str,
    place: &str,
    expected: &str,
    usage: fn(PathBuf) -> Usage,
) -> Result<ConfigItem, String> {
    let place = plain(place);
    if place.file_name().is_none() {
        return Err(expected.to_owned());
    }
    // By their names, as far as that goes: a copy that is part of its source would grow for ever.
    let source_path = plain(source);
    if place.starts_with(&source_path) || source_path.starts_with(&place) {
        return Err("expected two places, none of which is inside of the other".to_owned());
    }
    ConfigItem::new(source, expected, |_| usage(place))
}

impl ManagedSpec {
    /// Every path whose changes matter.
    pub(crate) fn watched_paths(&self) -> impl Iterator<Item = &Path> {
        let sources = self.items.iter().map(|item| item.source.as_path());
        sources.chain(self.active_while.as_deref())
    }

    /// Whether there is anything to look after.
    pub(crate) fn is_needed(&self) -> bool {
        !self.items.is_empty() || self.active_while.is_some()
    }

    /// The place that two items want, if there is one.
    pub(crate) fn conflicting_target(&self) -> Option<&Path> {
        let places: Vec<&Path> = self
            .items
            .iter()
            .filter_map(|item| item.usage.target())
            .collect();
        let inside_another = |(at, place): &(usize, &&Path)| {
            let others = places.iter().enumerate().filter(|(other, _)| other != at);
            others
                .into_iter()
                .any(|(_, other)| place.starts_with(other))
        };
        let found = places.iter().enumerate().find(inside_another);
        found.map(|(_, place)| *place)
    }
}

#[cfg(test)]
mod tests;
