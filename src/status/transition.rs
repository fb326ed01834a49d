//! From one state of a name to the next: what `exitdir-status --watch` prints. Pure.

use super::reason::{code, reason};
use super::stage::{LifeStep, Stage, steps};
use crate::error::escaped;
use crate::protocol::life::{Life, Observation};
use crate::protocol::name::Name;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::sorted::SortedMap;
use std::time::SystemTime;

/// The length of a time with milliseconds, without its zone.
const UP_TO_MILLISECONDS: usize = "2026-11-20T21:29:40.312".len();

/// Which lives were shown so far.
#[derive(Debug, Default)]
pub(crate) struct Transitions {
    shown: SortedMap<Name, Shown>,
    /// The first scan was shown: a life that appears from now on is shown from its beginning.
    has_begun: bool,
}

/// The last line about a name.
#[derive(Debug)]
struct Shown {
    life: Option<Timestamp>,
    ready: Option<Timestamp>,
    step: LifeStep,
}

impl Transitions {
    /// Lives that are found from now on are new.
    pub(crate) fn end_scan(&mut self) {
        self.has_begun = true;
    }

    /// The lines about what was observed `now`, each with its newline.
    pub(crate) fn lines(&mut self, observation: &Observation, now: SystemTime) -> String {
        let name = &observation.name;
        let mut lines = String::new();
        for ended in &observation.ended {
            // Of a life that is over and replaced, only its end is known for certain.
            let steps = steps(ended).pop().into_iter().collect();
            self.show(name, ended, steps, now, &mut lines);
        }
        match &observation.current {
            Some(life) => {
                let mut steps = steps(life);
                if !self.has_begun {
                    steps = steps.pop().into_iter().collect();
                }
                self.show(name, life, steps, now, &mut lines);
            }
            None => {
                if let Some(shown) = self.shown.get(name) {
                    lines.push_str(&removal(name, shown.step.state, now));
                }
                self.shown.remove(name);
            }
        }
        lines
    }

    /// Adds a line for each step that was not shown yet.
    fn show(
        &mut self,
        name: &Name,
        life: &Life,
        steps: Vec<LifeStep>,
        now: SystemTime,
        lines: &mut String,
    ) {
        let before = self.shown.get(name);
        let new = unseen(before, life, steps);
        let Some(last) = new.last().cloned() else {
            return;
        };
        let mut old = before.map(|shown| shown.step.state);
        for (at, step) in new.iter().enumerate() {
            // A step without a time came before the next one.
            let times = new.iter().skip(at).map(|step| step.at.as_ref());
            let time = times.flatten().find_map(Timestamp::to_system_time);
            lines.push_str(&line(name, old, step, life, time.unwrap_or(now)));
            old = Some(step.state);
        }
        let shown = Shown {
            life: life.tombstone.life().cloned(),
            ready: life.tombstone.ready.clone(),
            step: last,
        };
        self.shown.insert(name.clone(), shown);
    }
}

/// The steps that come after what was shown.
fn unseen(before: Option<&Shown>, life: &Life, mut steps: Vec<LifeStep>) -> Vec<LifeStep> {
    let is_same_life = |shown: &&Shown| shown.life.as_ref() == life.tombstone.life();
    let (Some(shown), Some(last)) = (before.filter(is_same_life), steps.last()) else {
        return steps;
    };
    if shown.step.is_same(last) {
        let readies = shown.ready.as_ref().zip(life.tombstone.ready.as_ref());
        // The command was started again in between.
        let is_ready_again = readies.is_some_and(|(before, now)| before != now);
        steps.drain(..steps.len() - usize::from(is_ready_again));
        return steps;
    }
    if let Some(at) = steps.iter().position(|step| step.is_same(&shown.step)) {
        steps.drain(..=at);
        return steps;
    }
    steps.drain(..steps.len() - 1);
    for step in steps.iter_mut().filter(|step| step.stage != Stage::Dead) {
        // The life went back, as for a restart: its older times say nothing about that.
        step.at = None;
    }
    steps
}

fn line(name: &Name, old: Option<State>, step: &LifeStep, life: &Life, time: SystemTime) -> String {
    let none = || "-".to_owned();
    let code = code(life).filter(|_| step.stage == Stage::Dead);
    format!(
        "{} {} {} {} {} {}\n",
        milliseconds(time),
        escaped(name.as_str()),
        old.map_or_else(none, |state| state.to_string()),
        step.state,
        code.map_or_else(none, |code| code.to_string()),
        why(step.stage, life).unwrap_or_else(none),
    )
}

fn removal(name: &Name, old: State, now: SystemTime) -> String {
    let name = escaped(name.as_str());
    format!("{} {name} {old} - - removed\n", milliseconds(now))
}

/// What the last column says about a stage.
fn why(stage: Stage, life: &Life) -> Option<String> {
    let tombstone = &life.tombstone;
    match stage {
        Stage::Waiting => {
            let items = tombstone.waiting_for.as_deref()?;
            Some(format!("for {}", escaped(&items.replace(',', ", "))))
        }
        Stage::Stopping => {
            let cause = tombstone.cause.as_ref()?;
            Some(format!("cause {}", escaped(cause.as_str())))
        }
        Stage::Dead => reason(tombstone),
        Stage::Starting | Stage::Ready | Stage::Inactive => None,
    }
}

/// The time of the wall clock as `2026-11-20T21:29:40.312Z`.
pub(crate) fn milliseconds(time: SystemTime) -> String {
    let text = Timestamp::from_system_time(time);
    let text = text.as_str();
    format!("{}Z", text.get(..UP_TO_MILLISECONDS).unwrap_or(text))
}

#[cfg(test)]
mod tests;
