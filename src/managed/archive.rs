//! Reads a tar archive into a [`Tree`]: all of it or nothing.
//!
//! Nothing is written while an archive is read, so it can do harm only through its names and links:
//! each must lead to a path inside the tree, judged by names alone. The `tar` crate decodes ustar,
//! pax and GNU's long names.

use super::tree::{Attributes, DEPTH_LIMIT, ENTRY_LIMIT, Node, SIZE_LIMIT, Tree, too_many};
use crate::sorted::SortedSet;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use tar::{Archive, Entry, EntryType};

/// tar(5): an archive consists of blocks of this many bytes.
const BLOCK_SIZE: usize = 512;
/// tar(5): an archive ends with two blocks of zeros.
const END_SIZE: usize = 2 * BLOCK_SIZE;
const NOT_AN_ARCHIVE: &str = "it is not a complete tar archive";
/// Bytes in a path: `PATH_MAX` of limits.h without the final NUL.
const PATH_LIMIT: usize = 4095;
/// Bytes in one part of a path: `NAME_MAX` of limits.h.
const NAME_LIMIT: usize = 255;
/// Set-user-id and set-group-id.
const SET_ID_BITS: u32 = 0o6000;
/// Attributes of a directory that the archive does not name, but that contains an entry.
const IMPLIED_DIRECTORY: Attributes = Attributes {
    mode: 0o755,
    owner: None,
};

/// Reads the whole archive.
///
/// # Errors
/// Why it is refused.
pub(super) fn read(bytes: &[u8]) -> Result<Tree, String> {
    if !ends_as_archive(bytes, 0) {
        return Err(NOT_AN_ARCHIVE.to_owned());
    }
    let mut unpacker = Unpacker {
        tree: Tree::default(),
        linked: SortedSet::default(),
    };
    let root = Node::Directory(IMPLIED_DIRECTORY);
    unpacker.tree.add(PathBuf::new(), root)?;
    let mut archive = Archive::new(bytes);
    for (number, entry) in archive.entries().map_err(broken)?.enumerate() {
        // Entries that replace others count too.
        if number >= ENTRY_LIMIT {
            return Err(too_many());
        }
        let entry = entry.map_err(broken)?;
        let data = entry.header().entry_size().unwrap_or(u64::MAX);
        if !ends_as_archive(bytes, entry.raw_file_position().saturating_add(data)) {
            return Err(NOT_AN_ARCHIVE.to_owned());
        }
        let path = entry.path().map_err(broken)?.into_owned();
        let added = unpacker.add(entry, &path);
        added.map_err(|why| at(&path, &why))?;
    }
    check_links(&unpacker.tree)?;
    Ok(unpacker.tree)
}

/// A reason with the path of its entry. A long path is shortened.
fn at(path: &Path, why: &str) -> String {
    let path = path.to_string_lossy();
    let shown: String = path.chars().take(NAME_LIMIT).collect();
    let more = if shown.len() < path.len() { "..." } else { "" };
    format!("{shown}{more}: {why}")
}

/// Whether the bytes end as an archive does, and only after this position: where a file full of
/// zeros is cut off, its last bytes look like the end of an archive.
fn ends_as_archive(bytes: &[u8], after: u64) -> bool {
    let end = bytes.len().checked_sub(END_SIZE);
    let is_after = end.is_some_and(|at| at as u64 >= after);
    let end = end.and_then(|at| bytes.get(at..)).unwrap_or_default();
    is_after && bytes.len().is_multiple_of(BLOCK_SIZE) && end.iter().all(|byte| *byte == 0)
}

fn broken(error: std::io::Error) -> String {
    format!("the archive is broken: {error}")
}

/// The tree of the entries so far.
struct Unpacker {
    tree: Tree,
    /// Paths of files to which an entry is a hard link.
    linked: SortedSet<PathBuf>,
}

impl Unpacker {
    fn add(&mut self, mut entry: Entry<'_, &[u8]>, path: &Path) -> Result<(), String> {
        if entry.header().entry_type().is_pax_global_extensions() {
            return Ok(());
        }
        let extensions = entry.pax_extensions().map_err(broken)?;
        let is_sparse = |key: Result<&str, _>| key.is_ok_and(|key| key.starts_with("GNU.sparse."));
        if extensions.is_some_and(|all| all.flatten().any(|one| is_sparse(one.key()))) {
            // Its data is a map and pieces, which the tar crate would take for the content.
            return Err("sparse files in pax format are refused".to_owned());
        }
        let path = inside(path)?;
        let node = self.node(entry, &path)?;
        self.add_parents(&path)?;
        let known = self.tree.entries.get(&path);
        if known.is_some() && self.linked.contains(&path) {
            return Err("it is replaced after a hard link to it was made".to_owned());
        }
        let replaces_directory = matches!(known, Some(Node::Directory(_)));
        if replaces_directory && !matches!(node, Node::Directory(_)) {
            return Err("it replaces a directory".to_owned());
        }
        if let Node::HardLink(first) = &node {
            self.linked.insert(first.clone());
        }
        self.tree.add(path, node)
    }

