//! A chart in text: one row a life, over a common time axis. Pure.

use super::age::{seconds, short};
use super::reason::code;
use super::stage::{Stage, steps};
use super::transition::milliseconds;
use crate::error::escaped;
use crate::protocol::life::Life;
use crate::protocol::name::Name;
use crate::protocol::past_life::Cause;
use crate::protocol::state::State;
use crate::protocol::timestamp::Timestamp;
use crate::sorted::SortedMap;
use std::time::{Duration, SystemTime};

/// The room for the state and the code: `failed 143`.
const LABEL_WIDTH: usize = 10;
/// Below this, a bar says nothing.
const LEAST_BAR: usize = 10;
/// The lines that are no rows: the axis, the legend, and that of the cursor.
pub(super) const OTHER_LINES: usize = 3;
const GAP: &str = "  ";

const LEGEND: &str = ". waiting  - starting  = ready  _ inactive  ~ stopping  | dead  ? unknown";

/// How a chart is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// In columns.
    pub(crate) width: usize,
    /// The most lines; `None` for any number.
    pub(crate) height: Option<usize>,
    /// The most columns of a line; `None` if a longer one does no harm.
    pub(crate) limit: Option<usize>,
    pub(crate) colour: bool,
    pub(crate) now: SystemTime,
}

/// The lives of a chart.
#[derive(Debug, Default)]
pub(crate) struct Chart {
    rows: SortedMap<Name, ChartRow>,
}

#[derive(Debug, PartialEq)]
struct ChartRow {
    life: Option<Timestamp>,
    spans: Vec<Span>,
    cause: Option<Cause>,
    state: State,
    code: Option<u8>,
}

/// A stage from its beginning on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    stage: Stage,
    /// `None` if it is not known.
    at: Option<SystemTime>,
}

impl Chart {
    /// Takes what is under a name now. `seen` is the time for a stage that has just begun, if the
    /// tombstone has none. Returns whether the chart has changed.
    pub(crate) fn take(
        &mut self,
        name: &Name,
        life: Option<&Life>,
        seen: Option<SystemTime>,
    ) -> bool {
        let before = self.rows.get(name);
        match life.and_then(|life| ChartRow::of(life, before, seen)) {
            Some(row) if before == Some(&row) => false,
            Some(row) => {
                self.rows.insert(name.clone(), row);
                true
            }
            None => self.rows.remove(name),
        }
    }

    /// Whether the chart changes without an event, because a life goes on.
    pub(crate) fn goes_on(&self) -> bool {
        self.rows.values().any(|row| !row.state.is_death())
    }

    /// The text, each line with its newline.
    pub(crate) fn draw(&self, frame: Frame) -> String {
        let Some(limit) = frame.limit else {
            return self.text(frame);
        };
        let width = frame.width.min(limit);
        fitted(&self.text(Frame { width, ..frame }), limit)
    }

    fn text(&self, frame: Frame) -> String {
        let rows: Vec<(String, Vec<Span>, &ChartRow)> = self
            .rows
            .iter()
            .map(|(name, row)| (escaped(name.as_str()), self.dated(row, frame.now), row))
            .collect();
        let (start, end) = self.axis(&rows, frame.now);
        let longest = rows.iter().map(|(name, ..)| name.chars().count()).max();
        let name_width = longest.unwrap_or(0).min(frame.width / 3);
        let others = name_width + LABEL_WIDTH + 2 * GAP.len();
        let bar_width = frame.width.saturating_sub(others).max(LEAST_BAR);
        let mut text = head(name_width, bar_width, start, end);
        let room = frame
            .height
            .map(|height| height.saturating_sub(OTHER_LINES));
        for (name, spans, row) in rows.iter().take(room.unwrap_or(usize::MAX)) {
            let bar = bar(spans, start, end, bar_width);
            let bar = painted(&bar, frame.colour);
            let name = cut(name, name_width);
            let line = format!("{name:<name_width$}{GAP}{bar}{GAP}{}", row.label());
            text.push_str(line.trim_end());
            text.push('\n');
        }
        let left_out = rows.len().saturating_sub(room.unwrap_or(usize::MAX));
        let more = format!("and {left_out} more lives, for which there is no room");
        text.push_str(if left_out > 0 { &more } else { LEGEND });
        text.push('\n');
        text
    }

    /// The spans with the time of a stop: it began when its cause died.
    fn dated(&self, row: &ChartRow, now: SystemTime) -> Vec<Span> {
        let died = || {
            let cause = row.cause.as_ref()?;
            let other = self.rows.get(&cause.name)?;
            let last = other.spans.last().filter(|last| last.stage == Stage::Dead);
            last.filter(|_| other.life == cause.life)?.at
        };
        let dated = |span: &Span| {
            let at = match span.stage {
                Stage::Stopping => span.at.or_else(died),
                _ => span.at,
            };
            // A clock that is ahead does not stretch the axis.
            let at = at.map(|at| at.min(now));
            Span { at, ..*span }
        };
        row.spans.iter().map(dated).collect()
    }

    /// From the first stage to the last one, or to now if a life goes on or has an unknown end.
    fn axis(
        &self,
        rows: &[(String, Vec<Span>, &ChartRow)],
        now: SystemTime,
    ) -> (SystemTime, SystemTime) {
        let times = || {
            rows.iter()
                .flat_map(|(_, spans, _)| spans.iter().filter_map(|it| it.at))
        };
        let is_open = |spans: &[Span]| spans.last().is_some_and(|last| last.at.is_none());
        let is_open = rows.iter().any(|(_, spans, _)| is_open(spans));
        let last = times().max().filter(|_| !is_open && !self.goes_on());
        (times().min().unwrap_or(now), last.unwrap_or(now))
    }
}

