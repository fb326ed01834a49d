//! Signals by their numbers, which are the same on x86_64 and aarch64, and sending them.

use rustix::process::{Pid, Signal, kill_process};
use std::process::Command;

pub const HUP: i32 = 1;
pub const INT: i32 = 2;
pub const QUIT: i32 = 3;
pub const FPE: i32 = 8;
pub const KILL: i32 = 9;
pub const USR1: i32 = 10;
pub const USR2: i32 = 12;
pub const TERM: i32 = 15;
pub const CHLD: i32 = 17;
pub const CONT: i32 = 18;
pub const STOP: i32 = 19;
pub const TSTP: i32 = 20;
pub const TTIN: i32 = 21;
pub const TTOU: i32 = 22;
/// The highest number. Of several pending signals the kernel delivers this one last.
pub const LAST: i32 = 64;

/// Sends a signal that has a name to a process that was not reaped.
#[track_caller]
pub fn send(pid: i32, signal: i32) {
    kill_process(process(pid), named(signal)).expect("a process that was not reaped");
}

/// Sends a signal that has a name to a process that may be gone.
pub fn send_if_there(pid: i32, signal: i32) {
    let _ = kill_process(process(pid), named(signal));
}

/// Sends these signals in their order, those without a name too: rustix cannot send them.
#[track_caller]
pub fn send_all(pid: i32, signals: &[i32]) {
    let script = "for signal in \"$@\"; do kill -\"$signal\" \"$0\" || exit; done";
    let sent = Command::new("sh")
        .args(["-c", script])
        .arg(pid.to_string())
        .args(signals.iter().map(i32::to_string))
        .output()
        .expect("a shell");
    assert!(sent.status.success(), "{sent:?}");
}

fn process(pid: i32) -> Pid {
    Pid::from_raw(pid).expect("a process id")
}

fn named(signal: i32) -> Signal {
    Signal::from_named_raw(signal).expect("a signal with a name")
}
