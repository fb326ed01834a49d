//! Reads what a source holds: a file, a directory, or an archive. The content of files is read
//! once, for its digest, and again when it is copied.
//!
//! The source is scanned before and after. If it changed in between, what was read is not used.

use super::archive;
use super::content::{Digest, Piece};
use super::exclusion::Exclusion;
use super::follow::{FollowError, SourceEntry};
use super::scan::scan;
use super::tree::{
    Attributes, DEPTH_LIMIT, ENTRY_LIMIT, Node, Origin, SIZE_LIMIT, Tree, TreeFingerprint,
    names_too_long, too_many,
};
use super::watch_set::WatchSet;
use crate::error::describe;
use crate::sorted::sorted;
use crate::store::file_id::FileId;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a source holds.
pub(super) enum Content<'d> {
    Tree(Tree<'d>),
    Missing,
    /// It changed while it was read.
    Changed,
    /// Why it cannot be used. For an archive, with the fingerprint of the file.
    Refused(String, Option<TreeFingerprint>),
    /// Why it could not be read, which may pass without a change of the source.
    Failed(String),
}

/// How a source is used, and what it must not take in.
pub(super) struct ReadContext<'d> {
    pub(super) exclusion: Exclusion<'d>,
    /// The directory that contains the source's own copy: a source with this directory in it would
    /// contain its copy.
    pub(super) copy_parent: Option<FileId>,
    /// It is an archive, whose content counts.
    pub(super) is_archive: bool,
}

/// Reads everything that the path leads to.
pub(super) fn read<'d>(path: &Path, context: &ReadContext<'d>) -> Content<'d> {
    let signature = || scan(path, &mut WatchSet::default(), context.exclusion).signature;
    let before = signature();
    if before.is_none() {
        return Content::Missing;
    }
    let result = read_source(path, context);
    match (result, signature()) {
        (_, None) => Content::Missing,
        (_, after) if after != before => Content::Changed,
        (Ok(tree), _) => Content::Tree(tree),
        (Err(error), _) => error.into_content(),
    }
}

fn read_source<'d>(path: &Path, context: &ReadContext<'d>) -> Result<Tree<'d>, ReadError> {
    let nothing = || ReadError::unusable("it is neither a file nor a directory");
    let place =
        SourceEntry::of_source(path).map_err(|error| ReadError::at(Path::new(""), error))?;
    let place = place.ok_or_else(nothing)?;
    let stat = place.stat;
    if context.exclusion.is_exit_dir(&stat) {
        return Err(nothing());
    }
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let file = open(&place, Path::new(""), context.exclusion)?.ok_or_else(nothing)?;
            read_file(file, &stat, context.is_archive)
        }
        FileType::Directory if context.is_archive => {
            Err(ReadError::unusable("it is a directory, not a tar archive"))
        }
        FileType::Directory => {
            let mut reader = Reader {
                tree: Tree::new(Origin::Directory(
                    Box::new(place.directory()),
                    context.exclusion,
                )),
                context,
                seen: 0,
            };
            reader.read_directory(&place, PathBuf::new(), &mut Vec::new())?;
            Ok(reader.tree)
        }
        _ => Err(nothing()),
    }
}

/// Reads a source that is one file.
fn read_file<'d>(mut file: File, stat: &Stat, is_archive: bool) -> Result<Tree<'d>, ReadError> {
    let digest = digest(&mut file, stat, Path::new(""), SIZE_LIMIT)?;
    let file = Rc::new(file);
    if is_archive {
        let fingerprint = Some(TreeFingerprint::of_file(digest));
        return archive::read(file).map_err(|why| ReadError::Unusable(why, fingerprint));
    }
    let mut tree = Tree::new(Origin::File(file));
    let piece = Piece {
        at: 0,
        stored_at: 0,
        size: digest.size,
    };
    let content = tree.content_of_pieces(&[piece], digest);
    let node = content.map(|content| Node::File(attributes(stat), content));
    let added = node.and_then(|node| tree.add(PathBuf::new(), node));
    added.map_err(ReadError::unusable)?;
    Ok(tree)
}

/// Its size is no limit: some files have size 0 and content (proc(5)).
fn digest(file: &mut File, stat: &Stat, path: &Path, limit: u64) -> Result<Digest, ReadError> {
    let too_large = || ReadError::unusable("it is larger than 64 MiB");
    if u64::try_from(stat.st_size).is_ok_and(|size| size > limit) {
        return Err(too_large());
    }
    let digest = Digest::of(file, limit, &mut |_| {});
    let digest = digest.map_err(|error| ReadError::Io(path.to_owned(), error))?;
    match digest.size > limit {
        true => Err(too_large()),
        false => Ok(digest),
    }
}

fn open(
    place: &SourceEntry,
    path: &Path,
    exclusion: Exclusion<'_>,
) -> Result<Option<File>, ReadError> {
    let opened = place.open(exclusion);
    opened.map_err(|error| ReadError::Io(path.to_owned(), error))
}

