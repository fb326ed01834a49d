//! Events before and during a wait: signals, changes of the directory, a missing inotify.

use crate::support::inspect::{
    assert_sentence, sleeps, sleeps_in_its_watch, start_wait, while_stopped,
};
use crate::support::namespaces::{
    NO_INSTANCES, in_pid_namespace, pid_namespace_is_permitted, with_less_inotify,
};
use crate::support::proc::children;
use crate::support::sandbox::{Sandbox, Start, binary, eventually, wait_until};
use crate::support::tombstones::write_tombstone;

#[test]
fn a_wait_ends_for_a_death_that_exitdir_signal_recorded_before_or_after_it_began() {
    let sandbox = Sandbox::new();
    sandbox.signal(["-c", "3", "early"]).finish();
    assert_eq!(sandbox.wait(["-x", "early"]).finish().status, 3);
    for poll in ["off", "10s", "10ms"] {
        let name = format!("late-{poll}");
        let waiter = start_wait(&sandbox, &["-x", "--poll", poll, &name]);
        sandbox.signal(["-c", "4", &name]).finish();
        assert_eq!(waiter.end().status, 4, "--poll {poll}");
    }
}

#[test]
fn a_wait_may_begin_before_the_directory_exists() {
    let sandbox = Sandbox::new();
    let waiter = start_wait(&sandbox, &["--poll", "off", "main"]);
    assert!(sandbox.dir().is_dir());
    sandbox.signal(["main"]).finish();
    assert_eq!(waiter.end().status, 0);
}

#[test]
fn a_wait_ends_with_125_when_its_directory_is_removed_moved_or_replaced() {
    for (what, then) in [
        ("removed", "rm -r \"$EXIT_DIR\""),
        ("moved", "mv \"$EXIT_DIR\" \"$EXIT_DIR.old\""),
        (
            "replaced",
            "mv \"$EXIT_DIR\" \"$EXIT_DIR.old\"; mkdir \"$EXIT_DIR\"",
        ),
    ] {
        for holds_one in [false, true] {
            let sandbox = Sandbox::new();
            if holds_one {
                // The waiter holds it open, and so the kernel does not report the removal.
                write_tombstone(&sandbox, "main", "Born: T\n");
            }
            let waiter = start_wait(&sandbox, &["--poll", "20ms", "main"]);
            assert_eq!(sandbox.command("sh").args(["-c", then]).finish().status, 0);
            let ended = waiter.end();
            assert_sentence(&ended, "exitdir-wait", 125);
            assert!(
                ended.stderr.contains(&*sandbox.dir().to_string_lossy()),
                "{what}: {}",
                ended.stderr
            );
        }
    }
}

#[test]
fn without_inotify_a_wait_and_a_run_poll_the_directory_after_one_warning() {
    let sandbox = Sandbox::new();
    if with_less_inotify(&sandbox, NO_INSTANCES, &binary()).is_none() {
        return;
    }
    let inside = |arguments: &[&str]| {
        let mut command = with_less_inotify(&sandbox, NO_INSTANCES, &binary()).unwrap();
        command.args(arguments);
        command
    };
    let waiter = inside(&["wait", "-x", "main"]).start();
    wait_until("it has looked, and sleeps", || sleeps(waiter.pid()));
    let follower = inside(&[
        "run",
        "-n",
        "proxy",
        "--death-deps",
        "main",
        "--",
        "sleep",
        "60",
    ])
    .start();
    sandbox.await_key("proxy", "Ready");
    sandbox.signal(["-c", "3", "main"]).finish();
    let ended = waiter.end();
    assert_sentence(&ended, "exitdir-wait", 3);
    // The texts of glibc and musl for EMFILE.
    let why = ["Too many open files", "No file descriptors available"];
    assert!(
        ended.stderr.contains("inotify") && why.iter().any(|why| ended.stderr.contains(why)),
        "{}",
        ended.stderr
    );
    let ended = follower.end();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert_eq!(
        ended
            .stderr
            .lines()
            .filter(|line| line.contains("inotify"))
            .count(),
        1,
        "{}",
        ended.stderr
    );
}

#[test]
fn a_signal_ends_a_wait_with_128_and_its_number_also_as_pid_1() {
    let sandbox = Sandbox::new();
    for signal in [1, 2, 15] {
        let waiter = start_wait(&sandbox, &["main"]);
        waiter.send(signal);
        assert_eq!(waiter.end().status, 128 + signal);
    }
    if !pid_namespace_is_permitted() {
        return;
    }
    // The child that unshare has forked is PID 1 of the namespace.
    for (signal, status) in [("TERM", 143), ("INT", 130), ("USR1", 138), ("RTMIN", 162)] {
        let outer = in_pid_namespace(&sandbox, binary())
            .args(["wait", "main"])
            .start();
        let inner = eventually("PID 1 sleeps in its watch", || {
            let pid = children(outer.pid()).first().copied()?;
            sleeps_in_its_watch(pid).then_some(pid.to_string())
        });
        for harmless in ["CHLD", "WINCH", "CONT"] {
            assert_eq!(
                sandbox
                    .command("kill")
                    .args(["-s", harmless, &inner])
                    .finish()
                    .status,
                0
            );
        }
        assert_eq!(
            sandbox
                .command("kill")
                .args(["-s", signal, &inner])
                .finish()
                .status,
            0
        );
        assert_eq!(outer.end().status, status, "{signal}");
    }
}

#[test]
fn a_wait_sees_a_death_even_if_the_next_life_has_begun_before_it_looks() {
    for end in ["exit 3", "kill -9 $PPID"] {
        let sandbox = Sandbox::new();
        let (reader, writer) = std::io::pipe().unwrap();
        let script = format!("read x; {end}");
        let main = sandbox
            .run(["-n", "main", "--", "sh", "-c", &script])
            .stdin(reader)
            .start();
        sandbox.await_key("main", "Ready");
        let waiter = start_wait(&sandbox, &["-x", "--print", "main"]);
        let mut next = None;
        while_stopped(&waiter, || {
            drop(writer);
            main.end();
            next = Some(sandbox.run(["-n", "main", "--", "sleep", "60"]).start());
            wait_until("the next life is ready", || sandbox.holds("main:ready"));
        });
        let ended = waiter.end();
        let expected = if end == "exit 3" {
            (3, "main failed 3\n")
        } else {
            (137, "main lost 137\n")
        };
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            expected,
            "{}",
            ended.stderr
        );
    }
}
