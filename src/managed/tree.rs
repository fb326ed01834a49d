//! What a source holds, in memory: a file, or a tree of them. Small enough to be compared and checked as a
//! whole before anything is written.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// All files of a source together are not larger. In bytes.
pub(super) const SIZE_LIMIT: u64 = 64 << 20;
/// Nor are there more entries.
pub(super) const ENTRY_LIMIT: usize = 10_000;
/// Nor are they deeper: each costs as much as there is above it.
pub(super) const DEPTH_LIMIT: usize = 128;

pub(super) fn too_many() -> String {
    format!("it has more than {ENTRY_LIMIT} entries")
}

/// What a source holds, by paths relative to it; that of the source itself is empty.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) entries: BTreeMap<PathBuf, Node>,
    size: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Directory(Attributes),
    File(Attributes, Rc<[u8]>),
    /// Another name of a file in the same tree.
    HardLink(PathBuf),
    Symlink(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attributes {
    /// Permission bits.
    pub(super) mode: u32,
    /// User and group, if they are to be kept.
    pub(super) owner: Option<(u32, u32)>,
}

/// Tells one content from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TreeFingerprint(u64, u64);

impl Tree {
    /// Adds an entry, or replaces it.
    ///
    /// # Errors
    /// That there is too much.
    pub(super) fn add(&mut self, path: PathBuf, node: Node) -> Result<(), String> {
        if let Node::File(_, bytes) = &node {
            self.size += bytes.len() as u64;
        }
        self.entries.insert(path, node);
        self.check_limits(0)
    }

    /// Whether another file of that size has room.
    pub(super) fn check_limits(&self, more: u64) -> Result<(), String> {
        if self.size.saturating_add(more) > SIZE_LIMIT {
            return Err("it is larger than 64 MiB".to_owned());
        }
        // The source itself is none.
        if self.entries.len() > ENTRY_LIMIT + 1 {
            return Err(too_many());
        }
        Ok(())
    }

    /// What is at the top: a file is a tree without branches.
    pub(super) fn root(&self) -> Option<&Node> {
        self.entries.get(Path::new(""))
    }

    /// With `modes` those count too; times and owners never do.
    pub(super) fn fingerprint(&self, modes: bool) -> TreeFingerprint {
        let hash = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            for (path, node) in &self.entries {
                path.hash(&mut hasher);
                std::mem::discriminant(node).hash(&mut hasher);
                match node {
                    Node::Directory(attributes) => attributes.hash_mode(modes, &mut hasher),
                    Node::File(attributes, bytes) => {
                        attributes.hash_mode(modes, &mut hasher);
                        bytes.hash(&mut hasher);
                    }
                    Node::HardLink(target) | Node::Symlink(target) => target.hash(&mut hasher),
                }
            }
            hasher.finish()
        };
        // 64 bits of a hash without a key are few; nobody has to find a collision on purpose here.
        TreeFingerprint(hash(0), hash(1))
    }
}

impl Attributes {
    fn hash_mode(self, modes: bool, hasher: &mut DefaultHasher) {
        if modes {
            self.mode.hash(hasher);
        }
    }
}