/// Why an entry cannot be read.
enum ReadError {
    /// Because of what the source holds; for an archive, with the fingerprint of the file.
    Unusable(String, Option<TreeFingerprint>),
    /// A system call failed for the entry with this path inside the source.
    Io(PathBuf, io::Error),
}

impl ReadError {
    fn unusable(why: impl Into<String>) -> ReadError {
        ReadError::Unusable(why.into(), None)
    }

    /// For the entry with this path inside the source.
    fn at(path: &Path, error: FollowError) -> ReadError {
        match error {
            FollowError::Errno(errno) => ReadError::Io(path.to_owned(), errno.into()),
            FollowError::Refused(why) => ReadError::unusable(with_path(path, &why)),
        }
    }

    fn into_content<'d>(self) -> Content<'d> {
        let (at, error) = match self {
            ReadError::Unusable(why, archive) => return Content::Refused(why, archive),
            ReadError::Io(at, error) => (at, error),
        };
        let why = with_path(&at, &describe(&error));
        match error.kind() {
            // A scan notices when the mode changes, so there is no need to try again before.
            io::ErrorKind::PermissionDenied => Content::Refused(why, None),
            _ => Content::Failed(why),
        }
    }
}

/// Reads a directory.
struct Reader<'c, 'd> {
    tree: Tree<'d>,
    context: &'c ReadContext<'d>,
    /// Entries so far, with those that are left out.
    seen: usize,
}

impl Reader<'_, '_> {
    /// Reads one entry, whose path inside the source is `relative`, and what is below it. `above`
    /// are the directories that contain it.
    fn visit(
        &mut self,
        place: &SourceEntry,
        relative: PathBuf,
        above: &mut Vec<FileId>,
    ) -> Result<(), ReadError> {
        let exclusion = self.context.exclusion;
        if exclusion.is_exit_dir(&place.stat) || exclusion.is_own_tombstone(&place.stat) {
            return Ok(());
        }
        match FileType::from_raw_mode(place.stat.st_mode) {
            FileType::RegularFile => self.read_file(place, relative),
            FileType::Directory => self.read_directory(place, relative, above),
            // Sockets, FIFOs and devices are no configuration.
            _ => Ok(()),
        }
    }

    fn read_file(&mut self, place: &SourceEntry, relative: PathBuf) -> Result<(), ReadError> {
        let Some(mut file) = open(place, &relative, self.context.exclusion)? else {
            return Ok(());
        };
        let digest = digest(&mut file, &place.stat, &relative, self.tree.room())?;
        let content = self.tree.content_of_pieces(&[], digest);
        let node = content.map(|content| Node::File(attributes(&place.stat), content));
        let added = node.and_then(|node| self.tree.add(relative, node));
        added.map_err(ReadError::unusable)
    }

    fn read_directory(
        &mut self,
        place: &SourceEntry,
        relative: PathBuf,
        above: &mut Vec<FileId>,
    ) -> Result<(), ReadError> {
        let id = FileId::of(&place.stat);
        let checked = self.check_directory(id, &relative, above);
        checked.map_err(ReadError::unusable)?;
        let names = place.names(ENTRY_LIMIT.saturating_sub(self.seen));
        let names = names.map_err(|errno| match errno {
            Errno::TOOBIG => ReadError::unusable(too_many()),
            Errno::NAMETOOLONG => ReadError::unusable(names_too_long()),
            errno => ReadError::Io(relative.clone(), errno.into()),
        })?;
        self.seen += names.len();
        let node = Node::Directory(attributes(&place.stat));
        let added = self.tree.add(relative.clone(), node);
        added.map_err(ReadError::unusable)?;
        above.push(id);
        for name in sorted(names) {
            let path = relative.join(&name);
            let found = place.entry(Path::new(&name));
            if let Some(found) = found.map_err(|error| ReadError::at(&path, error))? {
                self.visit(&found, path, above)?;
            }
        }
        above.pop();
        Ok(())
    }

    /// Whether a walk that enters the directory ends, and stays within the limits.
    fn check_directory(&self, id: FileId, relative: &Path, above: &[FileId]) -> Result<(), String> {
        if above.contains(&id) {
            return Err(with_path(relative, "a link to a directory above it"));
        }
        if self.context.copy_parent == Some(id) {
            return Err(with_path(relative, "it contains its own copy"));
        }
        if above.len() > DEPTH_LIMIT {
            return Err(format!("it is more than {DEPTH_LIMIT} directories deep"));
        }
        Ok(())
    }
}

/// A reason with the path inside the source that it is about, unless that is the source itself.
fn with_path(relative: &Path, why: &str) -> String {
    match relative.as_os_str().is_empty() {
        true => why.to_owned(),
        false => format!("{}: {why}", relative.display()),
    }
}

fn attributes(stat: &Stat) -> Attributes {
    Attributes {
        // A copy belongs to us where the owner cannot be kept: without the set-user-id bit.
        mode: stat.st_mode & 0o777,
        owner: Some((stat.st_uid, stat.st_gid)),
    }
}
