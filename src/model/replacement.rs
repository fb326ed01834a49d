//! The steps by which a leader replaces its own tombstone when its command goes down
//! (`OwnTombstone::replace`).

use super::process::{Caller, Execution, OldTombstone};
use super::publish::after_last_line;
use super::records::replaced_line;
use super::setup::Mutation;
use super::steps::{Step, StepResult};
use super::world::World;
use crate::protocol::tombstone::Tombstone;

impl World {
    /// Takes one of the steps that only a replacement has.
    pub(super) fn replacement_result(
        &mut self,
        caller: Caller,
        step: Step,
        execution: &mut Execution,
    ) -> StepResult {
        let kernel = &mut self.kernel;
        match step {
            Step::ReadOld => self.read_old(caller, execution),
            Step::CompareOld if kernel.name == execution.old.as_ref().map(|old| old.file) => {
                StepResult::Done
            }
            Step::CompareOld => {
                self.remove_staging(execution, caller.actor);
                self.close(execution, caller.actor);
                StepResult::Kept
            }
            Step::ReadOldAgain => {
                if let Some(old) = execution.old.as_mut() {
                    let text = committed(&kernel.files[old.file].text, caller.mutation);
                    old.rest = Some(text.get(old.accounted..).unwrap_or_default().to_vec());
                }
                StepResult::Done
            }
            Step::CarryOver => self.carry_over(caller, execution),
            Step::MarkReplaced => self.mark_replaced(caller, execution),
            Step::CloseOld => {
                if let Some(old) = execution.old.take() {
                    kernel.unlock(old.file, caller.actor);
                    kernel.notify_close(old.file);
                }
                StepResult::Done
            }
            _ => StepResult::Done,
        }
    }

    fn carry_over(&mut self, caller: Caller, execution: &Execution) -> StepResult {
        let file = execution.file.unwrap_or(0);
        let rest = execution.old.as_ref().and_then(|old| old.rest.as_ref());
        match rest.filter(|rest| !rest.is_empty()) {
            None => StepResult::Done,
            Some(rest) => self.kernel.write(file, caller.actor, rest).into(),
        }
    }

    fn mark_replaced(&mut self, caller: Caller, execution: &Execution) -> StepResult {
        let Some(old) = &execution.old else {
            return StepResult::Done;
        };
        let record = after_last_line(&self.kernel.files[old.file].text, &replaced_line());
        let written = self.kernel.write(old.file, caller.actor, record.as_bytes());
        written.into()
    }

    fn read_old(&mut self, caller: Caller, execution: &mut Execution) -> StepResult {
        let file = execution.file.unwrap_or(0);
        let text = &self.kernel.files[file].text;
        let tombstone = Tombstone::parse(text);
        if tombstone.died.is_some() || tombstone.ready.is_none() {
            return StepResult::Kept;
        }
        let accounted = committed(text, caller.mutation).len();
        self.kernel.file(file).accounted = Some(accounted);
        execution.file = None;
        execution.old = Some(OldTombstone {
            file,
            accounted,
            rest: None,
        });
        StepResult::Done
    }
}

/// The text without a last line that lacks its newline, and without a death record that no `Died`
/// has committed.
fn committed(text: &[u8], mutation: Option<Mutation>) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte == b'\n');
    let whole = &text[..end.map_or(0, |at| at + 1)];
    if mutation == Some(Mutation::SplitRecord) || Tombstone::parse(whole).died.is_some() {
        return whole;
    }
    let key = b"ExitCode: ";
    let starts = |at: usize| at == 0 || whole[at - 1] == b'\n';
    let half = (0..whole.len()).find(|at| starts(*at) && whole[*at..].starts_with(key));
    &whole[..half.unwrap_or(whole.len())]
}
