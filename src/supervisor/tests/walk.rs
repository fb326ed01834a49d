//! Searches over the machine: every reachable state with every event, and every sequence of events
//! up to a length.

use super::scenarios::{Management, Scenario, alphabet, scenarios};
use super::simulation::{MachineKey, Simulation, SimulationKey, machine_key};
use crate::signal::Signal;
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::machine::Machine;
use crate::supervisor::report::Report;
use crate::supervisor::rules::Rules;
use crate::supervisor::state::MachineState;
use std::collections::{HashMap, VecDeque};
use std::sync::LazyLock;

/// All reachable states of one scenario, by breadth-first search, and where each event leads.
pub(super) struct StateGraph {
    pub(super) states: Vec<Simulation>,
    /// From which state, by which event of the alphabet, to which state.
    transitions: Vec<(usize, usize, usize)>,
}

fn explore(rules: &Rules, management: Management) -> StateGraph {
    let alphabet = alphabet();
    let mut graph = StateGraph {
        states: vec![Simulation::new(rules.clone(), management)],
        transitions: Vec::new(),
    };
    let first = graph.states[0].key();
    let mut known: HashMap<SimulationKey, usize> = HashMap::from([(first, 0)]);
    let mut queue = VecDeque::from([0]);
    while let Some(from) = queue.pop_front() {
        for (number, event) in alphabet.iter().enumerate() {
            let mut next = graph.states[from].clone();
            if !next.is_possible(event) {
                // An impossible event must do no harm.
                let actions = next.machine.step(event.clone());
                let ends = matches!(actions.last(), Some(Action::Finish(_)));
                next.check(!(next.monitor.finished && ends), "a second end");
                continue;
            }
            next.apply(event);
            let to = *known.entry(next.key()).or_insert_with(|| {
                graph.states.push(next);
                queue.push_back(graph.states.len() - 1);
                graph.states.len() - 1
            });
            graph.transitions.push((from, number, to));
        }
    }
    graph
}

/// The graphs of all scenarios, explored once for all tests.
pub(super) fn graphs() -> &'static [(&'static str, StateGraph)] {
    static GRAPHS: LazyLock<Vec<(&'static str, StateGraph)>> = LazyLock::new(|| {
        let explored = |(name, rules, management): Scenario| (name, explore(&rules, management));
        scenarios().into_iter().map(explored).collect()
    });
    &GRAPHS
}

/// For each state, whether the end can be reached by the events that `counts` accepts.
fn can_end(graph: &StateGraph, counts: impl Fn(&Event) -> bool) -> Vec<bool> {
    let alphabet = alphabet();
    let finished = |state: &Simulation| state.monitor.finished;
    let mut ends: Vec<bool> = graph.states.iter().map(finished).collect();
    loop {
        let mut changed = false;
        for (from, event, to) in &graph.transitions {
            if ends[*to] && !ends[*from] && counts(&alphabet[*event]) {
                ends[*from] = true;
                changed = true;
            }
        }
        if !changed {
            return ends;
        }
    }
}

#[test]
fn every_reachable_state_passes_the_checks_at_every_event_and_can_reach_the_end() {
    for (name, graph) in graphs() {
        let (states, transitions) = (graph.states.len(), graph.transitions.len());
        let ends = graph.states.iter().filter(|state| state.monitor.finished);
        let ends = ends.count();
        println!("{name}: {states} states, {transitions} transitions, {ends} ends");
        assert!(
            states > 50 && transitions > 500,
            "the search covered nearly nothing"
        );
        let with_any = can_end(graph, |_| true);
        let by_itself = can_end(graph, Simulation::comes_by_itself);
        for (at, state) in graph.states.iter().enumerate() {
            state.check(with_any[at], "the end cannot be reached");
            let stops = !state.monitor.stopped_for_good || by_itself[at];
            state.check(stops, "a stop that does not end");
        }
    }
}

#[test]
fn every_sequence_of_possible_events_passes_the_checks() {
    let alphabet = alphabet();
    let (mut sequences, mut ends) = (0_u64, 0_u64);
    for (_, rules, management) in scenarios() {
        let mut stack = vec![Simulation::new(rules, management)];
        while let Some(simulation) = stack.pop() {
            sequences += 1;
            ends += u64::from(simulation.monitor.finished);
            // The search above tries every event after the end.
            if simulation.trace.len() == 5 || simulation.monitor.finished {
                continue;
            }
            for event in alphabet
                .iter()
                .filter(|event| simulation.is_possible(event))
            {
                let mut next = simulation.clone();
                next.apply(event);
                stack.push(next);
            }
        }
    }
    println!("{sequences} sequences of possible events, {ends} of them ended");
    assert!(
        sequences > 50_000 && ends > 10_000,
        "the walk covered nearly nothing"
    );
}

/// Impossible events too. What a machine does depends on its state alone, so sequences that lead to
/// the same state are walked once and counted.
#[test]
fn every_sequence_of_any_events_ends_at_most_once() {
    let alphabet = alphabet();
    let mut sequences = 0_u128;
    for (_, rules, _) in scenarios() {
        let first = Machine::new(rules);
        let mut level = HashMap::from([(machine_key(&first), (first, 1_u128))]);
        for _ in 0..5 {
            let mut next: HashMap<MachineKey, (Machine, u128)> = HashMap::new();
            for (machine, count) in level.values() {
                for event in &alphabet {
                    let mut machine = machine.clone();
                    let was_finished = machine.state == MachineState::Finished;
                    let actions = machine.step(event.clone());
                    assert!(
                        !was_finished || actions.is_empty(),
                        "{event:?} after the end"
                    );
                    let is_finish = |action: &&Action| matches!(action, Action::Finish(_));
                    let finishes = actions.iter().filter(is_finish).count();
                    let ends = !was_finished && machine.state == MachineState::Finished;
                    assert_eq!(finishes, usize::from(ends), "{event:?}: {actions:?}");
                    sequences += count;
                    let same = next.entry(machine_key(&machine)).or_insert((machine, 0));
                    same.1 += count;
                }
            }
            level = next;
        }
    }
    println!("{sequences} sequences of any events");
    assert!(sequences > 100_000_000);
}

#[test]
fn the_fast_path_for_a_signal_does_what_a_step_does() {
    let mut signals = 0;
    for (name, graph) in graphs() {
        for state in &graph.states {
            for signal in (1..=64).filter_map(Signal::from_number) {
                let mut fast = state.machine.clone();
                let Some(sent) = fast.forward_fast(signal) else {
                    assert_eq!(machine_key(&fast), machine_key(&state.machine));
                    continue;
                };
                let mut full = state.machine.clone();
                let expected = [Action::Send(sent), Action::Report(Report::Forwarded(sent))];
                let actions = full.step(Event::Signal(signal));
                assert_eq!(actions, expected, "{name}: {signal}");
                assert_eq!(machine_key(&fast), machine_key(&full), "{name}: {signal}");
                signals += 1;
            }
        }
    }
    println!("{signals} signals on the fast path");
    assert!(signals > 100_000);
}
