//! What the tests share: sandboxes, processes, fixtures and ways to look at them. No tests here.

pub mod active_app;
pub mod archives;
#[allow(dead_code)] // each test of a hostile user takes what it needs
pub mod hostile;
pub mod inspect;
pub mod library_examples;
pub mod listener;
pub mod managed_app;
pub mod names;
pub mod namespaces;
pub mod notifications;
pub mod parallel;
pub mod pod;
pub mod proc;
pub mod pty;
pub mod random;
pub mod random_rounds;
pub mod readiness_life;
pub mod recorder;
pub mod requirements;
pub mod restart_life;
pub mod sandbox;
#[cfg(target_arch = "x86_64")]
pub mod seccomp;
pub mod servers;
pub mod shell;
pub mod shell_life;
pub mod signals;
pub mod syscalls;
pub mod tombstones;
pub mod users;
pub mod valgrind;
pub mod volumes;
