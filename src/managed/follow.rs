//! Finds the entries of a source, step by step from a directory that is held open, and decides
//! which symbolic links count.
//!
//! A link costs nothing to make, and whoever makes it need not be able to read what it leads to. So
//! a link that leads out of the source counts only if its owner could have put the content there
//! itself: root, our own user, or the owner of what it leads to. Each step is made from the
//! descriptor of the step before, so what was judged is what is read.

use super::exclusion::Exclusion;
use crate::store::file_id::FileId;
use rustix::fs::{CWD, Dir as DirStream, FileType, Mode, OFlags, PROC_SUPER_MAGIC, Stat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};
use std::rc::Rc;

/// As many links as the kernel follows (path_resolution(7)).
const LINK_LIMIT: usize = 40;
/// Steps on the way to one entry.
const STEP_LIMIT: usize = 1024;
/// Bytes in all paths of a source together.
pub(super) const PATHS_LIMIT: usize = 2 << 20;

/// A directory, and the way back up from it. The kernel's `..` would lead elsewhere once another
/// process moves the directory.
struct Dir {
    fd: OwnedFd,
    id: FileId,
    /// The directory that contains it, and its name there.
    above: Option<(Rc<Dir>, OsString)>,
}

/// The links on the way to a place.
#[derive(Clone, Debug, Default)]
struct Trail {
    /// The way leads out of the source.
    is_outside: bool,
    /// Links whose owner is neither root nor our own user: owner and name.
    foreign: Vec<(u32, OsString)>,
}

/// Where a walk begins: the source itself, if that is a directory.
struct Root {
    dir: Rc<Dir>,
    is_outside: bool,
}

/// What a path leads to.
pub(super) struct SourceEntry {
    root: Option<Rc<Root>>,
    /// The directory that it is, or that contains it.
    dir: Rc<Dir>,
    /// For what is no directory: its name, and a descriptor that keeps its inode in use.
    leaf: Option<(OsString, OwnedFd)>,
    trail: Trail,
    pub(super) stat: Stat,
}

/// Why nothing can be found.
#[derive(Hash)]
pub(super) enum FollowError {
    Errno(Errno),
    /// A link does not count: why.
    Refused(String),
}

impl From<Errno> for FollowError {
    fn from(errno: Errno) -> FollowError {
        FollowError::Errno(errno)
    }
}

impl SourceEntry {
    /// What the path of a source leads to; `None` if nothing exists. Links on the way were named by
    /// the author of the path, except where others may write.
    pub(super) fn of_source(path: &Path) -> Result<Option<SourceEntry>, FollowError> {
        let walk = Walk {
            root: None,
            at: Dir::open(CWD, OsStr::new("."))?,
            trail: Trail {
                is_outside: true,
                foreign: Vec::new(),
            },
            ahead: Vec::new(),
            links: 0,
        };
        let Some(mut place) = existing(walk.follow(path))? else {
            return Ok(None);
        };
        place.trail.is_outside = !place.trail.foreign.is_empty();
        if place.leaf.is_none() {
            let fd = rustix::io::fcntl_dupfd_cloexec(&place.dir.fd, 0)?;
            let id = place.dir.id;
            place.dir = Rc::new(Dir {
                fd,
                id,
                above: None,
            });
            let (dir, is_outside) = (Rc::clone(&place.dir), place.trail.is_outside);
            place.root = Some(Rc::new(Root { dir, is_outside }));
        }
        Ok(Some(place))
    }

    /// Another handle on a directory.
    pub(super) fn directory(&self) -> SourceEntry {
        SourceEntry {
            root: self.root.clone(),
            dir: Rc::clone(&self.dir),
            leaf: None,
            trail: self.trail.clone(),
            stat: self.stat,
        }
    }

    /// What a path leads to that begins in this directory; `None` if nothing exists.
    pub(super) fn entry(&self, path: &Path) -> Result<Option<SourceEntry>, FollowError> {
        let walk = Walk {
            root: self.root.clone(),
            at: Rc::clone(&self.dir),
            trail: self.trail.clone(),
            ahead: Vec::new(),
            links: 0,
        };
        existing(walk.follow(path))
    }

