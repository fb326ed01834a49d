//! System calls that a seccomp profile or an old kernel refuses: the program does its work without
//! them, or ends with one sentence. It never hangs, spins, crashes, or reports a wrong status.

use crate::support::parallel::{WORKERS, check_each};
use crate::support::proc::state_of;
use crate::support::requirements::strace_is_here;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, wait_until};
use crate::support::seccomp::{calls_can_be_refused, refusing};
use crate::support::signals::{TERM, send_if_there};
use crate::support::syscalls::{points, strace_log, traced};
use std::collections::BTreeSet;
use std::ops::Not;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a program that has said what it cannot do may go on.
const PATIENCE: Duration = Duration::from_millis(300);

/// What one applet does, and what a user sees of it.
struct Trial {
    words: &'static [&'static str],
    before: fn(&Sandbox),
    /// What happens while it runs.
    meanwhile: fn(&Sandbox, &mut Running),
    /// Whether it did its work.
    works: fn(&Sandbox, &Ended) -> bool,
}

/// Each errno, and its texts in musl and glibc.
const ERRNOS: [(i32, [&str; 2]); 2] = [
    (libc::EPERM, ["Operation not permitted"; 2]),
    (
        libc::ENOSYS,
        ["Function not implemented", "Operation not supported"],
    ),
];

/// What a child calls before it executes the command; strace shows the calls of its parent.
const CALLS_OF_A_CHILD: [&str; 7] = [
    "dup2",
    "execve",
    "getppid",
    "prctl",
    "rt_sigaction",
    "rt_sigprocmask",
    "setpgid",
];

/// Without these no sentence can be written, or the C library ends before the program begins.
const MUTE: [&str; 2] = ["arch_prctl", "write"];

fn nothing_before(_: &Sandbox) {}
fn nothing_meanwhile(_: &Sandbox, _: &mut Running) {}

fn ends_with_7(_: &Sandbox, ended: &Ended) -> bool {
    ended.status == 7
}

/// A process that spins is never asleep.
fn await_sleep(process: &mut Running) {
    wait_until("it sleeps", || {
        state_of(process.pid()) == Some('S') || !process.is_running()
    });
}

/// Waits until the command has begun, and the supervisor sleeps.
fn await_command(sandbox: &Sandbox, run: &mut Running) {
    wait_until("the command began", || {
        sandbox.path("began").exists() || !run.is_running()
    });
    await_sleep(run);
}

const SERVER: &str = "trap 'exit 7' TERM; echo >began; while :; do sleep 0.02; done";

