//! What a source holds: a file, or a tree of files. The tree is in memory, so it is compared and
//! checked as a whole before anything is written. The content of its files is not.

use super::content::{Digest, FileContent, Piece, PieceReader};
use super::exclusion::Exclusion;
use super::follow::{PATHS_LIMIT, SourceEntry};
use super::place::own_user;
use crate::sorted::SortedMap;
use rustix::io::Errno;
use std::cell::Cell;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Bytes in all files of a source together.
pub(super) const SIZE_LIMIT: u64 = 64 << 20;
/// Entries of a source.
pub(super) const ENTRY_LIMIT: usize = 10_000;
/// Directories above an entry: the path of each entry takes memory in proportion to its depth.
pub(super) const DEPTH_LIMIT: usize = 128;
/// Pieces of files in an archive: one for each file, and more for one with holes.
const PIECE_LIMIT: usize = 32_768;

pub(super) fn too_many() -> String {
    format!("it has more than {ENTRY_LIMIT} entries")
}

pub(super) fn names_too_long() -> String {
    format!("its paths have more than {} MiB in all", PATHS_LIMIT >> 20)
}

/// What a source holds, by paths inside it. The path of the source itself is empty.
pub(super) struct Tree<'d> {
    pub(super) entries: SortedMap<PathBuf, Node>,
    origin: Origin<'d>,
    /// See [`FileContent::pieces`].
    pieces: Vec<Piece>,
    size: u64,
    /// Bytes in the paths.
    paths: usize,
    has_changed: Cell<bool>,
}

/// Where the content of files is read.
pub(super) enum Origin<'d> {
    /// In an archive, or in a source that is one file.
    File(Rc<File>),
    /// In files below this directory.
    Directory(Box<SourceEntry>, Exclusion<'d>),
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    Directory(Attributes),
    File(Attributes, FileContent),
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

impl TreeFingerprint {
    /// Of a file alone, whose mode does not count.
    pub(super) fn of_file(digest: Digest) -> TreeFingerprint {
        let [one, two] = digest.hashes;
        TreeFingerprint(one, two)
    }

    /// Reads what [`Display`](fmt::Display) writes.
    pub(super) fn parse(text: &str) -> Option<TreeFingerprint> {
        let (one, two) = text.split_once(' ')?;
        Some(TreeFingerprint(one.parse().ok()?, two.parse().ok()?))
    }
}

impl fmt::Display for TreeFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl<'d> Tree<'d> {
    pub(super) fn new(origin: Origin<'d>) -> Tree<'d> {
        Tree {
            entries: SortedMap::default(),
            origin,
            pieces: Vec::new(),
            size: 0,
            paths: 0,
            has_changed: Cell::new(false),
        }
    }

    /// Adds an entry, or replaces it.
    ///
    /// # Errors
    /// Which limit is exceeded.
    pub(super) fn add(&mut self, path: PathBuf, node: Node) -> Result<(), String> {
        self.paths += path.as_os_str().len();
        match &node {
            Node::File(_, content) => self.size += content.digest.size,
            Node::HardLink(target) | Node::Symlink(target) => {
                self.paths += target.as_os_str().len();
            }
            Node::Directory(_) => {}
        }
        self.entries.insert(path, node);
        self.check_limits(0)
    }

    /// The content that consists of these pieces of the origin's file. Adds the pieces.
    pub(super) fn content_of_pieces(
        &mut self,
        pieces: &[Piece],
        digest: Digest,
    ) -> Result<FileContent, String> {
        let first = self.pieces.len();
        self.pieces.extend_from_slice(pieces);
        if self.pieces.len() > PIECE_LIMIT {
            return Err(format!("its files have more than {PIECE_LIMIT} pieces"));
        }
        Ok(FileContent {
            digest,
            pieces: first..self.pieces.len(),
            is_linked: false,
        })
    }

    /// Copies the content of the file at `path`. If it differs from what was read before, the tree
    /// [has changed](Tree::has_changed).
    pub(super) fn copy(&self, path: &Path, content: &FileContent, to: &mut File) -> io::Result<()> {
        let mut written = Ok(());
        let digest = self.read(path, content, &mut |chunk| {
            if written.is_ok() {
                written = to.write_all(chunk);
            }
        });
        written?;
        if digest.is_ok_and(|digest| digest == content.digest) {
            return Ok(());
        }
        self.has_changed.set(true);
        Err(Errno::STALE.into())
    }

    fn read(
        &self,
        path: &Path,
        content: &FileContent,
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<Digest> {
        let size = content.digest.size;
        match &self.origin {
            Origin::File(file) => {
                let pieces = self.pieces.get(content.pieces.clone());
                let pieces = pieces.unwrap_or_default();
                Digest::of(&mut PieceReader::new(file, pieces, size), size, each)
            }
            Origin::Directory(root, exclusion) => {
                let place = root.entry(path).ok().flatten();
                let file = place.map(|place| place.open(*exclusion)).transpose()?;
                let mut file = file.flatten().ok_or(Errno::STALE)?;
                Digest::of(&mut file, size, each)
            }
        }
    }

    /// User and group of the archive, if another user may have written its links. What we follow
    /// because a link is our own must not be the text of another user.
    pub(super) fn author(&self) -> Option<(u32, u32)> {
        let Origin::File(file) = &self.origin else {
            return None;
        };
        let stat = rustix::fs::fstat(file).ok()?;
        (stat.st_uid != own_user()).then_some((stat.st_uid, stat.st_gid))
    }

    /// Whether a file had another content when it was copied.
    pub(super) fn has_changed(&self) -> bool {
        self.has_changed.get()
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
        if self.paths > PATHS_LIMIT {
            return Err(names_too_long());
        }
        Ok(())
    }

    /// Bytes that more files may have.
    pub(super) fn room(&self) -> u64 {
        SIZE_LIMIT.saturating_sub(self.size)
    }

    /// The entry of the source itself.
    pub(super) fn root(&self) -> Option<&Node> {
        self.entries.get(&PathBuf::new())
    }

    /// A hash of the content; `with_modes`, of the modes too. Times and owners do not count.
    pub(super) fn fingerprint(&self, with_modes: bool) -> TreeFingerprint {
        let hash = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            seed.hash(&mut hasher);
            for (path, node) in self.entries.iter() {
                path.hash(&mut hasher);
                node.hash_content(with_modes, &mut hasher);
            }
            hasher.finish()
        };
        // 64 bits are few for a hash, so there are two. They have no key: deliberate collisions are
        // no concern here.
        TreeFingerprint(hash(0), hash(1))
    }
}

impl Node {
    /// `with_modes`, modes count too.
    pub(super) fn hash_content(&self, with_modes: bool, hasher: &mut DefaultHasher) {
        std::mem::discriminant(self).hash(hasher);
        match self {
            Node::Directory(attributes) => attributes.hash_mode(with_modes, hasher),
            Node::File(attributes, content) => {
                attributes.hash_mode(with_modes, hasher);
                content.digest.hash(hasher);
            }
            Node::HardLink(target) | Node::Symlink(target) => target.hash(hasher),
        }
    }
}

impl Attributes {
    fn hash_mode(self, with_modes: bool, hasher: &mut DefaultHasher) {
        if with_modes {
            self.mode.hash(hasher);
        }
    }
}
