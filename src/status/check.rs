//! `exitdir-status --check`: what is wrong with an exit directory, and what to do.
//!
//! It does what a start would do: it creates, locks and removes a staging file, and arms a watch.

use super::findings::{KnownLife, SHOWN, dependency_findings, limited, list};
use crate::error::{Error, describe, escaped, sticky_remedy};
use crate::protocol::life::{Life, LockState};
use crate::protocol::name::Name;
use crate::protocol::tombstone::Lock;
use crate::store::exit_dir::ExitDir;
use crate::store::publish::PendingTombstone;
use crate::watch::dir_watch::{DirWatch, WatchFault};
use rustix::io::Errno;
use std::io::ErrorKind;

/// No life of exitdir-run has this name.
const PROBE_NAME: &str = "exitdir~check";
/// How many lives are examined: as many as a watch without names tracks.
const LIVES_LIMIT: usize = 4096;

/// What a check has found.
pub(crate) struct DirCheck {
    /// One sentence each.
    pub(crate) findings: Vec<String>,
    /// How many lives were examined.
    pub(crate) lives: usize,
}

/// Checks a directory. `own` is the life that this process belongs to.
pub(crate) fn check(dir: &ExitDir, own: Option<&Name>) -> DirCheck {
    let path = shown_path(dir);
    let mut result = DirCheck {
        findings: Vec::new(),
        lives: 0,
    };
    if let Err(errno) = dir.identity() {
        result.findings.push(unusable(&path, errno));
        return result;
    }
    if let Some(finding) = descriptor_finding(dir, &path) {
        result.findings.push(finding);
        return result;
    }
    result.findings.extend(write_finding(dir, &path));
    result.findings.extend(watch_finding(dir, &path));
    result.findings.extend(sticky_finding(dir, &path));
    match CheckedLives::of(dir) {
        Ok(checked) => {
            result.lives = checked.lives.len();
            result.findings.extend(checked.findings(&path, own));
        }
        Err(error) => result.findings.push(error.to_string()),
    }
    result
}

fn shown_path(dir: &ExitDir) -> String {
    escaped(&dir.path().to_string_lossy())
}

fn unusable(path: &str, errno: Errno) -> String {
    match errno {
        Errno::NOENT => format!(
            "{path} does not exist: no life has begun here; mount the volume in this container, \
             and set EXIT_DIR to the same directory in all of them"
        ),
        errno => format!("cannot use {path}: {}", describe(&errno.into())),
    }
}

/// Tries to open as many files at once as the other tries do. So what these find is no lack of
/// descriptors: inotify_init(2) gives the same error for a lack of instances.
fn descriptor_finding(dir: &ExitDir, path: &str) -> Option<String> {
    let errno = match dir.handle() {
        Ok(handle) => {
            let files = [(); 2].map(|()| rustix::io::dup(&handle));
            files.into_iter().find_map(Result::err)?
        }
        Err(errno) => Some(errno).filter(|errno| *errno == Errno::MFILE)?,
    };
    let reason = describe(&errno.into());
    Some(format!(
        "cannot check {path}: {reason}; raise the limit of open files (ulimit -n)"
    ))
}

