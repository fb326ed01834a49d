//! The exit table row by row, and what each option changes. What must hold after any events at all is
//! in `walk.rs`.

// What a test does not ask for is not its business.
#![allow(clippy::wildcard_enum_match_arm)]

mod page;
mod walk;

use super::action::Action;
use super::event::Event;
use super::forwarding::Forwarding;
use super::machine::Machine;
use super::outcome::FinalStatus;
use super::record::Record;
use super::rules::{OnConfig, Restart, Rules};
use super::timer::Timer;
use crate::duration::Limit;
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::protocol::death_deps::{Dependence, StopCause};
use crate::protocol::name::Name;
use crate::protocol::tombstone::Reason;
use crate::signal::{Signal, SignalSet};
use std::time::Duration;

pub(super) fn signal(name: &str) -> Signal {
    Signal::parse(name).unwrap()
}

fn ended(ending: ExitStatus) -> Event {
    Event::Ended(ending, Remaining::Nothing, TerminalPlace::Elsewhere)
}

pub(super) fn fate(bond: Dependence) -> StopCause {
    StopCause {
        cause: Name::new("peer").unwrap(),
        dependence: bond,
        description: "peer died".to_owned(),
    }
}

pub(super) fn rules() -> Rules {
    Rules {
        birth_timeout: Limit::After(Duration::from_secs(300)),
        run_timeout: Limit::After(Duration::from_secs(60)),
        grace_period: Limit::After(Duration::from_secs(30)),
        stop_signal: Signal::TERM,
        pass_code: false,
        expected_codes: Vec::new(),
        ready_on_start: true,
        ignored_signals: SignalSet::default(),
        stop_delay: Limit::After(Duration::ZERO),
        forwarding: Forwarding::new(Signal::TERM, &[]),
        restart: Restart::Never,
        restart_limit: None,
        wait_descendants: false,
        on_config: OnConfig::Restart,
    }
}

