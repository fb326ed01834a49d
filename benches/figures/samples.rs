//! Measurements of several programs in turns, so that a change of the machine's speed affects all.

use crate::bench::Outcome;
use std::process::Command;
use std::time::Duration;

/// Rounds that do not count: the first ones find cold caches.
const WARM_UP: usize = 20;

/// A program, and its measurements.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) command: Command,
    /// One for each round, in ascending order after [`in_turns`].
    took: Vec<Duration>,
}

impl Contestant {
    pub(crate) fn new(name: &'static str, command: Command) -> Contestant {
        Contestant {
            name,
            command,
            took: Vec::new(),
        }
    }

    /// The measurement at this place of the ascending order.
    pub(crate) fn took(&self, place: Place) -> Duration {
        let last = self.took.len().saturating_sub(1);
        let at = match place {
            Place::Minimum => 0,
            Place::Median => last / 2,
            Place::P99 => last * 99 / 100,
        };
        self.took.get(at).copied().unwrap_or_default()
    }

    /// In microseconds.
    pub(crate) fn spread(&self) -> Spread {
        let at = |place| self.took(place).as_secs_f64() * 1e6;
        Spread {
            minimum: at(Place::Minimum),
            median: at(Place::Median),
            p99: at(Place::P99),
        }
    }
}

/// What the report shows of the measurements of one program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) minimum: f64,
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

impl Spread {
    /// A value that is the same each time.
    pub(crate) fn exactly(value: f64) -> Spread {
        Spread {
            minimum: value,
            median: value,
            p99: value,
        }
    }
}

/// Which of the measurements is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Minimum,
    Median,
    P99,
}

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Place::Minimum => "minimum",
            Place::Median => "median",
            Place::P99 => "p99",
        }
    }
}

/// Measures every program once in each round. Each round begins with another program.
pub(crate) fn in_turns(
    contestants: &mut [Contestant],
    rounds: usize,
    measure: impl Fn(&mut Command) -> Outcome<Duration>,
) -> Outcome<()> {
    in_turns_after(WARM_UP, contestants, rounds, measure)
}

/// The same after another number of rounds that do not count.
pub(crate) fn in_turns_after(
    warm_up: usize,
    contestants: &mut [Contestant],
    rounds: usize,
    measure: impl Fn(&mut Command) -> Outcome<Duration>,
) -> Outcome<()> {
    for round in 0..rounds + warm_up {
        for contestant in &mut *contestants {
            let took = measure(&mut contestant.command)
                .map_err(|error| format!("{}: {error}", contestant.name))?;
            if round >= warm_up {
                contestant.took.push(took);
            }
        }
        contestants.rotate_left(1);
    }
    for contestant in contestants {
        contestant.took.sort_unstable();
    }
    Ok(())
}
