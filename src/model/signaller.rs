//! What the signaller can do next, as `store/announce.rs` has it.

use super::kernel::{Actor, Inode, WriteProgress};
use super::process::{Caller, Execution, ProcState, ReadState, Reading, Signaller, SignallerState};
use super::reader::{Mount, ReadBy};
use super::records::AnnouncementRecord;
use super::setup::{Killable, Mutation, Setup};
use super::steps::{SIGNALLER, StepResult};
use super::world::{Successors, World};
use crate::protocol::compose::compose_append;
use crate::protocol::life::{Death, Life, Liveness, WriteState};
use crate::protocol::tombstone::Tombstone;
use crate::store::announce::Announcement;

const BEGIN: SignallerState = SignallerState::Read(ReadState::Open);

impl Signaller {
    pub(super) fn new() -> Signaller {
        Signaller {
            proc: ProcState::Running,
            state: BEGIN,
            execution: Execution::default(),
            visible_in: None,
        }
    }
}

impl World {
    pub(super) fn signaller_steps(&self, setup: &Setup, next: &mut Successors) {
        let (Some(signaller), Some(announcement)) = (&self.signaller, setup.signaller) else {
            return;
        };
        let actor = Actor::Signaller;
        match signaller.proc {
            ProcState::Running => {}
            ProcState::Ending | ProcState::HalfEnded => return self.end_step(actor, setup, next),
            ProcState::Ended => return,
        }
        if setup.killable == Killable::LeadersAndSignaller {
            self.kill(actor, next);
        }
        let mut world = self.clone();
        if world.advance_signaller(signaller, announcement, setup) {
            next.push(((actor, signaller.description()), world));
        }
    }

    /// Takes the signaller's next step; false if another process blocks it. `before` is its state.
    fn advance_signaller(
        &mut self,
        before: &Signaller,
        announcement: Announcement,
        setup: &Setup,
    ) -> bool {
        let mut execution = before.execution.clone();
        let state = match &before.state {
            SignallerState::Read(read) => Some(self.read_step(read, announcement, &mut execution)),
            SignallerState::OpenToAppend(file) if self.kernel.name == Some(*file) => {
                execution.file = Some(*file);
                Some(SignallerState::Append(*file))
            }
            SignallerState::OpenToAppend(_) => Some(BEGIN),
            SignallerState::Append(file) => self.append_step(*file, announcement, setup),
            SignallerState::CompareName(file) if self.kernel.name == Some(*file) => {
                Some(SignallerState::Recorded)
            }
            SignallerState::CompareName(_) => {
                self.close(&mut execution, Actor::Signaller);
                Some(BEGIN)
            }
            SignallerState::Publish => self.publish_step(announcement, &mut execution),
            end @ (SignallerState::Recorded | SignallerState::NotNeeded) => {
                self.signaller.as_mut().unwrap().proc = ProcState::Ending;
                Some(end.clone())
            }
        };
        let Some(state) = state else {
            return false;
        };
        let signaller = self.signaller.as_mut().unwrap();
        (signaller.state, signaller.execution) = (state, execution);
        true
    }

    fn read_step(
        &self,
        read: &ReadState,
        announcement: Announcement,
        execution: &mut Execution,
    ) -> SignallerState {
        // A signaller is on the leaders' machine, and its reads follow the protocol.
        match self.read(read, ReadBy::Name, Mount::LOCAL) {
            ReadState::Absent => publish(None, execution),
            ReadState::Complete(reading) => self.react(&reading, announcement, execution),
            other => SignallerState::Read(other),
        }
    }

    /// What the signaller does about the tombstone that it has read (`Announcer::step`).
    fn react(
        &self,
        reading: &Reading,
        announcement: Announcement,
        execution: &mut Execution,
    ) -> SignallerState {
        let file = reading.file;
        let life = Life::judge(
            Tombstone::parse(&reading.text),
            reading.lock,
            WriteState::Ongoing,
        );
        let is_ready = life.is_alive() && life.tombstone.ready.is_some();
        match life.liveness {
            Liveness::Alive(_) if is_ready && announcement == Announcement::Ready => {
                SignallerState::NotNeeded
            }
            Liveness::Alive(_) => SignallerState::OpenToAppend(file),
            Liveness::Dead(_) if self.kernel.files[file].lock.is_some() => {
                SignallerState::NotNeeded
            }
            Liveness::Dead(Death::Recorded(0)) if announcement == Announcement::Died(0) => {
                SignallerState::NotNeeded
            }
            Liveness::Dead(_) => publish(Some(file), execution),
            Liveness::Unsettled => BEGIN,
        }
    }

    /// Writes the next piece of the record to a life that goes on; `None` if another write blocks
    /// it.
    fn append_step(
        &mut self,
        file: Inode,
        announcement: Announcement,
        setup: &Setup,
    ) -> Option<SignallerState> {
        // `compose_append` asks for the last byte, and no write of a living leader is ever cut
        // there.
        let text = &self.kernel.files[file].text;
        let record = AnnouncementRecord::new(announcement);
        let lines = record.lines();
        let record = compose_append(&lines, text.len() as u64, text.last().copied()).unwrap();
        let actor = Actor::Signaller;
        match self.kernel.write(file, actor, record.as_bytes()) {
            WriteProgress::Blocked => None,
            WriteProgress::Half => Some(SignallerState::Append(file)),
            WriteProgress::Complete if setup.has(Mutation::NoCompareAfterAppend) => {
                Some(SignallerState::Recorded)
            }
            WriteProgress::Complete => Some(SignallerState::CompareName(file)),
        }
    }

    /// Takes the next step of a publication; `None` if another process blocks it.
    fn publish_step(
        &mut self,
        announcement: Announcement,
        execution: &mut Execution,
    ) -> Option<SignallerState> {
        let caller = Caller {
            actor: Actor::Signaller,
            announcement: Some(announcement),
            mutation: None,
        };
        let Some(step) = SIGNALLER.get(execution.position) else {
            return Some(SignallerState::Recorded);
        };
        match self.perform(caller, *step, execution) {
            StepResult::Blocked => None,
            StepResult::Done | StepResult::Half => Some(SignallerState::Publish),
            StepResult::StartOver
            | StepResult::Refused
            | StepResult::Failed
            | StepResult::Kept
            | StepResult::AlreadyDead => {
                self.close(execution, Actor::Signaller);
                Some(BEGIN)
            }
        }
    }
}

/// Begins to publish a tombstone in the place of `target`, or where there is none.
fn publish(target: Option<Inode>, execution: &mut Execution) -> SignallerState {
    *execution = Execution {
        other: target,
        ..Execution::default()
    };
    SignallerState::Publish
}
