//! The machine, closed: the exit table row by row, and every sequence of possible events up to a
//! length, with what must always hold.

use super::*;
use crate::dependencies::Bond;
use crate::tombstone::Reason;
use crate::{Name, SignalSet};
use std::time::Duration;

fn signal(name: &str) -> Signal {
    Signal::parse(name).unwrap()
}

fn fate(bond: Bond) -> Fate {
    Fate {
        cause: Name::new("peer").unwrap(),
        bond,
        what: "peer died".to_owned(),
    }
}

fn rules() -> Rules {
    Rules {
        birth_timeout: Limit::After(Duration::from_secs(300)),
        run_timeout: Limit::After(Duration::from_secs(60)),
        grace_period: Limit::After(Duration::from_secs(30)),
        stop_signal: Signal::TERM,
        pass_code: false,
        expected: Vec::new(),
        ready_on_start: true,
        ignored: SignalSet::default(),
    }
}

/// Feeds the events and returns the end that they lead to.
fn end(rules: &Rules, events: &[Event]) -> Final {
    let mut machine = Machine::new(rules.clone());
    let actions: Vec<Action> = events
        .iter()
        .flat_map(|event| machine.step(event.clone()))
        .collect();
    let ends: Vec<Final> = actions
        .into_iter()
        .filter_map(|action| {
            if let Action::Finish(last) = action {
                Some(last)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(ends.len(), 1, "{events:?}");
    ends[0].clone()
}

fn stopped(rules: &Rules, bond: Bond, ending: Ending) -> Final {
    end(
        rules,
        &[
            Event::BirthDepsHold,
            Event::Started,
            Event::DeathDepHolds(fate(bond)),
            Event::Ended(ending),
        ],
    )
}

#[test]
fn a_stop_is_as_clean_as_the_death_that_caused_it() {
    let term = Ending::Signaled(Signal::TERM);
    let kill = Ending::Signaled(Signal::KILL);
    for (ending, served, needed) in [
        (Ending::Exited(0), 0, 143),
        (term, 0, 143),
        (Ending::Exited(143), 0, 143),
        (Ending::Exited(1), 1, 1),
        (Ending::Exited(130), 130, 130),
        (Ending::Signaled(Signal::INT), 130, 130),
        (kill, 137, 137),
    ] {
        assert_eq!(
            stopped(&rules(), Bond::Served, ending).code,
            served,
            "served, {ending:?}"
        );
        assert_eq!(
            stopped(&rules(), Bond::Needed, ending).code,
            needed,
            "needed, {ending:?}"
        );
    }
}

#[test]
fn the_stop_signal_decides_what_obeying_is() {
    let rules = Rules {
        stop_signal: Signal::INT,
        ..rules()
    };
    for (ending, served, needed) in [
        (Ending::Exited(0), 0, 130),
        (Ending::Signaled(Signal::INT), 0, 130),
        (Ending::Exited(130), 0, 130),
        (Ending::Signaled(Signal::TERM), 143, 143),
    ] {
        assert_eq!(
            stopped(&rules, Bond::Served, ending).code,
            served,
            "served, {ending:?}"
        );
        assert_eq!(
            stopped(&rules, Bond::Needed, ending).code,
            needed,
            "needed, {ending:?}"
        );
    }
}

#[test]
fn an_expected_code_counts_as_0_but_never_hides_that_we_were_needed() {
    let rules = Rules {
        expected: vec![3, 143],
        ..rules()
    };
    for (ending, alone, served, needed) in [
        (Ending::Exited(3), 0, 0, 143),
        (Ending::Signaled(Signal::TERM), 0, 0, 143),
        (Ending::Exited(4), 4, 4, 4),
    ] {
        let by_itself = end(
            &rules,
            &[Event::BirthDepsHold, Event::Started, Event::Ended(ending)],
        );
        assert_eq!(by_itself.code, alone, "{ending:?}");
        assert_eq!(
            stopped(&rules, Bond::Served, ending).code,
            served,
            "served, {ending:?}"
        );
        assert_eq!(
            stopped(&rules, Bond::Needed, ending).code,
            needed,
            "needed, {ending:?}"
        );
    }
}

#[test]
fn pass_code_passes_the_commands_own_status_after_every_stop() {
    let rules = Rules {
        pass_code: true,
        ..rules()
    };
    for (ending, own) in [
        (Ending::Exited(0), 0),
        (Ending::Exited(9), 9),
        (Ending::Signaled(Signal::TERM), 143),
    ] {
        for bond in [Bond::Served, Bond::Needed] {
            assert_eq!(stopped(&rules, bond, ending).code, own);
        }
        let timeout = [
            Event::BirthDepsHold,
            Event::Started,
            Event::Expired(Timer::Run),
            Event::Ended(ending),
        ];
        assert_eq!(end(&rules, &timeout).code, own);
    }
}

#[test]
fn a_command_that_was_never_started_ends_by_the_right_hand_column() {
    for (bond, code) in [(Bond::Served, 0), (Bond::Needed, 143)] {
        let last = end(&rules(), &[Event::DeathDepHolds(fate(bond))]);
        assert_eq!((last.code, last.reason), (code, Reason::Stopped));
    }
}

#[test]
fn every_other_end_has_its_status_and_reason() {
    let run = |events: &[Event]| {
        let events: Vec<Event> = [Event::BirthDepsHold, Event::Started]
            .iter()
            .chain(events)
            .cloned()
            .collect();
        let last = end(&rules(), &events);
        (last.code, last.reason)
    };
    let usr1 = signal("USR1");
    assert_eq!(run(&[Event::Ended(Ending::Exited(7))]), (7, Reason::Exited));
    assert_eq!(
        run(&[Event::Ended(Ending::Signaled(Signal::KILL))]),
        (137, Reason::Signaled)
    );
    assert_eq!(
        run(&[
            Event::Signal(Signal::TERM),
            Event::Ended(Ending::Signaled(Signal::TERM))
        ]),
        (143, Reason::Exited)
    );
    assert_eq!(
        run(&[Event::Signal(usr1), Event::Ended(Ending::Signaled(usr1))]),
        (138, Reason::Exited)
    );
    assert_eq!(
        run(&[Event::Expired(Timer::Run), Event::Ended(Ending::Exited(0))]),
        (124, Reason::Timeout)
    );
    let killed = [
        Event::DeathDepHolds(fate(Bond::Served)),
        Event::Expired(Timer::Grace),
        Event::Ended(Ending::Signaled(Signal::KILL)),
    ];
    assert_eq!(run(&killed), (137, Reason::Killed));

    let begin = |events: &[Event]| {
        let last = end(&rules(), events);
        (last.code, last.reason)
    };
    assert_eq!(
        begin(&[Event::Expired(Timer::Birth)]),
        (124, Reason::BirthTimeout)
    );
    assert_eq!(
        begin(&[Event::Signal(Signal::INT)]),
        (130, Reason::Interrupted)
    );
    for (failure, code) in [
        (StartFailure::NotFound(2), 127),
        (StartFailure::NotExecutable(13), 126),
        (StartFailure::Own(11), 125),
    ] {
        assert_eq!(
            begin(&[Event::BirthDepsHold, Event::StartFailed(failure)]),
            (code, Reason::ExecFailed)
        );
    }
}

#[test]
fn only_four_signals_end_a_wait_and_none_of_them_if_it_was_ignored() {
    for number in 1..=64 {
        let signal = Signal::from_number(number).unwrap();
        let ends = ["HUP", "INT", "QUIT", "TERM"].contains(&signal.to_string().as_str());
        let mut machine = Machine::new(rules());
        machine.step(Event::Signal(signal));
        assert_eq!(!machine.is_waiting(), ends, "{signal}");
        let deaf = Rules {
            ignored: SignalSet::ALL,
            ..rules()
        };
        let mut machine = Machine::new(deaf);
        machine.step(Event::Signal(signal));
        assert!(machine.is_waiting(), "{signal}");
    }
}

#[test]
fn a_stop_whose_signal_was_passed_on_already_sends_nothing_but_starts_the_grace_period() {
    let mut machine = Machine::new(rules());
    for event in [
        Event::BirthDepsHold,
        Event::Started,
        Event::Signal(Signal::TERM),
    ] {
        machine.step(event);
    }
    let actions = machine.step(Event::DeathDepHolds(fate(Bond::Needed)));
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Send(_))),
        "{actions:?}"
    );
    assert!(actions.contains(&Action::Arm(Timer::Grace, rules().grace_period)));
}

