//! A watch in the event loops of other crates: mio and tokio, both edge-triggered.

use super::api::{condition, name};
use crate::support::library_examples::example;
use crate::support::sandbox::{Sandbox, Start};
use exitdir::{Announcement, ExitDir, Verdict, Watch};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const LOOPS: [&str; 2] = ["mio", "tokio"];

#[test]
fn a_watch_in_each_event_loop_learns_of_what_happened_before_it_began() {
    for program in LOOPS {
        let sandbox = Sandbox::new();
        sandbox.record_death("early", "3");
        for (text, verdict) in [("early:failed", "Holds("), ("early:ok", "Impossible")] {
            let ended = sandbox.command(example(program)).arg(text).finish();
            assert_eq!(ended.status, 0, "{program}: {}", ended.stderr);
            let expected = format!("{text}: {verdict}");
            assert!(ended.stdout.starts_with(&expected), "{}", ended.stdout);
        }
    }
}

#[test]
fn a_watch_in_each_event_loop_learns_of_what_happens_later() {
    for program in LOOPS {
        let sandbox = Sandbox::new();
        let mut waiting = sandbox.command(example(program)).arg("main:died").start();
        let main = sandbox.run(["-n", "main", "--", "sleep", "0.3"]).start();
        sandbox.await_key("main", "Born");
        assert!(waiting.is_running(), "{program}: main is alive");
        assert_eq!(main.end().status, 0);
        let ended = waiting.end();
        assert_eq!(ended.status, 0, "{program}: {}", ended.stderr);
        assert!(ended.stdout.starts_with("main:died: Holds("), "{program}");
    }
}

/// The kernel wakes an edge-triggered loop once for each change, also for one that comes while the
/// watch reads the change before.
#[test]
fn an_edge_triggered_loop_misses_no_change() {
    const ROUNDS: usize = 60;
    const NAMES: usize = 8;
    /// A missed wake-up is noticed at the next rescan, which comes after 10 s.
    const AT_ONCE: Duration = Duration::from_secs(9);
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(4));
    let mut late_rounds = 0;
    for round in 0..ROUNDS {
        let sandbox = Sandbox::new();
        let dir = ExitDir::new(sandbox.dir());
        let conditions: Vec<_> = (0..NAMES).map(|i| condition(&format!("n{i}"))).collect();
        let mut watch = dir.watch(&conditions).unwrap();
        let publisher = std::thread::spawn(move || {
            for i in 0..NAMES {
                let died = Announcement::Died(0);
                dir.signal(&name(&format!("n{i}")), died, None).unwrap();
                std::thread::sleep(Duration::from_micros((round * 7 % 50) as u64));
            }
        });
        let fd = watch.as_raw_fd();
        let registry = poll.registry();
        let interest = Interest::READABLE;
        registry
            .register(&mut SourceFd(&fd), Token(0), interest)
            .unwrap();
        let began = Instant::now();
        let verdict = loop {
            match poll.poll(&mut events, None) {
                // A debugger, or a machine that was suspended.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled.unwrap(),
            }
            if !events.is_empty()
                && let verdict @ Verdict::Holds(_) = watch.check().unwrap()
            {
                break verdict;
            }
        };
        late_rounds += usize::from(began.elapsed() > AT_ONCE);
        publisher.join().unwrap();
        assert!(matches!(verdict, Verdict::Holds(matches) if matches.len() == NAMES));
        poll.registry().deregister(&mut SourceFd(&fd)).unwrap();
    }
    // A machine that stands still for seconds may make one round late.
    assert!(late_rounds < 2, "{late_rounds} rounds waited for a rescan");
}

#[test]
fn a_watch_can_be_moved_to_another_thread() {
    fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<Watch>();
    is_send_and_sync::<ExitDir>();
}
