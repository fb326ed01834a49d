//! The machine, closed: every reachable state with every event, every sequence of events up to a length, and
//! what must always hold.

use super::{fate, rules, signal};
use crate::duration::Limit;
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::protocol::death_deps::Dependence;
use crate::signal::{Signal, SignalSet};
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::forwarding::Forwarding;
use crate::supervisor::machine::Machine;
use crate::supervisor::outcome::{EndReason, FinalStatus, StopReason};
use crate::supervisor::record::Record;
use crate::supervisor::report::Report;
use crate::supervisor::retries::Retries;
use crate::supervisor::rules::{OnConfig, Restart, Rules};
use crate::supervisor::state::MachineState;
use crate::supervisor::timer::Timer;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::LazyLock;
use std::time::Duration;

const TIMERS: [Timer; 8] = [
    Timer::BirthTimeout,
    Timer::WaitNotice,
    Timer::RunTimeout,
    Timer::SteadyRun,
    Timer::StopDelay,
    Timer::GracePeriod,
    Timer::OrphanScan,
    Timer::Backoff,
];

pub(super) fn alphabet() -> Vec<Event> {
    let mut events = vec![
        Event::BirthDepsHold,
        Event::DeathDepHolds(fate(Dependence::Auxiliary)),
        Event::DeathDepHolds(fate(Dependence::Required)),
    ];
    let signals = ["TERM", "INT", "HUP", "TSTP", "CONT", "USR1"];
    events.extend(signals.map(|name| Event::Signal(signal(name))));
    events.extend([
        Event::Started,
        Event::StartFailed(StartFailure::NotFound(2)),
        Event::Ready,
        Event::Paused(Signal::TSTP),
        Event::Paused(Signal::TTIN),
        Event::NoDescendants,
        Event::Activated,
        Event::Deactivated,
        Event::Reconfigured,
    ]);
    let endings = [
        ExitStatus::Exited(0),
        ExitStatus::Exited(1),
        ExitStatus::Signaled(Signal::TERM),
        ExitStatus::Signaled(Signal::KILL),
    ];
    for left in [Remaining::Nothing, Remaining::Descendants] {
        events.extend(endings.map(|ending| Event::Ended(ending, left, TerminalPlace::Elsewhere)));
    }
    let key = ExitStatus::Signaled(Signal::INT);
    events.push(Event::Ended(
        key,
        Remaining::Nothing,
        TerminalPlace::Foreground,
    ));
    events.extend(TIMERS.map(Event::Expired));
    events
}

/// What it is, its options, and whether it is managed: activated, deactivated, reconfigured.
type Life = (&'static str, Rules, bool);
const MANAGED: bool = true;
const UNMANAGED: bool = false;

/// Lives whose options differ in what the machine looks at.
fn lives() -> Vec<Life> {
    let usr1 = Forwarding::new(Signal::TERM, &[(Signal::TERM, Some(signal("USR1")))]);
    let nothing = Forwarding::new(Signal::TERM, &[(Signal::TERM, None)]);
    let delayed = Limit::After(Duration::from_secs(5));
    vec![
        ("plain, managed", rules(), MANAGED),
        (
            "all that one can ask for",
            Rules {
                restart: Restart::Always,
                restart_limit: Some(2),
                wait_descendants: true,
                stop_delay: delayed,
                ..rules()
            },
            UNMANAGED,
        ),
        (
            "always, delayed, and nothing ends it but its child",
            Rules {
                restart: Restart::Always,
                restart_limit: Some(1),
                stop_delay: delayed,
                ignored_signals: SignalSet::ALL,
                ..rules()
            },
            UNMANAGED,
        ),
        (
            "the stop signal is INT, delayed",
            Rules {
                stop_delay: delayed,
                stop_signal: Signal::INT,
                forwarding: Forwarding::new(Signal::INT, &[]),
                ..rules()
            },
            UNMANAGED,
        ),
        (
            "on-failure, TERM as USR1",
            Rules {
                restart: Restart::OnFailure,
                forwarding: usr1.clone(),
                stop_delay: delayed,
                ..rules()
            },
            UNMANAGED,
        ),
        (
            "always, TERM dropped",
            Rules {
                restart: Restart::Always,
                forwarding: nothing,
                ready_on_start: false,
                ..rules()
            },
            UNMANAGED,
        ),
        (
            "pass-code, descendants, nothing ends it but its child",
            Rules {
                pass_code: true,
                restart: Restart::OnFailure,
                restart_limit: Some(1),
                wait_descendants: true,
                ignored_signals: SignalSet::ALL,
                ..rules()
            },
            UNMANAGED,
        ),
        (
            "managed, a new configuration is told with HUP, delayed, descendants",
            Rules {
                on_config: OnConfig::Send(Signal::HUP),
                stop_delay: delayed,
                wait_descendants: true,
                ..rules()
            },
            MANAGED,
        ),
        (
            "managed, and restarted once after a failure",
            Rules {
                restart: Restart::OnFailure,
                restart_limit: Some(1),
                wait_descendants: true,
                ..rules()
            },
            MANAGED,
        ),
    ]
}

/// The world around the machine: what can happen next depends on what it ordered.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Monitor {
    starting: bool,
    alive: bool,
    born: bool,
    ready: bool,
    /// The command got the stop signal, or what stands for it.
    asked: bool,
    /// The command got an INT through us.
    interrupted: bool,
    /// What the command left behind was told to stop; killed.
    clearing: Option<Signal>,
    /// The grace period of the stop under way is over.
    grace_over: bool,
    /// Somebody outside has no patience with what is left.
    hurried: bool,
    /// Something has happened that no start may follow.
    over: bool,
    /// The last that the command did was not success.
    failed: bool,
    armed: BTreeSet<Timer>,
    starts: u32,
    finished: bool,
    /// A command may run.
    active: bool,
    /// The tombstone says that none may.
    inactive: bool,
    /// There is a newer configuration than the command was started with.
    stale: bool,
    /// It was deactivated, or there was a new configuration: the next start is no restart.
    resumes: bool,
}

