//! Sticky directories (`/tmp`, or a volume in memory). There only the owner of a file, or of the
//! directory, can replace or remove the file (unlink(2)), so containers of different users cannot
//! share one. Directories that [`ExitDir::create`] makes are not sticky.

use crate::error::{Error, escaped, sticky_remedy};
#[cfg(feature = "cli")]
use crate::protocol::name::Name;
#[cfg(feature = "cli")]
use crate::sorted::sorted;
use crate::store::exit_dir::ExitDir;
use rustix::fs::Mode;
use rustix::io::Errno;

impl ExitDir {
    /// The error for an entry that could not be replaced or removed, if it belongs to another user
    /// and the directory is sticky. `errno` is what the system call has answered.
    pub(super) fn sticky_error(
        &self,
        action: &'static str,
        entry: &str,
        errno: Errno,
    ) -> Option<Error> {
        if !matches!(errno, Errno::PERM | Errno::ACCESS) || !self.protects_files() {
            return None;
        }
        let owner = self.foreign_owner(entry)?;
        let path = self.entry(entry);
        Some(Error::Sticky {
            action,
            path,
            owner,
        })
    }

    /// A notice for people, if the directory is sticky and has a tombstone of another user. Nothing
    /// has failed yet.
    pub(crate) fn sticky_notice(&self) -> Option<String> {
        if !self.protects_files() {
            return None;
        }
        let names = self.names().ok()?;
        let mut foreign = names.iter().filter_map(|name| {
            let owner = self.foreign_owner(name.as_str())?;
            Some((self.entry(name.as_str()), owner))
        });
        let (path, owner) = foreign.next()?;
        Some(format!(
            "{} belongs to uid {owner}, so uid {} cannot replace it: {}",
            escaped(&path.to_string_lossy()),
            own_user(),
            sticky_remedy(self.path())
        ))
    }

    /// The users whose tombstones are in the directory, if it is sticky. They cannot replace each
    /// other's.
    #[cfg(feature = "cli")]
    pub(crate) fn users_if_sticky(&self) -> Vec<u32> {
        let stat = self.handle().and_then(rustix::fs::fstat);
        let is_sticky =
            |stat: rustix::fs::Stat| Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX);
        if !stat.is_ok_and(is_sticky) {
            return Vec::new();
        }
        let names = self.names().unwrap_or_default().into_iter();
        let owner = |name: Name| self.stat(name.as_str()).ok().map(|stat| stat.st_uid);
        let mut users = sorted(names.filter_map(owner).collect());
        users.dedup();
        users
    }

    /// Whether the directory is sticky and of another user.
    fn protects_files(&self) -> bool {
        let dir = self.handle();
        dir.and_then(rustix::fs::fstat).is_ok_and(|stat| {
            Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX) && stat.st_uid != own_user()
        })
    }

    /// The owner of an entry, if that is another user.
    fn foreign_owner(&self, entry: &str) -> Option<u32> {
        let stat = self.stat(entry).ok()?;
        (stat.st_uid != own_user()).then_some(stat.st_uid)
    }
}

fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
