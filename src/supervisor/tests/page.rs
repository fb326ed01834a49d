//! docs/state-machine.md: every pair of state and event, generated from the machine and compared.

use super::scenarios::alphabet;
use super::simulation::{MachineKey, machine_key};
use super::walk::graphs;
use crate::duration::Limit;
use crate::exit::{Remaining, TerminalPlace};
use crate::signal::Signal;
use crate::supervisor::action::Action;
use crate::supervisor::event::Event;
use crate::supervisor::machine::Machine;
use crate::supervisor::record::Record;
use crate::supervisor::rules::OnConfig;
use crate::supervisor::state::MachineState;
use crate::supervisor::timer::Timer;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

/// With this variable set, the test writes the page instead of comparing it.
const UPDATE: &str = "UPDATE_PAGES";

const INTRODUCTION: &str = "\
# State machine

This page lists, for each state of exitdir-run, what each event does; the tests generate it from the
code and compare it. Actions in brackets and alternatives after \"or\" depend on the options and on
earlier events; notices and the clearing of timers are left out.
";

/// The name of a state on the page, and what is known of CMD in it.
const STATES: [(&str, &str); 10] = [
    (
        "Waiting for dependencies",
        "CMD was never started. Its birth dependencies do not hold yet.",
    ),
    (
        "Starting",
        "CMD is being started, for the first time or again. The answer arrives before any other \
         event.",
    ),
    ("Running", "CMD runs."),
    (
        "Stop delayed",
        "CMD runs. A signal was received that asks for a stop, and is held back (`--stop-delay`, \
         `--pre-stop`).",
    ),
    (
        "Before the stop signal",
        "exitdir-run stops CMD. The actions of `--pre-stop` run, and CMD did not get the stop \
         signal yet.",
    ),
    ("Stopping", "exitdir-run stops CMD."),
    (
        "Stopping descendants",
        "CMD has ended. The processes that it left behind are being stopped \
         (`--wait-descendants`).",
    ),
    (
        "Waiting to restart",
        "CMD has ended. It will be started again after the restart delay, which is 0 after a \
         temporary stop.",
    ),
    (
        "Inactive",
        "CMD is down until it is activated (`--active-while`).",
    ),
    ("Finished", "The life has ended."),
];

fn state_number(state: &MachineState) -> usize {
    match state {
        MachineState::Waiting => 0,
        MachineState::Starting(_) => 1,
        MachineState::Running(_) => 2,
        MachineState::Delaying(..) => 3,
        MachineState::PreStopping(..) => 4,
        MachineState::Stopping(..) => 5,
        MachineState::Draining(_) => 6,
        MachineState::BackingOff(_) => 7,
        MachineState::Inactive(_) => 8,
        MachineState::Finished => 9,
    }
}

fn event_name(event: &Event) -> String {
    match event {
        Event::BirthDepsHold => "the birth dependencies hold".to_owned(),
        Event::StartAnyway => "start anyway".to_owned(),
        Event::BirthDepFailed(_) => "a birth dependency has failed".to_owned(),
        Event::DeathDepHolds(_) => "a death dependency holds".to_owned(),
        Event::DeathDepsSeen => "no death dependency is missing".to_owned(),
        Event::Signal(signal) => format!("received {signal}"),
        Event::Started => "CMD was started".to_owned(),
        Event::StartFailed(_) => "CMD could not be started".to_owned(),
        Event::Ready => "CMD is ready".to_owned(),
        Event::Paused(signal) => format!("{signal} suspended CMD"),
        Event::Ended(_, _, TerminalPlace::Foreground) => "a terminal key ended CMD".to_owned(),
        Event::Ended(_, Remaining::Nothing, _) => "CMD ended".to_owned(),
        Event::Ended(_, Remaining::Descendants, _) => "CMD ended and left descendants".to_owned(),
        Event::PreStopOver => "the pre-stop actions have ended".to_owned(),
        Event::NoDescendants => "no descendant is left".to_owned(),
        Event::Activated => "activated".to_owned(),
        Event::Deactivated => "deactivated".to_owned(),
        Event::Reconfigured => "reconfigured".to_owned(),
        Event::Expired(timer) => format!("end of the {}", timer_name(*timer)),
    }
}

