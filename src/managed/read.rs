//! Reads what a source holds into memory: a file or a directory, through symbolic links where there
//! are any.
//!
//! The source is scanned before and after. If it changed in between, what was read is not used.

use super::exclusion::Exclusion;
use super::scan::{if_exists, names, scan};
use super::tree::{Attributes, DEPTH_LIMIT, Node, SIZE_LIMIT, Tree};
use super::watch_set::WatchSet;
use crate::error::describe;
use crate::store::file_id::FileId;
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a source holds.
pub(super) enum Content {
    Tree(Tree),
    Missing,
    /// It changed while it was read.
    Changed,
    /// Why it cannot be used.
    Refused(String),
    /// Why it could not be read, which may pass without a change of the source.
    Failed(String),
}

/// What a source must not take in.
pub(super) struct ReadContext<'d> {
    pub(super) exclusion: Exclusion<'d>,
    /// The directory that contains the source's own copy: a source with this directory in it would
    /// contain its copy.
    pub(super) copy_parent: Option<FileId>,
}

/// Reads everything that the path leads to.
pub(super) fn read(path: &Path, context: &ReadContext<'_>) -> Content {
    let signature = || scan(path, &mut WatchSet::default(), context.exclusion).signature;
    let before = signature();
    if before.is_none() {
        return Content::Missing;
    }
    let mut reader = Reader {
        tree: Tree::default(),
        context,
    };
    let result = reader.visit(path, PathBuf::new(), &mut Vec::new());
    match (result, signature()) {
        (_, None) => Content::Missing,
        (_, after) if after != before => Content::Changed,
        (Ok(()), _) if reader.tree.root().is_some() => Content::Tree(reader.tree),
        (Ok(()), _) => Content::Refused("it is neither a file nor a directory".to_owned()),
        (Err(error), _) => error.into_content(),
    }
}

/// Why an entry cannot be read.
enum ReadError {
    /// Because of what the source holds.
    Unusable(String),
    /// A system call failed for the entry with this path inside the source.
    Io(PathBuf, io::Error),
}

impl ReadError {
    fn into_content(self) -> Content {
        let (at, error) = match self {
            ReadError::Unusable(why) => return Content::Refused(why),
            ReadError::Io(at, error) => (at, error),
        };
        let why = with_path(&at, &describe(&error));
        match error.kind() {
            // A scan notices when the mode changes, so there is no need to try again before.
            io::ErrorKind::PermissionDenied => Content::Refused(why),
            _ => Content::Failed(why),
        }
    }
}

struct Reader<'s> {
    tree: Tree,
    context: &'s ReadContext<'s>,
}

impl Reader<'_> {
    /// Reads one entry, whose path inside the source is `relative`, and what is below it. `above`
    /// are the directories that contain it.
    fn visit(
        &mut self,
        path: &Path,
        relative: PathBuf,
        above: &mut Vec<FileId>,
    ) -> Result<(), ReadError> {
        let stat = if_exists(rustix::fs::stat(path))
            .map_err(|errno| ReadError::Io(relative.clone(), errno.into()))?;
        let exclusion = self.context.exclusion;
        let is_included =
            |stat: &Stat| !exclusion.is_exit_dir(stat) && !exclusion.is_own_tombstone(stat);
        let Some(stat) = stat.filter(is_included) else {
            return Ok(());
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => self.read_file(path, relative, &stat),
            FileType::Directory => self.read_directory(path, relative, &stat, above),
            // Sockets, FIFOs and devices are no configuration.
            _ => Ok(()),
        }
    }

    fn read_file(&mut self, path: &Path, relative: PathBuf, stat: &Stat) -> Result<(), ReadError> {
        let failed = |error| ReadError::Io(relative.clone(), error);
        let Some(file) = self.open(path).map_err(failed)? else {
            return Ok(());
        };
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let checked = self.tree.check_limits(size);
        checked.map_err(ReadError::Unusable)?;
        let mut bytes = Vec::new();
        // Its size is no limit: some files have size 0 and content (proc(5)).
        let mut file = file.take(SIZE_LIMIT + 1);
        file.read_to_end(&mut bytes).map_err(failed)?;
        let node = Node::File(attributes(stat), Rc::from(bytes));
        let added = self.tree.add(relative, node);
        added.map_err(ReadError::Unusable)
    }

    fn read_directory(
        &mut self,
        path: &Path,
        relative: PathBuf,
        stat: &Stat,
        above: &mut Vec<FileId>,
    ) -> Result<(), ReadError> {
        let id = FileId::of(stat);
        self.check_directory(id, &relative, above)
            .map_err(ReadError::Unusable)?;
        let names = names(path).map_err(|error| ReadError::Io(relative.clone(), error))?;
        let node = Node::Directory(attributes(stat));
        let added = self.tree.add(relative.clone(), node);
        added.map_err(ReadError::Unusable)?;
        above.push(id);
        for name in names {
            self.visit(&path.join(&name), relative.join(&name), above)?;
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

    /// `None` if the path does not lead to a regular file any more, or to our own tombstone.
    fn open(&self, path: &Path) -> io::Result<Option<File>> {
        // NONBLOCK: opening a FIFO that has replaced the file must not block.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        if self.context.exclusion.is_own_tombstone(&stat) {
            // It has replaced the file since the stat. Closing it would drop the lock on it.
            std::mem::forget(file);
            return Ok(None);
        }
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(is_file.then(|| file.into()))
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
