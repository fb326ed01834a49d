//! `--wait-descendants`: how the processes that a command left behind are stopped, and how long the
//! life waits for them.

use crate::support::inspect::await_sleep;
use crate::support::proc::{await_gone, is_gone, is_pending, sleep_count};
use crate::support::requirements::{is_permitted, skip};
use crate::support::sandbox::{Sandbox, Start, binary, wait_until};
use crate::support::shell_life::{Position, ShellLife, positions};
use crate::support::signals::{QUIT, TERM, USR1, send};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

/// A daemon that is told to stop, and finishes its work when there is a file `let-go`.
const CLEANS_UP: &str = "trap ': >\"$W/told\"; while test -d \"$W\" && ! test -e \"$W/let-go\"; do sleep 0.01; done; \
    : >\"$W/finished\"; exit' TERM USR2; echo $$ >\"$W/pid\"; : >\"$W/up\"; while test -d \"$W\"; do sleep 0.01; done";

/// A daemon that ends at once, and leaves a file.
const ENDS_ON_TERM: &str =
    "trap ': >\"$W/told$n\"; exit' TERM; : >\"$W/up$n\"; while test -d \"$W\"; do sleep 0.01; done";

const IGNORES_STOPS: &str = "trap '' TERM INT HUP QUIT; echo $$ >\"$W/pid\"; : >\"$W/up\"; while test -d \"$W\"; do sleep 0.01; done";

/// Starts the daemon in a session of its own, and goes on when it is up.
const LEAVE_DAEMON: &str =
    "(setsid sh -c \"$DAEMON\" &); while ! test -e \"$W/up\"; do sleep 0.01; done";

#[test]
fn died_is_recorded_only_when_all_processes_that_were_left_behind_have_ended() {
    for position in positions() {
        let script = format!("{}; exit 3", LEAVE_DAEMON);
        let life = ShellLife::leaving(position, &["--wait-descendants"], CLEANS_UP, &script);
        life.await_file("told");
        let sandbox = &life.sandbox;
        wait_until("readiness is taken back", || {
            sandbox.key("main", "Ready").is_none()
        });
        let text = sandbox.tombstone("main");
        assert!(text.contains("\nBorn: "), "{position:?}: {text}");
        assert!(!text.contains("\nDied: "), "{position:?}: {text}");
        assert_eq!(sandbox.wait(["-t", "0", "main"]).finish().status, 124);
        life.touch("let-go");
        let ShellLife {
            sandbox, running, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, 3, "{position:?}: {}", ended.stderr);
        assert_eq!(
            ended.stderr, "exitdir-run: sending TERM to the processes left by sh\n",
            "{position:?}"
        );
        assert!(sandbox.path("finished").exists(), "{position:?}");
        assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("3"));
        assert_eq!(sandbox.key("main", "Reason").as_deref(), Some("exited"));
    }
}

#[test]
fn readiness_is_taken_back_by_a_new_file_of_the_same_life() {
    let script = format!(
        "{}; while ! test -e \"$W/end\"; do sleep 0.01; done; exit 3",
        LEAVE_DAEMON
    );
    let life = ShellLife::leaving(
        Position::Inside,
        &["--wait-descendants"],
        CLEANS_UP,
        &script,
    );
    let sandbox = &life.sandbox;
    sandbox.await_key("main", "Ready");
    let file = sandbox.dir().join("main");
    let start = || (sandbox.key("main", "Waiting"), sandbox.key("main", "Born"));
    let (before, inode) = (start(), std::fs::metadata(&file).unwrap().ino());
    let follower = sandbox
        .run(["--death-deps", "main", "--", "sleep", "1000"])
        .start();
    life.touch("end");
    life.await_file("told");
    wait_until("readiness is taken back", || {
        sandbox.key("main", "Ready").is_none()
    });
    assert_eq!(start(), before);
    let now = std::fs::metadata(&file).unwrap().ino();
    assert_ne!(now, inode);
    let lock = sandbox.key("main", "Lock").unwrap();
    assert!(lock.ends_with(&format!(" {now}")), "{lock}");
    assert_eq!(sandbox.wait(["-t", "0", "main:born"]).finish().status, 0);
    assert_eq!(sandbox.wait(["-t", "0", "main:ready"]).finish().status, 124);
    assert_eq!(sandbox.wait(["-t", "0", "main:died"]).finish().status, 124);
    life.touch("let-go");
    assert_eq!(life.running.end().status, 3);
    // It ended for this death and not for a crash before.
    let ended = follower.end();
    assert_eq!(ended.status, 143);
    let said = &ended.stderr;
    assert!(said.contains("main died with exit code 3"), "{said}");
}

