//! `exitdir-status`: a table of the tombstones, for people and for scripts.

use super::args::{CommandSpec, DIR, HELP, Opt, ParsedArgs, Positionals, VERSION, flag};
use super::{NO_DIRECTORY, directory, parse_args, print};
use crate::error::{Error, escaped};
use crate::exit;
use crate::log::Logger;
use crate::protocol::condition::Condition;
use crate::protocol::life::{Death, Life};
use crate::protocol::name::Name;
use crate::protocol::quote::json_string;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::store::exit_dir::ExitDir;
use std::ffi::OsString;
use std::time::{Duration, SystemTime};

const JSON: Opt = flag(None, "json", "print one JSON object per line");

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: "exitdir-status",
    usage: "[OPTION]...",
    about: "Print a table of the tombstones, sorted by name.",
    options: &[&DIR, &JSON, &HELP, &VERSION],
    notes: "Exit status: 0 printed; 125 own failure or wrong usage.",
};

const VOICE: Logger = Logger::new(SPEC.name);

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let (dir, json) = match parse_args((&SPEC, &VOICE), Positionals::Only, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    match rows(&dir) {
        Ok(rows) if json => print(&VOICE, &rows.iter().map(Row::json).collect::<String>()),
        Ok(rows) => print(&VOICE, &table(&rows)),
        Err(error) => {
            VOICE.error(error);
            exit::FAILURE
        }
    }
}

/// Which directory, and whether as JSON.
fn plan(typed: &ParsedArgs) -> Result<(ExitDir, bool), String> {
    match typed.words.first() {
        Some(word) => Err(format!("unexpected argument {word:?}")),
        None => Ok((directory(typed).ok_or(NO_DIRECTORY)?, typed.has(&JSON))),
    }
}

/// One tombstone.
struct Row {
    name: Name,
    life: Life,
    age: Option<Duration>,
    /// What it waits for and does not have yet.
    waiting_for: Vec<Condition>,
}

fn rows(dir: &ExitDir) -> Result<Vec<Row>, Error> {
    let now = SystemTime::now();
    let mut rows = Vec::new();
    for name in dir.names()? {
        match dir.life(&name) {
            Ok(Some(life)) => rows.push(Row {
                age: age(&life, now),
                waiting_for: Vec::new(),
                name,
                life,
            }),
            // Gone since the directory was read, or no regular file.
            Ok(None) => {}
            Err(error) => VOICE.error(error),
        }
    }
    for at in 0..rows.len() {
        let missing = rows
            .get(at)
            .map(|row| missing(row, &rows))
            .unwrap_or_default();
        if let Some(row) = rows.get_mut(at) {
            row.waiting_for = missing;
        }
    }
    Ok(rows)
}

/// Of what a life waits for, what does not hold.
fn missing(row: &Row, rows: &[Row]) -> Vec<Condition> {
    let text = match row.life.state() {
        Some(State::Waiting) => row.life.tombstone.waiting_for.as_deref(),
        Some(_) | None => None,
    };
    let parsed = |word| Condition::parse(word, State::Ready).ok();
    let conditions = text
        .into_iter()
        .flat_map(|text| text.split(','))
        .filter_map(parsed);
    let others = rows.iter().filter(|other| other.name != row.name);
    let holds = |condition: &Condition| {
        let meant = |other: &&Row| {
            condition
                .name
                .as_ref()
                .is_none_or(|name| *name == other.name)
        };
        let has = |other: &Row| other.life.has_state(condition.state);
        others.clone().filter(meant).any(has)
    };
    conditions.filter(|condition| !holds(condition)).collect()
}

/// For how long the life has been in its state, as far as the tombstone says.
fn age(life: &Life, now: SystemTime) -> Option<Duration> {
    let tombstone = &life.tombstone;
    let since = match life.state()? {
        State::Waiting => tombstone.waiting.as_ref(),
        State::Born => tombstone.born.as_ref(),
        State::Ready => tombstone.ready.as_ref().or(tombstone.born.as_ref()),
        State::Inactive => tombstone.inactive.as_ref(),
        // Nobody wrote down when.
        State::Lost => None,
        State::Ok | State::Failed | State::Died | State::Exit(_) => tombstone.died.as_ref(),
    };
    let since = since.and_then(Timestamp::to_system_time)?;
    Some(now.duration_since(since).unwrap_or_default())
}