/// The world around the machine: what can happen next depends on what it ordered.
#[derive(Clone)]
struct World {
    machine: Machine,
    alive: bool,
    starts: u32,
    start_pending: bool,
    armed: Vec<Timer>,
    sent: Vec<Signal>,
    stop_begun: bool,
    grace_over: bool,
    forwarded: bool,
    failed: bool,
    last: Option<Final>,
    trace: Vec<Event>,
}

impl World {
    fn new(rules: Rules) -> World {
        let machine = Machine::new(rules);
        let first = machine.begin();
        let mut world = World {
            machine,
            alive: false,
            starts: 0,
            start_pending: false,
            armed: Vec::new(),
            sent: Vec::new(),
            stop_begun: false,
            grace_over: false,
            forwarded: false,
            failed: false,
            last: None,
            trace: Vec::new(),
        };
        world.obey(first);
        world
    }

    fn can_happen(&self, event: &Event) -> bool {
        match event {
            Event::Started | Event::StartFailed(_) => self.start_pending,
            // Whoever drives the machine waits for the answer to a start.
            _ if self.start_pending => false,
            Event::Ended(_) => self.alive,
            Event::Expired(timer) => self.armed.contains(timer),
            Event::BirthDepsHold | Event::DeathDepHolds(_) | Event::Signal(_) => true,
        }
    }

