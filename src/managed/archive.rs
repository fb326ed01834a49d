//! Reading a tar archive into a [`Tree`]: all of it or nothing.
//!
//! Nothing is written while an archive is read, so what it holds can only do harm by what it says: each
//! entry must lead to a place inside of the tree, by names alone. ustar, pax and GNU's long names are for the
//! `tar` crate.

use super::tree::{Attributes, DEPTH_LIMIT, ENTRY_LIMIT, Node, SIZE_LIMIT, Tree, too_many};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use tar::{Archive, Entry, EntryType};

/// tar(5): an archive is made of blocks, and ends with two of zeros.
const BLOCK: usize = 512;
const END: usize = 2 * BLOCK;
const NO_ARCHIVE: &str = "it is no tar archive, or not a whole one";
/// No path is longer, and no part of one (limits.h).
const PATH_LIMIT: usize = 4095;
const NAME_LIMIT: usize = 255;
/// Set-user-id and set-group-id.
const SPECIAL: u32 = 0o6000;
/// Of directories that are there only because something is in them.
const IMPLIED: Attributes = Attributes {
    mode: 0o755,
    owner: None,
};

/// Reads the whole archive.
///
/// # Errors
/// Why it is refused.
pub(super) fn read(bytes: &[u8]) -> Result<Tree, String> {
    if !is_ended(bytes, 0) {
        return Err(NO_ARCHIVE.to_owned());
    }
    let mut tree = Tree::default();
    tree.add(PathBuf::new(), Node::Directory(IMPLIED))?;
    let mut archive = Archive::new(bytes);
    let entries = archive.entries().map_err(broken)?;
    // The first names of files that have another.
    let mut linked = BTreeSet::new();
    for (number, entry) in entries.enumerate() {
        // Those that replace others count too.
        if number >= ENTRY_LIMIT {
            return Err(too_many());
        }
        let entry = entry.map_err(broken)?;
        let data = entry.header().entry_size().unwrap_or(u64::MAX);
        if !is_ended(bytes, entry.raw_file_position().saturating_add(data)) {
            return Err(NO_ARCHIVE.to_owned());
        }
        let path = entry.path().map_err(broken)?.into_owned();
        take(&mut tree, &mut linked, entry, &path).map_err(|why| at(&path, &why))?;
    }
    check_links(&tree)?;
    Ok(tree)
}

/// A long path is shown in part.
fn at(path: &Path, why: &str) -> String {
    let path = path.to_string_lossy();
    let shown: String = path.chars().take(NAME_LIMIT).collect();
    let more = if shown.len() < path.len() { "..." } else { "" };
    format!("{shown}{more}: {why}")
}

/// Whether the archive ends as one does, behind this position: a cut in a file full of zeros is no end.
fn is_ended(bytes: &[u8], behind: u64) -> bool {
    let end = bytes.len().checked_sub(END);
    let is_behind = end.is_some_and(|at| at as u64 >= behind);
    let end = end.and_then(|at| bytes.get(at..)).unwrap_or_default();
    is_behind && bytes.len().is_multiple_of(BLOCK) && end.iter().all(|byte| *byte == 0)
}

fn broken(error: std::io::Error) -> String {
    format!("it is broken: {error}")
}

fn take(
    tree: &mut Tree,
    linked: &mut BTreeSet<PathBuf>,
    entry: Entry<'_, &[u8]>,
    path: &Path,
) -> Result<(), String> {
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok(());
    }
    let mut entry = entry;
    let extensions = entry.pax_extensions().map_err(broken)?;
    let is_sparse = |key: Result<&str, _>| key.is_ok_and(|key| key.starts_with("GNU.sparse."));
    if extensions.is_some_and(|all| all.flatten().any(|one| is_sparse(one.key()))) {
        // Its data is a map and pieces, which the tar crate would take for the content.
        return Err("sparse files in pax format are refused".to_owned());
    }
    let path = inside(path)?;
    let node = node(tree, entry, kind, &path)?;
    make_way(tree, &path)?;
    if linked.contains(&path) && tree.entries.contains_key(&path) {
        return Err("it is replaced after another name was given to it".to_owned());
    }
    if let Node::HardLink(first) = &node {
        linked.insert(first.clone());
    }
    let replaces_tree = matches!(tree.entries.get(&path), Some(Node::Directory(_)));
    if replaces_tree && !matches!(node, Node::Directory(_)) {
        return Err("it was a directory before".to_owned());
    }
    tree.add(path, node)
}

