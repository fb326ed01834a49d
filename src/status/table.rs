//! The table of the tombstones, and the same as JSON for scripts.

use super::age::{seconds, short};
use super::output::print;
use super::reason::{code, join, reason};
use super::selection::{not_found, shows};
use crate::error::{Error, escaped};
use crate::log::Logger;
use crate::protocol::condition::Condition;
use crate::protocol::item::Item;
use crate::protocol::life::{Life, Standing};
use crate::protocol::name::Name;
use crate::protocol::quote::json_string;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Reason;
use crate::store::exit_dir::ExitDir;
use std::time::{Duration, SystemTime};

const HEAD: [&str; 5] = ["NAME", "STATE", "AGE", "CODE", "REASON"];
/// How many tombstones that cannot be read are reported by name.
const SHOWN_ERRORS: usize = 5;
/// How much is written at once. In bytes.
const CHUNK: usize = 64 * 1024;

/// The form of the output.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Table,
    JsonLines,
}

/// Whether every tombstone that was asked for was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completeness {
    All,
    /// One of them is missing, or cannot be read.
    Some,
}

/// Prints the tombstones of `names`, or all if there are no names.
///
/// Reads all tombstones twice: first what the table needs of each, then one after the other to
/// print it. So their texts are never in memory together.
///
/// # Errors
/// [`Error::Io`] if the directory cannot be read or the text cannot be written.
pub(crate) fn print_table(
    dir: &ExitDir,
    names: &[Name],
    format: Format,
    log: Logger,
) -> Result<Completeness, Error> {
    let now = SystemTime::now();
    let mut survey = Survey::of(dir, names, now)?;
    let mut out = match format {
        Format::Table if survey.is_shown_any() => survey.line(&HEAD.map(str::to_owned)),
        Format::Table | Format::JsonLines => String::new(),
    };
    for at in 0..survey.lives.len() {
        let name = survey.lives.get(at).map(|(name, _)| name.clone());
        // One that cannot be read any more is left out.
        if let Some(name) = name.filter(|name| survey.shows(name))
            && let Ok(Some(life)) = dir.life(&name)
        {
            out.push_str(&survey.text(&name, &life, now, format));
        }
        if out.len() >= CHUNK {
            print(&std::mem::take(&mut out))?;
        }
    }
    print(&out)?;
    survey.report_errors(log);
    Ok(survey.report_missing(log))
}

/// What is known of all tombstones before they are printed.
struct Survey<'n> {
    /// The names that are shown; all if there are none.
    names: &'n [Name],
    /// Sorted by name. Also of names that are not shown, because lives wait for them.
    lives: Vec<(Name, Standing)>,
    /// Which of those that are shown cannot be read, and why. One that counts as an empty file is
    /// one of them if it was asked for.
    unread: Vec<(Name, String)>,
    /// The widest cell of each column but the last.
    widths: [usize; 4],
    /// How many lives have a state, for each state that was asked for.
    counts: Vec<(State, usize)>,
}

impl Survey<'_> {
    /// Reads all tombstones.
    fn of<'n>(dir: &ExitDir, names: &'n [Name], now: SystemTime) -> Result<Survey<'n>, Error> {
        let mut survey = Survey {
            names,
            lives: Vec::new(),
            unread: Vec::new(),
            widths: HEAD
                .map(str::len)
                .first_chunk()
                .copied()
                .unwrap_or_default(),
            counts: Vec::new(),
        };
        for name in dir.names()? {
            match dir.life(&name) {
                Ok(Some(life)) => {
                    let is_asked_for = !names.is_empty() && survey.shows(&name);
                    if life.tombstone.is_unreadable() && is_asked_for {
                        let notice = dir.unreadable_notice(&name);
                        survey.unread.push((name.clone(), notice));
                    }
                    survey.add(name, &life, now);
                }
                Err(error) if survey.shows(&name) => survey.unread.push((name, error.to_string())),
                // Removed since the directory was listed, or not a regular file.
                Ok(None) | Err(_) => {}
            }
        }
        Ok(survey)
    }

    fn add(&mut self, name: Name, life: &Life, now: SystemTime) {
        if self.shows(&name) {
            let cells = first_cells(&name, life, now);
            for (width, cell) in self.widths.iter_mut().zip(&cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        self.lives.push((name, life.standing()));
    }

    fn shows(&self, name: &Name) -> bool {
        shows(self.names, name)
    }

    /// Whether there is a row, or there would be one if the directory were not empty.
    fn is_shown_any(&self) -> bool {
        self.names.is_empty() || self.lives.iter().any(|(name, _)| self.shows(name))
    }

    fn report_errors(&self, log: Logger) {
        for (_, error) in self.unread.iter().take(SHOWN_ERRORS) {
            log.error(error);
        }
        if self.unread.len() > SHOWN_ERRORS {
            let more = self.unread.len() - SHOWN_ERRORS;
            log.error(format!("cannot read {more} more tombstones"));
        }
    }

    /// Reports the names without a tombstone that were asked for. What cannot be read is reported.
    fn report_missing(&self, log: Logger) -> Completeness {
        let is_unread = |name: &Name| self.unread.iter().any(|(unread, _)| unread == name);
        let mut completeness = Completeness::All;
        let has_row = |name: &Name| self.find(name).is_some();
        for name in self.names.iter().filter(|it| is_unread(it) || !has_row(it)) {
            completeness = Completeness::Some;
            if !is_unread(name) {
                log.error(not_found(name));
            }
        }
        completeness
    }

    fn find(&self, name: &Name) -> Option<Standing> {
        let at = self.lives.binary_search_by(|(known, _)| known.cmp(name));
        Some(self.lives.get(at.ok()?)?.1)
    }

    /// The line of one tombstone.
    fn text(&mut self, name: &Name, life: &Life, now: SystemTime, format: Format) -> String {
        let row = StatusRow {
            name,
            life,
            age: age(life, now),
            waiting_for: self.missing(name, life),
        };
        match format {
            Format::Table => self.line(&row.cells(now)),
            Format::JsonLines => row.json(),
        }
    }

    /// The cells in columns.
    fn line(&self, cells: &[String; 5]) -> String {
        let widths = self.widths.iter().chain(&[0]);
        let padded = cells.iter().zip(widths);
        let padded: Vec<String> = padded
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    }

    /// The birth dependencies that do not hold, while the life waits for them.
    /// Nothing is known of a source here.
    fn missing(&mut self, name: &Name, life: &Life) -> Vec<Item> {
        if life.state() != Some(State::Waiting) {
            return Vec::new();
        }
        let texts = life.tombstone.waiting_for.as_deref().unwrap_or_default();
        let items = texts.split(',').filter_map(Item::from_recorded);
        items
            .filter(|item| {
                let mut parts = item.parts.iter();
                !parts.all(|part| part.life().is_some_and(|it| self.holds(name, it)))
            })
            .collect()
    }

    /// Whether another life than that of `own` satisfies the condition.
    fn holds(&mut self, own: &Name, condition: &Condition) -> bool {
        let state = condition.state;
        match &condition.name {
            Some(name) => name != own && self.has_state(name, state),
            None => self.count(state) > usize::from(self.has_state(own, state)),
        }
    }

    fn has_state(&self, name: &Name, state: State) -> bool {
        let found = self.find(name);
        found.is_some_and(|standing| standing.has_state(state))
    }

    /// How many lives have the state. There are few states, so each is counted once.
    fn count(&mut self, state: State) -> usize {
        if let Some((_, count)) = self.counts.iter().find(|(known, _)| *known == state) {
            return *count;
        }
        let lives = self.lives.iter();
        let count = lives
            .filter(|(_, standing)| standing.has_state(state))
            .count();
        self.counts.push((state, count));
        count
    }
}

/// One tombstone.
struct StatusRow<'a> {
    name: &'a Name,
    life: &'a Life,
    age: Option<Duration>,
    /// The birth dependencies that do not hold, while the life waits for them.
    waiting_for: Vec<Item>,
}

