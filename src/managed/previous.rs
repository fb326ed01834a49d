//! The version of a copy that is replaced, as far as the new one is compared with it.
//!
//! Another user may have put anything in its place. So no link is followed, no other file system is
//! entered, and only regular files of the right size are opened.

use super::exclusion::Exclusion;
use super::place::{Place, file_type, is_mount_point, look, open_listed, open_searched};
use super::tree::{ENTRY_LIMIT, Tree};
use crate::sorted::SortedSet;
use crate::store::file_id::FileId;
use rustix::fs::{Dir, FileType, Mode, OFlags, Statx};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

pub(super) struct Previous<'p> {
    place: &'p Place,
    /// The name of its file or directory in the directory of the place.
    name: PathBuf,
    exclusion: Exclusion<'p>,
    device: Option<(u32, u32)>,
    /// The directory that was used last, by its path in the directory of the place: entries of one
    /// directory follow each other.
    last: (PathBuf, Option<OwnedFd>),
}

/// An entry that was found: the directory that it is in, its name, and what it is.
struct Found<'f> {
    at: BorrowedFd<'f>,
    name: OsString,
    stat: Statx,
}

impl<'p> Previous<'p> {
    pub(super) fn new(place: &'p Place, exclusion: Exclusion<'p>) -> Previous<'p> {
        let directory = look(&place.directory, Path::new(""));
        Previous {
            place,
            name: place.linked().unwrap_or_else(|| place.name().to_owned()),
            exclusion,
            device: directory.ok().map(|stat| device(&stat)),
            last: (PathBuf::new(), None),
        }
    }

    /// The kind of an entry, if it exists.
    pub(super) fn file_type(&mut self, relative: &Path) -> Option<FileType> {
        self.find(relative).map(|found| file_type(&found.stat))
    }

    /// What a link contains.
    pub(super) fn link_text(&mut self, relative: &Path) -> Option<PathBuf> {
        let found = self.find(relative)?;
        let text = rustix::fs::readlinkat(found.at, found.name, Vec::new()).ok()?;
        Some(OsString::from_vec(text.into_bytes()).into())
    }

    /// Opens a regular file of this size.
    pub(super) fn open_file(&mut self, relative: &Path, size: u64) -> Option<File> {
        let exclusion = self.exclusion;
        let found = self.find(relative)?;
        let (stat, id) = (&found.stat, FileId::of_statx(&found.stat));
        let is_comparable = file_type(stat) == FileType::RegularFile && stat.stx_size == size;
        if !is_comparable || exclusion.is_guarded(id) {
            return None;
        }
        // NONBLOCK: neither a FIFO that has replaced the file nor a lease must block.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(found.at, found.name, flags, Mode::empty()).ok()?;
        let opened = FileId::of(&rustix::fs::fstat(&file).ok()?);
        if exclusion.is_guarded(opened) {
            // It has replaced the file just now. Closing it would drop the lock on it.
            std::mem::forget(file);
            return None;
        }
        (opened == id).then(|| file.into())
    }

    /// Paths of entries that are not in the tree. Of a directory that is not in it, only the
    /// directory itself. Not all, if another process has put very many there.
    pub(super) fn entries_not_in(&mut self, tree: &Tree) -> Vec<PathBuf> {
        let mut found = SortedSet::default();
        let mut ahead = vec![PathBuf::new()];
        while let Some(relative) = ahead.pop() {
            for name in self.names(&relative).unwrap_or_default() {
                let path = relative.join(name);
                if !tree.entries.contains_key(&path) {
                    found.insert(path);
                } else if self.file_type(&path) == Some(FileType::Directory) {
                    ahead.push(path);
                }
            }
        }
        found.iter().take(ENTRY_LIMIT).cloned().collect()
    }

    /// The names in a directory.
    fn names(&mut self, relative: &Path) -> Option<Vec<OsString>> {
        let found = self.find(relative)?;
        let directory = Dir::new(open_listed(found.at, found.name).ok()?).ok()?;
        let names = directory.flatten().map(|entry| {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            name.to_owned()
        });
        let names = names.filter(|name| name != "." && name != "..");
        Some(names.take(ENTRY_LIMIT).collect())
    }

    /// Finds an entry on the file system of the place.
    fn find(&mut self, relative: &Path) -> Option<Found<'_>> {
        // Without a final slash where the relative path is empty.
        let path: PathBuf = self
            .name
            .components()
            .chain(relative.components())
            .collect();
        let (parent, name) = (path.parent()?, path.file_name()?.to_owned());
        if self.last.0 != parent {
            self.last = (parent.to_owned(), self.walk(parent));
        }
        let at = match parent.as_os_str().is_empty() {
            true => self.place.directory.as_fd(),
            false => self.last.1.as_ref()?.as_fd(),
        };
        let stat = look(at, Path::new(&name)).ok()?;
        self.is_here(&stat).then_some(Found { at, name, stat })
    }

    /// Opens a directory on the file system of the place.
    fn walk(&self, path: &Path) -> Option<OwnedFd> {
        let mut at: Option<OwnedFd> = None;
        for part in path.iter() {
            let from = at.as_ref().unwrap_or(&self.place.directory);
            let opened = open_searched(from, part).ok()?;
            if !self.is_here(&look(&opened, Path::new("")).ok()?) {
                return None;
            }
            at = Some(opened);
        }
        at
    }

    fn is_here(&self, stat: &Statx) -> bool {
        self.device == Some(device(stat)) && !is_mount_point(stat)
    }
}

fn device(stat: &Statx) -> (u32, u32) {
    (stat.stx_dev_major, stat.stx_dev_minor)
}