    fn happen(&mut self, event: Event) {
        self.trace.push(event.clone());
        match &event {
            Event::Started => {
                self.alive = true;
                self.start_pending = false;
            }
            Event::StartFailed(_) => {
                self.failed = true;
                self.start_pending = false;
            }
            Event::Ended(ending) => {
                self.alive = false;
                self.failed |= *ending != Ending::Exited(0);
            }
            Event::Expired(timer) => {
                self.armed.retain(|armed| armed != timer);
                self.grace_over |= *timer == Timer::Grace;
            }
            Event::Signal(_) => self.forwarded |= self.alive,
            Event::BirthDepsHold | Event::DeathDepHolds(_) => {}
        }
        let actions = self.machine.step(event);
        assert!(
            self.last.is_none() || actions.is_empty(),
            "something happens after the end: {:?}",
            self.trace
        );
        self.obey(actions);
    }

    fn obey(&mut self, actions: Vec<Action>) {
        for action in actions {
            assert!(
                self.last.is_none(),
                "an action after the end: {:?}",
                self.trace
            );
            match action {
                Action::Start => {
                    self.starts += 1;
                    self.start_pending = true;
                    assert!(
                        !self.stop_begun && self.starts == 1,
                        "a start after a stop, or a second one: {:?}",
                        self.trace
                    );
                }
                Action::Send(signal) => {
                    assert!(self.alive, "a signal to nobody: {:?}", self.trace);
                    let kill = signal == Signal::KILL;
                    assert!(
                        !kill || self.sent.contains(&Signal::TERM) && self.grace_over,
                        "KILL too early: {:?}",
                        self.trace
                    );
                    self.sent.push(signal);
                }
                Action::Arm(timer, _) => {
                    self.armed.retain(|armed| *armed != timer);
                    self.armed.push(timer);
                }
                Action::Disarm(timer) => self.armed.retain(|armed| *armed != timer),
                Action::Record(Record::Cause(_)) => self.stop_begun = true,
                Action::Report(Report::Stopping(..)) => {
                    self.stop_begun = true;
                }
                Action::Record(Record::Born { .. }) => {
                    assert!(self.alive, "born and not alive: {:?}", self.trace)
                }
                Action::Report(_) => {}
                Action::Finish(last) => {
                    assert!(
                        !self.alive,
                        "the end while the command lives: {:?}",
                        self.trace
                    );
                    self.check_code(&last);
                    self.last = Some(last);
                }
            }
        }
    }

