//! The event loop of `exitdir-run`: it polls every source of events, feeds the state machine
//! ([`crate::supervisor`]) with what it finds, and performs the machine's actions.
//!
//! The machine decides, the loop does. Setting up may fail. Once CMD runs, nothing here ends it:
//! faults are reported, and the loop goes on.

mod command;
mod directory;
mod effects;
mod event_source;
mod hook_events;
mod hooks;
pub(crate) mod messages;
mod on_exit;
mod peers;
pub(crate) mod plan;
mod polls;
mod records;
mod reporter;
mod start_gate;
pub(crate) mod termination_log;
mod timers;

use crate::hook::{Hook, HookVariables};
use crate::managed::ManagedApp;
use crate::probe::Prober;
use crate::process::descendants::describe_children;
use crate::protocol::item::{Part, parts};
use crate::protocol::source::Source;
use crate::supervisor::machine::Machine;
use crate::sys::signals::Signals;
use command::Command;
use event_source::EventSource;
use hooks::Hooks;
use messages::Missing;
use peers::Peers;
use plan::Plan;
use records::OwnRecord;
use reporter::Reporter;
use rustix::event::PollFd;
use start_gate::StartGate;
use std::collections::VecDeque;
use std::time::Instant;
use timers::Timers;

/// Runs CMD as the plan describes, and returns the exit status of exitdir-run.
///
/// # Errors
/// A message that says why CMD cannot be supervised. Nothing was started then.
pub(crate) fn supervise(
    plan: &Plan,
    managed: Option<Box<ManagedApp<'_>>>,
    signals: &Signals,
) -> Result<u8, String> {
    let mut event_loop = EventLoop::new(plan, managed, signals)?;
    let status = event_loop.run();
    event_loop.save_death();
    event_loop.run_on_exit();
    Ok(status)
}

struct EventLoop<'p> {
    plan: &'p Plan,
    signals: &'p Signals,
    machine: Machine,
    timers: Timers,
    command: Command,
    record: OwnRecord<'p>,
    reporter: Reporter<'p>,
    gate: StartGate,
    /// The lives that this life depends on, as long as it does.
    peers: Option<Box<Peers<'p>>>,
    /// The sources that this life depends on, as long as it does.
    prober: Option<Prober>,
    /// The configuration and the activation of CMD.
    managed: Option<Box<ManagedApp<'p>>>,
    hooks: Hooks<'p>,
    turn_began: Instant,
    /// The working directory is that in which exitdir-run was started.
    holds_directory: bool,
    /// Set at the end.
    exit_status: Option<u8>,
    /// What `--on-exit` learns about the end.
    end_variables: HookVariables,
}

