//! Reads a tar archive into a [`Tree`]: all of it or nothing.
//!
//! Nothing is written while an archive is read, so it can do harm only through its names and links.
//! Each name must lead to a path inside the tree, and no entry may be below a link.

use super::content::{Digest, PieceReader};
use super::tree::{Attributes, DEPTH_LIMIT, ENTRY_LIMIT, Node, Origin, Tree, too_many};
use members::{Member, Members, NAME_TOO_LONG, PATH_LIMIT, broken};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

mod members;

/// Bytes in one part of a path: `NAME_MAX` of limits.h.
const NAME_LIMIT: usize = 255;
/// Set-user-id and set-group-id.
const SET_ID_BITS: u32 = 0o6000;
/// Attributes of a directory that the archive does not name, but that contains an entry.
const IMPLIED_DIRECTORY: Attributes = Attributes {
    mode: 0o755,
    owner: None,
};

/// Reads the whole archive. The tree keeps the file, for the content of its files.
///
/// # Errors
/// Why it is refused.
pub(super) fn read<'d>(file: Rc<File>) -> Result<Tree<'d>, String> {
    let mut unpacker = Unpacker {
        tree: Tree::new(Origin::File(Rc::clone(&file))),
        file: &file,
    };
    let root = Node::Directory(IMPLIED_DIRECTORY);
    unpacker.tree.add(PathBuf::new(), root)?;
    let mut members = Members::of(&file)?;
    let mut count = 0;
    while let Some(member) = members.next()? {
        // Entries that replace others count too.
        count += 1;
        if count > ENTRY_LIMIT {
            return Err(too_many());
        }
        let path = PathBuf::from(OsString::from_vec(member.path.clone()));
        unpacker
            .add(&member, &path)
            .map_err(|why| at(&path, &why))?;
    }
    if count == 0 {
        return Err("it is not a tar archive: it holds nothing but zeros".to_owned());
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

/// The tree of the entries so far.
struct Unpacker<'f, 'd> {
    tree: Tree<'d>,
    file: &'f File,
}

impl Unpacker<'_, '_> {
    fn add(&mut self, member: &Member, path: &Path) -> Result<(), String> {
        let path = match is_directory(member) && member.path.iter().all(|byte| *byte == b'/') {
            // Python's name for the directory that was packed, where it has no name.
            true => PathBuf::new(),
            false => inside(path)?,
        };
        let node = self.node(member, &path)?;
        self.add_parents(&path)?;
        let known = self.tree.entries.get(&path);
        if matches!(known, Some(Node::File(_, content)) if content.is_linked) {
            return Err("it is replaced after a hard link to it was made".to_owned());
        }
        let replaces_directory = matches!(known, Some(Node::Directory(_)));
        if replaces_directory && !matches!(node, Node::Directory(_)) {
            return Err("it replaces a directory".to_owned());
        }
        if let Node::HardLink(first) = &node
            && let Some(Node::File(_, content)) = self.tree.entries.get_mut(first)
        {
            content.is_linked = true;
        }
        self.tree.add(path, node)
    }

    /// What the entry is.
    fn node(&mut self, member: &Member, path: &Path) -> Result<Node, String> {
        let is_directory = is_directory(member);
        // For a directory these bits mean little: they are dropped.
        if !is_directory && member.mode & SET_ID_BITS != 0 {
            return Err("set-user-id and set-group-id files are refused".to_owned());
        }
        let attributes = Attributes {
            mode: member.mode & 0o1777,
            owner: None,
        };
        match member.kind {
            _ if is_directory => Ok(Node::Directory(attributes)),
            b'0' | b'\0' | b'7' | b'S' => self.file(member, attributes),
            b'1' => self.hard_link(&inside(&target(member)?)?, path),
            b'2' => {
                let target = target(member)?;
                let from = path.parent().unwrap_or(Path::new(""));
                if !leads_inside(from, &target) {
                    return Err("the link leads out of the tree".to_owned());
                }
                Ok(Node::Symlink(target))
            }
            b'3' | b'4' => Err("devices are refused".to_owned()),
            b'6' => Err("FIFOs are refused".to_owned()),
            _ => Err("entries of this type are refused".to_owned()),
        }
    }

    fn file(&mut self, member: &Member, attributes: Attributes) -> Result<Node, String> {
        self.tree.check_limits(member.size)?;
        let mut reader = PieceReader::new(self.file, &member.pieces, member.size);
        let digest = Digest::of(&mut reader, member.size, &mut |_| {}).map_err(broken)?;
        if digest.size != member.size {
            return Err("the archive ends inside it".to_owned());
        }
        let content = self.tree.content_of_pieces(&member.pieces, digest)?;
        Ok(Node::File(attributes, content))
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

/// tar(5): a directory, one with a list of what was in it, or in the oldest format a file whose
/// name ends with a slash.
fn is_directory(member: &Member) -> bool {
    match member.kind {
        b'5' | b'D' => true,
        b'\0' => member.path.ends_with(b"/"),
        _ => false,
    }
}

fn target(member: &Member) -> Result<PathBuf, String> {
    if member.link.is_empty() {
        return Err("the link has no target".to_owned());
    }
    let target = PathBuf::from(OsString::from_vec(member.link.clone()));
    check_length(&target).map(|()| target)
}

fn check_length(path: &Path) -> Result<(), String> {
    let is_long = path.as_os_str().len() > PATH_LIMIT;
    if is_long || path.iter().any(|name| name.len() > NAME_LIMIT) {
        return Err(NAME_TOO_LONG.to_owned());
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

/// Whether a link in the directory `from` leads to a path inside the tree, judged by names alone,
/// or is absolute: then it does not depend on where the tree is, and nothing is written through it.
fn leads_inside(from: &Path, target: &Path) -> bool {
    let mut depth = from.components().count();
    target.is_absolute()
        || target.components().all(|component| {
            match component {
                Component::ParentDir if depth == 0 => return false,
                Component::ParentDir => depth -= 1,
                Component::Normal(_) => depth += 1,
                Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            }
            true
        })
}

/// Checks the links of the whole tree once more: an entry may have replaced what a link leads to,
/// and a link through another link can lead outside the tree although neither does by its name.
fn check_links(tree: &Tree) -> Result<(), String> {
    for (path, node) in tree.entries.iter() {
        let why = match node {
            Node::HardLink(file) if !matches!(tree.entries.get(file), Some(Node::File(..))) => {
                "the hard link leads to no file in the archive"
            }
            Node::Symlink(target)
                if target.is_relative() && goes_up_from_link(tree, path, target) =>
            {
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
