//! What a source holds, read into memory: a file or a directory, through symbolic links if need be.
//!
//! It is surveyed before and after: what has changed meanwhile is not taken.

use super::scan::{names, survey, there};
use super::tree::{Attributes, DEPTH_LIMIT, Node, SIZE_LIMIT, Tree};
use super::watch_set::WatchSet;
use crate::error::describe;
use crate::store::exit_dir::{ExitDir, FileId};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a source holds.
pub(super) enum Content {
    Tree(Tree),
    Missing,
    /// It was changed while it was read.
    Changed,
    /// Why it cannot be used.
    Refused(String),
    /// Why it could not be read, which may be a moment's.
    Failed(String),
}

/// What a source must not take in.
pub(super) struct ReadContext<'d> {
    /// The exit directory, which is no part of it.
    pub(super) apart: Option<FileId>,
    /// The same, which knows our own tombstone.
    pub(super) dir: Option<&'d ExitDir>,
    /// The directory in which its copy is: that it holds this means that it would hold itself.
    pub(super) copy: Option<FileId>,
}

/// Reads everything that is there.
pub(super) fn read(path: &Path, surroundings: &ReadContext<'_>) -> Content {
    let look = || survey(path, &mut WatchSet::default(), surroundings.apart).signature;
    let before = look();
    if before.is_none() {
        return Content::Missing;
    }
    let mut reader = Reader {
        tree: Tree::default(),
        surroundings,
    };
    let result = reader.visit(path, PathBuf::new(), &mut Vec::new());
    match (result, look()) {
        (_, None) => Content::Missing,
        (_, after) if after != before => Content::Changed,
        (Ok(()), _) if reader.tree.root().is_some() => Content::Tree(reader.tree),
        (Ok(()), _) => Content::Refused("it is neither a file nor a directory".to_owned()),
        (Err(ReadError::Itself(why)), _) => Content::Refused(why),
        (Err(ReadError::Error(at, error)), _) => {
            let because = describe(&error);
            let why = match at.as_os_str().is_empty() {
                true => because,
                false => format!("{}: {because}", at.display()),
            };
            match error.kind() {
                // It is seen when that changes.
                std::io::ErrorKind::PermissionDenied => Content::Refused(why),
                _ => Content::Failed(why),
            }
        }
    }
}

/// Why something cannot be read.
enum ReadError {
    /// For what it is.
    Itself(String),
    Error(PathBuf, std::io::Error),
}

struct Reader<'s> {
    tree: Tree,
    surroundings: &'s ReadContext<'s>,
}

impl Reader<'_> {
    fn visit(
        &mut self,
        path: &Path,
        relative: PathBuf,
        above: &mut Vec<FileId>,
    ) -> Result<(), ReadError> {
        let failed = |error| ReadError::Error(relative.clone(), error);
        let stat = there(rustix::fs::stat(path)).map_err(|errno| failed(errno.into()))?;
        let apart = self.surroundings.apart;
        let is_part = |stat: &Stat| apart != Some(FileId::of(stat)) && !self.is_own(stat);
        let Some(stat) = stat.filter(is_part) else {
            return Ok(());
        };
        let attributes = Attributes {
            // A set-user-id program of another user must not become ours.
            mode: stat.st_mode & 0o777,
            owner: Some((stat.st_uid, stat.st_gid)),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let Some(file) = self.open(path).map_err(failed)? else {
                    return Ok(());
                };
                let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
                self.tree.check_limits(size).map_err(ReadError::Itself)?;
                let mut bytes = Vec::new();
                // Not only as much as it says: some files say 0 and hold something (proc(5)).
                let mut file = file.take(SIZE_LIMIT + 1);
                file.read_to_end(&mut bytes).map_err(failed)?;
                let node = Node::File(attributes, Rc::from(bytes));
                self.tree.add(relative, node).map_err(ReadError::Itself)
            }
            FileType::Directory => {
                let id = FileId::of(&stat);
                let shown = relative.display();
                if above.contains(&id) {
                    let why = format!("{shown}: a link to a directory above it");
                    return Err(ReadError::Itself(why));
                }
                if self.surroundings.copy == Some(id) {
                    let why = format!("{shown}: its own copy is in there");
                    return Err(ReadError::Itself(why));
                }
                if above.len() > DEPTH_LIMIT {
                    let why = format!("it is more than {DEPTH_LIMIT} directories deep");
                    return Err(ReadError::Itself(why));
                }
                let names = names(path).map_err(failed)?;
                let node = Node::Directory(attributes);
                let added = self.tree.add(relative.clone(), node);
                added.map_err(ReadError::Itself)?;
                above.push(id);
                for name in names {
                    self.visit(&path.join(&name), relative.join(&name), above)?;
                }
                above.pop();
                Ok(())
            }
            // Sockets and FIFOs are no configuration.
            _ => Ok(()),
        }
    }

    fn is_own(&self, stat: &Stat) -> bool {
        let dir = self.surroundings.dir;
        dir.is_some_and(|dir| dir.is_own(Some(FileId::of(stat))))
    }

    /// `None` if it is no file any more.
    fn open(&self, path: &Path) -> std::io::Result<Option<File>> {
        // NONBLOCK: if it has become a FIFO meanwhile it must not hang us.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        if self.is_own(&stat) {
            // It has come here since we looked. The lock on our tombstone would go with it.
            std::mem::forget(file);
            return Ok(None);
        }
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(is_file.then(|| file.into()))
    }
}
