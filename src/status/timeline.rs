//! `exitdir-status --timeline`: draws the chart once, or again and again while it is watched.

use super::chart::{Chart, Frame, OTHER_LINES};
use super::output::{Output, print, stdout};
use super::selection::{not_found, shows};
use super::table::Completeness;
use crate::error::Error;
use crate::log::Logger;
use crate::protocol::life::Observation;
use crate::protocol::name::Name;
use crate::store::exit_dir::ExitDir;
use crate::sys::terminal::is_in_background;
use crate::watch::scanning::Observer;
use rustix::termios::{isatty, tcgetwinsize};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant, SystemTime};

/// The width where there is no terminal.
const USUAL_WIDTH: usize = 80;
/// No terminal is wider, and each row costs memory for its columns.
const MOST_WIDTH: usize = 1000;
/// Between two drawings at most, as long as a life goes on.
const TICK: Duration = Duration::from_secs(1);
/// Between two drawings at least.
const PAUSE: Duration = Duration::from_millis(50);

/// What the environment says about the drawing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// `COLUMNS`.
    pub(crate) width: Option<usize>,
    /// Whether `TERM` names a terminal that knows colours and moves of the cursor.
    pub(crate) knows_escapes: bool,
    /// `NO_COLOR` does not forbid it.
    pub(crate) may_colour: bool,
}

impl Style {
    fn frame(self, now: SystemTime) -> Frame {
        let is_terminal = isatty(stdout());
        let size = tcgetwinsize(stdout()).ok().filter(|_| is_terminal);
        let columns = size.map(|size| usize::from(size.ws_col));
        let rows = size.map(|size| usize::from(size.ws_row));
        let rows = rows.filter(|rows| self.knows_escapes && *rows >= OTHER_LINES);
        let positive = |count: &usize| *count > 0;
        let width = self.width.or(columns.filter(positive));
        Frame {
            width: width.unwrap_or(USUAL_WIDTH).min(MOST_WIDTH),
            height: rows,
            // A longer line would take two rows of the screen, which is redrawn by rows.
            limit: rows.and(columns).filter(positive),
            colour: is_terminal && self.knows_escapes && self.may_colour,
            now,
        }
    }
}

/// Draws the chart of `names`, or of all if there are none. What is missing or cannot be read is
/// reported and left out.
///
/// # Errors
/// [`Error::Io`] if the directory cannot be read or the text cannot be written.
pub(crate) fn draw(
    dir: &ExitDir,
    names: &[Name],
    style: Style,
    log: Logger,
) -> Result<Completeness, Error> {
    let (mut chart, mut missing) = (Chart::default(), names.to_vec());
    let mut completeness = Completeness::All;
    for name in dir.names()?.iter().filter(|name| shows(names, name)) {
        let life = dir.life(name);
        if !matches!(life, Ok(None)) {
            missing.retain(|missing| missing != name);
        }
        match life {
            Ok(life) => _ = chart.take(name, life.as_ref(), None),
            Err(error) => {
                log.error(error);
                if !names.is_empty() {
                    completeness = Completeness::Some;
                }
            }
        }
    }
    let frame = style.frame(SystemTime::now());
    // What does not fit on the screen is scrolled away, not left out.
    print(&chart.draw(Frame {
        height: None,
        limit: None,
        ..frame
    }))?;
    for name in &missing {
        log.error(not_found(name));
        completeness = Completeness::Some;
    }
    Ok(completeness)
}

/// Draws the chart whenever it has changed.
pub(super) struct Redrawing<'w> {
    names: &'w [Name],
    style: Style,
    chart: Chart,
    output: Output<'w>,
    has_begun: bool,
    has_changed: bool,
    last: Option<Instant>,
    /// The lines of the last drawing, which are replaced on a terminal.
    lines: usize,
    /// In the background, where a drawing would be in the way of a shell.
    is_paused: bool,
}

impl<'w> Redrawing<'w> {
    pub(super) fn new(names: &'w [Name], style: Style, output: Output<'w>) -> Redrawing<'w> {
        Redrawing {
            names,
            style,
            chart: Chart::default(),
            output,
            has_begun: false,
            has_changed: true,
            last: None,
            lines: 0,
            is_paused: false,
        }
    }

    /// Draws what has changed since the last drawing.
    ///
    /// # Errors
    /// [`Error::Io`] if the text cannot be written.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.has_changed || self.is_paused {
            self.redraw();
        }
        if self.is_paused {
            self.draw(self.style.frame(SystemTime::now()));
        }
        self.output.flush()
    }

    fn redraw(&mut self) {
        let frame = self.style.frame(SystemTime::now());
        self.is_paused = frame.height.is_some() && is_in_background(stdout());
        if self.is_paused {
            // Others write meanwhile, so nothing that was drawn is replaced.
            (self.lines, self.last) = (0, Some(Instant::now()));
        } else {
            self.draw(frame);
        }
    }

    fn draw(&mut self, frame: Frame) {
        let is_first = self.last.is_none();
        (self.has_changed, self.last) = (false, Some(Instant::now()));
        let text = self.chart.draw(frame);
        if frame.height.is_none() {
            let pause = if is_first { "" } else { "\n" };
            self.output.push(&format!("{pause}{text}"));
            self.lines = 0;
            return;
        }
        if self.lines > 0 {
            // Up, to the first column, and all below is cleared (ECMA-48: CPL, ED).
            self.output.push(&format!("\u{1b}[{}F\u{1b}[J", self.lines));
        }
        self.output.push(&text);
        self.lines = text.lines().count();
    }
}

impl Observer for Redrawing<'_> {
    fn take(&mut self, observation: &Observation) {
        let name = &observation.name;
        if shows(self.names, name) {
            let seen = self.has_begun.then(SystemTime::now);
            let current = observation.current.as_ref();
            self.has_changed |= self.chart.take(name, current, seen);
        }
    }

    fn end_scan(&mut self) -> Result<(), Error> {
        self.has_begun = true;
        if self.deadline().is_some_and(|due| due <= Instant::now()) {
            self.redraw();
        }
        self.output.flush()
    }

    fn deadline(&self) -> Option<Instant> {
        let Some(last) = self.last else {
            return Some(Instant::now());
        };
        // Elsewhere than on a terminal only a change is worth a drawing.
        let ticks = self.lines > 0 && self.chart.goes_on();
        match (self.has_changed, ticks) {
            _ if self.is_paused => Some(last + TICK),
            (true, _) => Some(last + PAUSE),
            (false, true) => Some(last + TICK),
            (false, false) => None,
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        stdout()
    }
}