fn event_meaning(event: &Event) -> &'static str {
    match event {
        Event::BirthDepsHold => "all of `--birth-deps` hold, or there are none",
        Event::StartAnyway => {
            "`--birth-timeout` is over with `--start-anyway`, and only birth dependencies are missing"
        }
        Event::BirthDepFailed(_) => {
            "one of `--birth-deps` has died and cannot hold, with `--fail-fast`"
        }
        Event::DeathDepHolds(_) => "one of `--death-deps` holds",
        Event::DeathDepsSeen => "each of `--death-deps` that has a NAME was seen since the start",
        Event::Signal(Signal::INT) => "exitdir-run received INT or QUIT",
        Event::Signal(Signal::TERM | Signal::HUP | Signal::TSTP | Signal::CONT) => {
            "exitdir-run received this signal"
        }
        Event::Signal(_) => "exitdir-run received a signal that is not in the rows above",
        Event::Started => "the answer to a start",
        Event::StartFailed(_) => "the answer to a start that failed",
        Event::Ready => "the source of `--ready-on` says so",
        Event::Paused(Signal::TTIN) => {
            "CMD read from the terminal in the background; the same for TTOU"
        }
        Event::Paused(_) => "CMD was suspended, as by `^Z`",
        Event::Ended(_, _, TerminalPlace::Foreground) => {
            "INT or QUIT ended CMD in the terminal's foreground, and exitdir-run had not sent it"
        }
        Event::Ended(_, Remaining::Nothing, _) => "CMD ended and left no process behind",
        Event::Ended(_, Remaining::Descendants, _) => {
            "CMD ended, and exitdir-run is now the parent of processes that CMD left behind"
        }
        Event::PreStopOver => "all actions of `--pre-stop` have ended",
        Event::NoDescendants => "the last process that CMD left behind has ended",
        Event::Activated => "the file of `--active-while` exists",
        Event::Deactivated => "the file of `--active-while` does not exist any more",
        Event::Reconfigured => "a new configuration was put in place",
        Event::Expired(Timer::BirthTimeout) => "`--birth-timeout` is over",
        Event::Expired(Timer::WaitNotice) => "it is time for a notice of what is waited for",
        Event::Expired(Timer::UnseenNotice) => {
            "it is time for a notice of the death dependencies that were never seen"
        }
        Event::Expired(Timer::MissingTimeout) => {
            "`--missing-timeout` is over, and one of `--death-deps` that has a NAME was never seen"
        }
        Event::Expired(Timer::RunTimeout) => "`--timeout` is over",
        Event::Expired(Timer::SteadyRun) => {
            "CMD has run for 10 s, so its next restart is not delayed"
        }
        Event::Expired(Timer::StopDelay) => "`--stop-delay` is over",
        Event::Expired(Timer::PreStop) => {
            "`--pre-stop` takes longer than its part of the grace period, or than 5 s for a stop \
             from outside"
        }
        Event::Expired(Timer::GracePeriod) => "`--grace-period` is over",
        Event::Expired(Timer::OrphanScan) => "it is time to look for new descendants",
        Event::Expired(Timer::KillWait) => "it is 10 s since the descendants were killed",
        Event::Expired(Timer::Backoff) => "CMD is due to be started again",
    }
}

fn timer_name(timer: Timer) -> &'static str {
    match timer {
        Timer::BirthTimeout => "birth timeout",
        Timer::WaitNotice => "notice interval",
        Timer::UnseenNotice => "missing-notice timer",
        Timer::MissingTimeout => "missing timeout",
        Timer::RunTimeout => "run timeout",
        Timer::SteadyRun => "steady-run timer",
        Timer::StopDelay => "stop delay",
        Timer::PreStop => "pre-stop time",
        Timer::GracePeriod => "grace period",
        Timer::OrphanScan => "scan interval",
        Timer::KillWait => "wait after KILL",
        Timer::Backoff => "restart delay",
    }
}

