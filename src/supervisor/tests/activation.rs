//! Temporary stops: the command is deactivated, or gets a new configuration.

use super::support::{ended, received, rules, stop_cause, summary};
use crate::exit::ExitStatus;
use crate::protocol::death_deps::Dependence;
use crate::signal::Signal;
use crate::supervisor::event::Event;
use crate::supervisor::machine::Machine;
use crate::supervisor::timer::Timer;

/// The event of one word in the tables below.
fn event(word: &str) -> Event {
    match word {
        "deactivated" => Event::Deactivated,
        "activated" => Event::Activated,
        "reconfigured" => Event::Reconfigured,
        "started" => Event::Started,
        // The restart delay is 0 here.
        "restart_due" => Event::Expired(Timer::Backoff),
        "grace_over" => Event::Expired(Timer::GracePeriod),
        "auxiliary_dies" => Event::DeathDepHolds(stop_cause(Dependence::Auxiliary)),
        "required_dies" => Event::DeathDepHolds(stop_cause(Dependence::Required)),
        "obeyed" => ended(ExitStatus::Signaled(Signal::TERM)),
        "killed" => ended(ExitStatus::Signaled(Signal::KILL)),
        "exited" => ended(ExitStatus::Exited(0)),
        signal => received(signal),
    }
}

/// Checks the summaries of the actions for the events after a first start.
fn check(table: &[(&str, &str)]) {
    for (events, expected) in table {
        let mut machine = Machine::new(rules());
        machine.step(Event::BirthDepsHold);
        machine.step(Event::Started);
        let actions = events
            .split(' ')
            .flat_map(|word| machine.step(event(word)))
            .filter_map(|action| summary(&action));
        assert_eq!(actions.collect::<Vec<_>>().join(" "), *expected, "{events}");
    }
}

#[test]
fn after_a_temporary_stop_the_command_is_started_again_or_stays_down_as_holds_then() {
    check(&[
        ("reconfigured obeyed restart_due", "TERM down start"),
        ("deactivated obeyed", "TERM inactive"),
        (
            "deactivated activated obeyed restart_due",
            "TERM down start",
        ),
        ("reconfigured deactivated obeyed", "TERM inactive"),
        (
            "deactivated reconfigured obeyed reconfigured activated restart_due started \
             reconfigured",
            "TERM inactive down start TERM",
        ),
        ("deactivated grace_over killed", "TERM KILL inactive"),
        (
            "reconfigured grace_over killed restart_due",
            "TERM KILL down start",
        ),
        ("exited reconfigured", "end 0"),
    ]);
}

#[test]
fn events_between_a_temporary_stop_and_the_next_start_are_not_lost() {
    check(&[
        (
            "reconfigured obeyed deactivated restart_due",
            "TERM down inactive",
        ),
        (
            "deactivated obeyed activated deactivated restart_due",
            "TERM inactive down inactive",
        ),
        ("reconfigured obeyed TERM", "TERM down end 143"),
        (
            "reconfigured obeyed required_dies",
            "TERM down cause end 143",
        ),
        (
            "deactivated obeyed auxiliary_dies",
            "TERM inactive cause end 0",
        ),
        (
            "deactivated obeyed required_dies",
            "TERM inactive cause end 143",
        ),
        ("deactivated obeyed TERM", "TERM inactive end 143"),
        ("deactivated obeyed HUP", "TERM inactive end 129"),
    ]);
}

#[test]
fn a_temporary_stop_becomes_final_with_a_death_dependency_or_a_received_stop_signal() {
    check(&[
        ("reconfigured auxiliary_dies obeyed", "TERM cause end 0"),
        ("deactivated required_dies obeyed", "TERM cause end 143"),
        ("deactivated TERM obeyed", "TERM TERM end 143"),
        ("TERM reconfigured obeyed", "TERM end 143"),
        ("TERM deactivated obeyed", "TERM end 143"),
    ]);
}

#[test]
fn a_command_that_is_deactivated_before_its_start_waits_again_when_it_is_activated() {
    let mut machine = Machine::new(rules());
    let mut step = |event: Event| {
        let actions = machine.step(event);
        let summaries: Vec<String> = actions.iter().filter_map(summary).collect();
        (summaries.join(" "), machine.is_waiting())
    };
    assert_eq!(step(Event::Deactivated), ("inactive".to_owned(), false));
    assert_eq!(step(Event::BirthDepsHold), (String::new(), false));
    assert_eq!(step(Event::Reconfigured), (String::new(), false));
    assert_eq!(step(Event::Activated), ("down".to_owned(), true));
    assert_eq!(step(Event::BirthDepsHold), ("start".to_owned(), false));
}
