//! How often everything is scanned although no event says so. Some file systems drop events
//! silently, so there is always a periodic rescan. Where inotify is unavailable, polling is a
//! faster one.

use crate::duration::Limit;
use crate::store::locality::Locality;
use std::time::{Duration, Instant};

/// Between rescans where the kernel reports every change.
const LOCAL_INTERVAL: Duration = Duration::from_secs(10);
/// Between rescans where it may not.
pub(crate) const REMOTE_INTERVAL: Duration = Duration::from_secs(1);
/// Between rescans without inotify.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The shortest interval, whatever the user asks for. Below it a rescan costs more than it tells.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);
/// Rescans use at most one part in so many of a processor's time.
const CPU_SHARE: u32 = 20;

/// The time between two rescans. `poll` is what the user asked for; `polling` says that inotify is
/// unavailable.
pub(crate) fn interval(poll: Option<Limit>, polling: bool, locality: Locality) -> Limit {
    let poll = poll.map(|poll| poll.max(Limit::After(SHORTEST_INTERVAL)));
    match (poll, polling) {
        (Some(poll), true) => poll.min(Limit::After(POLL_INTERVAL)),
        (Some(poll), false) => poll,
        (None, true) => Limit::After(POLL_INTERVAL),
        (None, false) => Limit::After(match locality {
            Locality::Local => LOCAL_INTERVAL,
            Locality::Remote => REMOTE_INTERVAL,
        }),
    }
}

/// When to scan again after a scan that ended then and has cost so much processor time.
pub(crate) fn next_scan(interval: Limit, cost: Duration, ended: Instant) -> Option<Instant> {
    let pause = cost.saturating_mul(CPU_SHARE - 1);
    let interval = match interval {
        Limit::After(interval) => Limit::After(interval.max(pause)),
        Limit::Never => Limit::Never,
    };
    interval.deadline(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expensive_scan_puts_off_the_next_one_and_a_cheap_one_does_not() {
        let now = Instant::now();
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        let interval = Limit::After(LOCAL_INTERVAL);
        let next = |cost| next_scan(interval, Duration::from_millis(cost), now);
        assert_eq!(next(1), after(10));
        assert_eq!(next(1_000), after(19));
        assert_eq!(next_scan(Limit::Never, LOCAL_INTERVAL, now), None);
    }

    #[test]
    fn without_inotify_the_interval_is_at_most_the_polling_one() {
        let polling = Limit::After(POLL_INTERVAL);
        let slow = Limit::After(Duration::from_secs(60));
        let fast = Limit::After(Duration::from_millis(100));
        for (poll, expected) in [
            (None, polling),
            (Some(slow), polling),
            (Some(fast), fast),
            (Some(Limit::Never), polling),
        ] {
            assert_eq!(interval(poll, true, Locality::Local), expected, "{poll:?}");
        }
        assert_eq!(interval(Some(slow), false, Locality::Remote), slow);
        assert_eq!(
            interval(Some(Limit::Never), false, Locality::Local),
            Limit::Never
        );
    }

    #[test]
    fn no_interval_is_shorter_than_a_tenth_of_a_second() {
        for asked in [Duration::ZERO, Duration::from_millis(99)] {
            for polling in [false, true] {
                let interval = interval(Some(Limit::After(asked)), polling, Locality::Local);
                assert_eq!(interval, Limit::After(SHORTEST_INTERVAL), "{asked:?}");
            }
        }
    }
}