/// How long the life has been in its state, as far as the tombstone says.
fn age(life: &Life, now: SystemTime) -> Option<Duration> {
    let tombstone = &life.tombstone;
    let since = match life.state()? {
        State::Waiting => tombstone.waiting.as_ref(),
        State::Born => tombstone.born.as_ref(),
        State::Ready => tombstone.ready.as_ref().or(tombstone.born.as_ref()),
        State::Inactive => tombstone.inactive.as_ref(),
        // A supervisor that is killed records no time.
        State::Lost => None,
        State::Ok | State::Failed | State::Died | State::Exit(_) => tombstone.died.as_ref(),
    };
    let since = since.and_then(Timestamp::to_system_time)?;
    Some(now.duration_since(since).unwrap_or_default())
}

/// All cells but the last, whose width does not matter.
fn first_cells(name: &Name, life: &Life, now: SystemTime) -> [String; 4] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        escaped(name.as_str()),
        or_none(life.state().map(|state| state.to_string())),
        or_none(age(life, now).map(short)),
        or_none(code(life).map(|code| code.to_string())),
    ]
}

impl StatusRow<'_> {
    fn missing(&self) -> Vec<String> {
        self.waiting_for.iter().map(Item::to_string).collect()
    }

    fn cells(&self, now: SystemTime) -> [String; 5] {
        let [name, state, age, code] = first_cells(self.name, self.life, now);
        let reason = self.reason().unwrap_or_else(|| "-".to_owned());
        [name, state, age, code, reason]
    }

    fn reason(&self) -> Option<String> {
        let missing = self.missing().join(", ");
        let missing = Some(missing).filter(|missing| !missing.is_empty());
        let missing = missing.map(|missing| format!("for {}", escaped(&missing)));
        join([missing, reason(&self.life.tombstone)])
    }

    fn json(&self) -> String {
        let tombstone = &self.life.tombstone;
        let missing = self.missing().join(",");
        let missing = Some(missing.as_str()).filter(|missing| !missing.is_empty());
        let state = self.life.state().map(|state| state.to_string());
        let signal = tombstone.signal.map(|signal| signal.to_string());
        let text = |value: Option<&str>| value.map(json_string);
        let time = |value: &Option<Timestamp>| value.as_ref().map(|it| json_string(it.as_str()));
        let fields = [
            ("name", text(Some(self.name.as_str()))),
            ("state", text(state.as_deref())),
            ("age", self.age.map(seconds)),
            ("code", code(self.life).map(|code| code.to_string())),
            ("signal", text(signal.as_deref())),
            ("reason", text(tombstone.reason.map(Reason::as_str))),
            ("cause", text(tombstone.cause.as_ref().map(Name::as_str))),
            ("message", text(tombstone.message.as_deref())),
            ("waiting", time(&tombstone.waiting)),
            ("waiting_for", text(missing)),
            ("follows", text(tombstone.follows.as_deref())),
            ("born", time(&tombstone.born)),
            ("ready", time(&tombstone.ready)),
            ("inactive", time(&tombstone.inactive)),
            ("died", time(&tombstone.died)),
        ];
        let null = || "null".to_owned();
        let fields = fields.map(|(key, value)| format!("\"{key}\":{}", value.unwrap_or_else(null)));
        format!("{{{}}}\n", fields.join(","))
    }
}
