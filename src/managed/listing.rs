//! What a source without a copy has held, entry by entry, so that `--on-config` learns which of
//! them have changed. A worker writes it into a file in memory, and only another worker reads it.

use super::build::Changes;
use super::tree::Tree;
use super::update::ChangeKind;
use crate::sys::read::read_all;
use crate::sys::write::write_all;
use rustix::fs::{MemfdFlags, SeekFrom};
use rustix::io::Errno;
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hasher};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of the hash before each path.
const HASH_SIZE: usize = size_of::<u64>();

/// A file for a listing; `None` where there is no memory for one, or the kernel refuses it.
pub(super) fn create() -> Option<OwnedFd> {
    rustix::fs::memfd_create("exitdir-listing", MemfdFlags::CLOEXEC).ok()
}

/// The listing of what was accepted last, and a file for what is read now.
pub(super) struct Listings<'l> {
    pub(super) old: Option<BorrowedFd<'l>>,
    pub(super) new: Option<BorrowedFd<'l>>,
}

impl Listings<'_> {
    /// Their descriptors, for the worker.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.old.into_iter().chain(self.new)
    }

    /// Writes down what the tree holds. Returns lines about what has changed; the source itself
    /// stands for what is not known.
    pub(super) fn compare(&self, tree: &Tree, source: &Path) -> Vec<String> {
        let new = compose(tree);
        let written = self.new.map(|file| write_all(file, &new));
        match (written, self.old.map(read)) {
            (Some(Ok(())), Some(Ok(old))) => changes(&old, &new).lines(source),
            _ => vec![ChangeKind::Modified.line(source)],
        }
    }
}

/// The entries in the order of their paths: a hash, the path, and a NUL byte for each.
fn compose(tree: &Tree) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, node) in tree.entries.iter() {
        let mut hasher = DefaultHasher::new();
        // The command sees no modes of a copy.
        node.hash_content(false, &mut hasher);
        push(&mut bytes, path, hasher.finish());
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, path: &Path, hash: u64) {
    bytes.extend(hash.to_le_bytes());
    bytes.extend(path.as_os_str().as_bytes());
    bytes.push(0);
}

fn read(file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    rustix::fs::seek(file, SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    read_all(file, &mut |part| {
        bytes.extend_from_slice(part);
        Ok(())
    })?;
    Ok(bytes)
}

/// Takes the first entry.
fn next<'b>(bytes: &mut &'b [u8]) -> Option<(&'b Path, [u8; HASH_SIZE])> {
    let (hash, rest) = bytes.split_first_chunk::<HASH_SIZE>()?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    *bytes = rest.get(end + 1..).unwrap_or_default();
    let path = rest.get(..end).unwrap_or_default();
    Some((Path::new(OsStr::from_bytes(path)), *hash))
}

/// Walks along both listings, which have one order.
fn changes(mut old: &[u8], mut new: &[u8]) -> Changes {
    let mut changes = Changes::default();
    let (mut before, mut now) = (next(&mut old), next(&mut new));
    loop {
        let order = match (before, now) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((before, _)), Some((now, _))) => before.cmp(now),
        };
        if let Some((path, hash)) = now.filter(|_| order.is_ge()) {
            let old_hash = before.map(|(_, hash)| hash);
            changes.record(path, order.is_eq(), old_hash == Some(hash));
            now = next(&mut new);
        } else if let Some((path, _)) = before {
            changes.deleted.push(path.to_owned());
        }
        if order.is_le() {
            before = next(&mut old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(entries: &[(&str, u64)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let entries = entries.iter();
        entries.for_each(|(path, hash)| push(&mut bytes, Path::new(path), *hash));
        bytes
    }

    #[test]
    fn two_listings_differ_by_what_was_created_modified_and_deleted() {
        let old = listing(&[("", 1), ("a", 0), ("b", 2), ("c/d", 3), ("c.d", 3)]);
        let new = listing(&[("", 1), ("a", 0), ("b", 9), ("c.d", 3), ("e", 4)]);
        let lines = changes(&old, &new).lines(Path::new("/etc/app"));
        assert_eq!(lines, ["C /etc/app/e", "M /etc/app/b", "D /etc/app/c/d"]);
        let lines = changes(&[], &new).lines(Path::new("x"));
        assert_eq!(lines, ["C x", "C x/a", "C x/b", "C x/c.d", "C x/e"]);
        let lines = changes(&new, &[]).lines(Path::new("x"));
        assert_eq!(lines, ["D x", "D x/a", "D x/b", "D x/c.d", "D x/e"]);
        assert!(changes(&old, &old).lines(Path::new("/x")).is_empty());
    }
}
