//! The table of figures, in Markdown.

use crate::samples::{Contestant, Place};

/// The goal for a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// At most this multiple of the other program's figure.
    Ratio(f64),
    /// At most this value.
    AtMost(f64),
    /// No goal: the figure is for information.
    None,
}

/// The unit of the values in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Microseconds,
    Kilobytes,
    Bytes,
    Instructions,
    Calls,
    WakeUps,
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Unit::Microseconds => format!("{value:.0} us"),
            Unit::Kilobytes => format!("{value:.0} kB"),
            Unit::Bytes => format!("{value:.0} B"),
            Unit::Instructions => format!("{value:.0} ins"),
            Unit::Calls => format!("{value:.0} calls"),
            Unit::WakeUps => format!("{value:.0}"),
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) figure: String,
    pub(crate) unit: Unit,
    pub(crate) ours: f64,
    /// The other program; empty if there is none to compare with.
    pub(crate) peer: &'static str,
    /// `None` if the other program is not installed.
    pub(crate) theirs: Option<f64>,
    pub(crate) goal: Goal,
}

pub(crate) fn head() {
    let names = [
        "figure",
        "exitdir",
        "other",
        "its figure",
        "ratio",
        "goal",
        "met",
    ];
    line(names);
    line(["---", "--:", "---", "--:", "--:", "---", "---"]);
}

fn line(cells: [&str; 7]) {
    let [figure, ours, peer, theirs, ratio, goal, met] = cells;
    println!(
        "| {figure:<56} | {ours:>10} | {peer:<11} | {theirs:>10} | {ratio:>5} | {goal:<11} | {met:<3} |"
    );
}

impl Row {
    /// The times of two programs, given by their names: exitdir's and the other's.
    pub(crate) fn times(
        figure: String,
        contestants: &[Contestant],
        place: Place,
        (ours, peer): (&str, &'static str),
        goal: Goal,
    ) -> Row {
        let took = |name: &str| {
            let mut found = contestants.iter().filter(|found| found.name == name);
            Some(found.next()?.took(place).as_secs_f64() * 1e6)
        };
        Row {
            figure,
            unit: Unit::Microseconds,
            ours: took(ours).unwrap_or_default(),
            peer,
            theirs: took(peer),
            goal,
        }
    }

    pub(crate) fn print(&self) {
        let ratio = self.theirs.map(|theirs| self.ours / theirs);
        let (goal, met) = match self.goal {
            Goal::Ratio(most) => (format!("<= {most:.2}"), ratio.map(|ratio| ratio <= most)),
            Goal::AtMost(most) => {
                let goal = format!("<= {}", self.unit.show(most));
                (goal, Some(self.ours <= most))
            }
            Goal::None => (String::new(), None),
        };
        let theirs = self.theirs.map(|theirs| self.unit.show(theirs));
        let absent = if self.peer.is_empty() { "" } else { "missing" };
        line([
            &self.figure,
            &self.unit.show(self.ours),
            self.peer,
            theirs.as_deref().unwrap_or(absent),
            &ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            &goal,
            met.map_or("", |met| if met { "yes" } else { "NO" }),
        ]);
    }
}