    /// Opens a file for reading. `None` if its name does not lead to it any more, or if it is no
    /// regular file, or our own tombstone.
    pub(super) fn open(&self, exclusion: Exclusion<'_>) -> io::Result<Option<File>> {
        let Some((name, pinned)) = &self.leaf else {
            return Ok(None);
        };
        // NONBLOCK: opening a FIFO that has replaced the file must not block, nor must a lease. In
        // procfs the name may be a link.
        let mut flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        if !self.dir.is_in_proc() {
            flags |= OFlags::NOFOLLOW;
        }
        let file = rustix::fs::openat(&self.dir.fd, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        if exclusion.is_own_tombstone(&stat) {
            // Closing it would drop the lock on it.
            std::mem::forget(file);
            return Ok(None);
        }
        let judged = FileId::of(&rustix::fs::fstat(pinned)?);
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok((is_file && judged == FileId::of(&stat)).then(|| file.into()))
    }

    /// The names in this directory, in any order. See [`names`].
    pub(super) fn names(&self, limit: usize) -> Result<Vec<OsString>, Errno> {
        let dir = &self.dir;
        let mut seen = 0;
        match (names(&dir.fd, Path::new("."), limit, &mut seen), &dir.above) {
            // Finding even `.` in a directory takes the right to search it. Its names need less.
            (Err(Errno::ACCESS), Some((above, name))) => {
                names(&above.fd, Path::new(name), limit, &mut seen)
            }
            (names, _) => names,
        }
    }
}

/// The entries of a directory that are not the kubelet's own, in any order. `seen` becomes how many
/// names were read for that, even if it fails.
///
/// # Errors
/// `E2BIG` if there are more than `limit`, `ENAMETOOLONG` if they are longer than [`PATHS_LIMIT`].
pub(super) fn names(
    at: impl AsFd,
    path: &Path,
    limit: usize,
    seen: &mut usize,
) -> Result<Vec<OsString>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(at, path, flags, Mode::empty())?;
    let (mut names, mut bytes) = (Vec::new(), 0);
    *seen = 0;
    for entry in DirStream::new(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        *seen += 1;
        bytes += name.len();
        // Room for `.`, `..`, and what the kubelet needs.
        if *seen > limit.saturating_add(8) {
            return Err(Errno::TOOBIG);
        }
        if bytes > PATHS_LIMIT {
            return Err(Errno::NAMETOOLONG);
        }
        if name != b"." && !name.starts_with(b"..") {
            names.push(OsString::from_vec(name.to_vec()));
        }
    }
    if names.len() > limit {
        return Err(Errno::TOOBIG);
    }
    Ok(names)
}