/// Feeds the events and returns the end that they lead to.
fn end(rules: &Rules, events: &[Event]) -> FinalStatus {
    let mut machine = Machine::new(rules.clone());
    let actions: Vec<Action> = events
        .iter()
        .flat_map(|event| machine.step(event.clone()))
        .collect();
    let ends: Vec<FinalStatus> = actions
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

fn stopped(rules: &Rules, bond: Dependence, ending: ExitStatus) -> FinalStatus {
    end(
        rules,
        &[
            Event::BirthDepsHold,
            Event::Started,
            Event::DeathDepHolds(fate(bond)),
            ended(ending),
        ],
    )
}

#[test]
fn a_stop_is_as_clean_as_the_death_that_caused_it() {
    let term = ExitStatus::Signaled(Signal::TERM);
    let kill = ExitStatus::Signaled(Signal::KILL);
    for (ending, served, needed) in [
        (ExitStatus::Exited(0), 0, 143),
        (term, 0, 143),
        (ExitStatus::Exited(143), 0, 143),
        (ExitStatus::Exited(1), 1, 1),
        (ExitStatus::Exited(130), 130, 130),
        (ExitStatus::Signaled(Signal::INT), 130, 130),
        (kill, 137, 137),
    ] {
        assert_eq!(
            stopped(&rules(), Dependence::Auxiliary, ending).code,
            served,
            "served, {ending:?}"
        );
        assert_eq!(
            stopped(&rules(), Dependence::Required, ending).code,
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
        (ExitStatus::Exited(0), 0, 130),
        (ExitStatus::Signaled(Signal::INT), 0, 130),
        (ExitStatus::Exited(130), 0, 130),
        (ExitStatus::Signaled(Signal::TERM), 143, 143),
    ] {
        assert_eq!(
            stopped(&rules, Dependence::Auxiliary, ending).code,
            served,
            "served, {ending:?}"
        );
        assert_eq!(
            stopped(&rules, Dependence::Required, ending).code,
            needed,
            "needed, {ending:?}"
        );
    }
}

#[test]
fn an_expected_code_counts_as_0_but_never_hides_that_we_were_needed() {
    let rules = Rules {
        expected_codes: vec![3, 143],
        ..rules()
    };
    for (ending, alone, served, needed) in [
        (ExitStatus::Exited(3), 0, 0, 143),
        (ExitStatus::Signaled(Signal::TERM), 0, 0, 143),
        (ExitStatus::Exited(4), 4, 4, 4),
    ] {
        let by_itself = end(
            &rules,
            &[Event::BirthDepsHold, Event::Started, ended(ending)],
        );
        assert_eq!(by_itself.code, alone, "{ending:?}");
        assert_eq!(
            stopped(&rules, Dependence::Auxiliary, ending).code,
            served,
            "served, {ending:?}"
        );
        assert_eq!(
            stopped(&rules, Dependence::Required, ending).code,
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
        (ExitStatus::Exited(0), 0),
        (ExitStatus::Exited(9), 9),
        (ExitStatus::Signaled(Signal::TERM), 143),
    ] {
        for bond in [Dependence::Auxiliary, Dependence::Required] {
            assert_eq!(stopped(&rules, bond, ending).code, own);
        }
        let timeout = [
            Event::BirthDepsHold,
            Event::Started,
            Event::Expired(Timer::RunTimeout),
            ended(ending),
        ];
        assert_eq!(end(&rules, &timeout).code, own);
    }
}

#[test]
fn a_command_that_was_never_started_ends_by_the_right_hand_column() {
    for (bond, code) in [(Dependence::Auxiliary, 0), (Dependence::Required, 143)] {
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
    assert_eq!(run(&[ended(ExitStatus::Exited(7))]), (7, Reason::Exited));
    assert_eq!(
        run(&[ended(ExitStatus::Signaled(Signal::KILL))]),
        (137, Reason::Signaled)
    );
    assert_eq!(
        run(&[
            Event::Signal(Signal::TERM),
            ended(ExitStatus::Signaled(Signal::TERM))
        ]),
        (143, Reason::Exited)
    );
    assert_eq!(
        run(&[Event::Signal(usr1), ended(ExitStatus::Signaled(usr1))]),
        (138, Reason::Exited)
    );
    assert_eq!(
        run(&[
            Event::Expired(Timer::RunTimeout),
            ended(ExitStatus::Exited(0))
        ]),
        (124, Reason::Timeout)
    );
    let killed = [
        Event::DeathDepHolds(fate(Dependence::Auxiliary)),
        Event::Expired(Timer::GracePeriod),
        ended(ExitStatus::Signaled(Signal::KILL)),
    ];
    assert_eq!(run(&killed), (137, Reason::Killed));

    let begin = |events: &[Event]| {
        let last = end(&rules(), events);
        (last.code, last.reason)
    };
    assert_eq!(
        begin(&[Event::Expired(Timer::BirthTimeout)]),
        (124, Reason::BirthTimeout)
    );
    assert_eq!(
        begin(&[Event::Signal(Signal::INT)]),
        (130, Reason::Interrupted)
    );
    for (failure, code) in [
        (StartFailure::NotFound(2), 127),
        (StartFailure::NotExecutable(13), 126),
        (StartFailure::System(11), 125),
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
            ignored_signals: SignalSet::ALL,
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
    let actions = machine.step(Event::DeathDepHolds(fate(Dependence::Required)));
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Send(_))),
        "{actions:?}"
    );
    assert!(actions.contains(&Action::Arm(Timer::GracePeriod, rules().grace_period)));
}

/// The signals that the events send to the command, after it was started.
fn sent(rules: &Rules, events: &[Event]) -> Vec<String> {
    let mut machine = Machine::new(rules.clone());
    let begin = [Event::BirthDepsHold, Event::Started];
    let actions: Vec<Action> = begin
        .iter()
        .chain(events)
        .flat_map(|event| machine.step(event.clone()))
        .collect();
    let sent = |action: &Action| match action {
        Action::Send(signal) => Some(signal.to_string()),
        _ => None,
    };
    actions.iter().filter_map(sent).collect()
}

fn arrive(name: &str) -> Event {
    Event::Signal(signal(name))
}

fn rewriting(words: &[(&str, Option<&str>)]) -> Rules {
    let words: Vec<(Signal, Option<Signal>)> = words
        .iter()
        .map(|(from, to)| (signal(from), to.map(signal)))
        .collect();
    Rules {
        forwarding: Forwarding::new(Signal::TERM, &words),
        ..rules()
    }
}

#[test]
fn a_rewritten_signal_is_passed_on_as_another_or_not_at_all_and_the_last_word_counts() {
    let rules = rewriting(&[
        ("HUP", Some("USR1")),
        ("HUP", Some("USR2")),
        ("WINCH", None),
        ("TERM", Some("QUIT")),
    ]);
    let events = [
        arrive("HUP"),
        arrive("WINCH"),
        arrive("USR1"),
        arrive("TERM"),
    ];
    assert_eq!(sent(&rules, &events), ["USR2", "USR1", "QUIT"]);
}

#[test]
fn what_stands_for_a_term_from_outside_counts_as_the_stop_signal_unless_it_was_dropped() {
    let stop = Event::DeathDepHolds(fate(Dependence::Required));
    let quit = rewriting(&[("TERM", Some("QUIT"))]);
    assert_eq!(sent(&quit, &[arrive("TERM"), stop.clone()]), ["QUIT"]);
    let none = rewriting(&[("TERM", None)]);
    assert_eq!(sent(&none, &[arrive("TERM"), stop.clone()]), ["TERM"]);
    assert_eq!(sent(&rules(), &[arrive("INT"), stop]), ["INT", "TERM"]);
}

#[test]
fn a_term_is_held_back_until_the_delay_is_over_or_another_stop_comes() {
    let rules = Rules {
        stop_delay: Limit::After(Duration::from_secs(5)),
        ..rules()
    };
    let stop = || Event::DeathDepHolds(fate(Dependence::Required));
    for (events, expected) in [
        (vec![arrive("TERM")], vec![]),
        (vec![arrive("TERM"), arrive("USR1")], vec!["USR1"]),
        (
            vec![arrive("TERM"), Event::Expired(Timer::StopDelay)],
            vec!["TERM"],
        ),
        (vec![arrive("TERM"), arrive("TERM")], vec!["TERM"]),
        (vec![arrive("TERM"), arrive("INT")], vec!["TERM", "INT"]),
        (vec![arrive("TERM"), stop()], vec!["TERM"]),
        (
            vec![arrive("TERM"), arrive("INT"), stop()],
            vec!["TERM", "INT"],
        ),
        (
            vec![arrive("TERM"), Event::Expired(Timer::RunTimeout)],
            vec!["TERM"],
        ),
        (
            vec![arrive("TERM"), arrive("TERM"), arrive("TERM")],
            vec!["TERM", "TERM"],
        ),
        (vec![stop(), arrive("TERM")], vec!["TERM", "TERM"]),
    ] {
        assert_eq!(sent(&rules, &events), expected, "{events:?}");
    }
}

#[test]
fn a_stopped_command_is_continued_so_that_it_can_stop() {
    let paused = Event::Paused(Signal::TSTP);
    let stop = Event::DeathDepHolds(fate(Dependence::Required));
    for (events, expected) in [
        (vec![paused.clone(), stop.clone()], vec!["TERM", "CONT"]),
        (
            vec![paused.clone(), arrive("CONT"), stop.clone()],
            vec!["CONT", "TERM"],
        ),
        (vec![stop.clone(), paused], vec!["TERM", "CONT"]),
        (vec![stop, Event::Paused(Signal::TTIN)], vec!["TERM"]),
    ] {
        assert_eq!(sent(&rules(), &events), expected, "{events:?}");
    }
}

/// How long each of the restarts is waited for, and the end, when the command always ends like this.
fn delays(rules: &Rules, ending: ExitStatus) -> (Vec<u64>, Option<u8>) {
    let mut machine = Machine::new(rules.clone());
    machine.step(Event::BirthDepsHold);
    let mut delays = Vec::new();
    for _ in 0..12 {
        machine.step(Event::Started);
        for action in machine.step(ended(ending)) {
            match action {
                Action::Arm(Timer::Backoff, Limit::After(delay)) => delays.push(delay.as_secs()),
                Action::Finish(last) => return (delays, Some(last.code)),
                _ => {}
            }
        }
        machine.step(Event::Expired(Timer::Backoff));
    }
    (delays, None)
}

#[test]
fn restarts_are_spaced_out_and_counted() {
    let always = |limit| Rules {
        restart: Restart::Always,
        restart_limit: limit,
        ..rules()
    };
    let (spaced, end) = delays(&always(None), ExitStatus::Exited(0));
    assert_eq!(spaced, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]);
    assert_eq!(end, None);
    assert_eq!(
        delays(&always(Some(2)), ExitStatus::Exited(7)),
        (vec![1, 2], Some(7))
    );
    assert_eq!(
        delays(&always(Some(0)), ExitStatus::Exited(7)),
        (vec![], Some(7))
    );
    let on_failure = Rules {
        restart: Restart::OnFailure,
        expected_codes: vec![3],
        ..always(Some(1))
    };
    assert_eq!(
        delays(&on_failure, ExitStatus::Exited(0)),
        (vec![], Some(0))
    );
    assert_eq!(
        delays(&on_failure, ExitStatus::Exited(3)),
        (vec![], Some(0))
    );
    assert_eq!(
        delays(&on_failure, ExitStatus::Exited(1)),
        (vec![1], Some(1))
    );
    let never = Rules {
        restart: Restart::Never,
        ..always(None)
    };
    assert_eq!(delays(&never, ExitStatus::Exited(1)), (vec![], Some(1)));
}

#[test]
fn a_command_that_ran_steadily_is_restarted_soon_again() {
    let rules = Rules {
        restart: Restart::Always,
        ..rules()
    };
    let mut machine = Machine::new(rules);
    machine.step(Event::BirthDepsHold);
    let mut delay = |steady: bool| {
        let armed = machine.step(Event::Started);
        let watched = armed
            .iter()
            .any(|action| matches!(action, Action::Arm(Timer::SteadyRun, _)));
        if steady {
            assert!(watched, "{armed:?}");
            machine.step(Event::Expired(Timer::SteadyRun));
        }
        let actions = machine.step(ended(ExitStatus::Exited(1)));
        machine.step(Event::Expired(Timer::Backoff));
        actions.into_iter().find_map(|action| match action {
            Action::Arm(Timer::Backoff, Limit::After(delay)) => Some(delay.as_secs()),
            _ => None,
        })
    };
    assert_eq!([delay(false), delay(false)], [Some(1), Some(2)]);
    assert_eq!([delay(true), delay(false)], [Some(1), Some(2)]);
}

#[test]
fn what_stops_a_life_that_restarts_ends_it_by_the_table() {
    let rules = Rules {
        restart: Restart::Always,
        ..rules()
    };
    let down = |event: &Event| {
        let begin = [
            Event::BirthDepsHold,
            Event::Started,
            ended(ExitStatus::Exited(9)),
        ];
        let events: Vec<Event> = begin.into_iter().chain([event.clone()]).collect();
        let last = end(&rules, &events);
        (last.code, last.reason)
    };
    assert_eq!(down(&arrive("TERM")), (143, Reason::Interrupted));
    assert_eq!(down(&arrive("HUP")), (129, Reason::Interrupted));
    for (bond, code) in [(Dependence::Auxiliary, 0), (Dependence::Required, 143)] {
        let event = Event::DeathDepHolds(fate(bond));
        assert_eq!(down(&event), (code, Reason::Stopped));
    }
    // As they arrive: also if the command never hears of it.
    for (name, rewrites) in [
        ("TERM", vec![]),
        ("QUIT", vec![]),
        ("INT", vec![("INT", None)]),
    ] {
        let rules = Rules {
            forwarding: rewriting(&rewrites).forwarding,
            ..rules.clone()
        };
        let begin = [Event::BirthDepsHold, Event::Started];
        let rest = [arrive(name), ended(ExitStatus::Exited(9))];
        let events: Vec<Event> = begin.into_iter().chain(rest).collect();
        assert_eq!(end(&rules, &events).code, 9, "{name}");
    }
}

/// The events, and what the command is sent, under rules by which two signals mean the same.
#[test]
fn the_end_of_a_delay_does_not_say_the_same_twice() {
    let delay = Limit::After(Duration::from_secs(5));
    let int = Rules {
        stop_delay: delay,
        stop_signal: Signal::INT,
        forwarding: Forwarding::new(Signal::INT, &[]),
        ..rules()
    };
    let both = Rules {
        stop_delay: delay,
        ..rewriting(&[("INT", Some("TERM"))])
    };
    let usr1 = Rules {
        stop_delay: delay,
        ..rewriting(&[("TERM", Some("USR1"))])
    };
    for (rules, second, expected) in [
        (&int, "INT", vec!["INT"]),
        (&both, "INT", vec!["TERM"]),
        (&usr1, "USR1", vec!["USR1"]),
        (&usr1, "INT", vec!["USR1", "INT"]),
    ] {
        let expired = Event::Expired(Timer::StopDelay);
        let events = [arrive("TERM"), arrive(second), expired];
        assert_eq!(sent(rules, &events), expected, "{second}");
    }
}

#[test]
fn a_key_of_the_terminal_is_a_stop_from_outside() {
    let rules = Rules {
        restart: Restart::Always,
        ..rules()
    };
    for (ending, place, restarted) in [
        (
            ExitStatus::Signaled(Signal::INT),
            TerminalPlace::Foreground,
            false,
        ),
        (
            ExitStatus::Signaled(Signal::QUIT),
            TerminalPlace::Foreground,
            false,
        ),
        (
            ExitStatus::Signaled(Signal::INT),
            TerminalPlace::Elsewhere,
            true,
        ),
        (
            ExitStatus::Signaled(Signal::TERM),
            TerminalPlace::Foreground,
            true,
        ),
        (ExitStatus::Exited(130), TerminalPlace::Foreground, true),
    ] {
        let mut machine = Machine::new(rules.clone());
        machine.step(Event::BirthDepsHold);
        machine.step(Event::Started);
        let actions = machine.step(Event::Ended(ending, Remaining::Nothing, place));
        let again = |action: &Action| matches!(action, Action::Arm(Timer::Backoff, _));
        assert_eq!(actions.iter().any(again), restarted, "{ending:?} {place:?}");
    }
}

/// What an action means for whoever looks at the command, in a word; `None` for timers and reports.
fn deed(action: &Action) -> Option<String> {
    match action {
        Action::Start => Some("start".to_owned()),
        Action::Send(signal) => Some(signal.to_string()),
        Action::Record(Record::Down) => Some("down".to_owned()),
        Action::Record(Record::Inactive) => Some("inactive".to_owned()),
        Action::Record(Record::Cause(_)) => Some("cause".to_owned()),
        Action::Finish(last) => Some(format!("end {}", last.code)),
        _ => None,
    }
}

#[test]
fn a_stop_for_a_while_is_followed_by_what_holds_when_it_is_over_unless_it_has_become_one_for_good()
{
    let (gone, back, new) = (Event::Deactivated, Event::Activated, Event::Reconfigured);
    let obeyed = || ended(ExitStatus::Signaled(Signal::TERM));
    let killed = || ended(ExitStatus::Signaled(Signal::KILL));
    // A back-off of no time.
    let again = Event::Expired(Timer::Backoff);
    let grace = Event::Expired(Timer::GracePeriod);
    let (served, needed) = (Dependence::Auxiliary, Dependence::Required);
    let dies = |bond| Event::DeathDepHolds(fate(bond));
    let term = || Event::Signal(Signal::TERM);
    for (events, expected) in [
        (
            vec![new.clone(), obeyed(), again.clone()],
            "TERM down start",
        ),
        (vec![gone.clone(), obeyed()], "TERM inactive"),
        (
            vec![gone.clone(), back.clone(), obeyed(), again.clone()],
            "TERM down start",
        ),
        (vec![new.clone(), gone.clone(), obeyed()], "TERM inactive"),
        (
            vec![
                gone.clone(),
                new.clone(),
                obeyed(),
                new.clone(),
                back.clone(),
                again.clone(),
                Event::Started,
                new.clone(),
            ],
            "TERM inactive down start TERM",
        ),
        (
            vec![gone.clone(), grace.clone(), killed()],
            "TERM KILL inactive",
        ),
        (
            vec![new.clone(), grace.clone(), killed(), again.clone()],
            "TERM KILL down start",
        ),
        // At the same moment.
        (
            vec![new.clone(), obeyed(), gone.clone(), again.clone()],
            "TERM down inactive",
        ),
        (
            vec![gone.clone(), obeyed(), back.clone(), gone.clone(), again],
            "TERM inactive down inactive",
        ),
        (vec![new.clone(), obeyed(), term()], "TERM down end 143"),
        (
            vec![new.clone(), obeyed(), dies(needed)],
            "TERM down cause end 143",
        ),
        // For good.
        (
            vec![new.clone(), dies(served), obeyed()],
            "TERM cause end 0",
        ),
        (
            vec![gone.clone(), dies(needed), obeyed()],
            "TERM cause end 143",
        ),
        (vec![gone.clone(), term(), obeyed()], "TERM TERM end 143"),
        (vec![term(), new.clone(), obeyed()], "TERM end 143"),
        (vec![term(), gone.clone(), obeyed()], "TERM end 143"),
        (
            vec![gone.clone(), obeyed(), dies(served)],
            "TERM inactive cause end 0",
        ),
        (
            vec![gone.clone(), obeyed(), dies(needed)],
            "TERM inactive cause end 143",
        ),
        (
            vec![gone.clone(), obeyed(), term()],
            "TERM inactive end 143",
        ),
        (
            vec![gone.clone(), obeyed(), Event::Signal(Signal::HUP)],
            "TERM inactive end 129",
        ),
        // It ends by itself, and there is nobody to restart it.
        (vec![ended(ExitStatus::Exited(0)), new.clone()], "end 0"),
    ] {
        let mut machine = Machine::new(rules());
        machine.step(Event::BirthDepsHold);
        machine.step(Event::Started);
        let deeds = events.iter().flat_map(|event| machine.step(event.clone()));
        let deeds: Vec<String> = deeds.filter_map(|action| deed(&action)).collect();
        assert_eq!(deeds.join(" "), expected, "{events:?}");
    }
}

#[test]
fn a_command_that_is_deactivated_before_its_start_waits_again_when_it_is_activated() {
    let mut machine = Machine::new(rules());
    let mut step = |event: Event| {
        let actions = machine.step(event);
        let deeds: Vec<String> = actions.iter().filter_map(deed).collect();
        (deeds.join(" "), machine.is_waiting())
    };
    assert_eq!(step(Event::Deactivated), ("inactive".to_owned(), false));
    assert_eq!(step(Event::BirthDepsHold), (String::new(), false));
    assert_eq!(step(Event::Reconfigured), (String::new(), false));
    assert_eq!(step(Event::Activated), ("down".to_owned(), true));
    assert_eq!(step(Event::BirthDepsHold), ("start".to_owned(), false));
}
