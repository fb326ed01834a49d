//! The inotify instances that all pods share.

use std::sync::{Condvar, Mutex};

/// Of 128 that a user may have (`fs.inotify.max_user_instances`), the inotify instances that the
/// pods of all tests together may use: without one a follower sees everything late.
const WATCHES: usize = 96;

/// A pod's share of [`WATCHES`], given back when it is dropped.
pub struct WatchPermits(usize);

static IN_USE: Mutex<usize> = Mutex::new(0);
static RELEASED: Condvar = Condvar::new();

impl WatchPermits {
    pub fn take(count: usize) -> WatchPermits {
        let taken = IN_USE.lock().unwrap();
        let mut taken = RELEASED
            .wait_while(taken, |taken| *taken + count > WATCHES)
            .unwrap();
        *taken += count;
        WatchPermits(count)
    }
}

impl Drop for WatchPermits {
    fn drop(&mut self) {
        *IN_USE.lock().unwrap() -= self.0;
        RELEASED.notify_all();
    }
}
