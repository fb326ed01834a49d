//! What a source holds, in memory: a file, or a tree of files. It is small enough to be compared
//! and checked as a whole before anything is written.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Bytes in all files of a source together.
pub(super) const SIZE_LIMIT: u64 = 64 << 20;
/// Entries of a source.
pub(super) const ENTRY_LIMIT: usize = 10_000;
/// Directories above an entry: the path of each entry takes memory in proportion to its depth.
pub(super) const DEPTH_LIMIT: usize = 128;

pub(super) fn too_many() -> String {
    format!("it has more than {ENTRY_LIMIT} entries")
}

/// What a source holds, by paths inside it. The path of the source itself is empty.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) entries: BTreeMap<PathBuf, Node>,
    size: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Directory(Attributes),
    File(Attributes, Rc<[u8]>),
    /// Another name of the file with this path in the same tree.
    HardLink(PathBuf),
    Symlink(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attributes {
    /// Permission bits.
    pub(super) mode: u32,
    /// User and group, if a copy keeps them.
    pub(super) owner: Option<(u32, u32)>,
}

/// Tells one content of a source from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TreeFingerprint(u64, u64);

impl Tree {
    /// Adds an entry, or replaces it.
    ///
    /// # Errors
    /// Which limit is exceeded.
    pub(super) fn add(&mut self, path: PathBuf, node: Node) -> Result<(), String> {
        if let Node::File(_, bytes) = &node {
            self.size += bytes.len() as u64;
        }
        self.entries.insert(path, node);
        self.check_limits(0)
    }

    /// Checks that another file of `more` bytes is within the limits.
    pub(super) fn check_limits(&self, more: u64) -> Result<(), String> {
        if self.size.saturating_add(more) > SIZE_LIMIT {
            return Err("it is larger than 64 MiB".to_owned());
        }
        // The source itself does not count.
        if self.entries.len() > ENTRY_LIMIT + 1 {
            return Err(too_many());
        }
        Ok(())
    }

    /// The entry of the source itself.
    pub(super) fn root(&self) -> Option<&Node> {
        self.entries.get(Path::new(""))
    }

    /// A hash of the content; `with_modes`, of the modes too. Times and owners do not count.
    pub(super) fn fingerprint(&self, with_modes: bool) -> TreeFingerprint {
        let hash = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            for (path, node) in &self.entries {
                path.hash(&mut hasher);
                std::mem::discriminant(node).hash(&mut hasher);
                match node {
                    Node::Directory(attributes) => attributes.hash_mode(with_modes, &mut hasher),
                    Node::File(attributes, bytes) => {
                        attributes.hash_mode(with_modes, &mut hasher);
                        bytes.hash(&mut hasher);
                    }
                    Node::HardLink(target) | Node::Symlink(target) => target.hash(&mut hasher),
                }
            }
            hasher.finish()
        };
        // 64 bits are few for a hash, so there are two. They have no key: deliberate collisions are
        // no concern here.
        TreeFingerprint(hash(0), hash(1))
    }
}

impl Attributes {
    fn hash_mode(self, with_modes: bool, hasher: &mut DefaultHasher) {
        if with_modes {
            self.mode.hash(hasher);
        }
    }
}
