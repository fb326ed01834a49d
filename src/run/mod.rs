//! The loop of `exitdir-run`: gathers events and feeds them to the state machine, whose orders `deeds.rs` and
//! `records.rs` carry out; `start.rs` is the door to every start.
//!
//! Policy is in [`crate::supervisor`]. Setting up may fail; once the command runs nothing here ends it: what goes
//! wrong is said and carried on from.

mod effects;
pub(crate) mod messages;
pub(crate) mod peers;
pub(crate) mod plan;
mod records;
mod start_gate;
pub(crate) mod termination_log;
pub(crate) mod timers;

use crate::exit::Remaining;
use crate::managed::ManagedApp;
use crate::managed::update::ManagedUpdate;
use crate::process::child::Child;
use crate::process::descendants::Descendants;
use crate::protocol::condition::Condition;
use crate::readiness::Readiness;
use crate::run::peers::Peers;
use crate::run::plan::{ExitDirOptions, Plan, Publish};
use crate::run::timers::Timers;
use crate::signal::Signal;
use crate::store::own_tombstone::OwnTombstone;
use crate::supervisor::event::Event;
use crate::supervisor::machine::Machine;
use crate::supervisor::report::Report;
use crate::supervisor::timer::Timer;
use crate::sys::poll;
use crate::sys::signals::Signals;
use crate::watch::dir_watch::{self, WatchFault};
use crate::watch::tracker::ScanResult;
use records::PendingReplacement;
use rustix::process::Pid;
use std::collections::{BTreeSet, VecDeque};
use std::os::fd::AsFd;
use std::time::Instant;

/// Lives the life that the plan describes, and returns its exit status.
///
/// # Errors
/// The sentence that says why it could not begin.
pub(crate) fn live(
    plan: &Plan,
    managed: Option<ManagedApp<'_>>,
    signals: &Signals,
) -> Result<u8, String> {
    let own = plan
        .membership
        .as_ref()
        .map_or(Ok(None), |membership| begin_life(plan, membership))?;
    let society = plan
        .membership
        .as_ref()
        .and_then(|membership| join(plan, membership));
    let mut supervisor = Supervisor {
        plan,
        signals,
        machine: Machine::new(plan.rules.clone()),
        timers: Timers::default(),
        own,
        society,
        managed,
        child: None,
        readiness: None,
        status: None,
        descendants: None,
        complaints: BTreeSet::new(),
        stop_sentence: None,
        overdue: None,
        turn_began: Instant::now(),
        start_due: None,
        end: None,
    };
    Ok(supervisor.run())
}

fn begin_life(plan: &Plan, membership: &ExitDirOptions) -> Result<Option<OwnTombstone>, String> {
    membership.dir.create().map_err(|error| error.to_string())?;
    let Some(name) = membership
        .name
        .as_ref()
        .filter(|_| membership.presence == Publish::Always)
    else {
        return Ok(None);
    };
    let conditions: Vec<String> = plan.birth_deps.iter().map(Condition::to_string).collect();
    let waiting_for = Some(conditions.join(",")).filter(|text| !text.is_empty());
    let own = OwnTombstone::begin(&membership.dir, name, waiting_for.as_deref())
        .map_err(|error| error.to_string())?;
    if !own.locked {
        let dir = membership.dir.path().display();
        plan.logger.info(format!(
            "no lock is to be had on {dir}: if exitdir-run is killed, followers will not see it"
        ));
    }
    Ok(Some(own))
}

fn join<'p>(plan: &Plan, membership: &'p ExitDirOptions) -> Option<Peers<'p>> {
    let own = membership.name.as_ref();
    Peers::join(
        &membership.dir,
        own,
        &plan.birth_deps,
        &plan.death_deps,
        plan.poll,
    )
}

/// So many looks at most are taken at what a command has said before its end: others may talk without one.
const LAST_WORDS: u32 = 64;

struct Supervisor<'p> {
    plan: &'p Plan,
    signals: &'p Signals,
    machine: Machine,
    timers: Timers,
    own: Option<OwnTombstone>,
    society: Option<Peers<'p>>,
    managed: Option<ManagedApp<'p>>,
    child: Option<Child>,
    /// How we find out that the command is ready, until it is.
    readiness: Option<Readiness>,
    /// The newest that the command has said about itself.
    status: Option<String>,
    /// What the command left behind, while it is being stopped.
    descendants: Option<Descendants>,
    /// What was complained about already.
    complaints: BTreeSet<String>,
    /// What was said when the command was told to stop.
    stop_sentence: Option<String>,
    /// What the tombstone should say, and could not be made to.
    overdue: Option<PendingReplacement>,
    /// When this turn of the loop began.
    turn_began: Instant,
    /// Since when the command would be started, if its configuration were at rest.
    start_due: Option<Instant>,
    end: Option<u8>,
}

