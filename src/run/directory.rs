//! The working directory. It is given up once nothing needs it any more, so that its file system
//! can be unmounted.

use super::EventLoop;
use super::plan::Plan;
use crate::hook::spec::HookAction;
use crate::protocol::item::{Part, parts};
use crate::readiness::spec::ReadyOn;
use crate::supervisor::rules::Restart;
use std::path::Path;

impl EventLoop<'_> {
    /// Gives up the working directory if CMD runs and nothing needs it any more.
    pub(super) fn release_directory(&mut self) {
        let is_awaiting_readiness = self.command.readiness.is_some();
        if self.holds_directory
            && self.command.is_running()
            && !needs_directory(self.plan, is_awaiting_readiness)
        {
            // Where it is refused, the file system cannot be unmounted yet.
            let _ = rustix::process::chdir("/");
            self.holds_directory = false;
        }
    }
}

/// Whether a program may be started, which gets the working directory, or a relative path may be
/// opened again. CMD runs.
fn needs_directory(plan: &Plan, is_awaiting_readiness: bool) -> bool {
    let exit_dir = plan.exit_dir.as_ref();
    let is_relative = |path: &Path| path.is_relative() && !path.as_os_str().is_empty();
    let mut actions = plan.pre_stop.iter().chain(&plan.on_exit);
    plan.rules.restart != Restart::Never
        || actions.any(|action| matches!(action, HookAction::Exec(_)))
        || plan.management.is_needed()
        || is_relative(&plan.termination_log)
        || exit_dir.is_some_and(|options| is_relative(options.dir.path()))
        || parts(&plan.death_deps)
            .any(|part| matches!(part, Part::Source(source) if source.has_relative_path()))
        || is_awaiting_readiness && is_readiness_relative(&plan.ready_on)
}

fn is_readiness_relative(ready_on: &ReadyOn) -> bool {
    match ready_on {
        ReadyOn::Exec(_) => true,
        ReadyOn::Source(source) => source.has_relative_path(),
        ReadyOn::Start | ReadyOn::Signal | ReadyOn::Notify(_) | ReadyOn::Descriptor(_) => false,
    }
}