impl<'p> EventLoop<'p> {
    // Not inlined, as `run_on_exit`: what both need on the stack would stay there until CMD ends.
    #[inline(never)]
    fn new(
        plan: &'p Plan,
        managed: Option<Box<ManagedApp<'p>>>,
        signals: &'p Signals,
    ) -> Result<EventLoop<'p>, String> {
        let options = plan.exit_dir.as_ref();
        // Kept open, so that the path is resolved once for what follows.
        let _dir = options.map(|options| options.dir.handle());
        let record = OwnRecord::begin(options, &plan.birth_deps, &plan.death_deps)
            .map_err(|error| error.to_string())?;
        for notice in record.notices() {
            plan.logger.info(notice);
        }
        let peers = Peers::new(
            options.map(|options| &options.dir),
            options.and_then(|options| options.name.as_ref()),
            &plan.birth_deps,
            &plan.death_deps,
            record.fell(),
            plan.poll,
        );
        Ok(EventLoop {
            plan,
            signals,
            machine: Machine::new(plan.rules.clone()),
            timers: Timers::default(),
            command: Command::default(),
            record,
            reporter: Reporter::new(plan),
            gate: StartGate::default(),
            peers: peers.map(Box::new),
            prober: prober(plan),
            managed,
            hooks: Hooks::default(),
            turn_began: Instant::now(),
            holds_directory: true,
            exit_status: None,
            end_variables: HookVariables::new(),
        })
    }

    fn run(&mut self) -> u8 {
        for action in self.machine.initial_actions() {
            self.perform(action, &mut VecDeque::new());
        }
        loop {
            self.turn();
            if let Some(status) = self.exit_status {
                self.close_watches();
                return status;
            }
            self.sleep();
        }
    }

    /// Only now: followers have been told, and nothing waits for the disk but our exit.
    fn save_death(&self) {
        if let Err(error) = self.record.save() {
            self.reporter.error(error);
        }
    }

    /// Runs `--on-exit`. Before that, everything is closed that the life has held: where its death
    /// could not be recorded, followers learn of it by that.
    #[inline(never)]
    fn run_on_exit(self) {
        let (plan, signals, reporter) = (self.plan, self.signals, self.reporter);
        if plan.on_exit.is_empty() {
            return;
        }
        drop((
            self.record,
            self.peers,
            self.managed,
            self.command,
            self.hooks,
        ));
        let hook = Hook::new("--on-exit", &plan.on_exit, self.end_variables);
        on_exit::run(hook, &plan.rules, &reporter, signals);
    }

    /// One turn. It polls every source, because a wake-up is only a hint. Only a signal that is
    /// just forwarded needs no turn: see [`EventLoop::await_signals`].
    fn turn(&mut self) {
        self.turn_began = Instant::now();
        let polls: [fn(&mut Self); 10] = [
            // The end of CMD, and stops from outside. They come first, so that nothing is started
            // or recorded for a CMD that has ended.
            Self::poll_signals,
            Self::poll_hooks,
            // Before the peers: a CMD that became ready is recorded as ready before it is stopped.
            Self::poll_readiness,
            // Before the peers and the gate: whether CMD may run decides what a death means.
            Self::poll_configuration,
            Self::poll_peers,
            // Before the gate: CMD is not started for a life that ends now.
            Self::poll_missing_timeout,
            // After everything that can add a record of its own.
            Self::retry_replacement,
            // After all that can forbid a start.
            Self::poll_start_gate,
            // Last of the events, so that a timeout of 0 gives up after one poll and not before it.
            Self::poll_timers,
            Self::release_directory,
        ];
        for poll in polls {
            if self.exit_status.is_none() {
                poll(self);
            }
        }
    }

    /// The sources of events beside signals and timers.
    fn sources(&self) -> impl Iterator<Item = &dyn EventSource> {
        let peers = self.peers.as_deref().map(|peers| peers as &dyn EventSource);
        let prober = self.prober.as_ref();
        let prober = prober.map(|prober| prober as &dyn EventSource);
        let readiness = self.command.readiness.as_ref();
        let readiness = readiness.map(|readiness| readiness as &dyn EventSource);
        let managed = self.managed.as_deref().map(|app| app as &dyn EventSource);
        let hooks = Some(&self.hooks as &dyn EventSource);
        [peers, prober, readiness, managed, hooks]
            .into_iter()
            .flatten()
    }

    fn sources_mut(&mut self) -> impl Iterator<Item = &mut dyn EventSource> {
        let peers = self
            .peers
            .as_deref_mut()
            .map(|peers| peers as &mut dyn EventSource);
        let prober = self.prober.as_mut();
        let prober = prober.map(|prober| prober as &mut dyn EventSource);
        let readiness = self.command.readiness.as_mut();
        let readiness = readiness.map(|readiness| readiness as &mut dyn EventSource);
        let managed = self
            .managed
            .as_deref_mut()
            .map(|app| app as &mut dyn EventSource);
        let hooks = Some(&mut self.hooks as &mut dyn EventSource);
        [peers, prober, readiness, managed, hooks]
            .into_iter()
            .flatten()
    }

    /// Sleeps until a source, a signal or a deadline wakes the loop.
    fn sleep(&mut self) {
        let helpers = self.command.helpers();
        let deadlines = self.sources().filter_map(|source| source.deadline(helpers));
        let own_deadlines = [self.gate.deadline(), self.record.deadline()];
        let earliest = deadlines.chain(own_deadlines.into_iter().flatten()).min();
        let until = self.timers.next(earliest);
        let interests = self.sources().flat_map(EventSource::interests);
        let interests: Vec<PollFd<'_>> = interests.collect();
        if interests.is_empty() {
            drop(interests);
            return self.await_signals(until);
        }
        self.signals.sleep(interests, until);
    }

    /// Sleeps where only a signal can wake the loop. A signal that is only forwarded needs no turn.
    fn await_signals(&mut self, until: Option<Instant>) {
        loop {
            let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
            let Some(signal) = self.signals.wait(timeout) else {
                return;
            };
            let is_only_forwarded = self.take_signal(signal);
            if !is_only_forwarded || until.is_some() {
                return;
            }
        }
    }

    /// Everything is recorded. Processes that wait for our end need not wait until the kernel has
    /// closed the watches.
    fn close_watches(&mut self) {
        if let Some(peers) = &mut self.peers {
            peers.tracker.close_later();
        }
        if let Some(managed) = &mut self.managed {
            managed.close_later();
        }
    }
}

/// What tries the sources of the dependencies, if there are any.
fn prober(plan: &Plan) -> Option<Prober> {
    let sources = parts(&plan.death_deps).chain(parts(&plan.birth_deps));
    let sources: Vec<&Source> = sources.filter_map(Part::source).collect();
    (!sources.is_empty()).then(|| Prober::new(sources))
}

/// What is not there, as part of a sentence.
fn missing(
    what: Missing,
    peers: Option<&Peers<'_>>,
    prober: Option<&Prober>,
    managed: Option<&ManagedApp<'_>>,
) -> String {
    let (of_peers, configuration) = match what {
        Missing::Awaited => (
            peers.map(|peers| peers.missing_births(prober)),
            managed.map(ManagedApp::missing),
        ),
        Missing::Left => (Some(describe_children()), None),
        Missing::Unseen => (peers.map(|peers| peers.missing_deaths(prober)), None),
    };
    let missing = [of_peers, configuration].into_iter().flatten();
    let missing: Vec<String> = missing.filter(|text| !text.is_empty()).collect();
    missing.join(", ")
}