const TRIALS: [Trial; 11] = [
    Trial {
        words: &["run", "--", "sh", "-c", "exit 7"],
        before: nothing_before,
        meanwhile: nothing_meanwhile,
        works: ends_with_7,
    },
    Trial {
        words: &["run", "--", "sh", "-c", SERVER],
        before: nothing_before,
        meanwhile: |sandbox, run| {
            await_command(sandbox, run);
            send_if_there(run.pid(), TERM);
        },
        works: ends_with_7,
    },
    Trial {
        words: &[
            "run",
            "-n",
            "a",
            "--poll",
            "100ms",
            "--death-deps",
            "b",
            "--",
            "sh",
            "-c",
            SERVER,
        ],
        before: nothing_before,
        meanwhile: |sandbox, run| {
            await_command(sandbox, run);
            sandbox.record_death("b", "5");
        },
        // The command ends with a failure of its own, or the failure of b counts.
        works: |sandbox, ended| {
            ended.status == 7
                && sandbox.tombstone("a").contains("Died: ")
                && sandbox.key("a", "ExitCode").is_some_and(|code| code == "7")
        },
    },
    Trial {
        words: &[
            "run",
            "--config",
            "source=copy",
            "--",
            "sh",
            "-c",
            "cat copy/file >seen && exit 7",
        ],
        before: |sandbox| {
            std::fs::create_dir(sandbox.path("source")).unwrap();
            std::fs::write(sandbox.path("source/file"), "text").unwrap();
        },
        meanwhile: nothing_meanwhile,
        works: |sandbox, ended| ended.status == 7 && sandbox.read("seen") == "text",
    },
    Trial {
        words: &[
            "run",
            "-n",
            "a",
            "--ready-on",
            "notify",
            "--",
            "sh",
            "-c",
            "exit 7",
        ],
        before: nothing_before,
        meanwhile: nothing_meanwhile,
        works: |sandbox, ended| {
            ended.status == 7 && sandbox.key("a", "ExitCode").is_some_and(|code| code == "7")
        },
    },
    Trial {
        words: &["wait", "--poll", "100ms", "-x", "b:died"],
        before: nothing_before,
        meanwhile: |sandbox, wait| {
            await_sleep(wait);
            sandbox.record_death("b", "5");
        },
        works: |_, ended| ended.status == 5,
    },
    Trial {
        words: &["wait", "-t", "0", "b:died"],
        before: nothing_before,
        meanwhile: nothing_meanwhile,
        works: |_, ended| ended.status == 124,
    },
    Trial {
        words: &["wait", "b:died", "--", "sh", "-c", "exit 7"],
        before: |sandbox| sandbox.record_death("b", "0"),
        meanwhile: nothing_meanwhile,
        works: ends_with_7,
    },
    Trial {
        words: &["signal", "-c", "3", "x"],
        before: nothing_before,
        meanwhile: nothing_meanwhile,
        works: |sandbox, ended| ended.status == 0 && sandbox.holds("x:exit=3"),
    },
    Trial {
        words: &["status"],
        before: |sandbox| sandbox.record_death("b", "5"),
        meanwhile: nothing_meanwhile,
        works: |_, ended| ended.status == 0 && ended.stdout.contains("failed"),
    },
    Trial {
        words: &["install", "made"],
        before: nothing_before,
        meanwhile: nothing_meanwhile,
        works: |sandbox, ended| {
            let trial = || {
                sandbox
                    .command(sandbox.path("made/exitdir-run"))
                    .arg("-V")
                    .finish()
            };
            ended.status == 0 && trial().status == 0
        },
    },
];

impl Trial {
    /// The names of the calls that it makes.
    fn calls(&self) -> BTreeSet<String> {
        let sandbox = Sandbox::new();
        (self.before)(&sandbox);
        // -D: signals go to the program, and not to strace.
        let mut command = traced(&sandbox, &["-D"], self.words);
        let mut process = command.current_dir(sandbox.path(".")).start();
        (self.meanwhile)(&sandbox, &mut process);
        process.end();
        wait_until("strace has ended", || {
            strace_log(&sandbox).contains("+++ exited")
        });
        // exitdir-wait becomes its command, whose calls are not its own.
        let log = strace_log(&sandbox);
        let own = log.match_indices("\nexecve(").next();
        let own = own.map_or(log.as_str(), |(end, _)| &log[..end]);
        let calls = points(own).into_iter();
        let mut calls: BTreeSet<String> = calls.map(|point| point.call).collect();
        if self.words.contains(&"sh") {
            calls.extend(CALLS_OF_A_CHILD.map(str::to_owned));
        }
        calls
    }

    /// What is wrong with what it does without a call.
    fn judge(&self, call: &str, errno: i32) -> Result<(), String> {
        let number = NUMBERS.iter().find(|(name, _)| *name == call);
        let (_, number) = number.ok_or(format!("{call} is not in the table of numbers"))?;
        let sandbox = Sandbox::new();
        (self.before)(&sandbox);
        let mut command = refusing(&sandbox, *number, errno, self.words);
        let stderr = std::fs::File::create(sandbox.path("stderr")).unwrap();
        command.current_dir(sandbox.path(".")).stderr(stderr);
        let mut process = command.start();
        (self.meanwhile)(&sandbox, &mut process);
        let what = format!("{} without {call} ({errno})", self.words.join(" "));
        let Some(ended) = end(&sandbox, process) else {
            return Err(format!("{what}: it hung"));
        };
        // A command that has run keeps its status.
        let is_failure = [7, 125, 126, 143].contains(&ended.status) || self.words == ["status"];
        let is_ok = (self.works)(&sandbox, &ended)
            || is_failure && says_why(&ended)
            || MUTE.contains(&call) && ended.status != 0;
        is_ok.then_some(()).ok_or(format!("{what}: {ended:?}"))
    }
}