/// `None` for what the page leaves out.
fn action_name(action: &Action, event: &Event, before: &Machine) -> Option<String> {
    Some(match action {
        Action::Start => "start CMD".to_owned(),
        Action::Send(signal) => sending(*signal, event, before),
        Action::Pause(_) => "suspend exitdir-run".to_owned(),
        Action::RunPreStop(_) => "run the pre-stop actions".to_owned(),
        Action::EndPreStop => "end the pre-stop actions".to_owned(),
        Action::RunOnConfig => "run the `--on-config` actions".to_owned(),
        Action::SignalDescendants(Signal::KILL) => "send KILL to descendants".to_owned(),
        Action::SignalDescendants(_) => "send the stop signal to descendants".to_owned(),
        Action::Arm(timer, Limit::After(_)) => format!("start the {}", timer_name(*timer)),
        Action::Record(Record::Born { .. }) => "record the birth".to_owned(),
        Action::Record(Record::Ready) => "record ready".to_owned(),
        Action::Record(Record::Down) => "record down".to_owned(),
        Action::Record(Record::Inactive) => "record inactive".to_owned(),
        Action::Record(Record::Cause(_)) => "record the cause".to_owned(),
        Action::Finish(_) => "record the death and exit".to_owned(),
        Action::Disarm(_) | Action::Arm(_, Limit::Never) | Action::Report(_) => return None,
    })
}

fn sending(signal: Signal, event: &Event, before: &Machine) -> String {
    let rules = &before.rules;
    let name = match event {
        Event::Signal(received) if rules.forwarding.sent_for(*received) == Some(signal) => {
            "forward it"
        }
        _ if matches!(before.state, MachineState::Delaying(_, held) if held.sent == signal) => {
            "forward the delayed signal"
        }
        Event::Reconfigured if rules.on_config == OnConfig::Send(signal) => {
            "send the `--on-config` signal"
        }
        _ if signal == rules.stop_signal => "send the stop signal",
        _ => return format!("send {signal}"),
    };
    name.to_owned()
}

const NOTHING: &str = "nothing";

/// What one event does in one state: names of actions, and the state that follows.
type PageStep = (usize, Vec<String>);

/// The steps of every pair, by state and by the event's place in the alphabet.
type Cells = BTreeMap<(usize, usize), BTreeSet<PageStep>>;

fn cells() -> Cells {
    let alphabet = alphabet();
    let mut cells = Cells::new();
    for (_, graph) in graphs() {
        let mut known: HashSet<MachineKey> = HashSet::new();
        let machines = graph.states.iter().map(|state| &state.machine);
        for machine in machines.filter(|machine| known.insert(machine_key(machine))) {
            let from = state_number(&machine.state);
            for (number, event) in alphabet.iter().enumerate() {
                let mut next = machine.clone();
                let actions = next.step(event.clone());
                let names = actions.iter();
                let names = names.filter_map(|action| action_name(action, event, machine));
                let step = (state_number(&next.state), names.collect());
                cells.entry((from, number)).or_default().insert(step);
            }
        }
    }
    cells
}

/// The lists as one list in which an action that is not in each of them stands in brackets; `None`
/// if such a list would stand for others too.
fn merge(lists: &[&Vec<String>]) -> Option<Vec<String>> {
    let longest = lists.iter().max_by_key(|list| list.len())?;
    let is_part = |list: &&&Vec<String>| {
        let mut rest = longest.iter();
        list.iter().all(|action| rest.any(|other| other == action))
    };
    let is_optional = |action: &&String| !lists.iter().all(|list| list.contains(action));
    let optional = longest.iter().filter(is_optional).count();
    if !lists.iter().all(|list| is_part(&list)) || lists.len() != 1 << optional {
        return None;
    }
    let brackets = |action: &String| match is_optional(&action) {
        true => format!("[{action}]"),
        false => action.clone(),
    };
    Some(longest.iter().map(brackets).collect())
}

