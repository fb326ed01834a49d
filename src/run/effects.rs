//! Performs the actions that the state machine asks for, and hands it the answers.

use super::{EventLoop, hooks};
use crate::error::describe;
use crate::readiness::spec::ReadyOn;
use crate::signal::Signal;
use crate::store::append::DeathRecord;
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::outcome::FinalStatus;
use crate::supervisor::record::Record;
use crate::supervisor::report::Report;
use std::collections::VecDeque;

impl EventLoop<'_> {
    /// Gives an event to the machine, and after it the answers to the machine's actions.
    pub(super) fn dispatch(&mut self, event: Event) {
        let mut answers = VecDeque::from([event]);
        while let Some(event) = answers.pop_front() {
            for action in self.machine.step(event) {
                self.perform(action, &mut answers);
            }
        }
    }

    pub(super) fn perform(&mut self, action: Action, answers: &mut VecDeque<Event>) {
        match action {
            Action::Start => answers.push_back(self.start()),
            Action::Send(signal) => self.send(signal),
            Action::Pause(signal) => self.command.pause(signal, self.signals),
            Action::RunPreStop(reason) => self.run_pre_stop(reason.as_ref()),
            Action::EndPreStop => self.hooks.end_pre_stop(),
            Action::RunOnConfig => self.run_on_config(),
            Action::SignalDescendants(signal) => {
                self.command.begin_stopping_descendants(signal);
                answers.extend(self.signal_new_descendants());
            }
            Action::Arm(timer, limit) => self.timers.arm(timer, limit),
            Action::Disarm(timer) => self.timers.disarm(timer),
            Action::Record(record) => self.write(&record),
            Action::Report(report) => self.report(&report),
            Action::Finish(last) => {
                self.finish(&last);
                self.end_variables = hooks::of_end(&last);
                self.exit_status = Some(last.code);
            }
        }
    }

    fn start(&mut self) -> Event {
        let has_tombstone = self.record.has_tombstone();
        self.timers.note_start();
        match self.command.start(self.plan, self.signals, has_tombstone) {
            Ok(unguarded) => {
                self.record
                    .mark_started(self.plan.ready_on == ReadyOn::Signal);
                let command = self.plan.command.display();
                self.reporter.debug(format!("started {command}"));
                if let Some(error) = unguarded {
                    let why = describe(&error);
                    self.reporter.warn_once(format!(
                        "{command} would outlive a killed exitdir-run: prctl: {why}"
                    ));
                }
                Event::Started
            }
            Err(failure) => Event::StartFailed(failure),
        }
    }

    // Every forwarded signal takes this way. With `opt-level = "z"` each call on it would cost, and
    // a plain `inline` is ignored there.
    #[inline(always)]
    fn send(&mut self, signal: Signal) {
        if let Err(error) = self.command.send(signal) {
            self.reporter.report_unsent(signal, &error);
        }
    }

    /// The short way of a signal that the machine only forwards.
    pub(super) fn forward(&mut self, signal: Signal) {
        self.send(signal);
        if self.reporter.is_verbose() {
            self.report(&Report::Forwarded(signal));
        }
    }

    /// Signals the processes that CMD left behind. Those that cannot be found are not waited for.
    pub(super) fn signal_new_descendants(&mut self) -> Option<Event> {
        let message = self.command.signal_descendants().err()?;
        self.reporter.warn_once(message);
        Some(Event::NoDescendants)
    }

    fn write(&mut self, record: &Record) {
        if let Err(warning) = self.record.write(record, self.command.is_running()) {
            self.reporter.warn_once(warning);
        }
    }

    fn report(&mut self, report: &Report) {
        if let Report::Restarting(last, delay) = report {
            let left = self.timers.left_since_start(*delay);
            return self.tell(&Report::Restarting(last.clone(), left));
        }
        self.tell(report);
    }

    fn tell(&mut self, report: &Report) {
        let (peers, prober) = (self.peers.as_deref(), self.prober.as_ref());
        let missing = |what| super::missing(what, peers, prober, self.managed.as_deref());
        self.reporter.report(report, &missing);
    }

    fn finish(&mut self, last: &FinalStatus) {
        let (peers, prober) = (self.peers.as_deref(), self.prober.as_ref());
        let missing = |what| super::missing(what, peers, prober, self.managed.as_deref());
        let messages = self.reporter.report_end(last, &missing);
        let status_text = self.command.status_text.take();
        let written = self.record.write_death(&DeathRecord {
            code: last.code,
            signal: last.signal,
            reason: Some(last.reason),
            message: messages.tombstone.as_deref().or(status_text.as_deref()),
        });
        if let Err(error) = written {
            self.reporter.error(error);
        }
        if let Some(message) = messages.termination_log {
            self.reporter.log_termination(&message);
        }
    }
}
