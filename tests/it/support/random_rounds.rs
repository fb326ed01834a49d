//! Scenarios in many rounds, with random delays, slow stops, and accidents of several kinds. A
//! scenario is a case of users: a whole pod of plain processes, restarted as the kubelet would
//! restart them.
//!
//! `EXITDIR_TEST_SEED` repeats a run; a round that fails prints it, with its state.

use crate::support::parallel::failed_rounds;
use crate::support::random::{Random, seed};
use crate::support::requirements::is_long_run;
use std::cell::RefCell;
use std::time::Duration;

const ROUNDS: u64 = 20;
const ROUNDS_OF_LONG_RUN: u64 = 200;
/// Far less than ten seconds, after which a periodic rescan would find a missed event.
pub const BEFORE_RESCAN: Duration = Duration::from_secs(5);

/// One round of a scenario: a source of random values that records them.
pub struct Round {
    pub number: u64,
    label: String,
    random: RefCell<Random>,
    drawn: RefCell<Vec<String>>,
}

impl Round {
    fn new(scenario: &str, seed: u64, number: u64) -> Round {
        let label = format!("{scenario}, seed {seed}, round {number}");
        Round {
            number,
            random: RefCell::new(Random::new(&label)),
            label,
            drawn: RefCell::default(),
        }
    }

    pub fn pick<T: Copy + std::fmt::Debug>(&self, what: &str, choices: &[T]) -> T {
        let choice = self.random.borrow_mut().pick(choices);
        self.drawn.borrow_mut().push(format!("{what}: {choice:?}"));
        choice
    }

    pub fn chance(&self, what: &str) -> bool {
        self.pick(what, &[false, true])
    }

    pub fn millis(&self, what: &str, from: u64, to: u64) -> Duration {
        let duration = Duration::from_millis(from + self.random.borrow_mut().below(to - from + 1));
        self.drawn
            .borrow_mut()
            .push(format!("{what}: {duration:?}"));
        duration
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {}", self.label, self.drawn.borrow().join(", "));
        }
    }
}

/// Plays a scenario in many rounds, in part at the same time.
pub fn rounds(scenario: &str, play: impl Fn(&Round) + Sync) {
    let count = if is_long_run() {
        ROUNDS_OF_LONG_RUN
    } else {
        ROUNDS
    };
    rounds_of(count, scenario, play);
}

/// Plays a scenario in so many rounds, as many at the same time as [`rounds`].
pub fn rounds_of(count: u64, scenario: &str, play: impl Fn(&Round) + Sync) {
    let seed = seed();
    let mut failed = Vec::new();
    for first in (0..count).step_by(ROUNDS as usize) {
        let numbers = first..count.min(first + ROUNDS);
        failed.extend(failed_rounds(numbers, |number| {
            play(&Round::new(scenario, seed, number));
        }));
    }
    assert!(
        failed.is_empty(),
        "{scenario}: rounds {failed:?} failed; EXITDIR_TEST_SEED={seed} repeats them"
    );
}
