//! What the tests of the machine share: rules, events and what they lead to.

use crate::duration::Limit;
use crate::exit::{CodeSet, ExitStatus, Remaining, TerminalPlace};
use crate::protocol::death_deps::{Dependence, StopCause};
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::signal::{Signal, SignalSet};
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::forwarding::Forwarding;
use crate::supervisor::machine::Machine;
use crate::supervisor::outcome::FinalStatus;
use crate::supervisor::record::Record;
use crate::supervisor::rules::{OnConfig, Restart, Rules, StopCode};
use std::time::Duration;

pub(super) fn signal(name: &str) -> Signal {
    Signal::parse(name).unwrap()
}

pub(super) fn ended(status: ExitStatus) -> Event {
    Event::Ended(status, Remaining::Nothing, TerminalPlace::Elsewhere)
}

pub(super) fn stop_cause(dependence: Dependence) -> StopCause {
    StopCause {
        cause: Cause {
            name: Name::new("peer").unwrap(),
            life: None,
        },
        dependence,
        code: match dependence {
            Dependence::Auxiliary | Dependence::Unnamed => Some(0),
            Dependence::Required => Some(4),
        },
        description: "peer died".to_owned(),
    }
}

/// These exit statuses count as 0.
pub(super) fn expecting(codes: &[u8]) -> CodeSet {
    let mut set = CodeSet::default();
    codes.iter().for_each(|code| set.add(*code, *code));
    set
}

pub(super) fn rules() -> Rules {
    Rules {
        birth_timeout: Limit::After(Duration::from_secs(300)),
        names_death_deps: false,
        missing_timeout: Limit::After(Duration::from_secs(900)),
        run_timeout: Limit::After(Duration::from_secs(60)),
        grace_period: Limit::After(Duration::from_secs(30)),
        pre_stop: false,
        stop_signal: Signal::TERM,
        stop_code: StopCode::Table,
        expected_codes: CodeSet::default(),
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
pub(super) fn end(rules: &Rules, events: &[Event]) -> FinalStatus {
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

/// The signals that the command gets for the events after its start.
pub(super) fn sent(rules: &Rules, events: &[Event]) -> Vec<String> {
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

pub(super) fn received(name: &str) -> Event {
    Event::Signal(signal(name))
}

pub(super) fn rewriting(rewrites: &[(&str, Option<&str>)]) -> Rules {
    let rewrites: Vec<(Signal, Option<Signal>)> = rewrites
        .iter()
        .map(|(from, to)| (signal(from), to.map(signal)))
        .collect();
    Rules {
        forwarding: Forwarding::new(Signal::TERM, &rewrites),
        ..rules()
    }
}

/// An action in a word; `None` for timers, reports and a birth.
pub(super) fn summary(action: &Action) -> Option<String> {
    match action {
        Action::Start => Some("start".to_owned()),
        Action::Send(signal) => Some(signal.to_string()),
        Action::RunPreStop(_) => Some("pre-stop".to_owned()),
        Action::EndPreStop => Some("end pre-stop".to_owned()),
        Action::RunOnConfig => Some("on-config".to_owned()),
        Action::Record(Record::Down) => Some("down".to_owned()),
        Action::Record(Record::Inactive) => Some("inactive".to_owned()),
        Action::Record(Record::Cause(_)) => Some("cause".to_owned()),
        Action::Finish(last) => Some(format!("end {}", last.code)),
        _ => None,
    }
}
