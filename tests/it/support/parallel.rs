//! Several cases of a test at the same time. Most of them sleep most of the time.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many cases run at the same time, unless a test says otherwise.
pub const WORKERS: usize = 6;

/// Calls `work` for each of `all`, in so many threads.
pub fn for_each<T: Sync>(workers: usize, all: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(all.len()) {
            scope.spawn(|| {
                while let Some(one) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(one);
                }
            });
        }
    });
}

/// Calls `work` for all of them at the same time.
pub fn at_once<T: Sync>(all: &[T], work: impl Fn(&T) + Sync) {
    for_each(all.len(), all, work);
}

/// Checks every case, and fails with all that are wrong.
#[track_caller]
pub fn check_each<T: Sync>(
    workers: usize,
    cases: &[T],
    check: impl Fn(&T) -> Result<(), String> + Sync,
) {
    let wrong = Mutex::new(Vec::new());
    for_each(workers, cases, |case| {
        if let Err(what) = check(case) {
            wrong.lock().unwrap().push(what);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let counts = format!("{} of {} cases", wrong.len(), cases.len());
    assert!(wrong.is_empty(), "{counts}:\n{}", wrong.join("\n"));
}

/// Plays numbered rounds at the same time, and returns the numbers of those that panicked.
pub fn failed_rounds(numbers: Range<u64>, play: impl Fn(u64) + Sync) -> Vec<u64> {
    let play = &play;
    std::thread::scope(|scope| {
        let started: Vec<_> = numbers
            .map(|number| (number, scope.spawn(move || play(number))))
            .collect();
        started
            .into_iter()
            .filter_map(|(number, round)| round.join().err().map(|_| number))
            .collect()
    })
}

/// Sets a flag when it is dropped, so that other threads end also when the test fails.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
