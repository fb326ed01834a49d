//! What can be seen of a process from outside: the sentence and the keys it leaves, whether it sleeps, whether it is
//! gone, what it executes, and its children.

use crate::support::sandbox::{Ended, Running, World, binary, eventually};
use std::fmt::Display;

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

/// Whether an applet watches its directory and sleeps. Before it has looked around it does not sleep.
pub fn sleeps_in_its_watch(pid: i32) -> bool {
    has_inotify(pid) && sleeps(pid)
}

fn has_inotify(pid: i32) -> bool {
    let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    fds.flatten().any(|fd| {
        std::fs::read_link(fd.path())
            .is_ok_and(|target| target.to_string_lossy() == "anon_inode:inotify")
    })
}

/// Whether an applet sleeps.
pub fn sleeps(pid: i32) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.starts_with("exitdir") && state_of(pid) == Some('S')
}

/// The state of a process, as in `ps`.
pub fn state_of(pid: impl Display) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Waits until an applet watches its directory and sleeps.
pub fn await_sleep(process: &Running) {
    // A user has 128 inotify instances by default, which other tests may be using up. An applet that
    // got none looks four times a second, and between these looks it is seen sleeping all the time.
    let mut asleep = 0;
    eventually("it sleeps in its watch", || {
        asleep += u32::from(sleeps(process.pid()));
        (asleep > 500 || sleeps_in_its_watch(process.pid())).then_some(())
    });
}

/// Whether no process of this id is left but perhaps one that nobody has reaped.
pub fn is_gone(pid: &str) -> bool {
    assert!(!pid.trim().is_empty(), "nobody was named");
    matches!(state_of(pid.trim()), None | Some('Z' | 'X'))
}

/// Whether a process executes the binary under test.
pub fn is_exitdir(pid: i32) -> bool {
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|program| program == binary().canonicalize().unwrap())
}

/// The children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

pub fn only_child(what: &str, pid: i32) -> i32 {
    eventually(what, || children(pid).first().copied())
}

/// The keys of a tombstone, in their order.
pub fn keys(world: &World, name: &str) -> String {
    let text = world.tombstone(name);
    let keys: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    keys.join(" ")
}
