//! `--pre-stop`: what comes before the stop signal, for how long, and what ends it.

use super::support::{ended, received, rules, stop_cause, summary};
use crate::duration::Limit;
use crate::exit::ExitStatus;
use crate::protocol::death_deps::Dependence;
use crate::signal::Signal;
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::forwarding::Forwarding;
use crate::supervisor::machine::Machine;
use crate::supervisor::rules::Rules;
use crate::supervisor::timer::Timer;
use std::time::Duration;

fn with_pre_stop() -> Rules {
    Rules {
        pre_stop: true,
        ..rules()
    }
}

fn dependency() -> Event {
    Event::DeathDepHolds(stop_cause(Dependence::Required))
}

/// What a command that runs meets after these events: words as [`summary`] has them.
fn met(rules: &Rules, events: &[Event]) -> String {
    let mut machine = Machine::new(rules.clone());
    let begin = [Event::BirthDepsHold, Event::Started];
    begin
        .into_iter()
        .for_each(|event| drop(machine.step(event)));
    let actions = events.iter().flat_map(|event| machine.step(event.clone()));
    let words: Vec<String> = actions.filter_map(|action| summary(&action)).collect();
    words.join(" ")
}

#[test]
fn the_actions_come_before_the_stop_signal_of_every_stop() {
    let late = Event::Expired(Timer::PreStop);
    let over = Event::PreStopOver;
    for (stop, then) in [
        (dependency(), "cause pre-stop"),
        (Event::Expired(Timer::RunTimeout), "pre-stop"),
        (Event::Expired(Timer::MissingTimeout), "pre-stop"),
        (Event::Deactivated, "pre-stop"),
        (Event::Reconfigured, "pre-stop"),
        (received("TERM"), "pre-stop"),
    ] {
        let all = [stop.clone(), over.clone()];
        assert_eq!(
            met(&with_pre_stop(), &all),
            format!("{then} TERM"),
            "{stop:?}"
        );
        let all = [stop.clone(), late.clone()];
        let expected = format!("{then} end pre-stop TERM");
        assert_eq!(met(&with_pre_stop(), &all), expected, "{stop:?}");
    }
    for (signal, then) in [
        ("INT", "pre-stop INT"),
        ("QUIT", "pre-stop QUIT"),
        ("HUP", "HUP"),
    ] {
        let all = [received(signal), over.clone()];
        assert_eq!(met(&with_pre_stop(), &all), then);
    }
}

#[test]
fn another_stop_ends_the_actions_at_once_and_other_signals_pass() {
    for (events, expected) in [
        (
            vec![received("TERM"), received("TERM")],
            "pre-stop end pre-stop TERM",
        ),
        (
            vec![received("TERM"), received("INT")],
            "pre-stop end pre-stop TERM INT",
        ),
        (
            vec![received("INT"), received("TERM")],
            "pre-stop end pre-stop INT TERM",
        ),
        (
            vec![received("TERM"), dependency()],
            "pre-stop end pre-stop cause TERM",
        ),
        (vec![received("TERM"), received("USR1")], "pre-stop USR1"),
        (
            vec![dependency(), received("TERM")],
            "cause pre-stop end pre-stop TERM",
        ),
        (
            vec![dependency(), received("INT")],
            "cause pre-stop end pre-stop TERM INT",
        ),
        (vec![dependency(), received("HUP")], "cause pre-stop HUP"),
        // It holds in each turn.
        (vec![dependency(), dependency()], "cause pre-stop"),
        (
            vec![Event::Reconfigured, dependency()],
            "pre-stop end pre-stop cause TERM",
        ),
        (
            vec![Event::Expired(Timer::RunTimeout), dependency()],
            "pre-stop end pre-stop TERM",
        ),
        (
            vec![dependency(), Event::Expired(Timer::GracePeriod)],
            "cause pre-stop end pre-stop TERM KILL",
        ),
        (
            vec![dependency(), ended(ExitStatus::Exited(3))],
            "cause pre-stop end pre-stop end 3",
        ),
        (
            vec![received("TERM"), ended(ExitStatus::Exited(3))],
            "pre-stop end pre-stop end 3",
        ),
        // They run once.
        (
            vec![
                received("INT"),
                Event::PreStopOver,
                received("TERM"),
                dependency(),
            ],
            "pre-stop INT TERM cause",
        ),
        (
            vec![received("TERM"), Event::PreStopOver, dependency()],
            "pre-stop TERM cause",
        ),
    ] {
        assert_eq!(met(&with_pre_stop(), &events), expected, "{events:?}");
    }
}