#[test]
fn a_daemon_is_stopped_in_whichever_way_it_has_detached_itself() {
    let script = "export n; n=1; (sh -c \"$DAEMON\" &); n=2; (setsid sh -c \"$DAEMON\" &); n=3; setsid sh -c 'sh -c \"$DAEMON\" &'; \
         n=4; (setsid sh -c '(setsid sh -c \"$DAEMON\" &) &' &); \
         for n in 1 2 3 4; do while ! test -e \"$W/up$n\"; do sleep 0.01; done; done; exit 3";
    for position in positions() {
        let life = ShellLife::leaving(
            position,
            &["--wait-descendants", "--grace-period", "1h"],
            ENDS_ON_TERM,
            script,
        );
        let ShellLife {
            sandbox, running, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, 3, "{position:?}: {}", ended.stderr);
        for n in 1..=4 {
            assert!(
                sandbox.path(&format!("told{n}")).exists(),
                "{position:?}: {n}"
            );
        }
    }
}

#[test]
fn a_chain_of_processes_that_do_not_stop_their_children_is_stopped_one_by_one() {
    // Each process has the next one as a child, and ends without sending it a signal.
    let script = "cat >\"$W/link\" <<'END'\n\
        trap 'echo $1 >>\"$W/told\"; exit' TERM\n\
        if test $1 -lt 6; then sh \"$W/link\" $(($1 + 1)) & else : >\"$W/up\"; fi\n\
        while test -d \"$W\"; do sleep 0.01; done\n\
        END\n\
        (sh \"$W/link\" 1 &); while ! test -e \"$W/up\"; do sleep 0.01; done; kill -KILL $$";
    for position in positions() {
        let life = ShellLife::start(
            position,
            &["--wait-descendants", "--grace-period", "1h"],
            script,
        );
        let ShellLife {
            sandbox, running, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, 137, "{position:?}: {}", ended.stderr);
        let told = std::fs::read_to_string(sandbox.path("told")).unwrap();
        assert_eq!(told, "1\n2\n3\n4\n5\n6\n", "{position:?}");
        assert_eq!(sandbox.key("main", "Signal").as_deref(), Some("KILL"));
        assert_eq!(sandbox.key("main", "Reason").as_deref(), Some("signaled"));
    }
}

#[test]
fn an_orphan_that_is_adopted_without_a_sigchld_gets_the_stop_signal() {
    // The grandfather reaps the father, and waits for the end of the orphan before it ends itself.
    let script = "cat >\"$W/child\" <<'END'\n\
        trap ': >\"$W/told\"; exit' TERM; : >\"$W/up\"; while test -d \"$W\"; do sleep 0.01; done\n\
        END\n\
        cat >\"$W/father\" <<'END'\n\
        sh \"$W/child\" & wait\n\
        END\n\
        cat >\"$W/grandfather\" <<'END'\n\
        trap 'kill -KILL $father; wait $father; while ! test -e \"$W/told\"; do sleep 0.01; done; exit' TERM\n\
        sh \"$W/father\" & father=$!; while test -d \"$W\"; do sleep 0.01; done\n\
        END\n\
        (sh \"$W/grandfather\" &); while ! test -e \"$W/up\"; do sleep 0.01; done; exit 3";
    for position in positions() {
        let life = ShellLife::start(
            position,
            &["--wait-descendants", "--grace-period", "1h"],
            script,
        );
        let ShellLife {
            sandbox, running, ..
        } = life;
        assert_eq!(running.end().status, 3, "{position:?}");
        assert!(sandbox.path("told").exists(), "{position:?}");
    }
}