/// A machine in its world.
#[derive(Clone)]
pub(super) struct World {
    rules: Rules,
    managed: bool,
    pub(super) machine: Machine,
    monitor: Monitor,
    trace: Vec<Event>,
}

type Key = (MachineState, Retries, Monitor);

impl World {
    fn new(rules: Rules, managed: bool) -> World {
        let machine = Machine::new(rules.clone());
        let first = machine.initial_actions();
        let mut world = World {
            rules,
            managed,
            machine,
            monitor: Monitor {
                starting: false,
                alive: false,
                born: false,
                ready: false,
                asked: false,
                interrupted: false,
                clearing: None,
                grace_over: false,
                hurried: false,
                over: false,
                failed: false,
                armed: BTreeSet::new(),
                starts: 0,
                finished: false,
                active: true,
                inactive: false,
                stale: false,
                resumes: false,
            },
            trace: Vec::new(),
        };
        world.obey(first, None);
        world
    }

    fn key(&self) -> Key {
        let mut monitor = self.monitor.clone();
        // What is counted beyond the limit changes nothing.
        monitor.starts = monitor.starts.min(4);
        let machine = &self.machine;
        (machine.state.clone(), machine.retries.clone(), monitor)
    }

    fn can_happen(&self, event: &Event) -> bool {
        let monitor = &self.monitor;
        match event {
            Event::Started | Event::StartFailed(_) => monitor.starting,
            // Whoever drives the machine waits for the answer to a start.
            _ if monitor.starting => false,
            Event::Ready | Event::Ended(..) | Event::Paused(_) => monitor.alive,
            Event::NoDescendants => monitor.clearing.is_some(),
            Event::Expired(timer) => monitor.armed.contains(timer),
            Event::Activated => self.managed && !monitor.active,
            Event::Deactivated => self.managed && monitor.active,
            Event::Reconfigured => self.managed,
            Event::BirthDepsHold | Event::DeathDepHolds(_) | Event::Signal(_) => true,
        }
    }

    fn demand(&self, holds: bool, what: &str) {
        assert!(holds, "{what}: {:?}", self.trace);
    }