/// `None` if nothing exists. A link that leads nowhere counts as nothing: editors leave one beside
/// the file that is being edited.
fn existing(found: Result<SourceEntry, FollowError>) -> Result<Option<SourceEntry>, FollowError> {
    match found {
        Err(FollowError::Errno(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => Ok(None),
        found => found.map(Some),
    }
}

impl Dir {
    fn open(at: impl AsFd, path: &OsStr) -> Result<Rc<Dir>, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(at, path, flags, Mode::empty())?;
        let id = FileId::of(&rustix::fs::fstat(&fd)?);
        let above = None;
        Ok(Rc::new(Dir { fd, id, above }))
    }

    fn is_in_proc(&self) -> bool {
        rustix::fs::fstatfs(&self.fd).is_ok_and(|fs| fs.f_type == PROC_SUPER_MAGIC)
    }

    /// Whether a user who is neither root nor our own may make links in it.
    fn is_open_to_others(&self) -> bool {
        let is_open = |stat: Stat| is_foreign(stat.st_uid) || stat.st_mode & 0o022 != 0;
        rustix::fs::fstat(&self.fd).is_ok_and(is_open)
    }
}

fn is_foreign(uid: u32) -> bool {
    uid != 0 && uid != rustix::process::geteuid().as_raw()
}

/// A walk, as far as it has come.
struct Walk {
    root: Option<Rc<Root>>,
    at: Rc<Dir>,
    trail: Trail,
    /// The names on the way, the next one last.
    ahead: Vec<OsString>,
    links: usize,
}

impl Walk {
    fn follow(mut self, path: &Path) -> Result<SourceEntry, FollowError> {
        self.prepend(path)?;
        for _ in 0..STEP_LIMIT {
            let Some(name) = self.ahead.pop() else {
                let stat = rustix::fs::fstat(&self.at.fd)?;
                return self.end(None, stat);
            };
            if name == ".." {
                self.go_up()?;
                continue;
            }
            let (mut fd, mut stat) = self.look(&name, OFlags::NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                self.pass_link(stat.st_uid, &name)?;
                if !self.at.is_in_proc() {
                    let target = rustix::fs::readlinkat(&fd, "", Vec::new())?;
                    let target = OsString::from_vec(target.into_bytes());
                    self.prepend(Path::new(&target))?;
                    continue;
                }
                // The text of such a link may say nothing: /proc/PID/root is in another namespace.
                self.trail.is_outside = true;
                (fd, stat) = self.look(&name, OFlags::empty())?;
            }
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.enter(name, fd, &stat),
                _ if self.ahead.is_empty() => return self.end(Some((name, fd)), stat),
                _ => return Err(Errno::NOTDIR.into()),
            }
        }
        Err(Errno::NAMETOOLONG.into())
    }

    fn look(&self, name: &OsStr, flags: OFlags) -> Result<(OwnedFd, Stat), Errno> {
        let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.at.fd, name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        Ok((fd, stat))
    }

    /// Goes on with this path before what is ahead.
    fn prepend(&mut self, path: &Path) -> Result<(), Errno> {
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.ahead.push(name.to_owned()),
                Component::ParentDir => self.ahead.push(OsString::from("..")),
                Component::RootDir => {
                    self.trail.is_outside = true;
                    self.at = Dir::open(CWD, OsStr::new("/"))?;
                    self.come_back();
                }
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
        if self.ahead.len() > STEP_LIMIT {
            return Err(Errno::NAMETOOLONG);
        }
        Ok(())
    }

    fn go_up(&mut self) -> Result<(), Errno> {
        self.at = match &self.at.above {
            Some((above, _)) => Rc::clone(above),
            None => {
                self.trail.is_outside = true;
                Dir::open(&self.at.fd, OsStr::new(".."))?
            }
        };
        self.come_back();
        Ok(())
    }

    fn enter(&mut self, name: OsString, fd: OwnedFd, stat: &Stat) {
        let (id, above) = (FileId::of(stat), Some((Rc::clone(&self.at), name)));
        self.at = Rc::new(Dir { fd, id, above });
        self.come_back();
    }

    /// Notices that the walk is in the source again.
    fn come_back(&mut self) {
        if let Some(root) = self.root.as_ref().filter(|root| root.dir.id == self.at.id) {
            self.at = Rc::clone(&root.dir);
            self.trail.is_outside = root.is_outside;
        }
    }

    fn pass_link(&mut self, owner: u32, name: &OsStr) -> Result<(), Errno> {
        self.links += 1;
        if self.links > LINK_LIMIT {
            return Err(Errno::LOOP);
        }
        let counts = is_foreign(owner) && (self.root.is_some() || self.at.is_open_to_others());
        if counts && !self.trail.foreign.iter().any(|(known, _)| *known == owner) {
            self.trail.foreign.push((owner, name.to_owned()));
        }
        Ok(())
    }

    fn end(
        self,
        leaf: Option<(OsString, OwnedFd)>,
        stat: Stat,
    ) -> Result<SourceEntry, FollowError> {
        let mut foreign = self.trail.foreign.iter();
        let stranger = foreign.find(|(owner, _)| *owner != stat.st_uid);
        if let Some((uid, name)) = stranger.filter(|_| self.trail.is_outside) {
            let (name, owner) = (Path::new(name).display(), stat.st_uid);
            return Err(FollowError::Refused(format!(
                "the link {name} belongs to uid {uid}, and what it leads to belongs to uid {owner}; \
                 remove the link, or make it as uid {owner}"
            )));
        }
        Ok(SourceEntry {
            root: self.root,
            dir: self.at,
            leaf,
            trail: self.trail,
            stat,
        })
    }
}
