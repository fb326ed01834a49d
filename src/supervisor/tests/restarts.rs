//! When, and how soon, a command that has ended is started again.

use super::support::{end, ended, expecting, received, rewriting, rules, stop_cause};
use crate::duration::Limit;
use crate::exit::{ExitStatus, Remaining, StartFailure, TerminalPlace};
use crate::protocol::death_deps::Dependence;
use crate::protocol::tombstone::Reason;
use crate::signal::Signal;
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::machine::Machine;
use crate::supervisor::rules::{Restart, Rules};
use crate::supervisor::timer::Timer;
use std::time::Duration;

/// The delays before the restarts of a command that always ends like this, and the final status.
fn delays(rules: &Rules, status: ExitStatus) -> (Vec<u64>, Option<u8>) {
    let mut machine = Machine::new(rules.clone());
    machine.step(Event::BirthDepsHold);
    let mut delays = Vec::new();
    for _ in 0..12 {
        machine.step(Event::Started);
        for action in machine.step(ended(status)) {
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
fn restarts_are_delayed_longer_each_time_and_counted() {
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
        expected_codes: expecting(&[3]),
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
fn a_command_that_ran_steadily_is_restarted_at_once_and_the_delays_begin_again() {
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
    assert_eq!([delay(true), delay(true)], [Some(0), Some(0)]);
    assert_eq!([delay(false), delay(false)], [Some(1), Some(2)]);
}

#[test]
fn a_first_run_that_is_steady_is_followed_by_a_restart_at_once() {
    let mut machine = Machine::new(Rules {
        restart: Restart::OnFailure,
        ..rules()
    });
    for event in [
        Event::BirthDepsHold,
        Event::Started,
        Event::Expired(Timer::SteadyRun),
    ] {
        machine.step(event);
    }
    let at_once = Action::Arm(Timer::Backoff, Limit::After(Duration::ZERO));
    let actions = machine.step(ended(ExitStatus::Exited(1)));
    assert!(actions.contains(&at_once), "{actions:?}");
}

#[test]
fn a_steady_run_does_not_shorten_the_delay_after_the_run_that_follows_a_new_configuration() {
    let mut machine = Machine::new(Rules {
        restart: Restart::Always,
        ..rules()
    });
    for event in [
        Event::BirthDepsHold,
        Event::Started,
        Event::Expired(Timer::SteadyRun),
        Event::Reconfigured,
        ended(ExitStatus::Exited(0)),
        Event::Expired(Timer::Backoff),
        Event::Started,
    ] {
        machine.step(event);
    }
    let delayed = Action::Arm(Timer::Backoff, Limit::After(Duration::from_secs(1)));
    let actions = machine.step(ended(ExitStatus::Exited(1)));
    assert!(actions.contains(&delayed), "{actions:?}");
}

#[test]
fn a_restart_that_cannot_be_executed_counts_as_a_run_of_no_length() {
    let mut machine = Machine::new(Rules {
        restart: Restart::Always,
        ..rules()
    });
    let mut delays = Vec::new();
    let failed = Event::StartFailed(StartFailure::NotFound(2));
    for event in [
        Event::BirthDepsHold,
        Event::Started,
        Event::Expired(Timer::SteadyRun),
        ended(ExitStatus::Exited(1)),
        Event::Expired(Timer::Backoff),
        failed.clone(),
        Event::Expired(Timer::Backoff),
        failed,
    ] {
        delays.extend(machine.step(event).into_iter().filter_map(backoff));
    }
    assert_eq!(delays, [0, 1, 2]);
}

/// The restart delay in seconds, if the action arms it.
fn backoff(action: Action) -> Option<u64> {
    match action {
        Action::Arm(Timer::Backoff, Limit::After(delay)) => Some(delay.as_secs()),
        _ => None,
    }
}

#[test]
fn a_stop_between_two_runs_ends_the_life_by_the_exit_table() {
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
    assert_eq!(down(&received("TERM")), (143, Reason::Interrupted));
    assert_eq!(down(&received("HUP")), (129, Reason::Interrupted));
    for (dependence, code) in [(Dependence::Auxiliary, 0), (Dependence::Required, 143)] {
        let event = Event::DeathDepHolds(stop_cause(dependence));
        assert_eq!(down(&event), (code, Reason::Stopped));
    }
    // The received signal counts, also if it is not forwarded.
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
        let rest = [received(name), ended(ExitStatus::Exited(9))];
        let events: Vec<Event> = begin.into_iter().chain(rest).collect();
        assert_eq!(end(&rules, &events).code, 9, "{name}");
    }
}

#[test]
fn a_command_that_a_terminal_key_ended_is_not_restarted() {
    let rules = Rules {
        restart: Restart::Always,
        ..rules()
    };
    for (status, place, restarted) in [
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
        let actions = machine.step(Event::Ended(status, Remaining::Nothing, place));
        let again = |action: &Action| matches!(action, Action::Arm(Timer::Backoff, _));
        assert_eq!(actions.iter().any(again), restarted, "{status:?} {place:?}");
    }
}
