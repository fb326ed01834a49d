//! The door to every start of the command. What was found out earlier does not count here: a dependency may have
//! died, the file while which the command runs may be gone, a configuration may be about to change.

use super::Supervisor;
use crate::managed::ManagedApp;
use crate::managed::debounce::DEBOUNCE_LIMIT;
use crate::run::peers::Peers;
use crate::supervisor::event::Event;
use crate::supervisor::timer::Timer;
use std::time::Instant;

impl Supervisor<'_> {
    /// The last thing of a turn that looks at anything.
    pub(super) fn take_start(&mut self) {
        if !self.is_start_due() {
            self.start_due = None;
            return;
        }
        let since = *self.start_due.get_or_insert_with(Instant::now);
        if !self.is_configuration_at_rest() && since.elapsed() < DEBOUNCE_LIMIT {
            return;
        }
        if let Some(society) = &mut self.society {
            society.follower.doubt(self.turn_began);
        }
        self.take_news();
        // Signals that came before are for us, not for the command.
        while self.take_signals() {}
        let is_due = self.is_start_due();
        self.start_due = None;
        if !is_due {
            return;
        }
        if self.timers.take(Timer::Backoff) {
            self.feed(Event::Expired(Timer::Backoff));
        } else {
            self.feed(Event::BirthDepsHold);
        }
        self.forget_others();
    }

    /// Whether there would be a start now, as far as is known.
    fn is_start_due(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        self.timers.is_over(Timer::Backoff) || self.may_be_born()
    }

    fn may_be_born(&self) -> bool {
        let complete = self.managed.as_ref().is_none_or(ManagedApp::is_complete);
        self.machine.is_waiting() && complete && self.birth_deps_hold()
    }

    fn birth_deps_hold(&self) -> bool {
        self.society.as_ref().is_none_or(Peers::births_hold)
    }

    /// Whether what is there by now is what the command would be started with.
    fn is_configuration_at_rest(&mut self) -> bool {
        let Some(managed) = &mut self.managed else {
            return true;
        };
        let (finding, is_at_rest) = managed.poll_before_start(self.turn_began);
        self.take_finding(finding);
        is_at_rest
    }

    /// When a start does not wait for the configuration any more.
    pub(super) fn start_deadline(&self) -> Option<Instant> {
        self.start_due.map(|since| since + DEBOUNCE_LIMIT)
    }
}