#[test]
fn a_descendant_that_ignores_the_stop_signal_is_killed_after_the_grace_period() {
    for position in positions() {
        let life = ShellLife::leaving(
            position,
            &["--wait-descendants", "--grace-period", "300ms"],
            IGNORES_STOPS,
            &format!("{}; exit 3", LEAVE_DAEMON),
        );
        let ShellLife {
            sandbox, running, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, 3, "{position:?}");
        assert_eq!(
            ended.stderr,
            "exitdir-run: sending TERM to the processes left by sh\n\
             exitdir-run: killing the processes left by sh\n",
            "{position:?}"
        );
        assert_eq!(sandbox.key("main", "Reason").as_deref(), Some("exited"));
        if position == Position::Inside {
            let pid = std::fs::read_to_string(sandbox.path("pid")).unwrap();
            assert!(is_gone(&pid), "{pid}");
        }
    }
}

#[test]
fn a_stopped_descendant_is_continued_so_that_it_gets_the_stop_signal() {
    let stopped = "trap ': >\"$W/told\"; exit' TERM; kill -STOP $$; while test -d \"$W\"; do sleep 0.01; done";
    let script = "(setsid sh -c \"$DAEMON\" & echo $! >\"$W/pid\"); \
         pid=$(cat \"$W/pid\"); while ! grep -q '^State:.T' /proc/$pid/status; do sleep 0.01; done; exit 3";
    for position in positions() {
        let life = ShellLife::leaving(
            position,
            &["--wait-descendants", "--grace-period", "1h"],
            stopped,
            script,
        );
        let ShellLife {
            sandbox, running, ..
        } = life;
        assert_eq!(running.end().status, 3, "{position:?}");
        assert!(sandbox.path("told").exists(), "{position:?}");
    }
}