#[test]
fn a_new_configuration_is_not_lost_beside_a_forwarded_stop_signal() {
    // It asks for no stop, so the command may handle it and run on.
    let rules = Rules {
        stop_signal: Signal::HUP,
        forwarding: Forwarding::new(Signal::HUP, &[]),
        ..with_pre_stop()
    };
    let (hup, new) = (received("HUP"), Event::Reconfigured);
    let all = [hup.clone(), new.clone()];
    assert_eq!(met(&rules, &all), "pre-stop end pre-stop HUP");
    let end = ended(ExitStatus::Exited(0));
    let all = [hup, new, end, Event::Expired(Timer::Backoff)];
    assert_eq!(met(&rules, &all), "pre-stop end pre-stop HUP down start");
}

#[test]
fn a_signal_that_stop_delay_holds_back_waits_for_both() {
    let rules = Rules {
        stop_delay: Limit::After(Duration::from_secs(20)),
        ..with_pre_stop()
    };
    let (delay, over) = (Event::Expired(Timer::StopDelay), Event::PreStopOver);
    let term = received("TERM");
    for (events, expected) in [
        (vec![term.clone(), delay.clone()], "pre-stop"),
        (vec![term.clone(), over.clone()], "pre-stop"),
        (
            vec![term.clone(), over.clone(), delay.clone()],
            "pre-stop TERM",
        ),
        (vec![term.clone(), delay, over], "pre-stop TERM"),
        (vec![term.clone(), term], "pre-stop end pre-stop TERM"),
    ] {
        assert_eq!(met(&rules, &events), expected, "{events:?}");
    }
}

/// The limit with which the timer of the actions is armed.
fn limit(rules: &Rules, event: Event) -> Option<Limit> {
    let mut machine = Machine::new(rules.clone());
    let begin = [Event::BirthDepsHold, Event::Started];
    begin
        .into_iter()
        .for_each(|event| drop(machine.step(event)));
    let actions = machine.step(event);
    actions.into_iter().find_map(|action| match action {
        Action::Arm(Timer::PreStop, limit) => Some(limit),
        _ => None,
    })
}

#[test]
fn two_seconds_or_half_of_the_grace_period_are_left_for_the_command() {
    let after = |millis| Limit::After(Duration::from_millis(millis));
    for (grace, expected) in [
        (after(30_000), Some(after(28_000))),
        (after(4_000), Some(after(2_000))),
        (after(3_000), Some(after(1_500))),
        (after(1_000), Some(after(500))),
        (after(0), None),
        (Limit::Never, Some(Limit::Never)),
    ] {
        let rules = Rules {
            grace_period: grace,
            ..with_pre_stop()
        };
        assert_eq!(limit(&rules, dependency()), expected, "{grace}");
        // The grace period is that of stops that exitdir-run begins.
        assert_eq!(
            limit(&rules, received("TERM")),
            Some(after(5_000)),
            "{grace}"
        );
    }
    for (delay, expected) in [(2_000, 5_000), (20_000, 20_000)] {
        let rules = Rules {
            stop_delay: after(delay),
            ..with_pre_stop()
        };
        assert_eq!(limit(&rules, received("TERM")), Some(after(expected)));
    }
}

#[test]
fn without_actions_no_stop_waits() {
    assert_eq!(met(&rules(), &[dependency()]), "cause TERM");
    assert_eq!(met(&rules(), &[received("INT")]), "INT");
    assert_eq!(limit(&rules(), received("TERM")), None);
}