fn node(
    tree: &Tree,
    mut entry: Entry<'_, &[u8]>,
    kind: EntryType,
    path: &Path,
) -> Result<Node, String> {
    let mode = entry.header().mode().map_err(broken)?;
    if mode & SPECIAL != 0 {
        return Err("set-user-id and set-group-id are refused".to_owned());
    }
    let attributes = Attributes {
        mode: mode & 0o1777,
        owner: None,
    };
    match kind {
        EntryType::Directory => Ok(Node::Directory(attributes)),
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let size = entry.size();
            tree.check_limits(size)?;
            let mut bytes = Vec::new();
            let limited = &mut (&mut entry).take(SIZE_LIMIT + 1);
            limited.read_to_end(&mut bytes).map_err(broken)?;
            if bytes.len() as u64 != size {
                return Err("it ends too early".to_owned());
            }
            Ok(Node::File(attributes, Rc::from(bytes)))
        }
        EntryType::Symlink => {
            let target = target(&entry)?;
            let from = path.parent().unwrap_or(Path::new(""));
            resolve(from, &target).ok_or("it is a link that leaves the tree")?;
            Ok(Node::Symlink(target))
        }
        EntryType::Link => {
            let file = inside(&target(&entry)?)?;
            match tree.entries.get(&file) {
                Some(Node::File(..)) if file != path => Ok(Node::HardLink(file)),
                Some(Node::HardLink(first)) if first != path => Ok(Node::HardLink(first.clone())),
                _ => Err("it is a hard link to no file of the archive".to_owned()),
            }
        }
        EntryType::Char | EntryType::Block => Err("devices are refused".to_owned()),
        EntryType::Fifo => Err("FIFOs are refused".to_owned()),
        _ => Err("entries of this kind are refused".to_owned()),
    }
}

fn target(entry: &Entry<'_, &[u8]>) -> Result<PathBuf, String> {
    let target = entry.link_name().map_err(broken)?;
    let target = target.ok_or("it is a link to nothing")?.into_owned();
    check_length(&target).map(|()| target)
}

fn check_length(path: &Path) -> Result<(), String> {
    let is_long = path.as_os_str().len() > PATH_LIMIT;
    if is_long || path.iter().any(|name| name.len() > NAME_LIMIT) {
        return Err("its name is too long".to_owned());
    }
    if path.components().count() > DEPTH_LIMIT {
        return Err(format!("it is more than {DEPTH_LIMIT} directories deep"));
    }
    Ok(())
}

/// The path without what means nothing.
fn inside(path: &Path) -> Result<PathBuf, String> {
    check_length(path)?;
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => {
                return Err("absolute paths are refused".to_owned());
            }
            Component::ParentDir => return Err("paths with .. are refused".to_owned()),
        }
    }
    Ok(inside)
}

/// Where a link in a directory of the tree leads, by the names alone; `None` if that is outside.
fn resolve(from: &Path, target: &Path) -> Option<PathBuf> {
    let mut at = from.to_owned();
    for component in target.components() {
        match component {
            Component::Normal(name) => at.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !at.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(at)
}

/// Directories on the way that the archive does not name are there all the same; anything else is in the way.
fn make_way(tree: &mut Tree, path: &Path) -> Result<(), String> {
    let mut missing = Vec::new();
    for ancestor in path.ancestors().skip(1) {
        match tree.entries.get(ancestor) {
            // What is above it is there too.
            Some(Node::Directory(_)) => break,
            Some(Node::Symlink(_)) => return Err("it is written through a link".to_owned()),
            Some(Node::File(..) | Node::HardLink(_)) => {
                return Err("it is inside of a file".to_owned());
            }
            None => missing.push(ancestor.to_owned()),
        }
    }
    for ancestor in missing.into_iter().rev() {
        tree.add(ancestor, Node::Directory(IMPLIED))?;
    }
    Ok(())
}

/// What is said of each entry alone must be true of the whole: later entries replace earlier ones, and a link
/// through another can lead out although none does by its name.
fn check_links(tree: &Tree) -> Result<(), String> {
    for (path, node) in &tree.entries {
        let why = match node {
            Node::HardLink(file) if !matches!(tree.entries.get(file), Some(Node::File(..))) => {
                "it is a hard link to no file of the archive"
            }
            Node::Symlink(target) if through_another(tree, path, target) => {
                "it is a link through another link and ..: where it leads is not clear"
            }
            _ => continue,
        };
        return Err(at(path, why));
    }
    Ok(())
}

/// Whether a link goes up behind another link, where `..` is not what its name says.
fn through_another(tree: &Tree, path: &Path, target: &Path) -> bool {
    let mut at = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut behind_link = false;
    for component in target.components() {
        match component {
            Component::ParentDir if behind_link => return true,
            Component::ParentDir => {
                at.pop();
            }
            Component::Normal(name) => {
                at.push(name);
                behind_link |= matches!(tree.entries.get(&at), Some(Node::Symlink(_)));
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