/// Tries what a start does first. Its file is hidden, so readers ignore it.
fn write_finding(dir: &ExitDir, path: &str) -> Option<String> {
    let name = Name::from_file_name(PROBE_NAME)?;
    match PendingTombstone::acquire(dir, &name) {
        Ok(pending) => (pending.lock_line() == Lock::Unavailable).then(|| {
            format!(
                "cannot lock files in {path}: a life that is killed is not noticed; use a file \
                 system with locks, such as an emptyDir"
            )
        }),
        // Another check uses it.
        Err(error) if error.is_name_in_use() => None,
        // The directory is there: no file system of this kind lets files be created.
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Some(format!(
            "{path} cannot hold files: use a directory of another file system, such as an emptyDir"
        )),
        // Said of a directory that has the name of the file: lives can begin.
        Err(Error::Io { source, .. }) if source.kind() != ErrorKind::IsADirectory => {
            let user = rustix::process::geteuid().as_raw();
            let remedy = match Errno::from_io_error(&source) {
                Some(Errno::ROFS) => "mount the volume without readOnly",
                Some(Errno::ACCESS | Errno::PERM) => {
                    "give it mode 0777, or set EXIT_DIR to a directory that exitdir creates"
                }
                _ => "no life can begin here",
            };
            let reason = describe(&source);
            Some(format!(
                "{path} is not writable for uid {user}: {reason}; {remedy}"
            ))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// Tries to watch the directory.
fn watch_finding(dir: &ExitDir, path: &str) -> Option<String> {
    match DirWatch::new(None).arm(dir)? {
        WatchFault::NoInotify(errno) => {
            let user = rustix::process::geteuid().as_raw();
            let remedy = match errno {
                Errno::MFILE => format!(
                    "uid {user} has no inotify instance left; raise the sysctl \
                     fs.inotify.max_user_instances"
                ),
                Errno::NOSPC => format!(
                    "uid {user} has no inotify watch left; raise the sysctl \
                     fs.inotify.max_user_watches"
                ),
                errno => describe(&errno.into()),
            };
            Some(format!("cannot watch {path}, only poll it: {remedy}"))
        }
        WatchFault::DirectoryGone | WatchFault::DirectoryBack => None,
    }
}

fn sticky_finding(dir: &ExitDir, path: &str) -> Option<String> {
    let users = dir.users_if_sticky();
    (users.len() > 1).then(|| {
        let users: Vec<String> = users.iter().take(SHOWN).map(u32::to_string).collect();
        format!(
            "{path} has tombstones of uid {}, which cannot replace each other's: {}",
            users.join(", "),
            sticky_remedy(dir.path())
        )
    })
}

/// What is known of the lives of a directory.
#[derive(Default)]
struct CheckedLives {
    /// Sorted by name.
    lives: Vec<KnownLife>,
    has_more: bool,
    unread: Vec<String>,
    /// The names of tombstones of an earlier boot.
    old: Vec<String>,
    /// Those of lives whose lock shows nothing.
    unseen: Vec<String>,
}

impl CheckedLives {
    fn of(dir: &ExitDir) -> Result<CheckedLives, Error> {
        let names = dir.names()?;
        let mut checked = CheckedLives {
            has_more: names.len() > LIVES_LIMIT,
            ..CheckedLives::default()
        };
        for name in names.into_iter().take(LIVES_LIMIT) {
            match dir.read_current(&name) {
                Ok(Some((_, snapshot))) => {
                    let writing = snapshot.write_state();
                    let lock = snapshot.lock;
                    let life = Life::judge(*snapshot.tombstone, lock, writing);
                    checked.add(name, &life, lock, dir.boot_id());
                }
                Ok(None) => {}
                Err(error) => checked.unread.push(error.to_string()),
            }
        }
        Ok(checked)
    }

    fn add(&mut self, name: Name, life: &Life, lock: LockState, boot: Option<&str>) {
        match &life.tombstone.lock {
            Some(Lock::Fcntl(taken)) if boot.is_some_and(|boot| boot != taken.boot) => {
                self.old.push(escaped(name.as_str()));
            }
            Some(_) if life.is_alive() && lock == LockState::Unknown => {
                self.unseen.push(escaped(name.as_str()));
            }
            Some(_) | None => {}
        }
        self.lives.push(KnownLife::new(name, life));
    }

    fn findings(self, path: &str, own: Option<&Name>) -> Vec<String> {
        let mut findings = Vec::new();
        let mut others = self.lives.iter().filter(|life| Some(&life.name) != own);
        let least = if own.is_some() { 1 } else { 2 };
        if others.by_ref().take(least).count() < least {
            findings.push(format!(
                "{path} holds no other life: mount the same volume in every container, and set \
                 EXIT_DIR to the same directory"
            ));
        }
        findings.extend((!self.old.is_empty()).then(|| {
            format!(
                "{path} has tombstones of an earlier boot ({}): remove them before the start, with \
                 exitdir-install --sweep or --sweep-unfinished",
                list(&self.old)
            )
        }));
        findings.extend((!self.unseen.is_empty()).then(|| {
            format!(
                "the locks of {} cannot be seen through {path}: if one of them is killed, it is \
                 not noticed; use the same mount in all containers, on a file system with locks",
                list(&self.unseen)
            )
        }));
        findings.extend(self.has_more.then(|| {
            format!(
                "{path} has more than {LIVES_LIMIT} files: the others do not count; remove them"
            )
        }));
        findings.extend(limited(&mut self.unread.into_iter()));
        findings.extend(dependency_findings(&self.lives));
        findings
    }
}
