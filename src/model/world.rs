//! The directory and all processes at one moment.

use super::kernel::{Actor, Inode, Kernel};
use super::process::{Execution, Follower, Leader, Signaller};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) kernel: Kernel,
    pub(super) leaders: Vec<Leader>,
    pub(super) signaller: Option<Signaller>,
    pub(super) follower: Option<Follower>,
    pub(super) neighbour_writes: usize,
}

/// A step as it stands in a trace.
pub(super) type Transition = (Actor, &'static str);
/// The worlds that one step leads to.
pub(super) type Successors = Vec<(Transition, World)>;

impl World {
    /// A process that gives up removes the staging file while it holds its lock.
    pub(super) fn remove_staging(&mut self, execution: &Execution, actor: Actor) {
        let holds = |file: Inode| self.kernel.files[file].lock == Some(actor);
        if execution.file.is_some_and(holds) {
            self.kernel.staging = None;
        }
    }

    pub(super) fn close(&mut self, execution: &mut Execution, actor: Actor) {
        if let Some(file) = execution.file.take() {
            self.kernel.unlock(file, actor);
            self.kernel.notify_close(file);
        }
    }
}
