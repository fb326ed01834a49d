//! What can be seen of an applet from outside: the sentence and the keys it leaves, and whether it
//! sleeps.

use crate::support::proc::{ProcStat, has_inotify, may_sleep_in, sleep_count, state_of};
use crate::support::sandbox::{Ended, Running, Sandbox, Start, eventually, wait_until};
use crate::support::signals::{CONT, STOP};
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// Checks the status, and that standard error is one sentence of this applet.
#[track_caller]
pub fn assert_sentence(ended: &Ended, applet: &str, status: i32) {
    assert_eq!(ended.status, status, "{ended:?}");
    let line = ended
        .stderr
        .strip_suffix('\n')
        .unwrap_or_else(|| panic!("no whole line: {ended:?}"));
    assert!(line.starts_with(&format!("{applet}: ")), "{line:?}");
    assert!(
        !line.contains(char::is_control),
        "more than one line, or raw control characters: {line:?}"
    );
    for noise in ["panicked", "os error", "RUST_BACKTRACE"] {
        assert!(!line.contains(noise), "{line:?}");
    }
}

/// Whether an applet watches its directory and sleeps. It sleeps only after its first scan.
pub fn sleeps_in_its_watch(pid: i32) -> bool {
    has_inotify(pid) && sleeps(pid)
}

/// Whether an applet sleeps.
pub fn sleeps(pid: i32) -> bool {
    let process = ProcStat::of(pid);
    process.is_some_and(|process| process.name.starts_with("exitdir") && process.state == 'S')
}

/// The timeout of a process that sleeps in ppoll(2); `Duration::MAX` if only an event wakes it.
pub fn sleep_limit(pid: i32) -> Option<Duration> {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    let words: Vec<&str> = call.split(' ').collect();
    if words.first()?.parse() != Ok(libc::SYS_ppoll) {
        return None;
    }
    let timeout = u64::from_str_radix(words.get(3)?.strip_prefix("0x")?, 16).ok()?;
    if timeout == 0 {
        return Some(Duration::MAX);
    }
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    let mut timespec = [[0; 8]; 2];
    for (field, at) in timespec.iter_mut().zip([timeout, timeout + 8]) {
        memory.read_exact_at(field, at).ok()?;
    }
    let [seconds, nanoseconds] = timespec.map(u64::from_ne_bytes);
    Some(Duration::new(seconds, nanoseconds.try_into().ok()?))
}

/// Starts a wait, and returns after its first scan.
pub fn start_wait(sandbox: &Sandbox, arguments: &[&str]) -> Running {
    let waiter = sandbox.wait(arguments).start();
    await_sleep(&waiter);
    waiter
}

/// Waits until a process watches its directory and sleeps; returns how often it has gone to sleep.
pub fn await_watch(process: &Running) -> u64 {
    let pid = process.pid();
    wait_until("it watches", || has_inotify(pid));
    await_sleep_after(process, 0)
}

/// Waits until a process has gone to sleep more often than that, and sleeps.
pub fn await_sleep_after(process: &Running, wakes: u64) -> u64 {
    let pid = process.pid();
    eventually("it wakes and sleeps again", || {
        let now = sleep_count(pid);
        let polls = may_sleep_in(pid, "poll");
        (now > wakes && state_of(pid) == Some('S') && polls).then_some(now)
    })
}

/// Waits until an applet sleeps. It may be without inotify, and then wakes up four times a second.
pub fn await_any_sleep(process: &Running) {
    wait_until("it sleeps", || sleeps(process.pid()));
}

/// Sends STOP to a process, and waits until it is stopped.
pub fn stop(process: &Running) {
    process.send(STOP);
    wait_until("it is stopped", || state_of(process.pid()) == Some('T'));
}

/// Does something while a process is stopped, so that the process finds all of it at once.
pub fn while_stopped(process: &Running, action: impl FnOnce()) {
    stop(process);
    action();
    process.send(CONT);
}

/// Waits until an applet watches its directory and sleeps.
pub fn await_sleep(process: &Running) {
    // A user has 128 inotify instances by default, which other tests may use up. An applet without
    // one polls four times a second, and sleeps in between.
    let mut asleep = 0;
    wait_until("it sleeps in its watch", || {
        asleep += u32::from(sleeps(process.pid()));
        asleep > 500 || sleeps_in_its_watch(process.pid())
    });
}

/// The keys of a tombstone, in their order.
pub fn keys(sandbox: &Sandbox, name: &str) -> String {
    let text = sandbox.tombstone(name);
    let keys: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    keys.join(" ")
}

/// Checks that a tombstone records a death, that a follower sees it, and that no other file is
/// left.
#[track_caller]
pub fn assert_recorded_dead(sandbox: &Sandbox, name: &str, code: i32) {
    assert_eq!(
        sandbox.key(name, "ExitCode"),
        Some(code.to_string()),
        "{}",
        sandbox.tombstone(name)
    );
    assert_eq!(
        sandbox.wait(["-x", "-t", "0", name]).finish().status,
        code,
        "{}",
        sandbox.tombstone(name)
    );
    assert_eq!(sandbox.entries(), [name]);
}