    /// What the entry is.
    fn node(&self, entry: Entry<'_, &[u8]>, path: &Path) -> Result<Node, String> {
        let mode = entry.header().mode().map_err(broken)?;
        if mode & SET_ID_BITS != 0 {
            return Err("set-user-id and set-group-id are refused".to_owned());
        }
        let attributes = Attributes {
            mode: mode & 0o1777,
            owner: None,
        };
        match entry.header().entry_type() {
            EntryType::Directory => Ok(Node::Directory(attributes)),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let bytes = self.read_file(entry)?;
                Ok(Node::File(attributes, bytes))
            }
            EntryType::Symlink => {
                let target = target(&entry)?;
                let from = path.parent().unwrap_or(Path::new(""));
                resolve(from, &target).ok_or("the link leads out of the tree")?;
                Ok(Node::Symlink(target))
            }
            EntryType::Link => self.hard_link(&inside(&target(&entry)?)?, path),
            EntryType::Char | EntryType::Block => Err("devices are refused".to_owned()),
            EntryType::Fifo => Err("FIFOs are refused".to_owned()),
            _ => Err("entries of this type are refused".to_owned()),
        }
    }

    fn read_file(&self, mut entry: Entry<'_, &[u8]>) -> Result<Rc<[u8]>, String> {
        let size = entry.size();
        self.tree.check_limits(size)?;
        let mut bytes = Vec::new();
        let limited = &mut (&mut entry).take(SIZE_LIMIT + 1);
        limited.read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != size {
            return Err("the archive ends inside it".to_owned());
        }
        Ok(Rc::from(bytes))
    }

    /// A link to the first name of the file, whatever name the archive gives.
    fn hard_link(&self, target: &Path, path: &Path) -> Result<Node, String> {
        match self.tree.entries.get(target) {
            Some(Node::File(..)) if target != path => Ok(Node::HardLink(target.to_owned())),
            Some(Node::HardLink(first)) if first != path => Ok(Node::HardLink(first.clone())),
            _ => Err("the hard link leads to no file in the archive".to_owned()),
        }
    }

    /// Adds the directories above a path that the archive does not name. No other entry may be in
    /// their place.
    fn add_parents(&mut self, path: &Path) -> Result<(), String> {
        let mut missing = Vec::new();
        for ancestor in path.ancestors().skip(1) {
            match self.tree.entries.get(ancestor) {
                // Everything above it was added before.
                Some(Node::Directory(_)) => break,
                Some(Node::Symlink(_)) => return Err("its parent directory is a link".to_owned()),
                Some(Node::File(..) | Node::HardLink(_)) => {
                    return Err("its parent directory is a file".to_owned());
                }
                None => missing.push(ancestor.to_owned()),
            }
        }
        for ancestor in missing.into_iter().rev() {
            let node = Node::Directory(IMPLIED_DIRECTORY);
            self.tree.add(ancestor, node)?;
        }
        Ok(())
    }
}

fn target(entry: &Entry<'_, &[u8]>) -> Result<PathBuf, String> {
    let target = entry.link_name().map_err(broken)?;
    let target = target.ok_or("the link has no target")?.into_owned();
    check_length(&target).map(|()| target)
}

fn check_length(path: &Path) -> Result<(), String> {
    let is_long = path.as_os_str().len() > PATH_LIMIT;
    if is_long || path.iter().any(|name| name.len() > NAME_LIMIT) {
        return Err("the name is too long".to_owned());
    }
    if path.components().count() > DEPTH_LIMIT {
        return Err(format!("it is more than {DEPTH_LIMIT} directories deep"));
    }
    Ok(())
}

/// The path without its `.` parts.
///
/// # Errors
/// Why it cannot be a path inside the tree.
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

/// Where a link in the directory `from` leads, judged by names alone; `None` if that is outside the
/// tree.
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

/// Checks the links of the whole tree once more: an entry may have replaced what a link leads to,
/// and a link through another link can lead outside the tree although neither does by its name.
fn check_links(tree: &Tree) -> Result<(), String> {
    for (path, node) in &tree.entries {
        let why = match node {
            Node::HardLink(file) if !matches!(tree.entries.get(file), Some(Node::File(..))) => {
                "the hard link leads to no file in the archive"
            }
            Node::Symlink(target) if goes_up_from_link(tree, path, target) => {
                "the link leads through another link and then up (..), so where it leads is unclear"
            }
            _ => continue,
        };
        return Err(at(path, why));
    }
    Ok(())
}

/// Whether a link goes up (`..`) from another link. Where that leads depends on the other link, not
/// on names alone.
fn goes_up_from_link(tree: &Tree, path: &Path, target: &Path) -> bool {
    let mut at = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut is_in_link = false;
    for component in target.components() {
        match component {
            Component::ParentDir if is_in_link => return true,
            Component::ParentDir => {
                at.pop();
            }
            Component::Normal(name) => {
                at.push(name);
                is_in_link |= matches!(tree.entries.get(&at), Some(Node::Symlink(_)));
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    false
}

#[cfg(test)]
mod tests;
