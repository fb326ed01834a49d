//! Long random walks: any options and any events, with the checks of the simulated world.

use super::scenarios::{Management, alphabet};
use super::simulation::{Simulation, machine_key};
use super::support::rules;
use crate::duration::Limit;
use crate::signal::{Signal, SignalSet};
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::forwarding::Forwarding;
use crate::supervisor::report::Report;
use crate::supervisor::rules::{OnConfig, Restart, Rules, StopCode};
use crate::supervisor::timer::Timer;
use std::sync::LazyLock;
use std::time::Duration;

/// A walk that has not come to its end after so many events is stopped.
const LONGEST: usize = 400;
/// With this many events that come by themselves, every stop ends.
const LONGEST_STOP: usize = 64;

static ALPHABET: LazyLock<Vec<Event>> = LazyLock::new(alphabet);

/// Takes each decision from `choices`, until there are none.
pub(crate) fn walk(choices: &mut dyn Iterator<Item = u8>) {
    let mut choice = || choices.next();
    let options = [(); 6].map(|()| choice().unwrap_or_default());
    let (rules, management) = chosen_rules(options);
    let mut simulation = Simulation::new(rules, management);
    while let Some(number) = choice() {
        if simulation.trace.len() == LONGEST {
            break;
        }
        let event = chosen_event(number, choice().unwrap_or_default());
        check_fast_path(&simulation, &event);
        if simulation.is_possible(&event) {
            simulation.apply(&event);
        } else {
            step_aside(&simulation, event);
        }
    }
    if simulation.monitor.stopped_for_good {
        settle(simulation);
    }
}

fn chosen_event(number: u8, detail: u8) -> Event {
    let events = &*ALPHABET;
    match events.get(usize::from(number) % (events.len() + 8)) {
        Some(event) => event.clone(),
        None => Event::Signal(chosen_signal(detail)),
    }
}

/// One of those that a process can receive.
fn chosen_signal(number: u8) -> Signal {
    let signal = Signal::from_number(i32::from(number % 64) + 1).unwrap();
    match signal {
        Signal::KILL | Signal::STOP | Signal::CHLD => Signal::TERM,
        signal => signal,
    }
}

fn chosen_rules(options: [u8; 6]) -> (Rules, Management) {
    let [flags, more, stop, from, to, limit] = options;
    let is_set = |bit: u8| flags & 1 << bit != 0;
    let is_set_too = |bit: u8| more & 1 << bit != 0;
    let seconds = |is_set| match is_set {
        true => Limit::After(Duration::from_secs(5)),
        false => Limit::Never,
    };
    let stop_signal = if stop < 128 {
        Signal::TERM
    } else {
        chosen_signal(stop)
    };
    let rewrite = (
        chosen_signal(from),
        Some(chosen_signal(to)).filter(|_| to >= 64),
    );
    let rewrites = if from < 128 { vec![] } else { vec![rewrite] };
    let rules = Rules {
        birth_timeout: seconds(is_set_too(0)),
        missing_timeout: seconds(is_set_too(1)),
        names_death_deps: is_set(0),
        run_timeout: seconds(is_set(1)),
        grace_period: seconds(is_set_too(2)),
        stop_delay: if is_set(2) {
            seconds(true)
        } else {
            Limit::After(Duration::ZERO)
        },
        pre_stop: is_set_too(4),
        stop_signal,
        forwarding: Forwarding::new(stop_signal, &rewrites),
        stop_code: [
            StopCode::Table,
            StopCode::Own,
            StopCode::Cause,
            StopCode::Number(42),
        ][usize::from(is_set(3)) + 2 * usize::from(is_set_too(4))],
        ready_on_start: is_set_too(3),
        ignored_signals: if is_set(4) {
            SignalSet::ALL
        } else {
            SignalSet::default()
        },
        restart: [Restart::Never, Restart::OnFailure, Restart::Always][usize::from(limit % 3)],
        restart_limit: Some(u32::from(limit >> 5)).filter(|limit| *limit > 0),
        wait_descendants: is_set(5),
        on_config: match (is_set(6), is_set_too(5)) {
            (false, false) => OnConfig::Restart,
            (true, false) => OnConfig::Send(Signal::HUP),
            (false, true) => OnConfig::Run,
            (true, true) => OnConfig::Ignore,
        },
        ..rules()
    };
    let management = if is_set(7) {
        Management::Managed
    } else {
        Management::Unmanaged
    };
    (rules, management)
}

/// An event that is not possible now must do no harm.
fn step_aside(simulation: &Simulation, event: Event) {
    let actions = simulation.machine.clone().step(event);
    let ends = actions
        .iter()
        .filter(|action| matches!(action, Action::Finish(_)))
        .count();
    let allowed = usize::from(!simulation.monitor.finished);
    simulation.check(ends <= allowed, "a second end");
}

/// The fast path for a signal does what a step does.
fn check_fast_path(simulation: &Simulation, event: &Event) {
    let Event::Signal(signal) = event else { return };
    let (mut fast, mut full) = (simulation.machine.clone(), simulation.machine.clone());
    let Some(sent) = fast.forward_fast(*signal) else {
        let same = machine_key(&fast) == machine_key(&full);
        return simulation.check(same, "a refused fast path changes the machine");
    };
    let actions = full.step(event.clone());
    let expected = [Action::Send(sent), Action::Report(Report::Forwarded(sent))];
    simulation.check(actions == expected, "the fast path does something else");
    let same = machine_key(&fast) == machine_key(&full);
    simulation.check(same, "the fast path leads elsewhere");
}

/// What stops for good ends by what comes by itself.
fn settle(mut simulation: Simulation) {
    for _ in 0..LONGEST_STOP {
        if simulation.monitor.finished {
            return;
        }
        let mut events = ALPHABET.iter().filter(|event| settles(event));
        let next = events.find(|event| simulation.is_possible(event));
        let Some(event) = next else { break };
        simulation.apply(event);
    }
    simulation.check(simulation.monitor.finished, "a stop that does not end");
}

/// The events that bring a stop forward.
fn settles(event: &Event) -> bool {
    let notices = [
        Timer::WaitNotice,
        Timer::UnseenNotice,
        Timer::OrphanScan,
        Timer::SteadyRun,
    ];
    match event {
        Event::Expired(timer) => !notices.contains(timer),
        other => Simulation::comes_by_itself(other),
    }
}
