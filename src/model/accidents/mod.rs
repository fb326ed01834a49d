//! Pods whose containers stop for each other's deaths, in virtual time: lives are born, look at
//! intervals, have accidents, stop for each other and are born again. Which death counts, what a
//! tombstone says, and what a look that comes late still finds is asked of the crate itself.
//!
//! For each round it counts the deaths, the lives that missed a death that counts, and whether the
//! pod comes to rest. A [`Flaw`] takes a part of the rule away; the tests show what breaks then.

mod follower;
mod pod;
mod tests;

use std::time::Duration;

/// A deliberate mistake in the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// The rule of version 0.1: no life remembers anything. A death that had a cause when its
    /// follower began no longer counts once the cause lives again.
    CauseLivesAgain,
    /// Followers do not read `Past`.
    NoPast,
    /// Births do not copy `Fell`.
    NoFell,
}

/// How a pod behaves.
#[derive(Clone, Copy, Debug)]
struct Behaviour {
    /// Between two looks of a follower.
    interval: Duration,
    /// From a death to the next birth.
    back_off: Duration,
    /// The longest time that a container takes to stop.
    longest_stop: Duration,
    first_accident: Duration,
    accidents: u32,
    /// All accidents befall one container, as soon as it lives again.
    in_a_row: bool,
    /// How often in a hundred times a tombstone is removed before the next life replaces it.
    removals: u64,
    horizon: Duration,
    flaw: Option<Flaw>,
}

/// What happened in one pod.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    deaths: usize,
    /// Lives that went on although a death that counts for them had come.
    missed: usize,
    /// Containers still died long after the last accident.
    restless: bool,
}

/// Which container has which death dependencies.
type Graph = &'static [(&'static str, &'static [&'static str])];

const GRAPHS: [(&str, Graph); 7] = [
    ("pair", &[("a", &["b"]), ("b", &["a"])]),
    (
        "three, each with all",
        &[("a", &["b", "c"]), ("b", &["a", "c"]), ("c", &["a", "b"])],
    ),
    (
        "four, each with all",
        &[
            ("a", &["b", "c", "d"]),
            ("b", &["a", "c", "d"]),
            ("c", &["a", "b", "d"]),
            ("d", &["a", "b", "c"]),
        ],
    ),
    ("ring", &[("a", &["b"]), ("b", &["c"]), ("c", &["a"])]),
    ("chain", &[("a", &[]), ("b", &["a"]), ("c", &["b"])]),
    ("path", &[("a", &["b"]), ("b", &["a", "c"]), ("c", &["b"])]),
    (
        "ring behind one",
        &[
            ("a", &[]),
            ("b", &["a", "c", "d"]),
            ("c", &["b", "d"]),
            ("d", &["b", "c"]),
        ],
    ),
];

/// A generator of random numbers (splitmix64), so that a seed gives the same round again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    /// From nothing to `longest`.
    fn up_to(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap();
        Duration::from_nanos(self.below(nanos + 1))
    }

    /// Near `usual`: from 90 to 120 percent.
    fn about(&mut self, usual: Duration) -> Duration {
        usual.mul_f64(0.9) + self.up_to(usual.mul_f64(0.3))
    }
}