    fn happen(&mut self, event: &Event) {
        self.trace.push(event.clone());
        let monitor = &mut self.monitor;
        match event {
            Event::Started => {
                monitor.stale = false;
                monitor.alive = true;
                monitor.starting = false;
                monitor.asked = false;
                monitor.interrupted = false;
                monitor.failed = false;
            }
            Event::StartFailed(_) => {
                monitor.failed = true;
                monitor.starting = false;
            }
            Event::Ended(ending, _, place) => {
                monitor.over |= *place == TerminalPlace::Foreground && !monitor.interrupted;
                monitor.alive = false;
                monitor.failed = *ending != ExitStatus::Exited(0);
            }
            Event::NoDescendants => monitor.clearing = None,
            Event::Expired(timer) => {
                monitor.armed.remove(timer);
                monitor.grace_over |= *timer == Timer::GracePeriod;
                monitor.over |= *timer == Timer::RunTimeout;
            }
            Event::Signal(signal) => {
                let waited_for = monitor.starts > 0 || self.rules.ends_wait(*signal);
                monitor.over |= self.rules.is_stop_request(*signal) && waited_for;
                monitor.hurried |= monitor.clearing.is_some() && self.rules.ends_wait(*signal);
            }
            Event::DeathDepHolds(_) => monitor.over = true,
            Event::Activated => monitor.active = true,
            Event::Deactivated => {
                monitor.active = false;
                monitor.resumes = true;
            }
            Event::Reconfigured => {
                monitor.stale = monitor.alive;
                monitor.resumes = true;
            }
            Event::BirthDepsHold | Event::Ready | Event::Paused(_) => {}
        }
        let running = matches!(
            self.machine.state,
            MachineState::Running(_) | MachineState::Delaying(..)
        );
        let actions = self.machine.step(event.clone());
        if let (Event::Reconfigured, OnConfig::Send(signal)) = (event, self.rules.on_config) {
            let told = actions.contains(&Action::Send(signal));
            self.demand(told == running, "a command that runs is told, and no other");
            self.monitor.stale = false;
        }
        let silent = !self.monitor.finished || actions.is_empty();
        self.demand(silent, "something happens after the end");
        self.obey(actions, Some(event));
        self.look_at_activity();
    }

    /// A command that may not run, or not with what it has, is being stopped.
    fn look_at_activity(&self) {
        let monitor = &self.monitor;
        let stopping = matches!(self.machine.state, MachineState::Stopping(..));
        let fine = !monitor.alive || stopping;
        self.demand(monitor.active || fine, "inactive, and it goes on");
        let fresh = !monitor.stale || monitor.over;
        self.demand(fresh || fine, "it goes on with an old configuration");
        let inactive = matches!(self.machine.state, MachineState::Inactive(_));
        let known = !monitor.active && monitor.inactive;
        self.demand(!inactive || known, "inactive, and nobody can see it");
        self.demand(self.machine.active == monitor.active, "what may run");
    }

    fn obey(&mut self, actions: Vec<Action>, event: Option<&Event>) {
        for action in actions {
            self.demand(!self.monitor.finished, "an action after the end");
            match action {
                Action::Start => self.start(),
                Action::Send(signal) => self.send(signal),
                Action::Pause(_) => {
                    let alone = event == Some(&Event::Signal(Signal::TSTP));
                    self.demand(self.monitor.alive || alone, "paused without a command");
                }
                Action::SignalDescendants(signal) => self.clear(signal),
                Action::Arm(timer, _) => {
                    self.monitor.grace_over &= timer != Timer::GracePeriod;
                    self.monitor.armed.insert(timer);
                }
                Action::Disarm(timer) => {
                    self.monitor.armed.remove(&timer);
                }
                Action::Record(record) => self.record(&record),
                Action::Report(_) => {}
                Action::Finish(last) => self.finish(&last),
            }
        }
    }

    fn start(&mut self) {
        let monitor = &mut self.monitor;
        let resumes = std::mem::take(&mut monitor.resumes) && monitor.starts > 0;
        monitor.starts += u32::from(!resumes);
        monitor.starting = true;
        let (starts, limit) = (monitor.starts, self.rules.restart_limit);
        self.demand(!self.monitor.over, "a start after a stop");
        self.demand(self.monitor.active, "a start while none may run");
        self.demand(!self.monitor.inactive, "a start of one that is inactive");
        self.demand(!self.monitor.alive, "a second command");
        self.demand(!self.monitor.ready, "ready while the command is down");
        self.demand(
            self.monitor.clearing.is_none(),
            "a start among what is left",
        );
        let restarts = self.rules.restart != Restart::Never;
        let asked = starts == 1 || restarts || resumes;
        self.demand(asked, "a restart that nobody asked for");
        let within = limit.is_none_or(|limit| starts <= limit + 1);
        self.demand(within, "too many restarts");
    }

    fn send(&mut self, signal: Signal) {
        self.demand(self.monitor.alive, "a signal to nobody");
        let kill = signal == Signal::KILL;
        let due = self.monitor.asked && self.monitor.grace_over;
        self.demand(!kill || due, "KILL too early");
        let asking = [
            Some(self.rules.stop_signal),
            self.rules.forwarding.sent_for(Signal::TERM),
        ];
        self.monitor.asked |= asking.contains(&Some(signal));
        self.monitor.interrupted |= signal == Signal::INT;
    }

