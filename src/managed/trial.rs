//! What an archive would bring, and what unpacking it does: for the fuzzer.

use super::archive;
use super::exclusion::Exclusion;
use super::place::{MissingParent, Place};
use super::replace::{Candidate, begin, stage};
use super::tree::Node;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// An entry of an archive that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrialEntry {
    Directory,
    File(u64),
    HardLink(PathBuf),
    Symlink(PathBuf),
}

/// Reads the archive, and unpacks it if there is a target. The entries are in the order of their
/// paths.
///
/// # Errors
/// Why the archive is refused.
pub(crate) fn unpack(
    archive: &Rc<File>,
    target: Option<&Path>,
) -> Result<Vec<(PathBuf, TrialEntry)>, String> {
    let tree = archive::read(Rc::clone(archive))?;
    if let Some(target) = target {
        let staging = begin(Place::open(target, MissingParent::Refuse)?)?;
        let built = stage(&tree, &staging, Exclusion::new(None))?;
        Candidate::new(staging, built).install().0?;
    }
    let entry = |node: &Node| match node {
        Node::Directory(_) => TrialEntry::Directory,
        Node::File(_, content) => TrialEntry::File(content.digest.size),
        Node::HardLink(first) => TrialEntry::HardLink(first.clone()),
        Node::Symlink(target) => TrialEntry::Symlink(target.clone()),
    };
    let entries = tree.entries.iter();
    Ok(entries
        .map(|(path, node)| (path.clone(), entry(node)))
        .collect())
}
