//! Starting the hooks that run beside CMD, and handing their ends to the machine.

use super::EventLoop;
use super::hooks::of_stop;
use crate::hook::{Hook, HookVariables};
use crate::managed::spec::ConfigItem;
use crate::managed::update::ChangeKind;
use crate::supervisor::event::Event;
use crate::supervisor::outcome::StopReason;

/// In a list of changes with more lines than this, some may be there twice.
const REPEATED: usize = 1_000;
/// Bytes of a list of changes.
const CHANGES_SIZE: usize = 512 << 10;

impl EventLoop<'_> {
    pub(super) fn run_pre_stop(&mut self, reason: Option<&StopReason>) {
        let variables = reason.map_or_else(HookVariables::new, of_stop);
        let hook = Hook::new("--pre-stop", &self.plan.pre_stop, variables);
        self.hooks.pre_stop = Some(hook);
    }

    /// A newer configuration does not end the actions for an older one: they run once more.
    pub(super) fn run_on_config(&mut self) {
        if self.hooks.on_config.is_some() {
            self.hooks.is_outdated = true;
            return;
        }
        let mut changes = std::mem::take(&mut self.hooks.changes);
        changes.push(String::new());
        let hook = Hook::new("--on-config", &self.plan.on_config, HookVariables::new());
        self.hooks.on_config = Some(hook.with_input(changes.join("\n")));
    }

    /// Notes what has changed, if a program learns of it. When that is too much, each source or
    /// copy as a whole stands for it.
    pub(super) fn note_changes(&mut self, changes: Vec<String>) {
        let management = &self.plan.management;
        if !management.lists_changes || !self.command.is_running() {
            return;
        }
        let all = &mut self.hooks.changes;
        for line in changes {
            // A comparison with a long list would take long.
            if all.len() > REPEATED || !all.contains(&line) {
                all.push(line);
            }
        }
        if all.iter().map(String::len).sum::<usize>() > CHANGES_SIZE {
            let whole = |item: &ConfigItem| {
                let path = item.usage.target().unwrap_or(&item.source);
                ChangeKind::Modified.line(path)
            };
            *all = management.items.iter().map(whole).collect();
        }
    }

    pub(super) fn poll_hooks(&mut self) {
        if let Some(hook) = &mut self.hooks.on_config {
            let update = hook.poll(self.signals);
            self.report_failures(&update.failures);
            if update.is_over {
                self.hooks.on_config = None;
                if std::mem::take(&mut self.hooks.is_outdated) {
                    self.run_on_config();
                }
            }
        }
        if let Some(hook) = &mut self.hooks.pre_stop {
            let update = hook.poll(self.signals);
            self.report_failures(&update.failures);
            if update.is_over {
                self.hooks.pre_stop = None;
                self.dispatch(Event::PreStopOver);
            }
        }
    }

    fn report_failures(&self, failures: &[String]) {
        failures.iter().for_each(|why| self.reporter.error(why));
    }
}