    fn clear(&mut self, signal: Signal) {
        self.demand(!self.monitor.alive, "descendants before the command");
        let before = self.monitor.clearing.replace(signal);
        let kill = signal == Signal::KILL;
        let due = before.is_some() && (self.monitor.grace_over || self.monitor.hurried);
        self.demand(!kill || due, "descendants killed too early");
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Born { ready } => {
                self.demand(self.monitor.alive, "born and not alive");
                self.demand(!self.monitor.born, "born twice");
                self.demand(!self.monitor.inactive, "born and inactive");
                self.monitor.born = true;
                self.monitor.ready = *ready;
            }
            Record::Ready => {
                self.demand(self.monitor.alive, "ready and not alive");
                self.monitor.ready = true;
            }
            Record::Down | Record::Inactive => {
                self.demand(!self.monitor.alive, "down and alive");
                self.monitor.ready = false;
                self.monitor.inactive = *record == Record::Inactive;
            }
            Record::Cause(_) => {
                self.demand(self.monitor.over, "a cause without a death");
            }
        }
    }

    fn finish(&mut self, last: &FinalStatus) {
        self.monitor.finished = true;
        self.demand(!self.monitor.alive, "the end while the command lives");
        let alone = self.monitor.clearing.is_none();
        self.demand(alone, "the end while descendants live");
        let clean = self.is_clean(last);
        self.demand(
            last.code != 0 || clean,
            "a failure was turned into a success",
        );
    }

    /// No status 0 after a failure that was not the consequence of our own stop.
    fn is_clean(&self, last: &FinalStatus) -> bool {
        let own = !self.monitor.failed;
        match &last.end_reason {
            EndReason::CommandEnded(_) => own,
            EndReason::Stopped(_) if self.rules.pass_code => own,
            EndReason::Stopped(StopReason::Dependency(fate)) | EndReason::NotStarted(fate) => {
                fate.dependence == Dependence::Auxiliary
            }
            EndReason::NotRestarted(fate) => {
                fate.dependence == Dependence::Auxiliary || self.rules.pass_code && own
            }
            EndReason::Stopped(
                StopReason::RunTimeout | StopReason::Deactivated | StopReason::Reconfigured,
            )
            | EndReason::BirthTimeout
            | EndReason::Interrupted(_)
            | EndReason::StartFailed(_) => false,
        }
    }

    /// What happens without anybody outside.
    fn happens_by_itself(event: &Event) -> bool {
        match event {
            Event::Started
            | Event::StartFailed(_)
            | Event::Ended(..)
            | Event::NoDescendants
            | Event::Expired(_) => true,
            Event::BirthDepsHold
            | Event::DeathDepHolds(_)
            | Event::Signal(_)
            | Event::Activated
            | Event::Deactivated
            | Event::Reconfigured
            | Event::Ready
            | Event::Paused(_) => false,
        }
    }
}

/// All reachable states of one life, by breadth-first search, and where each event leads.
pub(super) struct Map {
    pub(super) worlds: Vec<World>,
    /// From, by which event of the alphabet, to.
    ways: Vec<(usize, usize, usize)>,
}

fn explore(rules: &Rules, managed: bool) -> Map {
    let alphabet = alphabet();
    let mut map = Map {
        worlds: vec![World::new(rules.clone(), managed)],
        ways: Vec::new(),
    };
    let mut known: HashMap<Key, usize> = HashMap::from([(map.worlds[0].key(), 0)]);
    let mut queue = VecDeque::from([0]);
    while let Some(at) = queue.pop_front() {
        for (number, event) in alphabet.iter().enumerate() {
            let mut next = map.worlds[at].clone();
            if !next.can_happen(event) {
                // It must not break anything all the same.
                let actions = next.machine.step(event.clone());
                let ends = matches!(actions.last(), Some(Action::Finish(_)));
                next.demand(!(next.monitor.finished && ends), "a second end");
                continue;
            }
            next.happen(event);
            let to = *known.entry(next.key()).or_insert_with(|| {
                map.worlds.push(next);
                queue.push_back(map.worlds.len() - 1);
                map.worlds.len() - 1
            });
            map.ways.push((at, number, to));
        }
    }
    map
}

/// All lives, explored once for all tests.
pub(super) fn maps() -> &'static [(&'static str, Map)] {
    static MAPS: LazyLock<Vec<(&'static str, Map)>> = LazyLock::new(|| {
        let explored = |(what, rules, managed): Life| (what, explore(&rules, managed));
        lives().into_iter().map(explored).collect()
    });
    &MAPS
}

