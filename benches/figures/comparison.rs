//! The rows of the report: what one figure is for exitdir, for each other program, and at least.

use crate::peers::FLOOR;
use crate::samples::{Contestant, Spread};
use crate::table::Unit;

/// A figure that is larger than another one by less than this counts as equal.
const TIE: f64 = 1.02;

/// One figure of several programs. The smaller, the better.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) figure: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Spread,
    /// What a program needs that does only this.
    pub(crate) floor: Option<Spread>,
    /// The other programs. `None` for one that is not installed.
    pub(crate) peers: Vec<(String, Option<Spread>)>,
}

impl Comparison {
    /// The times of exitdir's program `ours`, of the peers, and of the floor if it takes part.
    pub(crate) fn times(
        figure: impl Into<String>,
        contestants: &[Contestant],
        ours: &str,
        peers: &[&str],
    ) -> Comparison {
        let found = |name: &str| {
            let mut found = contestants.iter().filter(|found| found.name == name);
            found.next().map(Contestant::spread)
        };
        Comparison {
            figure: figure.into(),
            unit: Unit::Microseconds,
            ours: found(ours).unwrap_or(Spread::exactly(0.0)),
            floor: found(FLOOR),
            peers: peers
                .iter()
                .map(|name| ((*name).to_owned(), found(name)))
                .collect(),
        }
    }

    /// The names of the programs that are better.
    pub(crate) fn better(&self) -> Vec<&str> {
        let is_better = |theirs: &Spread| self.ours.median > theirs.median * TIE;
        let better = self
            .peers
            .iter()
            .filter(|(_, theirs)| theirs.as_ref().is_some_and(is_better));
        better.map(|(name, _)| name.as_str()).collect()
    }

    /// One line for each peer.
    pub(crate) fn lines(&self) -> Vec<String> {
        let floor = self.floor.map_or(String::new(), |floor| self.show(floor));
        let ours = self.show(self.ours);
        let line = |name: &str, theirs: String, ratio: String| {
            let figure = &self.figure;
            format!("| {figure} | {ours} | {name} | {theirs} | {ratio} | {floor} |")
        };
        if self.peers.is_empty() {
            return vec![line("", String::new(), String::new())];
        }
        let lines = self.peers.iter().map(|(name, theirs)| match theirs {
            Some(theirs) => line(name, self.show(*theirs), self.ratio(*theirs)),
            None => line(name, "missing".to_owned(), String::new()),
        });
        lines.collect()
    }

    fn ratio(&self, theirs: Spread) -> String {
        if theirs.median == 0.0 {
            return String::new();
        }
        format!("{:.2}", self.ours.median / theirs.median)
    }

    /// Minimum, median and 99th percentile, or the value if it is the same each time.
    fn show(&self, spread: Spread) -> String {
        let Spread {
            minimum,
            median,
            p99,
        } = spread;
        if minimum == p99 {
            return self.unit.show(median);
        }
        format!("{minimum:.0} / {median:.0} / {}", self.unit.show(p99))
    }
}

/// The first lines of the table.
pub(crate) const HEAD: &str = "\
| figure | exitdir | other | its figure | ratio | floor |
|---|--:|---|--:|--:|--:|";
