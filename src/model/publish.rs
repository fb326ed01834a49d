//! The steps by which a tombstone is published and added to.

use super::kernel::Actor;
use super::process::{Caller, Execution};
use super::reader::Mount;
use super::records::{LeaderText, signaller_tombstone};
use super::steps::{Step, StepResult};
use super::world::World;
use crate::protocol::life::{Life, WriteState};
use crate::protocol::tombstone::Tombstone;

impl World {
    /// Takes one step. `execution` is where it leaves its caller.
    pub(super) fn perform(
        &mut self,
        caller: Caller,
        step: Step,
        execution: &mut Execution,
    ) -> StepResult {
        let result = self.result(caller, step, execution);
        if result == StepResult::Done {
            execution.position += 1;
        }
        result
    }

    fn result(&mut self, caller: Caller, step: Step, execution: &mut Execution) -> StepResult {
        let kernel = &mut self.kernel;
        let actor = caller.actor;
        let file = execution.file.unwrap_or(0);
        match step {
            Step::OpenStaging => {
                let (file, has_created) = kernel.open_staging(actor);
                execution.file = Some(file);
                execution.has_created = has_created;
                StepResult::Done
            }
            Step::LockStaging if kernel.lock(file, actor) => StepResult::Done,
            Step::LockStaging => StepResult::Refused,
            Step::CompareStaging if kernel.staging == Some(file) => StepResult::Done,
            Step::CompareStaging => {
                // It was renamed or removed between the open and the lock.
                self.close(execution, actor);
                StepResult::StartOver
            }
            Step::ClearStaging if execution.has_created => {
                execution.has_created = false;
                StepResult::Done
            }
            Step::ClearStaging => {
                self.remove_staging(execution, actor);
                self.close(execution, actor);
                StepResult::StartOver
            }
            Step::OpenName => {
                execution.other = kernel.name;
                StepResult::Done
            }
            Step::QueryNameLock => self.query_name_lock(actor, execution),
            Step::CompareTarget if kernel.name == execution.other => StepResult::Done,
            Step::CompareTarget => {
                self.remove_staging(execution, actor);
                self.close(execution, actor);
                StepResult::StartOver
            }
            Step::Rename if kernel.rename() => StepResult::Done,
            Step::Rename => StepResult::Failed,
            Step::CompareName if kernel.name == Some(file) => StepResult::Done,
            Step::CompareName => StepResult::Failed,
            Step::ReadOwn if Tombstone::parse(&kernel.files[file].text).died.is_some() => {
                StepResult::AlreadyDead
            }
            Step::ReadOwn => StepResult::Done,
            Step::ReadOld
            | Step::CompareOld
            | Step::ReadOldAgain
            | Step::CarryOver
            | Step::MarkReplaced
            | Step::CloseOld => self.replacement_result(caller, step, execution),
            Step::Fill
            | Step::FillUnready
            | Step::WriteBorn
            | Step::WriteReady
            | Step::WriteDeath
            | Step::WriteDeathDiedFirst => self.write_record(caller, step, execution),
        }
    }

    fn query_name_lock(&mut self, actor: Actor, execution: &mut Execution) -> StepResult {
        let Some(other) = execution.other.take() else {
            return StepResult::Done;
        };
        let lock = self.kernel.files[other].lock;
        self.kernel.unlock(other, actor);
        if lock.is_some_and(|holder| holder != actor) {
            StepResult::Refused
        } else {
            StepResult::Done
        }
    }

    fn write_record(&mut self, caller: Caller, step: Step, execution: &Execution) -> StepResult {
        let file = execution.file.unwrap_or(0);
        // Only the first half of a write is composed. The kernel keeps the second half.
        let record = match (caller.actor, caller.announcement) {
            (Actor::Leader(at), _) => {
                let text = LeaderText {
                    leader: at,
                    inode: file,
                    before: self.text_before(step, execution),
                };
                text.record(step)
            }
            (_, Some(announcement)) => {
                signaller_tombstone(announcement, self.text_before(step, execution).as_ref())
            }
            (_, None) => String::new(),
        };
        let kernel = &mut self.kernel;
        if matches!(step, Step::Fill | Step::FillUnready) {
            kernel.file(file).life = match caller.actor {
                Actor::Leader(at) => Some(at),
                _ => None,
            };
        }
        let record = after_last_line(&kernel.files[file].text, &record);
        kernel.write(file, caller.actor, record.as_bytes()).into()
    }

    /// What the file says that a new one takes the place of: the life before this one, or the same
    /// life. Nothing but a signaller writes to it after its lock was found free, so it does not
    /// matter that it is read only here.
    fn text_before(&self, step: Step, execution: &Execution) -> Option<Life> {
        let file = match step {
            Step::Fill => self.kernel.name,
            Step::FillUnready => execution.old.as_ref().map(|old| old.file),
            _ => None,
        };
        let file = file.filter(|file| execution.file != Some(*file))?;
        let text = &self.kernel.files[file].text;
        let lock = self.lock_state(file, text, Mount::LOCAL);
        let tombstone = Tombstone::parse(text);
        Some(Life::judge(tombstone, lock, WriteState::Settled))
    }
}

/// As `compose_append` does: a killed process may have left half a line.
pub(super) fn after_last_line(text: &[u8], record: &str) -> String {
    let start = if text.last().is_some_and(|last| *last != b'\n') {
        "\n"
    } else {
        ""
    };
    format!("{start}{record}")
}
