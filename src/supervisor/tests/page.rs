//! The table of DESIGN.md: every pair of state and event, made from the machine and compared.

use super::scenarios::alphabet;
use super::walk::graphs;
use crate::exit::{Remaining, TerminalPlace};
use crate::signal::Signal;
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::record::Record;
use crate::supervisor::state::MachineState;
use crate::supervisor::timer::Timer;
use std::collections::{BTreeMap, BTreeSet};

const STATES: [&str; 9] = [
    "Waiting",
    "Starting",
    "Running",
    "Delaying",
    "Stopping",
    "Clearing",
    "BackingOff",
    "Inactive",
    "Over",
];

fn state_name(state: &MachineState) -> &'static str {
    match state {
        MachineState::Waiting => "Waiting",
        MachineState::Starting(_) => "Starting",
        MachineState::Running(_) => "Running",
        MachineState::Delaying(..) => "Delaying",
        MachineState::Stopping(..) => "Stopping",
        MachineState::Draining(_) => "Clearing",
        MachineState::BackingOff(_) => "BackingOff",
        MachineState::Inactive(_) => "Inactive",
        MachineState::Finished => "Over",
    }
}

fn event_name(event: &Event) -> String {
    match event {
        Event::BirthDepsHold => "BirthDepsHold".to_owned(),
        Event::DeathDepHolds(_) => "DeathDepHolds".to_owned(),
        Event::Signal(signal) => format!("{signal}"),
        Event::Started => "Started".to_owned(),
        Event::StartFailed(_) => "StartFailed".to_owned(),
        Event::Ready => "Ready".to_owned(),
        Event::Paused(signal) => format!("Paused by {signal}"),
        Event::Ended(_, _, TerminalPlace::Foreground) => "Ended by a key".to_owned(),
        Event::Ended(_, Remaining::Nothing, _) => "Ended".to_owned(),
        Event::Ended(_, Remaining::Descendants, _) => "Ended, others left".to_owned(),
        Event::NoDescendants => "Alone".to_owned(),
        Event::Activated => "Activated".to_owned(),
        Event::Deactivated => "Deactivated".to_owned(),
        Event::Reconfigured => "Reconfigured".to_owned(),
        Event::Expired(timer) => format!("{} expired", timer_name(*timer)),
    }
}

fn timer_name(timer: Timer) -> &'static str {
    match timer {
        Timer::BirthTimeout => "Birth",
        Timer::WaitNotice => "Notice",
        Timer::RunTimeout => "Run",
        Timer::SteadyRun => "Steady",
        Timer::StopDelay => "Delay",
        Timer::GracePeriod => "Grace",
        Timer::OrphanScan => "Pass",
        Timer::Backoff => "Backoff",
    }
}

/// What a reader of the table wants to know: reports and disarmed timers are left out.
fn action_name(action: &Action) -> Option<String> {
    Some(match action {
        Action::Start => "start".to_owned(),
        Action::Send(signal @ (Signal::KILL | Signal::CONT | Signal::INT)) => {
            format!("send {signal}")
        }
        Action::Send(_) => "send it".to_owned(),
        Action::Pause(_) => "pause".to_owned(),
        Action::SignalDescendants(Signal::KILL) => "kill descendants".to_owned(),
        Action::SignalDescendants(_) => "stop descendants".to_owned(),
        Action::Arm(timer, _) => format!("arm {}", timer_name(*timer)),
        Action::Record(Record::Born { .. }) => "record Born".to_owned(),
        Action::Record(Record::Ready) => "record Ready".to_owned(),
        Action::Record(Record::Down) => "take Ready back".to_owned(),
        Action::Record(Record::Inactive) => "record Inactive".to_owned(),
        Action::Record(Record::Cause(_)) => "record Cause".to_owned(),
        Action::Finish(_) => "finish".to_owned(),
        Action::Disarm(_) | Action::Report(_) => return None,
    })
}

type Cells = BTreeMap<(usize, usize), BTreeSet<String>>;

/// What each event does in each state: every pair, in the order of the states and of the alphabet.
fn cells() -> Cells {
    let alphabet = alphabet();
    let mut cells = Cells::new();
    for (_, graph) in graphs() {
        for world in &graph.states {
            let before = state_name(&world.machine.state);
            let row = STATES.iter().position(|name| *name == before).unwrap();
            for (column, event) in alphabet.iter().enumerate() {
                let mut machine = world.machine.clone();
                let actions = machine.step(event.clone());
                let mut deeds: Vec<String> = actions.iter().filter_map(action_name).collect();
                let after = state_name(&machine.state);
                if after != before {
                    deeds.push(format!("**{after}**"));
                }
                let cell = cells.entry((row, column)).or_default();
                cell.insert(deeds.join(", "));
            }
        }
    }
    cells
}

/// One table: a row for each pair that does something, and for each state one row of those that do not.
/// With it how many pairs it is made from.
fn table() -> (String, usize) {
    let (cells, alphabet) = (cells(), alphabet());
    let mut text = String::from("| state | event | what is done |\n|---|---|---|\n");
    for (row, state) in STATES.iter().enumerate() {
        // Events of one kind that do the same share a row.
        let mut rows: Vec<(String, Vec<String>)> = Vec::new();
        for (column, event) in alphabet.iter().enumerate() {
            let outcomes: Vec<&str> = cells[&(row, column)].iter().map(String::as_str).collect();
            let outcome = outcomes
                .join("; or ")
                .trim_start_matches("; or ")
                .to_owned();
            let outcome = if outcomes.contains(&"") && outcomes.len() > 1 {
                format!("nothing; or {outcome}")
            } else {
                outcome
            };
            let name = event_name(event);
            match rows.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => rows.push((outcome, vec![name])),
            }
        }
        for (outcome, names) in rows.iter().filter(|(outcome, _)| !outcome.is_empty()) {
            text.push_str(&format!("| {state} | {} | {outcome} |\n", names.join(", ")));
        }
        for (_, names) in rows.iter().filter(|(outcome, _)| outcome.is_empty()) {
            text.push_str(&format!("| {state} | {} | nothing |\n", names.join(", ")));
        }
    }
    (text, cells.len())
}

#[test]
fn design_md_has_every_pair_of_state_and_event() {
    let design = include_str!("../../../DESIGN.md");
    let table = table();
    let pairs = STATES.len() * alphabet().len();
    assert_eq!(table.1, pairs, "a state that no search reaches");
    println!("{pairs} pairs");
    assert!(
        design.contains(&table.0),
        "the table of the state machine in DESIGN.md is not what the code does, which is:\n{}",
        table.0
    );
}
