//! What the machine orders, done: starting and signalling the command, telling people. What it orders to be written
//! is in `records.rs`.

use super::Supervisor;
use crate::error::describe;
use crate::exit::StartFailure;
use crate::managed::ManagedApp;
use crate::process::child::Child;
use crate::process::descendants::Descendants;
use crate::readiness::Readiness;
use crate::readiness::spec::ReadyOn;
use crate::run::messages::Messages;
use crate::run::termination_log;
use crate::signal::Signal;
use crate::store::append::DeathRecord;
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::outcome::{EndReason, FinalStatus};
use crate::supervisor::report::Report;
use crate::sys::process::SignalTarget;
use crate::sys::spawn::SpawnExtras;
use std::collections::VecDeque;
use std::io;

impl Supervisor<'_> {
    pub(super) fn carry_out(&mut self, action: Action, answers: &mut VecDeque<Event>) {
        match action {
            Action::Start => answers.push_back(self.start()),
            Action::Send(signal) => self.send(signal),
            Action::Pause(signal) => self.pause(signal),
            Action::SignalDescendants(signal) => {
                if self.descendants.as_ref().map(Descendants::signal) != Some(signal) {
                    self.descendants = Some(Descendants::new(signal));
                }
                answers.extend(self.tell_descendants());
            }
            Action::Arm(timer, limit) => self.timers.arm(timer, limit),
            Action::Disarm(timer) => self.timers.disarm(timer),
            Action::Record(record) => self.record(&record),
            Action::Report(report) => self.report(&report),
            Action::Finish(last) => {
                self.finish(&last);
                self.end = Some(last.code);
            }
        }
    }

    fn start(&mut self) -> Event {
        let mut readiness = match Readiness::prepare(&self.plan.ready_on, self.own.is_some()) {
            Ok(readiness) => readiness,
            // One that is never ready would be waited for for ever.
            Err(errno) => {
                return Event::StartFailed(StartFailure::System(errno.raw_os_error()));
            }
        };
        let descriptor = readiness.as_ref().and_then(Readiness::command_descriptor);
        let extras = SpawnExtras {
            descriptors: descriptor.as_slice(),
            variable: readiness.as_ref().and_then(Readiness::command_variable),
        };
        match Child::start(&self.plan.command, self.signals, self.plan.target, extras) {
            Ok(child) => {
                self.child = Some(child);
                if let Some(own) = &mut self.own {
                    own.mark_started();
                }
                if self.plan.ready_on == ReadyOn::Signal {
                    // What is said of this one from now on must not go with the tombstone.
                    self.overdue = None;
                }
                // What an earlier run has said of itself says nothing about this one.
                self.status = None;
                readiness.iter_mut().for_each(Readiness::command_started);
                self.readiness = readiness;
                self.plan
                    .logger
                    .debug(format!("started {}", self.plan.command.display()));
                Event::Started
            }
            Err(failure) => Event::StartFailed(failure),
        }
    }

    // Every forwarded signal takes this way. With `opt-level = "z"` each call on it would cost; a
    // plain `inline` is ignored there.
    #[inline(always)]
    pub(super) fn send(&mut self, signal: Signal) {
        let Some(child) = &mut self.child else { return };
        if let Err(error) = child.send(signal) {
            self.tell_unsent(signal, &error);
        }
    }

    #[cold]
    fn tell_unsent(&self, signal: Signal, error: &io::Error) {
        let because = describe(error);
        let sentence = format!("cannot send {signal} to the command: {because}");
        self.plan.logger.error(sentence);
    }

    fn pause(&mut self, signal: Signal) {
        match &mut self.child {
            Some(child) => child.pause(signal, self.signals),
            // The terminal has told the rest of our group itself. Where we cannot be stopped nothing is lost.
            None => {
                let _ = self.signals.stop_self(SignalTarget::Process, signal);
            }
        }
    }

    pub(super) fn report(&mut self, report: &Report) {
        let voice = self.plan.logger;
        match report {
            Report::Forwarded(_) | Report::Dropped(_) => {
                if voice.is_verbose() {
                    voice.debug(self.wording().report(report, String::new));
                }
            }
            Report::StillWaiting
            | Report::Stopping(..)
            | Report::Killing
            | Report::Draining(_)
            | Report::StillDraining
            | Report::KillingDescendants
            | Report::Restarting(..)
            | Report::Reloading(_)
            | Report::Inactive
            | Report::Activated
            | Report::Delaying(_) => {
                let sentence = self.wording().report(report, || self.waiting_for());
                voice.info(&sentence);
                if matches!(report, Report::Stopping(..)) {
                    self.stop_sentence = Some(sentence);
                }
            }
        }
    }

    fn wording(&self) -> Messages<'_> {
        Messages {
            command: self.plan.command.display(),
            rules: &self.plan.rules,
            active_while: match &self.plan.management.active_while {
                Some(file) => file.display().to_string(),
                None => String::new(),
            },
        }
    }

    fn waiting_for(&self) -> String {
        let births = self
            .society
            .as_ref()
            .map(|society| society.births.explain());
        let managed = self.managed.as_ref().map(ManagedApp::missing);
        let missing = [births, managed].into_iter().flatten();
        let missing: Vec<String> = missing.filter(|text| !text.is_empty()).collect();
        missing.join(", ")
    }

    fn finish(&mut self, last: &FinalStatus) {
        let voice = self.plan.logger;
        let said = self.wording().end(&last.end_reason, || self.waiting_for());
        // For `kubectl describe pod`, and, where the record has no words of its own for it, in the tombstone.
        let (noted, message) = match &last.end_reason {
            EndReason::CommandEnded(_) => (None, None),
            EndReason::Stopped(_) => (self.stop_sentence.take(), None),
            EndReason::NotStarted(_) | EndReason::NotRestarted(_) => {
                said.iter().for_each(|sentence| voice.info(sentence));
                (said, None)
            }
            EndReason::Interrupted(_) => {
                said.iter().for_each(|sentence| voice.info(sentence));
                (None, None)
            }
            EndReason::BirthTimeout | EndReason::StartFailed(_) => {
                said.iter().for_each(|sentence| voice.error(sentence));
                (said.clone(), said)
            }
        };
        let status = self.status.take();
        self.bury(&DeathRecord {
            code: last.code,
            signal: last.signal,
            reason: Some(last.reason),
            message: message.as_deref().or(status.as_deref()),
        });
        if let Some(sentence) = noted {
            termination_log::leave(&voice.prefixed(&sentence));
        }
    }
}
