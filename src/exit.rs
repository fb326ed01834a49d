//! Exit statuses, each in one place.

/// `timeout(1)`'s status for a deadline that has passed.
pub const TIMED_OUT: u8 = 124;
/// Our own failure, and wrong usage (`timeout(1)`, `docker run`).
pub const FAILURE: u8 = 125;
/// The command was found and cannot be executed (POSIX `sh`).
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found (POSIX `sh`).
pub const NOT_FOUND: u8 = 127;
/// What counts for a life that ended without a word: as if `KILL` had ended it.
pub const LOST: u8 = 137;
/// `exitdir-wait`: a condition can no longer hold.
pub const IMPOSSIBLE: u8 = 1;
/// Everything went as asked.
pub const SUCCESS: u8 = 0;
