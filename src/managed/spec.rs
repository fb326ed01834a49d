//! The values of `--config`, `--config-tar`, `--config-check` and `--active-while`. Pure: text in,
//! value out.

use std::path::{Path, PathBuf};

/// One source of configuration, and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigItem {
    pub(crate) source: PathBuf,
    pub(crate) usage: Usage,
}

/// How a source is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    /// The command reads it from the source.
    Watched,
    /// A file or directory, which is copied to this target.
    Copied(PathBuf),
    /// A tar archive, which is unpacked into this target.
    Unpacked(PathBuf),
}

/// Everything that a managed application depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ManagedSpec {
    pub(crate) items: Vec<ConfigItem>,
    /// The program that accepts or rejects new configuration, and its first arguments.
    pub(crate) check: Option<Vec<String>>,
    /// Whether it must be known which entries of a source have changed.
    pub(crate) lists_changes: bool,
    /// The command runs while this file exists.
    pub(crate) active_while: Option<PathBuf>,
}

impl Usage {
    /// The path of the copy that the command reads, if there is one.
    pub(crate) fn target(&self) -> Option<&Path> {
        match self {
            Usage::Watched => None,
            Usage::Copied(target) | Usage::Unpacked(target) => Some(target),
        }
    }
}

impl ConfigItem {
    /// Parses `SRC[=DST]`.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse(text: &str) -> Result<ConfigItem, String> {
        let expected = "expected SRC or SRC=DST";
        match text.split_once('=') {
            None => ConfigItem::new(text, expected, Usage::Watched),
            Some((source, target)) => copied(source, target, expected, Usage::Copied),
        }
    }

    /// Parses `SRC=DIR` of an archive.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse_archive(text: &str) -> Result<ConfigItem, String> {
        let expected = "expected SRC=DIR, a tar archive and where to unpack it";
        let (source, target) = text.split_once('=').ok_or(expected)?;
        copied(source, target, expected, Usage::Unpacked)
    }

    fn new(source: &str, expected: &str, usage: Usage) -> Result<ConfigItem, String> {
        let source = without_final_slash(source);
        // "/" and ".." have no entry in a directory that could be watched or replaced.
        if source.file_name().is_none() {
            return Err(expected.to_owned());
        }
        Ok(ConfigItem { source, usage })
    }
}

/// With a final slash, a path that is a link would mean what the link leads to.
fn without_final_slash(path: &str) -> PathBuf {
    Path::new(path).components().collect()
}

fn copied(
    source: &str,
    target: &str,
    expected: &str,
    usage: fn(PathBuf) -> Usage,
) -> Result<ConfigItem, String> {
    let target = without_final_slash(target);
    if target.file_name().is_none() {
        return Err(expected.to_owned());
    }
    // A copy inside its source would grow with every copy. Here names are compared; overlap.rs
    // compares again with all links resolved.
    let source_path = without_final_slash(source);
    if target.starts_with(&source_path) || source_path.starts_with(&target) {
        return Err("expected two paths, neither of them inside the other".to_owned());
    }
    ConfigItem::new(source, expected, usage(target))
}

impl ManagedSpec {
    /// Whether any option asks for a managed application.
    pub(crate) fn is_needed(&self) -> bool {
        !self.items.is_empty() || self.active_while.is_some()
    }

    /// Every path whose changes matter.
    pub(crate) fn watched_paths(&self) -> impl Iterator<Item = &Path> {
        let sources = self.items.iter().map(|item| item.source.as_path());
        sources.chain(self.active_while.as_deref())
    }

    /// A target that is another one or is inside another one, if there is any.
    pub(crate) fn conflicting_target(&self) -> Option<&Path> {
        let targets = self.items.iter().filter_map(|item| item.usage.target());
        let targets: Vec<&Path> = targets.collect();
        let conflicts = |(number, target): &(usize, &&Path)| {
            let mut others = targets.iter().enumerate();
            others.any(|(other, path)| other != *number && target.starts_with(path))
        };
        let found = targets.iter().enumerate().find(conflicts);
        found.map(|(_, target)| *target)
    }
}

#[cfg(test)]
mod tests;
