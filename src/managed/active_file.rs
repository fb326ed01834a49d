//! The file that must exist while the command runs (`--active-while`).

use super::update::ManagedUpdate;
use super::watch_set::{Destination, WatchSet};
use crate::error::describe;
use rustix::io::Errno;
use std::path::Path;

/// The file, and what is known about it.
pub(super) struct ActiveFile<'p> {
    /// `None` if the command may always run.
    path: Option<&'p Path>,
    is_active: bool,
}

impl<'p> ActiveFile<'p> {
    pub(super) fn new(path: Option<&'p Path>) -> ActiveFile<'p> {
        ActiveFile {
            path,
            is_active: true,
        }
    }

    /// Looks for the file, and adds to `watch_set` what must be watched for it. `is_first` says
    /// that no configuration was applied yet.
    pub(super) fn scan(
        &mut self,
        watch_set: &mut WatchSet,
        is_first: bool,
        update: &mut ManagedUpdate,
    ) {
        let Some(path) = self.path else {
            return;
        };
        watch_set.begin_source();
        watch_set.add_route(Path::new("."), path, Destination::ActiveFile);
        match exists(path) {
            Ok(is_active) if is_active == self.is_active => {}
            Ok(is_active) => {
                self.is_active = is_active;
                update.active = Some(is_active);
            }
            Err(errno) => {
                let because = describe(&errno.into());
                let sentence = format!("cannot check whether {} exists: {because}", path.display());
                update.warnings_once.push(sentence);
                // A running command goes on; a command is not started on a guess.
                if is_first && self.is_active {
                    self.is_active = false;
                    update.active = Some(false);
                }
            }
        }
    }
}

fn exists(path: &Path) -> Result<bool, Errno> {
    match rustix::fs::stat(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(errno),
    }
}