fn describe(steps: &BTreeSet<PageStep>, from: usize) -> String {
    let mut by_state: BTreeMap<usize, Vec<&Vec<String>>> = BTreeMap::new();
    for (to, actions) in steps {
        by_state.entry(*to).or_default().push(actions);
    }
    // What does not leave the state comes first.
    let stays = by_state.remove_entry(&from);
    let mut alternatives = Vec::new();
    for (to, lists) in stays.into_iter().chain(by_state) {
        let lists = match merge(&lists) {
            Some(merged) => vec![merged],
            None => lists.into_iter().cloned().collect(),
        };
        for mut actions in lists {
            if to != from {
                let name = STATES[to].0;
                let anchor = name.to_lowercase().replace(' ', "-");
                actions.push(format!("→ [{name}](#{anchor})"));
            }
            let text = actions.join(", ").replace(", →", " →");
            alternatives.push(if text.is_empty() {
                NOTHING.to_owned()
            } else {
                text
            });
        }
    }
    alternatives.join("; or ")
}

/// The list of events, in the order of the alphabet.
fn events_section() -> String {
    let mut text = "\n## Events\n\n| event | meaning |\n|---|---|\n".to_owned();
    let mut known = BTreeSet::new();
    for event in alphabet() {
        let name = event_name(&event);
        if known.insert(name.clone()) {
            text.push_str(&format!("| {name} | {} |\n", event_meaning(&event)));
        }
    }
    text.push_str(
        "\nThe action \"forward it\" sends CMD the received signal, or what `--rewrite` and \
         `--stop-signal` send\nfor it.\n",
    );
    text
}

/// The section of one state: a row for each set of events that do the same.
fn section(from: usize, cells: &Cells) -> String {
    let (name, meaning) = STATES[from];
    let mut text = format!("\n## {name}\n\n{}\n", wrap(meaning));
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for (number, event) in alphabet().iter().enumerate() {
        let done = describe(&cells[&(from, number)], from);
        let event = event_name(event);
        match rows.iter_mut().find(|(known, _)| *known == done) {
            Some((_, events)) if events.contains(&event) => {}
            Some((_, events)) => events.push(event),
            None => rows.push((done, vec![event])),
        }
    }
    text.push_str("\n| event | what exitdir-run does |\n|---|---|\n");
    for (done, events) in rows.iter().filter(|(done, _)| done != NOTHING) {
        text.push_str(&format!("| {} | {done} |\n", events.join(", ")));
    }
    text.push_str(&format!("| any other event | {NOTHING} |\n"));
    text
}

/// Wraps a paragraph at 100 columns.
fn wrap(paragraph: &str) -> String {
    let mut lines = vec![String::new()];
    for word in paragraph.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= 100 {
            line.push_str(&format!(" {word}"));
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

#[test]
fn the_page_of_the_state_machine_has_every_pair_of_state_and_event() {
    let cells = cells();
    let pairs = STATES.len() * alphabet().len();
    assert_eq!(cells.len(), pairs, "a state that no search reaches");
    println!("{pairs} pairs");
    let sections = (0..STATES.len()).map(|state| section(state, &cells));
    let page = INTRODUCTION.to_owned() + &sections.collect::<String>() + &events_section();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/state-machine.md");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/state-machine.md is not what the code does. To write it again: \
         {UPDATE}=1 cargo test --lib state_machine\n{page}"
    );
}

#[test]
fn actions_are_merged_only_if_no_other_list_is_meant() {
    let lists = |lists: &[&str]| {
        let split = |list: &&str| list.split_terminator(' ').map(str::to_owned).collect();
        let lists: Vec<Vec<String>> = lists.iter().map(split).collect();
        let merged = merge(&lists.iter().collect::<Vec<_>>());
        merged.map(|actions| actions.join(" "))
    };
    let merged = |text: &str| Some(text.to_owned());
    assert_eq!(lists(&["a b"]), merged("a b"));
    assert_eq!(lists(&["", "a"]), merged("[a]"));
    assert_eq!(lists(&["a", "a b"]), merged("a [b]"));
    assert_eq!(lists(&["c", "a c", "b c", "a b c"]), merged("[a] [b] c"));
    assert_eq!(lists(&["a", "b"]), None);
    assert_eq!(lists(&["a", "a b c"]), None);
    assert_eq!(lists(&["a b", "b a"]), None);
}
