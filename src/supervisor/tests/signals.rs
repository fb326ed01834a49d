//! Signals that are forwarded, rewritten, dropped or held back, and those that end a wait.

use super::support::{received, rewriting, rules, sent, stop_cause};
use crate::duration::Limit;
use crate::protocol::death_deps::Dependence;
use crate::signal::{Signal, SignalSet};
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::forwarding::Forwarding;
use crate::supervisor::machine::Machine;
use crate::supervisor::rules::Rules;
use crate::supervisor::timer::Timer;
use std::time::Duration;

#[test]
fn only_hup_int_quit_and_term_end_a_wait_and_none_of_them_if_it_was_ignored_at_the_start() {
    for number in 1..=64 {
        let signal = Signal::from_number(number).unwrap();
        let ends = ["HUP", "INT", "QUIT", "TERM"].contains(&signal.to_string().as_str());
        let mut machine = Machine::new(rules());
        machine.step(Event::Signal(signal));
        assert_eq!(!machine.is_waiting(), ends, "{signal}");
        let ignoring = Rules {
            ignored_signals: SignalSet::ALL,
            ..rules()
        };
        let mut machine = Machine::new(ignoring);
        machine.step(Event::Signal(signal));
        assert!(machine.is_waiting(), "{signal}");
    }
}

#[test]
fn a_stop_whose_signal_was_forwarded_before_only_starts_the_grace_period() {
    let mut machine = Machine::new(rules());
    for event in [
        Event::BirthDepsHold,
        Event::Started,
        Event::Signal(Signal::TERM),
    ] {
        machine.step(event);
    }
    let actions = machine.step(Event::DeathDepHolds(stop_cause(Dependence::Required)));
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Send(_))),
        "{actions:?}"
    );
    assert!(actions.contains(&Action::Arm(Timer::GracePeriod, rules().grace_period)));
}

#[test]
fn a_rewritten_signal_is_forwarded_as_another_or_dropped_and_the_last_rewrite_counts() {
    let rules = rewriting(&[
        ("HUP", Some("USR1")),
        ("HUP", Some("USR2")),
        ("WINCH", None),
        ("TERM", Some("QUIT")),
    ]);
    let events = [
        received("HUP"),
        received("WINCH"),
        received("USR1"),
        received("TERM"),
    ];
    assert_eq!(sent(&rules, &events), ["USR2", "USR1", "QUIT"]);
}

#[test]
fn what_is_forwarded_for_a_term_counts_as_the_stop_signal_unless_it_is_dropped() {
    let stop = Event::DeathDepHolds(stop_cause(Dependence::Required));
    let quit = rewriting(&[("TERM", Some("QUIT"))]);
    assert_eq!(sent(&quit, &[received("TERM"), stop.clone()]), ["QUIT"]);
    let none = rewriting(&[("TERM", None)]);
    assert_eq!(sent(&none, &[received("TERM"), stop.clone()]), ["TERM"]);
    assert_eq!(sent(&rules(), &[received("INT"), stop]), ["INT", "TERM"]);
}

#[test]
fn a_term_is_held_back_until_the_delay_is_over_or_another_stop_is_requested() {
    let rules = Rules {
        stop_delay: Limit::After(Duration::from_secs(5)),
        ..rules()
    };
    let stop = || Event::DeathDepHolds(stop_cause(Dependence::Required));
    for (events, expected) in [
        (vec![received("TERM")], vec![]),
        (vec![received("TERM"), received("USR1")], vec!["USR1"]),
        (
            vec![received("TERM"), Event::Expired(Timer::StopDelay)],
            vec!["TERM"],
        ),
        (vec![received("TERM"), received("TERM")], vec!["TERM"]),
        (vec![received("TERM"), received("INT")], vec!["TERM", "INT"]),
        (vec![received("TERM"), stop()], vec!["TERM"]),
        (
            vec![received("TERM"), received("INT"), stop()],
            vec!["TERM", "INT"],
        ),
        (
            vec![received("TERM"), Event::Expired(Timer::RunTimeout)],
            vec!["TERM"],
        ),
        (
            vec![received("TERM"), received("TERM"), received("TERM")],
            vec!["TERM", "TERM"],
        ),
        (vec![stop(), received("TERM")], vec!["TERM", "TERM"]),
    ] {
        assert_eq!(sent(&rules, &events), expected, "{events:?}");
    }
}

/// Rules by which the command gets the same signal for two others.
#[test]
fn the_end_of_a_delay_does_not_send_the_same_signal_twice() {
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
        let events = [received("TERM"), received(second), expired];
        assert_eq!(sent(rules, &events), expected, "{second}");
    }
}

#[test]
fn a_suspended_command_is_continued_so_that_it_can_stop() {
    let paused = Event::Paused(Signal::TSTP);
    let stop = Event::DeathDepHolds(stop_cause(Dependence::Required));
    for (events, expected) in [
        (vec![paused.clone(), stop.clone()], vec!["TERM", "CONT"]),
        (
            vec![paused.clone(), received("CONT"), stop.clone()],
            vec!["CONT", "TERM"],
        ),
        (vec![stop.clone(), paused], vec!["TERM", "CONT"]),
        (vec![stop, Event::Paused(Signal::TTIN)], vec!["TERM"]),
    ] {
        assert_eq!(sent(&rules(), &events), expected, "{events:?}");
    }
}