#[test]
fn five_hundred_descendants_are_stopped_at_once() {
    let script = "i=0; while test $i -lt 500; do sleep 1000 & echo $! >>\"$W/pids\"; i=$((i + 1)); done; exit 3";
    for position in positions() {
        let life = ShellLife::start(
            position,
            &["--wait-descendants", "--grace-period", "1h"],
            script,
        );
        let ShellLife {
            sandbox, running, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, 3, "{position:?}: {}", ended.stderr);
        let pids = std::fs::read_to_string(sandbox.path("pids")).unwrap();
        assert_eq!(pids.lines().count(), 500);
        if position == Position::Inside {
            let left: Vec<&str> = pids.lines().filter(|pid| !is_gone(pid)).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

#[test]
fn descendants_get_the_signal_of_the_option_stop_signal() {
    let options = [
        "--wait-descendants",
        "--stop-signal",
        "USR2",
        "--grace-period",
        "1h",
    ];
    let daemon = "trap 'echo TERM >>\"$W/told\"' TERM; trap 'echo USR2 >>\"$W/told\"; exit' USR2; \
        : >\"$W/up\"; while test -d \"$W\"; do sleep 0.01; done";
    let life = ShellLife::leaving(
        Position::Inside,
        &options,
        daemon,
        &format!("{}; exit 3", LEAVE_DAEMON),
    );
    let ShellLife {
        sandbox, running, ..
    } = life;
    assert_eq!(running.end().status, 3);
    let told = std::fs::read_to_string(sandbox.path("told")).unwrap();
    assert_eq!(told, "USR2\n");
}

#[test]
fn without_wait_descendants_no_descendant_gets_a_signal() {
    let life = ShellLife::leaving(
        Position::Inside,
        &["-s"],
        CLEANS_UP,
        &format!("{}; exit 3", LEAVE_DAEMON),
    );
    let ShellLife {
        sandbox, running, ..
    } = life;
    let ended = running.end();
    assert_eq!((ended.status, ended.stderr.as_str()), (3, ""));
    let pid = std::fs::read_to_string(sandbox.path("pid")).unwrap();
    assert!(!is_gone(&pid));
    sandbox.touch("let-go");
    send(pid.trim().parse().unwrap(), TERM);
    await_gone(&pid);
}

#[test]
fn a_second_stop_signal_from_outside_kills_at_once_the_descendants_that_are_being_stopped() {
    for position in positions() {
        for (first, second) in [(15, 2), (2, 1), (1, 3), (3, 15)] {
            let life = ShellLife::leaving(
                position,
                &["--wait-descendants", "--grace-period", "1h", "-v"],
                IGNORES_STOPS,
                &format!("{}; exit 3", LEAVE_DAEMON),
            );
            let sandbox = &life.sandbox;
            sandbox.await_key("main", "Born");
            wait_until("descendants are being stopped", || {
                life.has("up") && sandbox.key("main", "Ready").is_none()
            });
            // A signal that is no stop signal changes nothing.
            life.send(USR1);
            life.send(first);
            life.send(second);
            let ShellLife {
                sandbox, running, ..
            } = life;
            let ended = running.end();
            assert_eq!(ended.status, 3, "{position:?} {first}: {}", ended.stderr);
            for said in [
                "dropped USR1",
                "the next stop signal kills them",
                "killing the",
            ] {
                let stderr = &ended.stderr;
                assert!(
                    stderr.contains(said),
                    "{position:?} {first} {said}: {stderr}"
                );
            }
            assert_eq!(sandbox.key("main", "Reason").as_deref(), Some("exited"));
        }
    }
}

#[test]
fn one_stop_signal_from_outside_does_not_shorten_the_grace_period_of_descendants() {
    let script = format!("{}; exit 3", LEAVE_DAEMON);
    let life = ShellLife::leaving(
        Position::Inside,
        &["--wait-descendants"],
        CLEANS_UP,
        &script,
    );
    life.await_file("told");
    life.send(TERM);
    wait_until("exitdir-run has taken the TERM", || {
        !is_pending(life.running.pid(), TERM)
    });
    life.touch("let-go");
    let ShellLife {
        sandbox, running, ..
    } = life;
    let ended = running.end();
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(sandbox.path("finished").exists(), "it was killed");
}

#[test]
fn a_stop_for_a_dependency_stops_descendants_too_and_ends_as_the_exit_table_says() {
    for (code, status) in [("0", 0), ("3", 143)] {
        let script = format!(
            "{}; trap 'exit 0' TERM; : >\"$W/ready\"; while test -d \"$W\"; do sleep 0.01; done",
            LEAVE_DAEMON
        );
        let life = ShellLife::leaving(
            Position::Inside,
            &["--wait-descendants", "--death-deps", "dep"],
            CLEANS_UP,
            &script,
        );
        life.await_file("ready");
        life.sandbox.await_key("main", "Born");
        let dead = life.sandbox.signal(["-c", code, "dep"]).finish();
        assert_eq!(dead.status, 0);
        life.await_file("told");
        assert!(life.sandbox.key("main", "Died").is_none());
        life.touch("let-go");
        let ShellLife {
            sandbox, running, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, status, "{}", ended.stderr);
        assert!(sandbox.path("finished").exists());
        assert_eq!(sandbox.key("main", "Cause").as_deref(), Some("dep"));
        assert_eq!(sandbox.key("main", "Reason").as_deref(), Some("stopped"));
    }
}

#[test]
fn a_command_is_restarted_only_when_the_processes_it_left_behind_have_ended() {
    let script = format!(
        "echo start >>\"$W/starts\"; if test -e \"$W/second\"; then \
         test -e \"$W/finished\" && exit 4; exit 99; fi; : >\"$W/second\"; {}; exit 3",
        LEAVE_DAEMON
    );
    for position in positions() {
        let options = [
            "--wait-descendants",
            "--restart",
            "always",
            "--restart-limit",
            "1",
        ];
        let life = ShellLife::leaving(position, &options, CLEANS_UP, &script);
        life.await_file("told");
        assert_eq!(life.lines("starts").len(), 1, "{position:?}");
        let waiting = life.sandbox.key("main", "Waiting");
        life.touch("let-go");
        let ShellLife {
            sandbox, running, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, 4, "{position:?}: {}", ended.stderr);
        let said: Vec<&str> = ended.stderr.lines().collect();
        assert_eq!(
            said[0], "exitdir-run: sending TERM to the processes left by sh",
            "{position:?}"
        );
        assert_eq!(
            said.len(),
            2,
            "{position:?}: a stop of descendants, then a restart: {said:?}"
        );
        assert_eq!(sandbox.key("main", "Waiting"), waiting, "one life");
    }
}

#[test]
fn a_term_while_descendants_are_stopped_before_a_restart_ends_the_life() {
    let options = [
        "--wait-descendants",
        "--grace-period",
        "1h",
        "--restart",
        "always",
    ];
    let script = format!("echo start >>\"$W/starts\"; {}; exit 3", LEAVE_DAEMON);
    let life = ShellLife::leaving(Position::Inside, &options, IGNORES_STOPS, &script);
    life.await_file("up");
    life.sandbox.await_key("main", "Born");
    wait_until("descendants are being stopped", || {
        life.sandbox.key("main", "Ready").is_none()
    });
    // The first signal decides the status, and the second kills what is left. If both are pending
    // together, the lower number comes first.
    life.send(TERM);
    life.send(QUIT);
    let ShellLife {
        sandbox, running, ..
    } = life;
    let ended = running.end();
    assert!([143, 131].contains(&ended.status), "{}", ended.stderr);
    assert_eq!(
        sandbox.key("main", "Reason").as_deref(),
        Some("interrupted")
    );
    let starts = std::fs::read_to_string(sandbox.path("starts")).unwrap();
    assert_eq!(starts, "start\n");
}

#[test]
fn a_death_dependency_that_holds_while_descendants_are_stopped_prevents_the_restart() {
    for (dep, options, status, reason) in [
        ("0", "--restart always", 0, "stopped"),
        ("3", "--restart always", 143, "stopped"),
        ("3", "--restart always --stop-signal USR2", 140, "stopped"),
        ("3", "--restart on-failure --stop-code own", 3, "stopped"),
        // There would be no restart, so the status of CMD counts.
        ("0", "--restart never", 3, "exited"),
        ("3", "--restart on-failure -e 3", 0, "exited"),
    ] {
        let script = format!("echo start >>\"$W/starts\"; {}; exit 3", LEAVE_DAEMON);
        let mut words = vec!["--wait-descendants", "--death-deps", "dep"];
        words.extend(options.split(' '));
        let life = ShellLife::leaving(Position::Inside, &words, CLEANS_UP, &script);
        life.await_file("told");
        await_sleep(&life.running);
        let before = sleep_count(life.supervisor());
        let dead = life.sandbox.signal(["-c", dep, "dep"]).finish();
        assert_eq!(dead.status, 0);
        if reason == "stopped" {
            assert_eq!(life.sandbox.await_key("main", "Cause"), "dep");
        } else {
            // Nothing shows that exitdir-run has seen it, but it has woken and slept since.
            wait_until("it has woken since", || {
                sleep_count(life.supervisor()) > before + 2
            });
        }
        assert!(!life.has("finished"), "the daemon goes on");
        assert!(life.sandbox.key("main", "Died").is_none());
        life.touch("let-go");
        let ShellLife {
            sandbox, running, ..
        } = life;
        let ended = running.end();
        assert_eq!(ended.status, status, "{dep} {options}: {}", ended.stderr);
        let found = sandbox.key("main", "Reason");
        assert_eq!(found.as_deref(), Some(reason), "{dep} {options}");
        assert!(sandbox.path("finished").exists());
        let starts = std::fs::read_to_string(sandbox.path("starts")).unwrap();
        assert_eq!(starts, "start\n", "{dep} {options}");
    }
}

#[test]
fn a_process_that_is_not_a_descendant_gets_no_signal() {
    // A child of the test, and a process with the same parent, session, and group as exitdir-run.
    let sandbox = Sandbox::new();
    let mut bystander = sandbox.command("sleep").arg("1000").start();
    let script = "sleep 1000 >/dev/null 2>&1 & sibling=$!; \
        \"$0\" run --wait-descendants --grace-period 0 -- sh -c 'sleep 1000 >/dev/null 2>&1 & exit 3'; echo $?; \
        kill -0 $sibling && echo alive; kill $sibling";
    let ended = sandbox
        .command("sh")
        .args(["-c", script])
        .arg(binary())
        .finish();
    assert_eq!(ended.stdout, "3\nalive\n", "{}", ended.stderr);
    assert!(bystander.is_running());
}

#[test]
fn a_process_that_entered_the_pid_namespace_from_outside_gets_no_stop_signal() {
    if !positions().contains(&Position::Pid1) {
        return;
    }
    let script = format!(
        "while ! test -e \"$W/entered\"; do sleep 0.01; done; {}; exit 3",
        LEAVE_DAEMON
    );
    let life = ShellLife::leaving(Position::Pid1, &["--wait-descendants"], CLEANS_UP, &script);
    life.sandbox.await_key("main", "Ready");
    // As `kubectl exec` does.
    let visit = "trap ': >\"$W/visitor-told\"' TERM; : >\"$W/entered\"; while test -d \"$W\"; do sleep 0.01; done";
    let visitor = life
        .sandbox
        .command("nsenter")
        .args(["-t", &life.supervisor().to_string(), "-p", "--"])
        .args(["sh", "-c", visit])
        .env("W", life.sandbox.path("."))
        .start();
    life.await_file("told");
    life.touch("let-go");
    let ShellLife {
        sandbox, running, ..
    } = life;
    assert_eq!(running.end().status, 3);
    // The kernel kills it with its namespace.
    assert_eq!(visitor.end().status, 137);
    assert!(!sandbox.path("visitor-told").exists());
}

#[test]
fn if_proc_shows_another_pid_namespace_no_signal_is_sent_and_the_life_ends() {
    let mut trial = Command::new("unshare");
    if !is_permitted("a PID namespace", trial.args(["-pf", "true"])) {
        return;
    }
    let sandbox = Sandbox::new();
    let exitdir = binary();
    let ended = sandbox
        .command("unshare")
        .args(["-pf", "--kill-child"])
        .arg(exitdir)
        .args(["run", "-n", "main", "--wait-descendants", "--"])
        .args(["sh", "-c", "sleep 1000 & exit 3"])
        .finish();
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("another PID namespace"),
        "{}",
        ended.stderr
    );
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("3"));
}

/// A cgroup of version 1, whose frozen processes KILL does not end. Thawed and removed at the end.
struct Freezer(PathBuf);

impl Freezer {
    fn new() -> Option<Freezer> {
        let dir = format!("/sys/fs/cgroup/freezer/exitdir-test-{}", std::process::id());
        let made = std::fs::create_dir(&dir).is_ok();
        let freezer = made.then(|| Freezer(PathBuf::from(&dir)));
        let freezer = freezer.filter(|freezer| freezer.0.join("freezer.state").exists());
        if freezer.is_none() {
            skip("a freezer of cgroup version 1");
        }
        freezer
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join(file), text).unwrap();
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = std::fs::write(self.0.join("freezer.state"), "THAWED");
        wait_until("it is removed", || std::fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn what_cannot_end_is_named_ten_seconds_after_kill_and_not_waited_for() {
    let Some(freezer) = Freezer::new() else {
        return;
    };
    let sandbox = Sandbox::new();
    let script = "sleep 1000 >/dev/null 2>&1 & echo $! >pid.new; mv pid.new pid; until [ -e go ]; do sleep 0.01; done; exit 3";
    let options = [
        "--wait-descendants",
        "--grace-period",
        "0",
        "--restart",
        "always",
    ];
    let mut command = sandbox.run(options);
    command.args(["--", "sh", "-c", script]);
    let running = command.current_dir(sandbox.path(".")).start();
    sandbox.await_file("pid");
    let pid = sandbox.read("pid").trim().to_owned();
    freezer.write("cgroup.procs", &pid);
    freezer.write("freezer.state", "FROZEN");
    let state = || std::fs::read_to_string(freezer.0.join("freezer.state")).unwrap();
    wait_until("it is frozen", || state() == "FROZEN\n");
    sandbox.touch("go");
    let ended = running.end();
    assert_eq!(ended.status, 3, "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    let expected = format!("without waiting for processes left by sh: sleep ({pid})");
    assert!(last.ends_with(&expected), "{}", ended.stderr);
    drop(freezer);
    await_gone(&pid);
}