/// The states from which the end can be reached over the ways that count.
fn can_end(map: &Map, counts: impl Fn(&World, &Event) -> bool) -> Vec<bool> {
    let alphabet = alphabet();
    let mut ends: Vec<bool> = map
        .worlds
        .iter()
        .map(|world| world.monitor.finished)
        .collect();
    loop {
        let mut grown = false;
        for (from, event, to) in &map.ways {
            if ends[*to] && !ends[*from] && counts(&map.worlds[*from], &alphabet[*event]) {
                ends[*from] = true;
                grown = true;
            }
        }
        if !grown {
            return ends;
        }
    }
}

#[test]
fn every_reachable_state_keeps_the_promises_at_every_event_and_has_a_way_to_the_end() {
    for (what, map) in maps() {
        let (states, ways) = (map.worlds.len(), map.ways.len());
        let ended = map.worlds.iter().filter(|world| world.monitor.finished);
        println!(
            "{what}: {states} states, {ways} ways, {} ends",
            ended.count()
        );
        assert!(states > 50 && ways > 500, "the search went nowhere");
        let any = can_end(map, |_, _| true);
        let alone = can_end(map, |_, event| World::happens_by_itself(event));
        for (at, world) in map.worlds.iter().enumerate() {
            world.demand(any[at], "no way out");
            world.demand(!world.monitor.over || alone[at], "a stop that does not end");
        }
    }
}

#[test]
fn every_sequence_of_possible_events_keeps_the_promises() {
    let alphabet = alphabet();
    let (mut sequences, mut ends) = (0_u64, 0_u64);
    for (_, rules, managed) in lives() {
        let mut stack = vec![World::new(rules, managed)];
        while let Some(world) = stack.pop() {
            sequences += 1;
            ends += u64::from(world.monitor.finished);
            // Nothing happens after the end: that is asked of every state above.
            if world.trace.len() == 5 || world.monitor.finished {
                continue;
            }
            for event in alphabet.iter().filter(|event| world.can_happen(event)) {
                let mut next = world.clone();
                next.happen(event);
                stack.push(next);
            }
        }
    }
    println!("{sequences} sequences of possible events, {ends} of them ended");
    assert!(sequences > 50_000 && ends > 10_000, "the walk went nowhere");
}

/// Impossible ones too. What a machine does depends on its state alone, so sequences that lead to the same
/// state are walked once and counted.
#[test]
fn every_sequence_of_any_events_ends_at_most_once() {
    let alphabet = alphabet();
    let mut sequences = 0_u128;
    for (_, rules, _) in lives() {
        let first = Machine::new(rules);
        let mut level = HashMap::from([(snapshot(&first), (first, 1_u128))]);
        for _ in 0..5 {
            let mut next: HashMap<Snapshot, (Machine, u128)> = HashMap::new();
            for (machine, count) in level.values() {
                for event in &alphabet {
                    let mut machine = machine.clone();
                    let over = machine.state == MachineState::Finished;
                    let actions = machine.step(event.clone());
                    assert!(!over || actions.is_empty(), "{event:?} after the end");
                    let ends = |action: &&Action| matches!(action, Action::Finish(_));
                    let finishes = actions.iter().filter(ends).count();
                    let ended = !over && machine.state == MachineState::Finished;
                    assert_eq!(finishes, usize::from(ended), "{event:?}: {actions:?}");
                    sequences += count;
                    let same = next.entry(snapshot(&machine)).or_insert((machine, 0));
                    same.1 += count;
                }
            }
            level = next;
        }
    }
    println!("{sequences} sequences of any events");
    assert!(sequences > 100_000_000);
}

type Snapshot = (MachineState, Retries, bool);

fn snapshot(machine: &Machine) -> Snapshot {
    let state = machine.state.clone();
    (state, machine.retries.clone(), machine.active)
}

#[test]
fn the_short_way_for_a_signal_leads_where_the_long_one_does() {
    let mut short_ways = 0;
    for (what, map) in maps() {
        for world in &map.worlds {
            for signal in (1..=64).filter_map(Signal::from_number) {
                let mut short = world.machine.clone();
                let Some(sent) = short.forward_fast(signal) else {
                    assert_eq!(snapshot(&short), snapshot(&world.machine));
                    continue;
                };
                let mut long = world.machine.clone();
                let expected = [Action::Send(sent), Action::Report(Report::Forwarded(sent))];
                assert_eq!(
                    long.step(Event::Signal(signal)),
                    expected,
                    "{what}: {signal}"
                );
                assert_eq!(snapshot(&short), snapshot(&long), "{what}: {signal}");
                short_ways += 1;
            }
        }
    }
    println!("{short_ways} short ways");
    assert!(short_ways > 100_000);
}
