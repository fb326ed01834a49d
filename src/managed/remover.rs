//! Removes what is not needed any more in a worker process, because an old tree can be large: old
//! versions of copies, and what killed processes have left beside a target.
//!
//! Nothing waits for it. What is left at the end of the life, the next start removes.

use super::place::{MissingParent, Place};
use super::staging::{self, Staging};
use crate::process::worker::WorkerProcess;
use rustix::io::Errno;
use rustix::process::Pid;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// Entries of a staging directory that are visited in the event loop: to start a worker takes
/// longer.
const STEPS: u32 = 64;

/// What is to be removed, and the worker that does it. Dropping the value kills it.
#[derive(Default)]
pub(super) struct Remover {
    /// Dropped first: the directories are removed after it.
    worker: Option<WorkerProcess>,
    /// Targets beside which left-over staging directories are removed.
    targets: Vec<PathBuf>,
    staging: Vec<Staging>,
    /// As many of the first in `staging` are being removed.
    in_work: usize,
    /// The worker was killed, so its work is not done.
    is_interrupted: bool,
}

impl Remover {
    /// Removes what killed processes have left beside a target.
    pub(super) fn sweep(&mut self, target: &Path) {
        self.targets.push(target.to_owned());
    }

    /// Removes a staging directory: at once if there is little in it.
    pub(super) fn remove(&mut self, staging: Staging) {
        if !staging.remove_within(STEPS) {
            self.staging.push(staging);
        }
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        self.worker.as_ref().map(WorkerProcess::pid)
    }

    /// A child that is not the command was reaped: perhaps the worker. One that has failed is not
    /// repeated.
    pub(super) fn reaped(&mut self, pid: Pid) {
        if self.pid() == Some(pid) {
            self.worker = None;
            if std::mem::take(&mut self.is_interrupted) {
                return;
            }
            self.targets.clear();
            // Nothing else can remove what is left.
            self.staging.drain(..self.in_work).for_each(Staging::leave);
        }
    }

    /// Kills the worker. Another one starts once it has ended.
    pub(super) fn interrupt(&mut self) {
        if let Some(worker) = &self.worker {
            worker.kill();
            self.is_interrupted = true;
        }
    }

    /// Starts a worker if there is work for it and none runs.
    ///
    /// # Errors
    /// No process can be started now.
    pub(super) fn poll(&mut self) -> Result<(), Errno> {
        let has_work = !(self.staging.is_empty() && self.targets.is_empty());
        if self.worker.is_some() || !has_work {
            return Ok(());
        }
        let fds = self.staging.iter().flat_map(Staging::descriptors);
        let kept: Vec<BorrowedFd<'_>> = fds.collect();
        let mut work = |_: BorrowedFd<'_>| {
            self.staging.iter().for_each(Staging::remove);
            let places = self
                .targets
                .iter()
                .map(|target| Place::open(target, MissingParent::Refuse));
            places.flatten().for_each(|place| staging::sweep(&place));
        };
        self.worker = Some(WorkerProcess::start(&kept, &mut work)?);
        self.in_work = self.staging.len();
        Ok(())
    }
}
