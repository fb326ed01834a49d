//! What /proc says of a process (proc(5)).

use crate::support::sandbox::{Running, binary, eventually, wait_until};
use std::fmt::Display;
use std::fs::{read_dir, read_link, read_to_string};
use std::path::PathBuf;
use std::time::Duration;

/// A process as `/proc/PID/stat` shows it.
#[derive(Debug, Clone)]
pub struct ProcStat {
    pub pid: i32,
    pub name: String,
    /// As in `ps`.
    pub state: char,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
}

impl ProcStat {
    /// `None` if there is no process of this id.
    pub fn of(pid: i32) -> Option<ProcStat> {
        let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may hold anything.
        let (before, after) = stat.rsplit_once(") ")?;
        let (_, name) = before.split_once('(')?;
        let mut fields = after.split(' ');
        let state = fields.next()?.chars().next()?;
        let mut number = || fields.next()?.parse().ok();
        Some(ProcStat {
            pid,
            name: name.to_owned(),
            state,
            parent: number()?,
            group: number()?,
            session: number()?,
        })
    }

    /// All processes.
    pub fn all() -> Vec<ProcStat> {
        let Ok(entries) = read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(ProcStat::of)
            .collect()
    }

    pub fn is_stopped(&self) -> bool {
        self.state == 'T'
    }

    /// Whether it has ended, reaped or not.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// The state of a process, as in `ps`.
pub fn state_of(pid: i32) -> Option<char> {
    ProcStat::of(pid).map(|process| process.state)
}

/// Whether a process has ended, reaped or not.
#[track_caller]
pub fn is_gone(pid: impl Display) -> bool {
    let pid = pid.to_string();
    let pid = pid.trim().parse().expect("a process id");
    ProcStat::of(pid).is_none_or(|process| process.has_ended())
}

#[track_caller]
pub fn await_gone(pid: impl Display) {
    wait_until(format!("{pid} is gone"), || is_gone(&pid));
}

/// Whether a process executes the binary under test.
pub fn is_exitdir(pid: i32) -> bool {
    let program = read_link(format!("/proc/{pid}/exe"));
    program.is_ok_and(|program| program == binary().canonicalize().unwrap())
}

/// Whether a process has reaped a child: each child has page faults, which count for the parent
/// then.
pub fn has_reaped(pid: i32) -> bool {
    let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let (_, after) = stat.rsplit_once(") ").unwrap_or_default();
    // The faults of children are the ninth field after the name.
    after.split(' ').nth(8).is_some_and(|faults| faults != "0")
}

/// The children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let text = read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

pub fn only_child(what: &str, pid: i32) -> i32 {
    eventually(what, || children(pid).first().copied())
}

/// The value of a key in `/proc/PID/status`.
pub fn status(pid: i32, key: &str) -> Option<String> {
    let text = read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    Some(line?.strip_prefix(':')?.trim().to_owned())
}

/// How often a process went to sleep voluntarily, and so how often it woke.
#[track_caller]
pub fn sleep_count(pid: i32) -> u64 {
    let count = status(pid, "voluntary_ctxt_switches").expect("a process");
    count.parse().expect("a number")
}

/// Whether a signal is pending for a process.
pub fn is_pending(pid: i32, signal: i32) -> bool {
    pending_signals(pid) & (1 << (signal - 1)) != 0
}

/// The mask of the signals that are pending for a process.
pub fn pending_signals(pid: i32) -> u64 {
    ["SigPnd", "ShdPnd"]
        .iter()
        .filter_map(|key| u64::from_str_radix(&status(pid, key)?, 16).ok())
        .fold(0, |all, mask| all | mask)
}

/// What the descriptors of a process refer to.
pub fn descriptors(pid: i32) -> Vec<PathBuf> {
    let Ok(fds) = read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    fds.flatten()
        .filter_map(|fd| read_link(fd.path()).ok())
        .collect()
}

pub fn has_inotify(pid: i32) -> bool {
    let of_inotify = |target: &PathBuf| target.as_os_str() == "anon_inode:inotify";
    descriptors(pid).iter().any(of_inotify)
}

/// Whether a process sleeps in a kernel function whose name contains this word. True if the kernel
/// does not tell.
pub fn may_sleep_in(pid: i32, word: &str) -> bool {
    let place = read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    place == "0" || place.contains(word)
}

/// The processor time that a process of one thread has used (schedstat of proc(5)).
pub fn cpu_time(pid: i32) -> Duration {
    let text = read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// The memory of a process that belongs to no file (`Anonymous` in smaps of proc(5)), in bytes.
/// Unlike `RssAnon` it is exact with every kernel.
pub fn anonymous_memory(pid: i32) -> u64 {
    let text = read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1024)
}

/// Sends a signal, and waits until it has been read. Returns how much processor time the process
/// used before that. It may have used a little more, but never less, however busy the machine is.
pub fn work_before_reading(process: &Running, signal: i32) -> Duration {
    let before = cpu_time(process.pid());
    let mut used = Duration::ZERO;
    process.send(signal);
    wait_until("the signal is read", || {
        let now = cpu_time(process.pid());
        let is_waiting = is_pending(process.pid(), signal);
        if is_waiting {
            used = now.saturating_sub(before);
        }
        !is_waiting
    });
    used
}
