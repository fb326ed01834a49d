//! Which paths must not be parts of each other: sources, the places of copies, and the exit directory. A copy
//! that is part of its source would grow for ever, and what is exchanged takes with it what it holds.

use crate::managed::spec::ConfigItem;
use std::path::{Path, PathBuf};

/// No source may be part of a place or hold one, by whatever name, or be where another one is to be put.
///
/// # Errors
/// Which ones are.
pub(super) fn check(items: &[ConfigItem], dir: Option<&Path>) -> Result<(), String> {
    let graveyard = dir.map(names).unwrap_or_default();
    for (number, item) in items.iter().enumerate() {
        if names(&item.source)
            .iter()
            .any(|name| graveyard.contains(name))
        {
            let source = item.source.display();
            return Err(format!(
                "{source} is the exit directory, and no configuration"
            ));
        }
        let Some(place) = item.usage.target() else {
            continue;
        };
        let sources = items.iter().map(|item| item.source.as_path());
        let places = items
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number);
        let places = places.filter_map(|(_, item)| item.usage.target());
        let mut others = sources.chain(places).chain(dir);
        let name = real(place);
        let collides = |other: &PathBuf| name.starts_with(other) || other.starts_with(&name);
        if let Some(other) = others.find(|other| names(other).iter().any(collides)) {
            let (place, other) = (place.display(), other.display());
            return Err(format!(
                "{place} and {other}: none may be inside of the other"
            ));
        }
    }
    Ok(())
}

/// What the path is called itself, and what it leads to.
fn names(path: &Path) -> Vec<PathBuf> {
    let followed = std::fs::canonicalize(path).ok();
    [Some(real(path)), followed].into_iter().flatten().collect()
}

/// The path without links and `..`, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // The last entry is what is replaced, whatever it leads to.
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