impl ChartRow {
    fn of(life: &Life, before: Option<&ChartRow>, seen: Option<SystemTime>) -> Option<ChartRow> {
        let steps = steps(life);
        let last = steps.last()?;
        let id = life.tombstone.life();
        let before = before.filter(|row| row.life.as_ref() == id);
        let known = |stage: Stage| {
            let spans = before.map(|row| row.spans.iter());
            let span = spans.into_iter().flatten().find(|span| span.stage == stage);
            span.and_then(|span| span.at)
        };
        let span = |step: &super::stage::LifeStep| {
            let recorded = step.at.as_ref().and_then(Timestamp::to_system_time);
            let seen = seen.filter(|_| step.is_same(last));
            Span {
                stage: step.stage,
                at: recorded.or_else(|| known(step.stage)).or(seen),
            }
        };
        Some(ChartRow {
            life: id.cloned(),
            spans: steps.iter().map(span).collect(),
            cause: life.tombstone.cause(),
            state: last.state,
            code: code(life),
        })
    }

    fn label(&self) -> String {
        let stage = self.spans.last().map(|span| span.stage);
        match (stage, self.code) {
            (Some(Stage::Starting), _) => "starting".to_owned(),
            (Some(Stage::Stopping), _) => "stopping".to_owned(),
            (_, Some(code)) => format!("{} {code}", self.state),
            (_, None) => self.state.to_string(),
        }
    }
}

/// The line with the axis: when it begins, and how long it is.
fn head(name_width: usize, bar_width: usize, start: SystemTime, end: SystemTime) -> String {
    let span = end.duration_since(start).unwrap_or_default();
    let length = match span.as_secs() {
        ..60 => format!("{}s", seconds(span)),
        _ => short(span),
    };
    let start = milliseconds(start);
    let rest = bar_width.saturating_sub(start.len());
    let line = format!(
        "{:<name_width$}{GAP}{start}{:>rest$}",
        "",
        format!(" +{length}")
    );
    format!("{line}\n")
}

/// The stage of each column at its end. A death has a column of its own.
fn bar(spans: &[Span], start: SystemTime, end: SystemTime, width: usize) -> String {
    let length = end.duration_since(start).unwrap_or_default();
    let column =
        |at: SystemTime| column(at.duration_since(start).unwrap_or_default(), length, width);
    let mut cells = vec![' '; width];
    let mut fill = |from: usize, to: usize, mark: char| {
        let cells = cells.get_mut(from..to.max(from)).unwrap_or_default();
        cells.fill(mark);
    };
    for span in spans {
        let Some(at) = span.at else {
            continue;
        };
        fill(column(at), width, mark(span.stage));
    }
    match spans {
        [
            ..,
            Span {
                stage: Stage::Dead,
                at: Some(at),
            },
        ] => fill(column(*at) + 1, width, ' '),
        [.., before, Span { at: None, .. }] => {
            let known = before.at.map_or(0, |at| column(at) + 1);
            fill(known, width, '?');
        }
        _ => {}
    }
    cells.into_iter().collect()
}

/// The column of a moment.
fn column(since: Duration, length: Duration, width: usize) -> usize {
    let last = width.saturating_sub(1);
    let scaled = since.as_nanos().saturating_mul(width as u128);
    let column = scaled.checked_div(length.as_nanos());
    column.map_or(last, |column| {
        usize::try_from(column).unwrap_or(last).min(last)
    })
}

fn mark(stage: Stage) -> char {
    match stage {
        Stage::Waiting => '.',
        Stage::Starting => '-',
        Stage::Ready => '=',
        Stage::Inactive => '_',
        Stage::Stopping => '~',
        Stage::Dead => '|',
    }
}

/// The bar with the colour of each stage (ECMA-48, SGR).
fn painted(bar: &str, colour: bool) -> String {
    if !colour {
        return bar.to_owned();
    }
    let mut out = String::new();
    let mut last = "";
    for mark in bar.chars() {
        let code = match mark {
            '.' => "\u{1b}[33m",
            '-' | '_' => "\u{1b}[36m",
            '=' => "\u{1b}[32m",
            '~' => "\u{1b}[35m",
            '|' => "\u{1b}[31m",
            _ => "\u{1b}[m",
        };
        if code != last {
            out.push_str(code);
            last = code;
        }
        out.push(mark);
    }
    out.push_str("\u{1b}[m");
    out
}

/// The beginning of each line, with all colours. Characters beyond ASCII can have two columns.
fn fitted(text: &str, columns: usize) -> String {
    let mut out = String::new();
    let (mut width, mut is_escape) = (0, false);
    for c in text.chars() {
        is_escape |= c == '\u{1b}';
        match c {
            '\n' => width = 0,
            _ if is_escape => is_escape = c != 'm',
            _ => {
                width += if c.is_ascii() { 1 } else { 2 };
                if width > columns {
                    continue;
                }
            }
        }
        out.push(c);
    }
    out
}

/// The beginning of a name, so that the others have room.
fn cut(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    let kept: String = name.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}~")
}

#[cfg(test)]
mod tests;
