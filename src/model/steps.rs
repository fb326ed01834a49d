//! The programs of leaders and signallers: lists of steps, so that a variant of the protocol is
//! another list. They follow `store/publish.rs` and `store/own_tombstone.rs`.

use super::kernel::WriteProgress;

/// One step of a process that publishes a tombstone, or of a leader's life after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    OpenStaging,
    LockStaging,
    CompareStaging,
    /// Removes a file that was there before, and begins again.
    ClearStaging,
    OpenName,
    QueryNameLock,
    /// Only a signaller's: checks that `NAME` is still the dead tombstone that it replaces.
    CompareTarget,
    Fill,
    Rename,
    CompareName,
    WriteBorn,
    WriteReady,
    /// The command is down. If the tombstone says ready, its replacement begins here.
    ReadOld,
    /// Checks that `NAME` is still the tombstone that is replaced.
    CompareOld,
    /// Writes the same life without `Ready`.
    FillUnready,
    ReadOldAgain,
    /// Copies what others have appended to the old file since `ReadOld`.
    CarryOver,
    /// Says in the old file that there is another one.
    MarkReplaced,
    CloseOld,
    ReadOwn,
    WriteDeath,
    /// Writes the lines of `WriteDeath` in the wrong order.
    WriteDeathDiedFirst,
}

impl Step {
    pub(super) fn description(self) -> &'static str {
        match self {
            Step::OpenStaging => "opens or creates .NAME.new",
            Step::LockStaging => "tries to lock it",
            Step::CompareStaging => "compares it with .NAME.new",
            Step::ClearStaging => "removes it if it was there before",
            Step::OpenName => "opens NAME",
            Step::QueryNameLock => "queries its lock, and closes it",
            Step::CompareTarget => "compares NAME with the dead tombstone",
            Step::Fill => "writes half of the first record",
            Step::Rename => "renames .NAME.new to NAME",
            Step::CompareName => "compares its file with NAME",
            Step::WriteBorn => "writes half of Born",
            Step::WriteReady => "writes half of Ready",
            Step::ReadOld => "reads its tombstone, to replace it",
            Step::CompareOld => "compares NAME with its old file",
            Step::FillUnready => "writes half of the same life without Ready",
            Step::ReadOldAgain => "reads its old file again",
            Step::CarryOver => "writes half of what others have appended to the old file",
            Step::MarkReplaced => "writes half of Replaced to the old file",
            Step::CloseOld => "closes its old file",
            Step::ReadOwn => "reads whether its tombstone says died",
            Step::WriteDeath | Step::WriteDeathDiedFirst => "writes half of the death record",
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepResult {
    Done,
    /// The next step completes the same write.
    Half,
    /// Another process is writing to the file.
    Blocked,
    /// Another process holds the lock.
    Refused,
    /// The file was taken away: the process begins again.
    StartOver,
    /// The tombstone says died already.
    AlreadyDead,
    /// There is nothing to replace, or it cannot be replaced: the tombstone stays.
    Kept,
    Failed,
}

impl From<WriteProgress> for StepResult {
    fn from(progress: WriteProgress) -> StepResult {
        match progress {
            WriteProgress::Complete => StepResult::Done,
            WriteProgress::Half => StepResult::Half,
            WriteProgress::Blocked => StepResult::Blocked,
        }
    }
}

/// A supervisor's life. From `LockStaging` on no other process can publish.
pub(super) const LEADER: &[Step] = &[
    Step::OpenStaging,
    Step::LockStaging,
    Step::CompareStaging,
    Step::ClearStaging,
    Step::OpenName,
    Step::QueryNameLock,
    Step::Fill,
    Step::Rename,
    Step::CompareName,
    Step::WriteBorn,
    Step::ReadOwn,
    Step::WriteDeath,
];

/// A signaller that has found the name dead or absent.
pub(super) const SIGNALLER: &[Step] = &[
    Step::OpenStaging,
    Step::LockStaging,
    Step::CompareStaging,
    Step::ClearStaging,
    Step::CompareTarget,
    Step::Fill,
    Step::Rename,
    Step::CompareName,
];

/// How a leader replaces a tombstone that says ready by one of the same life that does not
/// (`OwnTombstone::replace`).
pub(super) const REPLACEMENT: &[Step] = &[
    Step::ReadOld,
    Step::OpenStaging,
    Step::LockStaging,
    Step::CompareStaging,
    Step::ClearStaging,
    Step::CompareOld,
    Step::FillUnready,
    Step::Rename,
    Step::CompareName,
    Step::ReadOldAgain,
    Step::CarryOver,
    Step::MarkReplaced,
    Step::CloseOld,
];

/// The steps of one process, in order.
#[derive(Clone, Debug)]
pub(super) struct Program(Vec<Step>);

impl Program {
    pub(super) fn new(steps: &[Step]) -> Program {
        Program(steps.to_vec())
    }

    pub(super) fn then(mut self, steps: &[Step]) -> Program {
        self.0.extend_from_slice(steps);
        self
    }

    pub(super) fn without(mut self, step: Step) -> Program {
        self.0.retain(|other| *other != step);
        self
    }

    /// The same program with `step`, which occurs once, directly before `other`.
    pub(super) fn moved_before(self, step: Step, other: Step) -> Program {
        self.moved(step, other, 0)
    }

    /// The same program with `step`, which occurs once, directly after `other`.
    pub(super) fn moved_after(self, step: Step, other: Step) -> Program {
        self.moved(step, other, 1)
    }

    fn moved(self, step: Step, other: Step, offset: usize) -> Program {
        let mut program = self.without(step);
        let place = program.position_of(other) + offset;
        program.0.insert(place, step);
        program
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn step(&self, position: usize) -> Option<Step> {
        self.0.get(position).copied()
    }

    pub(super) fn position_of(&self, step: Step) -> usize {
        self.0.iter().position(|other| *other == step).unwrap()
    }

    /// Where `step` was taken last by a process that is at `position`; 0 if it was not.
    pub(super) fn last_before(&self, position: usize, step: Step) -> usize {
        let mut before = self.0.iter().take(position);
        before.rposition(|other| *other == step).unwrap_or(0)
    }

    /// The position after the replacement of a tombstone that goes on at `position`.
    pub(super) fn after_replacement(&self, position: usize) -> usize {
        let mut rest = self.0.iter().skip(position);
        let end = rest.position(|step| *step == Step::CloseOld);
        position + end.map_or(0, |end| end + 1)
    }
}
