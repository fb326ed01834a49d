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
            Place::Median => last / 2,
            Place::P99 => last * 99 / 100,
        };
        self.took.get(at).copied().unwrap_or_default()
    }
}

/// Which of the measurements is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Median,
    P99,
}

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match self {
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
    for round in 0..rounds + WARM_UP {
        for contestant in &mut *contestants {
            let took = measure(&mut contestant.command)
                .map_err(|error| format!("{}: {error}", contestant.name))?;
            if round >= WARM_UP {
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