/// How it ended; `None` if it did not. If it has said what it cannot do and waits for a change, it
/// is asked to end.
fn end(sandbox: &Sandbox, mut process: Running) -> Option<Ended> {
    let began = Instant::now();
    let mut was_asked = false;
    while process.is_running() && began.elapsed() < HANG_TIMEOUT {
        if !was_asked && began.elapsed() > PATIENCE && !sandbox.read("stderr").is_empty() {
            was_asked = true;
            send_if_there(process.pid(), TERM);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    process.is_running().not().then(|| Ended {
        stderr: sandbox.read("stderr"),
        ..process.end()
    })
}

/// What is said where no errno is known: there is no memory, or close(2) is refused, without which
/// the pipe of a worker never ends.
const OTHER_REASONS: [&str; 2] = ["cannot allocate memory", "source is not accepted"];

/// Whether each line of the message is a sentence of the program, and one names the reason.
fn says_why(ended: &Ended) -> bool {
    let reasons = ERRNOS.iter().flat_map(|(_, texts)| texts);
    let mut reasons = reasons.chain(&OTHER_REASONS);
    let mut lines = ended.stderr.lines();
    lines.all(|line| line.starts_with("exitdir"))
        && reasons.any(|reason| ended.stderr.contains(reason))
}

#[test]
fn a_refused_call_is_done_without_or_named_in_one_sentence() {
    if !calls_can_be_refused() || !strace_is_here() {
        return;
    }
    let mut cases = Vec::new();
    for trial in &TRIALS {
        for call in trial.calls() {
            // No copy can be written, and no sentence.
            if call == "write" && trial.words.contains(&"--config") {
                continue;
            }
            cases.extend(ERRNOS.map(|(errno, _)| (trial, call.clone(), errno)));
        }
    }
    println!("{} cases", cases.len());
    check_each(WORKERS, &cases, |(trial, call, errno)| {
        trial.judge(call, *errno)
    });
}

/// The calls that this program may make, by number.
const NUMBERS: [(&str, i64); 103] = [
    ("arch_prctl", libc::SYS_arch_prctl),
    ("bind", libc::SYS_bind),
    ("brk", libc::SYS_brk),
    ("chdir", libc::SYS_chdir),
    ("clock_gettime", libc::SYS_clock_gettime),
    ("clone", libc::SYS_clone),
    ("clone3", libc::SYS_clone3),
    ("close", libc::SYS_close),
    ("connect", libc::SYS_connect),
    ("copy_file_range", libc::SYS_copy_file_range),
    ("dup", libc::SYS_dup),
    ("dup2", libc::SYS_dup2),
    ("dup3", libc::SYS_dup3),
    ("execve", libc::SYS_execve),
    ("exit_group", libc::SYS_exit_group),
    ("fallocate", libc::SYS_fallocate),
    ("fchdir", libc::SYS_fchdir),
    ("fchmod", libc::SYS_fchmod),
    ("fchown", libc::SYS_fchown),
    ("fcntl", libc::SYS_fcntl),
    ("fdatasync", libc::SYS_fdatasync),
    ("flock", libc::SYS_flock),
    ("fork", libc::SYS_fork),
    ("fstat", libc::SYS_fstat),
    ("fstatfs", libc::SYS_fstatfs),
    ("fsync", libc::SYS_fsync),
    ("ftruncate", libc::SYS_ftruncate),
    ("futex", libc::SYS_futex),
    ("getcwd", libc::SYS_getcwd),
    ("getdents64", libc::SYS_getdents64),
    ("geteuid", libc::SYS_geteuid),
    ("getgid", libc::SYS_getgid),
    ("getpgid", libc::SYS_getpgid),
    ("getpid", libc::SYS_getpid),
    ("getppid", libc::SYS_getppid),
    ("getrandom", libc::SYS_getrandom),
    ("getsid", libc::SYS_getsid),
    ("getsockopt", libc::SYS_getsockopt),
    ("getuid", libc::SYS_getuid),
    ("inotify_add_watch", libc::SYS_inotify_add_watch),
    ("inotify_init1", libc::SYS_inotify_init1),
    ("inotify_rm_watch", libc::SYS_inotify_rm_watch),
    ("ioctl", libc::SYS_ioctl),
    ("kill", libc::SYS_kill),
    ("link", libc::SYS_link),
    ("linkat", libc::SYS_linkat),
    ("lseek", libc::SYS_lseek),
    ("lstat", libc::SYS_lstat),
    ("madvise", libc::SYS_madvise),
    ("mkdir", libc::SYS_mkdir),
    ("mkdirat", libc::SYS_mkdirat),
    ("mmap", libc::SYS_mmap),
    ("mprotect", libc::SYS_mprotect),
    ("munmap", libc::SYS_munmap),
    ("nanosleep", libc::SYS_nanosleep),
    ("newfstatat", libc::SYS_newfstatat),
    ("open", libc::SYS_open),
    ("openat", libc::SYS_openat),
    ("openat2", libc::SYS_openat2),
    ("pipe", libc::SYS_pipe),
    ("pipe2", libc::SYS_pipe2),
    ("poll", libc::SYS_poll),
    ("ppoll", libc::SYS_ppoll),
    ("prctl", libc::SYS_prctl),
    ("pread64", libc::SYS_pread64),
    ("prlimit64", libc::SYS_prlimit64),
    ("pwrite64", libc::SYS_pwrite64),
    ("pwritev2", libc::SYS_pwritev2),
    ("read", libc::SYS_read),
    ("readlink", libc::SYS_readlink),
    ("readlinkat", libc::SYS_readlinkat),
    ("recvmsg", libc::SYS_recvmsg),
    ("rename", libc::SYS_rename),
    ("renameat", libc::SYS_renameat),
    ("renameat2", libc::SYS_renameat2),
    ("rmdir", libc::SYS_rmdir),
    ("rt_sigaction", libc::SYS_rt_sigaction),
    ("rt_sigpending", libc::SYS_rt_sigpending),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait),
    ("sendmsg", libc::SYS_sendmsg),
    ("sendto", libc::SYS_sendto),
    ("set_tid_address", libc::SYS_set_tid_address),
    ("setpgid", libc::SYS_setpgid),
    ("setsockopt", libc::SYS_setsockopt),
    ("sigaltstack", libc::SYS_sigaltstack),
    ("signalfd4", libc::SYS_signalfd4),
    ("socket", libc::SYS_socket),
    ("socketpair", libc::SYS_socketpair),
    ("stat", libc::SYS_stat),
    ("statfs", libc::SYS_statfs),
    ("statx", libc::SYS_statx),
    ("symlink", libc::SYS_symlink),
    ("symlinkat", libc::SYS_symlinkat),
    ("umask", libc::SYS_umask),
    ("uname", libc::SYS_uname),
    ("unlink", libc::SYS_unlink),
    ("unlinkat", libc::SYS_unlinkat),
    ("utimensat", libc::SYS_utimensat),
    ("wait4", libc::SYS_wait4),
    ("waitid", libc::SYS_waitid),
    ("write", libc::SYS_write),
    ("writev", libc::SYS_writev),
];
