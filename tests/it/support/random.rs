//! Random numbers that a seed repeats.

use std::time::{SystemTime, UNIX_EPOCH};

/// The number in `EXITDIR_TEST_SEED`, or another one in each run.
pub fn seed() -> u64 {
    match std::env::var("EXITDIR_TEST_SEED") {
        Ok(seed) => seed.parse().expect("EXITDIR_TEST_SEED is a number"),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.expect("a clock that was set").as_nanos() as u64 % 1_000_000_007
        }
    }
}

/// A sequence of random numbers: xorshift64* (Vigna).
pub struct Random(u64);

impl Random {
    /// Every label has its own sequence.
    pub fn new(label: &str) -> Random {
        // FNV-1a; never 0, which xorshift cannot leave.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Random(label.bytes().fold(0xcbf2_9ce4_8422_2325, mix) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    pub fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}