impl Row {
    fn state(&self) -> String {
        self.life
            .state()
            .map_or_else(|| "-".to_owned(), |state| state.to_string())
    }

    fn code(&self) -> Option<u8> {
        self.life.death().and_then(Death::code)
    }

    fn reason(&self) -> String {
        let tombstone = &self.life.tombstone;
        let mut parts: Vec<String> = Vec::new();
        if !self.waiting_for.is_empty() {
            let missing = self.waiting_for.iter().map(Condition::to_string);
            parts.push(format!("for {}", missing.collect::<Vec<_>>().join(", ")));
        }
        parts.extend(tombstone.reason.map(|reason| reason.as_str().to_owned()));
        parts.extend(
            tombstone
                .cause
                .as_ref()
                .map(|cause| format!("cause {cause}")),
        );
        parts.extend(tombstone.message.as_ref().map(|message| escaped(message)));
        if parts.is_empty() {
            "-".to_owned()
        } else {
            parts.join(", ")
        }
    }

    fn cells(&self) -> [String; 5] {
        [
            self.name.to_string(),
            self.state(),
            self.age.map_or_else(|| "-".to_owned(), short),
            self.code()
                .map_or_else(|| "-".to_owned(), |code| code.to_string()),
            self.reason(),
        ]
    }

    fn json(&self) -> String {
        let tombstone = &self.life.tombstone;
        let text = |value: Option<&str>| value.map(json_string);
        let missing: Vec<String> = self.waiting_for.iter().map(Condition::to_string).collect();
        let missing = Some(missing.join(",")).filter(|text| !text.is_empty());
        let time =
            |value: &Option<Timestamp>| value.as_ref().map(|time| json_string(time.as_str()));
        let fields = [
            ("name", Some(json_string(self.name.as_str()))),
            (
                "state",
                self.life
                    .state()
                    .map(|state| json_string(&state.to_string())),
            ),
            (
                "age",
                self.age
                    .map(|age| format!("{}.{:03}", age.as_secs(), age.subsec_millis())),
            ),
            ("code", self.code().map(|code| code.to_string())),
            (
                "signal",
                tombstone
                    .signal
                    .map(|signal| json_string(&signal.to_string())),
            ),
            (
                "reason",
                text(tombstone.reason.map(|reason| reason.as_str())),
            ),
            ("cause", text(tombstone.cause.as_ref().map(Name::as_str))),
            ("message", text(tombstone.message.as_deref())),
            ("waiting", time(&tombstone.waiting)),
            ("waiting_for", text(missing.as_deref())),
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

/// The two largest units that are not zero: `3m12s`, `2d4h`.
fn short(age: Duration) -> String {
    let seconds = age.as_secs();
    let units = [
        (seconds / 86_400, 'd'),
        (seconds / 3600 % 24, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let first = units
        .iter()
        .position(|(count, _)| *count > 0)
        .unwrap_or(units.len() - 1);
    let shown = units.iter().skip(first).take(2).enumerate();
    shown
        .filter(|(at, (count, _))| *at == 0 || *count > 0)
        .map(|(_, (count, unit))| format!("{count}{unit}"))
        .collect()
}

fn table(rows: &[Row]) -> String {
    let head = ["NAME", "STATE", "AGE", "CODE", "REASON"].map(str::to_owned);
    let lines: Vec<[String; 5]> = std::iter::once(head)
        .chain(rows.iter().map(Row::cells))
        .collect();
    let mut widths = [0; 5];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_the_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (192, "3m12s"),
            (3600, "1h"),
            (3661, "1h1m"),
            (187_200, "2d4h"),
            (86_405, "1d"),
        ] {
            assert_eq!(short(Duration::from_secs(seconds)), text);
        }
    }
}
