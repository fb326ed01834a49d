//! What comes before, during and instead of what is waited for: signals, directories, inotify.

use crate::support::inspect::{assert_sentence, sleeps, sleeps_in_its_watch, start_wait};
use crate::support::namespaces::{
    NO_INSTANCES, in_pid_namespace, pid_namespace_is_permitted, with_less_inotify,
};
use crate::support::proc::children;
use crate::support::sandbox::{Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{CONT, STOP};
use crate::support::tombstones::write_tombstone;

#[test]
fn a_signal_that_came_before_the_wait_is_not_missed_nor_one_that_comes_later() {
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
fn a_directory_that_goes_away_while_it_is_watched_is_125() {
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
                // Held open by the waiter, it keeps the kernel from saying anything.
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
fn without_inotify_there_is_one_warning_and_looks_alone() {
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
    // glibc's and musl's words for EMFILE.
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
fn a_signal_ends_a_wait_also_as_pid_1() {
    let sandbox = Sandbox::new();
    for signal in [1, 2, 15] {
        let waiter = start_wait(&sandbox, &["main"]);
        waiter.send(signal);
        assert_eq!(waiter.end().status, 128 + signal);
    }
    if !pid_namespace_is_permitted() {
        return;
    }
    // The shell outside the namespace learns its PID 1 from the child that unshare has forked.
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
fn a_death_is_not_missed_although_the_next_life_began_before_anybody_looked() {
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
        waiter.send(STOP);
        drop(writer);
        main.end();
        let _next = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
        wait_until("the next life is ready", || sandbox.holds("main:ready"));
        waiter.send(CONT);
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
