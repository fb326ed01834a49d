//! What the scenarios are played in: many rounds with random delays, slow stops, and accidents of several kinds. The
//! scenarios are what users come with: whole pods of plain processes, restarted as the kubelet would restart them.
//!
//! `EXITDIR_TEST_SEED` repeats a run; a round that fails prints it, with everything it knows.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ROUNDS: u64 = 20;
/// Far less than the ten seconds after which a slow look would have found it too.
pub const SOON: Duration = Duration::from_secs(5);

/// One round of a scenario: a source of chance that remembers what it has given out.
pub struct Round {
    label: String,
    state: RefCell<u64>,
    drawn: RefCell<Vec<String>>,
}

impl Round {
    fn new(scenario: &str, seed: u64, number: u64) -> Round {
        let label = format!("{scenario}, seed {seed}, round {number}");
        // Every scenario and round its own sequence (FNV-1a); never 0, which xorshift cannot leave.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let state = label.bytes().fold(0xcbf2_9ce4_8422_2325, mix) | 1;
        Round {
            label,
            state: RefCell::new(state),
            drawn: RefCell::default(),
        }
    }

    /// xorshift64* (Vigna): a number below `end`.
    fn below(&self, end: u64) -> u64 {
        let mut state = self.state.borrow_mut();
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    pub fn pick<T: Copy + std::fmt::Debug>(&self, what: &str, choices: &[T]) -> T {
        let choice = choices[self.below(choices.len() as u64) as usize];
        self.drawn.borrow_mut().push(format!("{what}: {choice:?}"));
        choice
    }

    pub fn chance(&self, what: &str) -> bool {
        self.pick(what, &[false, true])
    }

    pub fn millis(&self, what: &str, from: u64, to: u64) -> Duration {
        let duration = Duration::from_millis(from + self.below(to - from + 1));
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

/// Plays a scenario in many rounds at the same time.
pub fn rounds(scenario: &str, play: impl Fn(&Round) + Sync) {
    let seed = match std::env::var("EXITDIR_TEST_SEED") {
        Ok(seed) => seed.parse().expect("EXITDIR_TEST_SEED is a number"),
        Err(_) => {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_nanos() as u64
                % 1_000_000_007
        }
    };
    let one = |number| play(&Round::new(scenario, seed, number));
    let failed: Vec<u64> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..ROUNDS)
            .map(|number| (number, scope.spawn(move || one(number))))
            .collect();
        started
            .into_iter()
            .filter_map(|(number, round)| round.join().err().map(|_| number))
            .collect()
    });
    assert!(
        failed.is_empty(),
        "{scenario}: rounds {failed:?} failed; EXITDIR_TEST_SEED={seed} repeats them"
    );
}