    /// No status 0 after a failure that was not the consequence of our own stop.
    fn check_code(&self, last: &Final) {
        let served = |fate: &Fate| fate.bond == Bond::Served;
        let clean = match &last.why {
            Why::ByItself => !self.failed,
            Why::Stopped(StopReason::Dependency(fate)) | Why::NotStarted(fate) => served(fate),
            Why::Stopped(StopReason::Timeout)
            | Why::BirthTimeout
            | Why::Interrupted(_)
            | Why::StartFailed(_) => false,
        };
        assert!(
            last.code != 0 || clean,
            "a failure was turned into a success: {:?} -> {last:?}",
            self.trace
        );
    }

    /// The shortest way out: the command ends, or the time is up.
    fn can_end(&self) -> bool {
        let exits = [
            Event::Started,
            Event::Ended(Ending::Exited(0)),
            Event::Expired(Timer::Birth),
        ];
        let mut world = self.clone();
        for event in exits.iter().chain(&exits) {
            if world.last.is_none() && world.can_happen(event) {
                world.happen(event.clone());
            }
        }
        world.last.is_some()
    }
}

fn alphabet() -> Vec<Event> {
    vec![
        Event::BirthDepsHold,
        Event::DeathDepHolds(fate(Bond::Served)),
        Event::DeathDepHolds(fate(Bond::Needed)),
        Event::Signal(Signal::TERM),
        Event::Signal(signal("USR1")),
        Event::Started,
        Event::StartFailed(StartFailure::NotFound(2)),
        Event::Ended(Ending::Exited(0)),
        Event::Ended(Ending::Exited(1)),
        Event::Ended(Ending::Signaled(Signal::TERM)),
        Event::Ended(Ending::Signaled(Signal::KILL)),
        Event::Expired(Timer::Birth),
        Event::Expired(Timer::Run),
        Event::Expired(Timer::Grace),
        Event::Expired(Timer::Notice),
    ]
}

#[test]
fn every_sequence_of_possible_events_keeps_the_promises() {
    let alphabet = alphabet();
    let (mut traces, mut ends) = (0_u64, 0_u64);
    let mut stack = vec![World::new(rules())];
    while let Some(world) = stack.pop() {
        traces += 1;
        assert!(world.can_end(), "no way out: {:?}", world.trace);
        if world.last.is_some() {
            ends += 1;
        }
        if world.trace.len() == 7 || world.last.is_some() && world.trace.len() >= 4 {
            continue;
        }
        for event in alphabet.iter().filter(|event| world.can_happen(event)) {
            let mut next = world.clone();
            next.happen(event.clone());
            stack.push(next);
        }
    }
    println!("{traces} traces, {ends} of them ended");
    assert!(traces > 20_000 && ends > 1_000, "the walk went nowhere");
}

#[test]
fn impossible_events_change_nothing_that_matters() {
    let alphabet = alphabet();
    let length = 4;
    let count = alphabet.len().pow(length);
    for number in 0..count {
        let mut machine = Machine::new(rules());
        let (mut rest, mut finishes) = (number, 0);
        for _ in 0..length {
            let event = alphabet[rest % alphabet.len()].clone();
            rest /= alphabet.len();
            let actions = machine.step(event);
            assert!(finishes == 0 || actions.is_empty());
            finishes += actions
                .iter()
                .filter(|action| matches!(action, Action::Finish(_)))
                .count();
        }
        assert!(finishes <= 1);
    }
    println!("{count} sequences");
}
