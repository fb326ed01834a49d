//! Rejects paths that contain each other: sources, targets, and the exit directory. A target inside
//! its source would grow with every copy, and replacing a target would move everything inside it.

use crate::managed::spec::ConfigItem;
use std::path::{Path, PathBuf};

/// Checks that no source and no other target is inside a target or contains it, under any name, and
/// that no source is the exit directory.
///
/// # Errors
/// Which paths overlap.
pub(super) fn check(items: &[ConfigItem], dir: Option<&Path>) -> Result<(), String> {
    let exit_dir_names = dir.map(names).unwrap_or_default();
    for (number, item) in items.iter().enumerate() {
        let is_exit_dir = |name: &PathBuf| exit_dir_names.contains(name);
        if names(&item.source).iter().any(is_exit_dir) {
            let source = item.source.display();
            return Err(format!(
                "{source} is the exit directory and cannot be used as configuration"
            ));
        }
        let Some(target) = item.usage.target() else {
            continue;
        };
        let sources = items.iter().map(|item| item.source.as_path());
        let other_items = items.iter().enumerate();
        let other_items = other_items.filter(|(other, _)| *other != number);
        let other_targets = other_items.filter_map(|(_, item)| item.usage.target());
        let mut others = sources.chain(other_targets).chain(dir);
        let name = real(target);
        let overlaps = |other: &PathBuf| name.starts_with(other) || other.starts_with(&name);
        if let Some(other) = others.find(|other| names(other).iter().any(overlaps)) {
            let (target, other) = (target.display(), other.display());
            return Err(format!(
                "{target} and {other} overlap: neither may be inside the other"
            ));
        }
    }
    Ok(())
}

/// The paths of the entry itself and of what it leads to.
fn names(path: &Path) -> Vec<PathBuf> {
    let followed = std::fs::canonicalize(path).ok();
    [Some(real(path)), followed].into_iter().flatten().collect()
}

/// The absolute path without links and `..`, as far as its directories exist.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // The last part may be a link: the link itself is replaced, so it is not followed.
    let (parent, name) = (absolute.parent(), absolute.file_name());
    let parent = parent.unwrap_or(Path::new("/"));
    let known = parent.ancestors().find_map(|ancestor| {
        let known = std::fs::canonicalize(ancestor).ok()?;
        Some(known.join(parent.strip_prefix(ancestor).ok()?))
    });
    known
        .unwrap_or_else(|| parent.to_owned())
        .join(name.unwrap_or_default())
}
