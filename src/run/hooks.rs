//! The hooks that run beside CMD, as a source of events, and what a hook learns about the life.

use super::event_source::{EventSource, Helpers};
use crate::exit::ExitStatus;
use crate::hook::{Hook, HookVariables};
use crate::protocol::death_deps::StopCause;
use crate::protocol::tombstone::Reason;
use crate::supervisor::outcome::{EndReason, FinalStatus, StopReason};
use rustix::event::PollFd;
use rustix::process::Pid;
use std::time::Instant;

/// The hooks that run beside CMD.
#[derive(Default)]
pub(super) struct Hooks<'p> {
    pub(super) pre_stop: Option<Hook<'p>>,
    pub(super) on_config: Option<Hook<'p>>,
    /// A newer configuration was installed while `--on-config` runs.
    pub(super) is_outdated: bool,
    /// What has changed since `--on-config` was run, or since CMD was started.
    pub(super) changes: Vec<String>,
    /// Processes of hooks that were ended, and that were not reaped yet.
    ending: Vec<Pid>,
}

impl Hooks<'_> {
    pub(super) fn end_pre_stop(&mut self) {
        if let Some(hook) = self.pre_stop.take() {
            self.ending.extend(hook.helpers());
        }
    }

    /// CMD has ended, and with it the reason for what runs beside it.
    pub(super) fn end_on_config(&mut self) {
        self.is_outdated = false;
        self.changes.clear();
        if let Some(hook) = self.on_config.take() {
            self.ending.extend(hook.helpers());
        }
    }

    fn both(&self) -> impl Iterator<Item = &Hook<'_>> {
        self.pre_stop.iter().chain(&self.on_config)
    }
}

impl EventSource for Hooks<'_> {
    fn interests(&self) -> Vec<PollFd<'_>> {
        self.both().flat_map(Hook::interests).collect()
    }

    fn deadline(&self, _: Helpers) -> Option<Instant> {
        self.both().filter_map(Hook::deadline).min()
    }

    fn helpers(&self) -> Vec<Pid> {
        let mut helpers = self.ending.clone();
        helpers.extend(self.both().flat_map(Hook::helpers));
        helpers
    }

    fn reaped(&mut self, pid: Pid, status: Option<ExitStatus>) {
        self.ending.retain(|ending| *ending != pid);
        let hooks = self.pre_stop.iter_mut().chain(&mut self.on_config);
        hooks.for_each(|hook| hook.reaped(pid, status));
    }
}

/// What a hook learns about a stop that exitdir-run begins.
pub(super) fn of_stop(reason: &StopReason) -> HookVariables {
    match reason {
        StopReason::Dependency(cause) => with_cause(Reason::Stopped, Some(cause)),
        StopReason::RunTimeout => with_cause(Reason::Timeout, None),
        StopReason::Missing => with_cause(Reason::Missing, None),
        StopReason::Deactivated | StopReason::Reconfigured => HookVariables::new(),
    }
}

/// What a hook learns about the end of the life.
pub(super) fn of_end(last: &FinalStatus) -> HookVariables {
    let cause = match &last.end_reason {
        EndReason::Stopped(StopReason::Dependency(cause))
        | EndReason::NotStarted(cause)
        | EndReason::NotRestarted(cause) => Some(cause),
        EndReason::CommandEnded(_)
        | EndReason::Stopped(_)
        | EndReason::BirthTimeout
        | EndReason::Missing
        | EndReason::Interrupted(_)
        | EndReason::StartFailed(_) => None,
    };
    let mut variables = with_cause(last.reason, cause);
    variables.push(("EXITDIR_STATUS", last.code.to_string()));
    variables
}

fn with_cause(reason: Reason, cause: Option<&StopCause>) -> HookVariables {
    let mut variables = vec![("EXITDIR_REASON", reason.as_str().to_owned())];
    variables.extend(cause.map(|cause| ("EXITDIR_CAUSE", cause.cause.name.to_string())));
    variables
}
