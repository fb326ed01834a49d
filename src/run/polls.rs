//! What one turn of the event loop polls, source by source. Each poll hands its events to the
//! machine.

use super::EventLoop;
use super::peers::Peers;
use super::plan::WaitEnd;
use crate::exit::{ExitStatus, Remaining};
use crate::managed::ManagedApp;
use crate::managed::debounce::DEBOUNCE_LIMIT;
use crate::managed::update::{ManagedUpdate, in_words};
use crate::process::descendants::Descendants;
use crate::protocol::item::parts;
use crate::readiness::update::CommandPhase;
use crate::signal::Signal;
use crate::supervisor::event::Event;
use crate::supervisor::timer::Timer;
use rustix::process::Pid;
use std::time::Instant;

/// How often at most the source of readiness is polled after CMD has ended. Other writers may never
/// stop to write.
const LAST_READINESS_POLLS: u32 = 64;

impl EventLoop<'_> {
    pub(super) fn poll_signals(&mut self) {
        self.read_signals();
    }

    /// Returns whether there may be more signals to read.
    fn read_signals(&mut self) -> bool {
        let received = self.signals.read();
        for signal in received.signals() {
            self.take_signal(*signal);
        }
        // After the signals: a CONT that came together with the stop of CMD has continued CMD, and
        // exitdir-run does not stop then.
        if received.children {
            self.reap();
        }
        received.is_full
    }

    /// Returns whether the signal was forwarded and changes nothing else.
    pub(super) fn take_signal(&mut self, signal: Signal) -> bool {
        if let Some(sent) = self.machine.forward_fast(signal) {
            self.forward(sent);
            return true;
        }
        if signal == Signal::CHLD {
            self.reap();
        } else {
            self.dispatch(Event::Signal(signal));
        }
        false
    }

    /// Reaps all children that have ended: CMD, helper processes, and orphans.
    fn reap(&mut self) {
        let pid = self.command.pid();
        let mut reaped = self.command.reap(self.signals);
        // A helper that the kernel holds in a file system that does not answer is not waited for.
        let counts = reaped.ended.is_some() || self.command.is_stopping_descendants();
        if counts && self.only_helpers_are_left() {
            reaped.remaining = Remaining::Nothing;
        }
        self.report_reaping(&reaped.others);
        for (pid, status) in &reaped.others {
            for source in self.sources_mut() {
                source.reaped(*pid, *status);
            }
        }
        if let Some(status) = reaped.ended {
            // CMD has run for long enough, even if no turn has noticed.
            if self.timers.take(Timer::SteadyRun) {
                self.dispatch(Event::Expired(Timer::SteadyRun));
            }
            self.drain_readiness(pid);
            // Dropped after the record: to close a watch takes time.
            let _source = self.command.readiness.take();
            self.hooks.end_on_config();
            self.dispatch(Event::Ended(
                status,
                reaped.remaining,
                reaped.terminal_place,
            ));
        }
        if let Some(signal) = reaped.paused {
            self.dispatch(Event::Paused(signal));
        }
        if self.command.note_remaining(reaped.remaining) {
            self.dispatch(Event::NoDescendants);
        } else if let Some(event) = self.signal_new_descendants() {
            // The children of those that have just ended are ours now.
            self.dispatch(event);
        }
    }

    /// What tini says about each signal of children, with its options.
    fn report_reaping(&self, others: &[(Pid, Option<ExitStatus>)]) {
        if self.plan.tini.tells_of_signals {
            self.reporter.debug("Received SIGCHLD");
        }
        if self.plan.tini.warns_of_reaping {
            for (pid, _) in others {
                let pid = pid.as_raw_pid();
                let text = format!("Reaped zombie process with pid={pid}");
                self.reporter.info(text);
            }
        }
    }

    /// Whether our children are helper processes only, so that CMD has left no process behind.
    fn only_helpers_are_left(&self) -> bool {
        let mut helpers: Vec<Pid> = Vec::new();
        for source in self.sources() {
            helpers.extend(source.helpers());
        }
        !helpers.is_empty() && !Descendants::exist_besides(&helpers)
    }

    /// Reads what CMD has said before its end, as far as it was there then.
    fn drain_readiness(&mut self, pid: Option<Pid>) {
        for _ in 0..LAST_READINESS_POLLS {
            if !self.command.may_send_status() || !self.take_readiness(pid, CommandPhase::Ended) {
                return;
            }
        }
    }

    pub(super) fn poll_readiness(&mut self) {
        let pid = self.command.pid();
        self.take_readiness(pid, CommandPhase::Running);
    }

    /// Returns whether there may be more to read at once.
    fn take_readiness(&mut self, pid: Option<Pid>, phase: CommandPhase) -> bool {
        let poll = self.command.poll_readiness(pid, phase, self.signals);
        if let Some(warning) = poll.warning {
            self.reporter.warn_once(warning);
        }
        if poll.ready {
            self.dispatch(Event::Ready);
            if !self.command.may_send_status() {
                // After the record: to close a watch takes time.
                self.command.readiness = None;
            }
        }
        poll.has_more
    }

    pub(super) fn poll_configuration(&mut self) {
        // A check is a child of ours, and would be taken for a process that CMD left behind.
        let may_check = !self.command.is_stopping_descendants();
        if let Some(managed) = &mut self.managed {
            let update = managed.poll(self.signals, may_check);
            self.apply_configuration(update);
        }
    }

    fn apply_configuration(&mut self, update: ManagedUpdate) {
        update
            .warnings
            .iter()
            .for_each(|text| self.reporter.error(text));
        update
            .notices
            .iter()
            .for_each(|text| self.reporter.info(text));
        if self.reporter.is_verbose() {
            let changes = update.changes.iter();
            changes.for_each(|line| self.reporter.debug(in_words(line)));
        }
        self.note_changes(update.changes);
        for warning in update.warnings_once {
            self.reporter.warn_once(warning);
        }
        // Before an activation: CMD starts with the new configuration, and needs no reload for it.
        if update.reconfigured {
            self.dispatch(Event::Reconfigured);
        }
        match update.active {
            Some(true) => self.dispatch(Event::Activated),
            Some(false) => self.dispatch(Event::Deactivated),
            None => {}
        }
    }

    /// Goes on with the tries of sources. What they found counts with the next poll of the peers.
    fn poll_sources(&mut self) {
        // A worker is a child of ours, and would be taken for a process that CMD left behind.
        if let Some(prober) = &mut self.prober
            && !self.command.is_stopping_descendants()
        {
            for warning in prober.poll() {
                self.reporter.warn_once(warning);
            }
        }
    }

    pub(super) fn poll_peers(&mut self) {
        self.poll_sources();
        // Signals are read while a large directory is scanned, and can end CMD and this life.
        let Some(mut peers) = self.peers.take() else {
            return;
        };
        if let Some(prober) = &self.prober {
            peers.take_sources(prober);
        }
        let scan = peers.poll(&mut || {
            self.poll_signals();
            self.exit_status.is_none()
        });
        let peers = self.peers.insert(peers);
        if self.exit_status.is_some() {
            return;
        }
        let cause = peers.stop_cause().cloned();
        let fails_fast = self.plan.wait_end == WaitEnd::FailFast && self.machine.is_waiting();
        let failure = Some(())
            .filter(|()| fails_fast)
            .and_then(|()| peers.birth_failure());
        let all_seen = peers.take_all_seen();
        self.reporter.report_faults(scan);
        if all_seen {
            self.dispatch(Event::DeathDepsSeen);
        }
        if let Some(cause) = cause {
            self.dispatch(Event::DeathDepHolds(cause));
        } else if let Some(cause) = failure {
            self.dispatch(Event::BirthDepFailed(cause));
        }
        self.drop_unneeded_peers();
    }

    /// What was polled in earlier turns is polled again before the life is ended: a tombstone may
    /// be there that no event has told of.
    pub(super) fn poll_missing_timeout(&mut self) {
        if !self.timers.has_expired(Timer::MissingTimeout) {
            return;
        }
        if let Some(peers) = &mut self.peers {
            peers.tracker.invalidate_before(self.turn_began);
        }
        self.poll_peers();
        if self.exit_status.is_none() && self.timers.take(Timer::MissingTimeout) {
            self.dispatch(Event::Expired(Timer::MissingTimeout));
        }
    }

    /// Birth dependencies do not matter once CMD was started.
    fn drop_unneeded_peers(&mut self) {
        if self.machine.may_wait() {
            return;
        }
        let death_deps = &self.plan.death_deps;
        if let Some(prober) = &mut self.prober {
            prober.keep_only(|source| parts(death_deps).any(|it| it.source() == Some(source)));
        }
        if death_deps.is_empty() {
            // The loop does not wait while the kernel closes the watch.
            if let Some(mut peers) = self.peers.take() {
                peers.tracker.close_later();
            }
        }
    }

    pub(super) fn retry_replacement(&mut self) {
        let is_running = self.command.is_running();
        for warning in self.record.retry(self.turn_began, is_running) {
            self.reporter.warn_once(warning);
        }
    }

    /// Starts CMD if a start is due and nothing forbids it. All that was polled in earlier turns is
    /// polled again first.
    pub(super) fn poll_start_gate(&mut self) {
        if self.due_start().is_none() {
            return self.gate.clear();
        }
        let since = self.gate.note_due(Instant::now());
        if !self.is_configuration_at_rest() && since.elapsed() < DEBOUNCE_LIMIT {
            return;
        }
        if let Some(peers) = &mut self.peers {
            peers.tracker.invalidate_before(self.turn_began);
        }
        self.poll_peers();
        // Signals that have come by now are for exitdir-run, not for the CMD that is started.
        while self.read_signals() {}
        let start = self.due_start();
        self.gate.clear();
        if let Some(start) = start {
            self.timers.take(Timer::Backoff);
            self.dispatch(start);
            self.drop_unneeded_peers();
        }
    }

    /// The event that would start CMD now, as far as is known. `None` if it would not be started.
    fn due_start(&mut self) -> Option<Event> {
        // Always asked here: a timeout that is over only after this poll must not end the life
        // before the next one.
        let is_over = self.timers.has_expired(Timer::BirthTimeout);
        if self.exit_status.is_some() {
            return None;
        }
        if self.timers.has_expired(Timer::Backoff) {
            return Some(Event::Expired(Timer::Backoff));
        }
        let is_complete = self.managed.as_deref().is_none_or(ManagedApp::is_complete);
        if !self.machine.is_waiting() || !is_complete {
            return None;
        }
        if self.peers.as_deref().is_none_or(Peers::births_hold) {
            return Some(Event::BirthDepsHold);
        }
        let starts_anyway = is_over && self.plan.wait_end == WaitEnd::StartAnyway;
        starts_anyway.then_some(Event::StartAnyway)
    }

    /// Whether CMD would be started with the configuration that is there now.
    fn is_configuration_at_rest(&mut self) -> bool {
        let Some(managed) = &mut self.managed else {
            return true;
        };
        let (update, is_at_rest) = managed.poll_before_start(self.turn_began);
        self.apply_configuration(update);
        is_at_rest
    }

    pub(super) fn poll_timers(&mut self) {
        // The birth timeout does not count while a start is due and only the configuration is not
        // at rest, nor while a source is being read.
        let is_reading = self.managed.as_deref().is_some_and(ManagedApp::is_reading);
        if !self.gate.is_due() && !is_reading && self.timers.take_expired(Timer::BirthTimeout) {
            self.dispatch(Event::Expired(Timer::BirthTimeout));
        }
        while let Some(timer) = self.timers.take_due() {
            self.dispatch(Event::Expired(timer));
        }
    }
}
