//! `exitdir-status`: prints a table of the tombstones, or JSON for scripts.

use super::args::ParsedArgs;
use super::entry::{parse_args, print};
use super::spec::{CommandSpec, DIR, HELP, Opt, Positionals, VERSION, flag};
use super::values::required_exit_dir;
use crate::error::{Error, escaped};
use crate::exit;
use crate::log::Logger;
use crate::protocol::condition::Condition;
use crate::protocol::life::{Death, Life};
use crate::protocol::name::Name;
use crate::protocol::program;
use crate::protocol::quote::json_string;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::protocol::tombstone::Reason;
use crate::store::exit_dir::ExitDir;
use std::ffi::OsString;
use std::time::{Duration, SystemTime};

const JSON: Opt = flag(None, "json", "print one JSON object per line");

pub(super) const SPEC: CommandSpec = CommandSpec {
    name: program::STATUS,
    usage: "[OPTION]...",
    about: "Print a table of the tombstones, sorted by name.",
    options: &[&DIR, &JSON, &HELP, &VERSION],
    positionals: Positionals::Only,
    notes: "Exit status: 0 printed; 125 own failure or wrong usage.",
};

const LOG: Logger = Logger::new(SPEC.name);

/// What the options mean.
struct StatusPlan {
    dir: ExitDir,
    format: Format,
}

#[derive(Clone, Copy)]
enum Format {
    Table,
    JsonLines,
}

pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let plan = match parse_args(&SPEC, arguments, plan) {
        Ok(plan) => plan,
        Err(status) => return status,
    };
    match lives(&plan.dir) {
        Ok(lives) => print(SPEC.name, &text(&rows(&lives), plan.format)),
        Err(error) => {
            LOG.error(error);
            exit::FAILURE
        }
    }
}

fn plan(args: &ParsedArgs) -> Result<StatusPlan, String> {
    if let Some(positional) = args.positionals.first() {
        return Err(format!("unexpected argument {positional:?}"));
    }
    let format = if args.has(&JSON) {
        Format::JsonLines
    } else {
        Format::Table
    };
    let dir = required_exit_dir(args)?;
    Ok(StatusPlan { dir, format })
}

/// Reads all tombstones. One that cannot be read is reported and left out.
fn lives(dir: &ExitDir) -> Result<Vec<(Name, Life)>, Error> {
    let mut lives = Vec::new();
    for tombstone in dir.tombstones()? {
        match tombstone {
            Ok(tombstone) => lives.push(tombstone),
            Err(error) => LOG.error(error),
        }
    }
    Ok(lives)
}

/// One tombstone.
struct StatusRow<'a> {
    name: &'a Name,
    life: &'a Life,
    age: Option<Duration>,
    /// The birth dependencies that do not hold, while the life waits for them.
    waiting_for: Vec<Condition>,
}

fn rows(lives: &[(Name, Life)]) -> Vec<StatusRow<'_>> {
    let now = SystemTime::now();
    let row = |(name, life)| StatusRow {
        name,
        life,
        age: age(life, now),
        waiting_for: missing(name, life, lives),
    };
    lives.iter().map(|(name, life)| row((name, life))).collect()
}

fn missing(name: &Name, life: &Life, lives: &[(Name, Life)]) -> Vec<Condition> {
    if life.state() != Some(State::Waiting) {
        return Vec::new();
    }
    let texts = life
        .tombstone
        .waiting_for
        .iter()
        .flat_map(|text| text.split(','));
    let conditions = texts.filter_map(Condition::from_recorded);
    let holds = |condition: &Condition| {
        let is_meant = |other: &Name| condition.name.as_ref().is_none_or(|name| name == other);
        lives.iter().any(|(other, life)| {
            other != name && is_meant(other) && life.has_state(condition.state)
        })
    };
    conditions.filter(|condition| !holds(condition)).collect()
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

fn text(rows: &[StatusRow<'_>], format: Format) -> String {
    match format {
        Format::Table => table(rows),
        Format::JsonLines => rows.iter().map(StatusRow::json).collect(),
    }
}

impl StatusRow<'_> {
    fn code(&self) -> Option<u8> {
        self.life.death().and_then(Death::code)
    }

    fn missing(&self) -> Vec<String> {
        self.waiting_for.iter().map(Condition::to_string).collect()
    }

    fn cells(&self) -> [String; 5] {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            escaped(self.name.as_str()),
            or_none(self.life.state().map(|state| state.to_string())),
            or_none(self.age.map(short)),
            or_none(self.code().map(|code| code.to_string())),
            or_none(self.reason()),
        ]
    }

    fn reason(&self) -> Option<String> {
        let tombstone = &self.life.tombstone;
        let missing = self.missing().join(", ");
        let missing = Some(missing).filter(|missing| !missing.is_empty());
        let parts = [
            missing.map(|missing| format!("for {missing}")),
            tombstone.reason.map(|reason| reason.as_str().to_owned()),
            tombstone
                .cause
                .as_ref()
                .map(|cause| format!("cause {}", escaped(cause.as_str()))),
            tombstone.message.as_deref().map(escaped),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        Some(parts.join(", ")).filter(|_| !parts.is_empty())
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
            ("code", self.code().map(|code| code.to_string())),
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

/// In seconds, with milliseconds.
fn seconds(age: Duration) -> String {
    format!("{}.{:03}", age.as_secs(), age.subsec_millis())
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

fn table(rows: &[StatusRow<'_>]) -> String {
    let head = ["NAME", "STATE", "AGE", "CODE", "REASON"].map(str::to_owned);
    let lines: Vec<[String; 5]> = std::iter::once(head)
        .chain(rows.iter().map(StatusRow::cells))
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