impl Supervisor<'_> {
    fn run(&mut self) -> u8 {
        for action in self.machine.initial_actions() {
            self.carry_out(action, &mut VecDeque::new());
        }
        self.look_around();
        loop {
            if let Some(status) = self.end {
                self.go();
                return status;
            }
            self.sleep();
            self.look_around();
        }
    }

    /// One turn. After the end nothing is looked at any more.
    fn look_around(&mut self) {
        self.turn_began = Instant::now();
        let steps: [fn(&mut Self); 7] = [
            |this| {
                this.take_signals();
            },
            Self::take_readiness,
            Self::take_configuration,
            Self::take_news,
            Self::catch_up,
            Self::take_start,
            // After it: a timeout of 0 gives up after one look, not before it.
            Self::take_timers,
        ];
        for step in steps {
            if self.end.is_none() {
                step(self);
            }
        }
    }

    /// Everything is written down; whoever waits for our end need not wait for the watch to be closed.
    fn go(&mut self) {
        if let Some(society) = &mut self.society {
            society.follower.close_later();
        }
        if let Some(managed) = &mut self.managed {
            managed.close_later();
        }
    }

    fn sleep(&mut self) {
        let society = self.society.as_ref();
        let look = society.and_then(|society| society.follower.deadline());
        let heard = society.and_then(|society| society.follower.descriptor());
        let readiness = self.readiness.as_ref();
        let asked = readiness.and_then(Readiness::interest);
        let managed = self.managed.as_ref();
        let told = managed.and_then(ManagedApp::descriptor);
        let dates = [
            look,
            readiness.and_then(Readiness::deadline),
            managed.and_then(|managed| managed.deadline(self.may_check())),
            self.start_deadline(),
            self.overdue.map(|overdue| overdue.next_try),
        ];
        let until = self.timers.next(dates.into_iter().flatten().min());
        if heard.is_none() && asked.is_none() && managed.is_none() {
            return self.await_signals(until);
        }
        let signal = Some(self.signals.descriptor().as_fd());
        let readable = [signal, heard, told].into_iter().flatten();
        poll::sleep(readable.map(poll::readable).chain(asked), until);
    }

    /// Sleeps where nothing but a signal can come before the moment. What is only to be passed on is
    /// passed on without a look at anything else.
    fn await_signals(&mut self, until: Option<Instant>) {
        loop {
            let left = until.map(|at| at.saturating_duration_since(Instant::now()));
            let Some(signal) = self.signals.wait(left) else {
                return;
            };
            if !self.pass_on(signal) || until.is_some() {
                return;
            }
        }
    }

    /// Whether there may be more.
    fn take_signals(&mut self) -> bool {
        let received = self.signals.read();
        for signal in received.signals() {
            self.pass_on(*signal);
        }
        // After a CONT that came with it: a command that goes on already is not one to stop with.
        if received.children {
            self.reap();
        }
        received.is_full
    }

    /// Whether the signal was passed on, and nothing else came of it.
    fn pass_on(&mut self, signal: Signal) -> bool {
        if let Some(sent) = self.machine.forward_fast(signal) {
            self.forward(sent);
            return true;
        }
        if signal == Signal::CHLD {
            self.reap();
        } else {
            self.feed(Event::Signal(signal));
        }
        false
    }

    fn forward(&mut self, signal: Signal) {
        self.send(signal);
        if self.plan.logger.is_verbose() {
            self.report(&Report::Forwarded(signal));
        }
    }

    fn reap(&mut self) {
        let command = self.child.as_ref().map(Child::pid);
        let mut reaped = Child::reap(&mut self.child);
        if reaped.ended.is_some() && self.has_left_helpers_alone() {
            reaped.remaining = Remaining::Nothing;
        }
        for (pid, ending) in &reaped.others {
            if let Some(readiness) = &mut self.readiness {
                readiness.reaped(*pid, *ending);
            }
            if let Some(managed) = &mut self.managed {
                managed.reaped(*pid, *ending);
            }
            if let Some(descendants) = &mut self.descendants {
                descendants.forget(*pid);
            }
        }
        if let Some(ending) = reaped.ended {
            // It has run for so long, even if nobody looked at the clock.
            if self.timers.take(Timer::SteadyRun) {
                self.feed(Event::Expired(Timer::SteadyRun));
            }
            self.hear_last_words(command);
            // Closing a watch takes its time, and the record does not wait for it.
            let _source = self.readiness.take();
            self.feed(Event::Ended(
                ending,
                reaped.remaining,
                reaped.terminal_place,
            ));
        }
        if let Some(signal) = reaped.paused {
            self.feed(Event::Paused(signal));
        }
        if self.descendants.is_none() {
            return;
        }
        if reaped.remaining == Remaining::Nothing {
            self.descendants = None;
            self.feed(Event::NoDescendants);
        } else if let Some(event) = self.tell_descendants() {
            // The children of those who have just gone are ours now.
            self.feed(event);
        }
    }

    /// Whether the children that we have are a check and a probe, and nobody whom the command has left behind.
    fn has_left_helpers_alone(&self) -> bool {
        let check = self.managed.as_ref().and_then(ManagedApp::check_pid);
        let probe = self.readiness.as_ref().and_then(Readiness::helper_pid);
        let helpers: Vec<Pid> = check.into_iter().chain(probe).collect();
        !helpers.is_empty() && !Descendants::exist_besides(&helpers)
    }

    fn status_may_come(&self) -> bool {
        let readiness = self.readiness.as_ref();
        readiness.is_some_and(Readiness::outlives_readiness)
    }

    /// What the command has said before its end, as far as it can have been waiting for us.
    fn hear_last_words(&mut self, command: Option<Pid>) {
        for _ in 0..LAST_WORDS {
            if !self.status_may_come() || !self.hear(command) {
                return;
            }
        }
    }

    fn take_readiness(&mut self) {
        let command = self.child.as_ref().map(Child::pid);
        self.hear(command);
    }

    /// Whether there may be more at once.
    fn hear(&mut self, command: Option<Pid>) -> bool {
        let Some(readiness) = &mut self.readiness else {
            return false;
        };
        let dir = self.plan.membership.as_ref();
        let finding = readiness.poll(command, dir.map(|dir| &dir.dir), self.signals);
        if let Some(complaint) = finding.warning {
            self.complain(complaint);
        }
        if finding.status.is_some() {
            self.status = finding.status;
        }
        if finding.is_ready {
            self.feed(Event::Ready);
            if !self.status_may_come() {
                // After the record: closing a watch takes its time.
                self.readiness = None;
            }
        }
        finding.has_more
    }

    fn take_configuration(&mut self) {
        let may_check = self.may_check();
        if let Some(managed) = &mut self.managed {
            let finding = managed.poll(self.signals, may_check);
            self.take_finding(finding);
        }
    }

    /// A check is a child of ours too, and would be taken for what the command left behind.
    fn may_check(&self) -> bool {
        self.descendants.is_none()
    }

    fn take_finding(&mut self, finding: ManagedUpdate) {
        let voice = self.plan.logger;
        finding.warnings.iter().for_each(|said| voice.error(said));
        finding.details.iter().for_each(|said| voice.debug(said));
        finding
            .warnings_once
            .into_iter()
            .for_each(|said| self.complain(said));
        // First, so that a command that is activated is not restarted for what it is started with.
        if finding.reconfigured {
            self.feed(Event::Reconfigured);
        }
        match finding.active {
            Some(true) => self.feed(Event::Activated),
            Some(false) => self.feed(Event::Deactivated),
            None => {}
        }
    }

    /// Those who cannot be found are not waited for.
    fn tell_descendants(&mut self) -> Option<Event> {
        let sentence = self.descendants.as_mut()?.signal_new().err()?;
        self.descendants = None;
        self.complain(sentence);
        Some(Event::NoDescendants)
    }

    fn take_timers(&mut self) {
        // While a start is due, nothing is missing but a moment's rest.
        let is_over = self.timers.is_over(Timer::BirthTimeout);
        if is_over && self.start_due.is_none() && self.timers.take(Timer::BirthTimeout) {
            self.feed(Event::Expired(Timer::BirthTimeout));
        }
        while let Some(timer) = self.timers.take_due() {
            self.feed(Event::Expired(timer));
        }
    }

    fn take_news(&mut self) {
        let Some(society) = self.society.as_mut() else {
            return;
        };
        let look = society.look();
        let fate = society.deaths.stop_cause().cloned();
        self.tell_trouble(look);
        if let Some(fate) = fate {
            self.feed(Event::DeathDepHolds(fate));
        }
        self.forget_others();
    }

    /// If nothing that happens to others matters any more.
    fn forget_others(&mut self) {
        if !self.machine.may_wait() && self.plan.death_deps.is_empty() {
            // The loop does not wait while the kernel closes the watch.
            if let Some(society) = &mut self.society {
                society.follower.close_later();
            }
            self.society = None;
        }
    }

    fn tell_trouble(&mut self, look: ScanResult) {
        let path = self
            .plan
            .membership
            .as_ref()
            .map(|membership| membership.dir.path().display().to_string());
        let path = path.unwrap_or_default();
        match look.trouble {
            Some(WatchFault::DirectoryGone) => {
                self.plan.logger.error(format!(
                    "{path} was removed, moved or unmounted: watching for its return"
                ));
            }
            Some(WatchFault::DirectoryBack) => self
                .plan
                .logger
                .info(format!("{path} is back and watched again")),
            Some(WatchFault::NoInotify(errno)) => {
                let sentence = dir_watch::no_inotify(errno);
                if self.is_new(&sentence) {
                    self.plan.logger.info(sentence);
                }
            }
            None => {}
        }
        for error in look.errors.into_iter().chain(look.blemishes) {
            self.complain(error.to_string());
        }
    }

    /// Says it once.
    fn complain(&mut self, sentence: String) {
        if self.is_new(&sentence) {
            self.plan.logger.error(sentence);
        }
    }

    fn is_new(&mut self, sentence: &str) -> bool {
        self.complaints.insert(sentence.to_owned())
    }

    /// Gives an event to the machine, and the answers to its actions after it.
    fn feed(&mut self, event: Event) {
        let mut answers = VecDeque::from([event]);
        while let Some(event) = answers.pop_front() {
            for action in self.machine.step(event) {
                self.carry_out(action, &mut answers);
            }
        }
    }
}
