//! The lives of one name: their ids, what a tombstone says about the lives before it, and that a
//! follower which looks late misses none of them.

use crate::support::namespaces::{NO_INSTANCES, with_less_inotify};
use crate::support::parallel::failed_rounds;
use crate::support::proc::{ProcStat, has_inotify};
use crate::support::requirements::is_long_run;
use crate::support::sandbox::{Running, Sandbox, Start, binary, wait_until};
use crate::support::signals::{CONT, KILL, STOP, send};
use exitdir::Timestamp;
use std::time::{Duration, SystemTime};

/// The value of a key, without its quotes.
fn value(sandbox: &Sandbox, name: &str, key: &str) -> Option<String> {
    let value = sandbox.key(name, key)?;
    Some(value.trim_matches('"').to_owned())
}

/// A life of main that is over at once, with this code.
fn instant_life(sandbox: &Sandbox, code: i32) {
    let script = format!("exit {code}");
    let ended = sandbox
        .run(["-n", "main", "--", "sh", "-c", &script])
        .finish();
    assert_eq!(ended.status, code, "{ended:?}");
}

/// A life of main that stays until it is killed.
fn long_life(sandbox: &Sandbox) -> Running {
    let before = sandbox.key("main", "Waiting");
    let life = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
    wait_until("main lives", || sandbox.key("main", "Waiting") != before);
    sandbox.await_key("main", "Born");
    life
}

/// Does something while a process is stopped, so that its next look comes after all of it.
fn while_stopped<T>(process: &Running, work: impl FnOnce() -> T) -> T {
    process.send(STOP);
    wait_until("the process is stopped", || {
        ProcStat::of(process.pid()).is_some_and(|stat| stat.is_stopped())
    });
    let result = work();
    process.send(CONT);
    result
}

fn follower(sandbox: &Sandbox, deps: &str) -> Running {
    let words = ["-n", "proxy", "--death-deps", deps, "--", "sleep", "60"];
    let follower = sandbox.run(words).start();
    sandbox.await_key("proxy", "Ready");
    follower
}

#[test]
fn a_run_stops_for_a_death_that_came_and_went_between_two_of_its_looks() {
    for (deps, before, codes) in [
        // Nothing had this name at the first look.
        ("main", None, &[0, 5, 6][..]),
        (":failed", None, &[0, 5][..]),
        // A dead life that does not matter was there.
        ("main:exit=7", Some(3), &[1, 7, 2][..]),
        ("main:failed", Some(0), &[1][..]),
    ] {
        let sandbox = Sandbox::new();
        if let Some(code) = before {
            instant_life(&sandbox, code);
        }
        let follower = follower(&sandbox, deps);
        let life = while_stopped(&follower, || {
            codes.iter().for_each(|code| instant_life(&sandbox, *code));
            long_life(&sandbox)
        });
        let ended = follower.end();
        let expected = if deps == "main" { 0 } else { 143 };
        assert_eq!(ended.status, expected, "{deps}: {ended:?}");
        assert_eq!(value(&sandbox, "proxy", "Cause").as_deref(), Some("main"));
        let cause = value(&sandbox, "proxy", "CauseLife").unwrap();
        assert!(
            value(&sandbox, "main", "Past").unwrap().contains(&cause),
            "{deps}: {cause}"
        );
        life.send(KILL);
    }
}

#[test]
fn a_run_that_saw_the_life_before_takes_its_end_and_those_of_the_lives_after_it() {
    let sandbox = Sandbox::new();
    let first = long_life(&sandbox);
    let follower = follower(&sandbox, "main:exit=7");
    let last = while_stopped(&follower, || {
        first.send(KILL);
        first.end();
        instant_life(&sandbox, 7);
        long_life(&sandbox)
    });
    assert_eq!(follower.end().status, 143);
    let past = value(&sandbox, "main", "Past").unwrap();
    let codes: Vec<&str> = past
        .split(", ")
        .filter_map(|life| life.split(' ').nth(1))
        .collect();
    assert_eq!(codes, ["7", "lost"], "{past}");
    last.send(KILL);
}

#[test]
fn a_wait_is_satisfied_by_a_death_that_came_and_went_between_two_of_its_looks() {
    let sandbox = Sandbox::new();
    let wait = sandbox.wait(["--print", "main:exit=7"]).start();
    wait_until("it watches", || has_inotify(wait.pid()));
    let life = while_stopped(&wait, || {
        instant_life(&sandbox, 7);
        instant_life(&sandbox, 0);
        long_life(&sandbox)
    });
    wait.end().assert_output(0, "main failed 7\n");
    life.send(KILL);
}

#[test]
fn deaths_from_before_the_first_look_do_not_count() {
    let sandbox = Sandbox::new();
    instant_life(&sandbox, 5);
    let life = long_life(&sandbox);
    let mut follower = follower(&sandbox, "main:exit=5,main:ok");
    // It has looked, and goes on until main dies with 0.
    assert!(follower.is_running());
    while_stopped(&follower, || life.send(KILL));
    life.end();
    let next = long_life(&sandbox);
    assert!(follower.is_running());
    sandbox.record_death("main", "0");
    assert_eq!(follower.end().status, 0);
    assert_ne!(
        value(&sandbox, "proxy", "CauseLife"),
        sandbox
            .key("main", "Past")
            .map(|past| past[..30].to_owned())
    );
    next.send(KILL);
}

fn time_from_now(offset: i64) -> Timestamp {
    let now = SystemTime::now();
    let offset_time = Duration::from_secs(offset.unsigned_abs());
    let time = if offset < 0 {
        now - offset_time
    } else {
        now + offset_time
    };
    Timestamp::from_system_time(time)
}

#[test]
fn a_life_has_a_later_id_than_the_one_before_even_if_the_clock_was_set_back() {
    let hour = 3600;
    for (offset, is_next) in [
        (-hour, false),
        (hour, true),
        (23 * hour, true),
        (25 * hour, false),
    ] {
        for applet in ["run", "signal"] {
            let sandbox = Sandbox::new();
            let before = time_from_now(offset);
            let text = format!("Waiting: \"{}\"\nExitCode: 1\nDied: d\n", before.as_str());
            sandbox.record_death("other", "0");
            std::fs::write(sandbox.dir().join("main"), text).unwrap();
            match applet {
                "run" => instant_life(&sandbox, 0),
                _ => sandbox.record_death("main", "0"),
            }
            let id = Timestamp::from_text(value(&sandbox, "main", "Waiting").unwrap());
            let after = id.to_system_time().unwrap();
            let before = before.to_system_time().unwrap();
            if is_next {
                assert_eq!(
                    after,
                    before + Duration::from_nanos(1),
                    "{applet}, {offset}"
                );
            } else {
                let age = SystemTime::now().duration_since(after).unwrap();
                assert!(age < Duration::from_secs(60), "{applet}, {offset}: {id:?}");
            }
            let past = value(&sandbox, "main", "Past").unwrap();
            assert_eq!(past.split(' ').nth(1), Some("unborn=1"), "{past}");
        }
    }
}

/// Version 0.1 writes neither `CauseLife` nor `Past`, kubexit no `Waiting`, the Go library nothing.
#[test]
fn tombstones_of_older_versions_and_other_programs_count_as_before() {
    const BORN: &str =
        "Waiting: \"2026-11-20T21:29:27.1Z\"\nLock: none\nBorn: \"2026-11-20T21:29:27.2Z\"\n";
    const DIED: &str = "ExitCode: 0\nDied: \"2026-11-20T21:29:28Z\"\n";
    for (text, expected) in [
        (format!("{BORN}{DIED}"), Some("main")),
        (format!("{BORN}Cause: db\n{DIED}"), Some("db")),
        (format!("{BORN}Cause: proxy\n{DIED}"), None),
        (
            "Born: 2026-11-20T21:29:27Z\nDied: 2026-11-20T21:29:28Z\nExitCode: 0\n".to_owned(),
            Some("main"),
        ),
        (String::new(), Some("main")),
    ] {
        let sandbox = Sandbox::new();
        let mut follower = follower(&sandbox, "main");
        std::fs::write(sandbox.dir().join(".text"), &text).unwrap();
        std::fs::rename(sandbox.dir().join(".text"), sandbox.dir().join("main")).unwrap();
        if expected.is_none() {
            // What comes after it shows that it was read.
            sandbox.record_death("witness", "0");
            assert!(sandbox.holds("main:ok"));
            assert!(follower.is_running(), "{text}");
            sandbox.record_death("main", "7");
        }
        let status = if expected.is_none() { 143 } else { 0 };
        assert_eq!(follower.end().status, status, "{text}");
        assert_eq!(
            value(&sandbox, "proxy", "Cause").as_deref(),
            expected.or(Some("main")),
            "{text}"
        );
        let id = text.split('"').nth(1).unwrap_or_default();
        instant_life(&sandbox, 3);
        let past = value(&sandbox, "main", "Past").unwrap_or_default();
        assert!(past.contains(id), "{text}: {past}");
    }
}

#[test]
fn a_file_that_a_restart_replaced_says_so_and_its_life_is_not_lost() {
    let sandbox = Sandbox::new();
    let script =
        "[ -e again ] && exec sleep 60; touch again; sleep 60 & echo $! >pid; wait $!; exit 1";
    let life = sandbox
        .run([
            "-n",
            "main",
            "--restart",
            "on-failure",
            "--",
            "sh",
            "-c",
            script,
        ])
        .current_dir(sandbox.path(""))
        .start();
    sandbox.await_file("pid");
    // A second name keeps the file that is about to be replaced.
    std::fs::hard_link(sandbox.dir().join("main"), sandbox.dir().join("held")).unwrap();
    wait_until("the command has a pid", || {
        sandbox.read("pid").ends_with('\n')
    });
    send(sandbox.read("pid").trim().parse().unwrap(), KILL);
    let last_line = || {
        sandbox
            .tombstone("held")
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    wait_until("the file is replaced", || {
        last_line().starts_with("Replaced: ")
    });
    wait_until("its lock is dropped", || {
        let applet = sandbox.applet("status").args(["--json", "held"]).finish();
        assert!(!applet.stdout.contains("lost"), "{}", applet.stdout);
        value(&sandbox, "main", "Lock") != value(&sandbox, "held", "Lock")
    });
    assert_eq!(
        value(&sandbox, "main", "Waiting"),
        value(&sandbox, "held", "Waiting")
    );
    assert_eq!(value(&sandbox, "main", "Replaced"), None);
    life.send(KILL);
    life.end();
    assert!(!sandbox.holds("held:lost") && sandbox.holds("main:lost"));
}

/// Three lives of main end at once and the fourth stays. The follower is anywhere in its loop.
fn four_lives(without_inotify: bool) {
    let sandbox = Sandbox::new();
    let words = ["-n", "proxy", "--death-deps", "main", "--", "sleep", "60"];
    let follower = if without_inotify {
        let Some(mut run) = with_less_inotify(&sandbox, NO_INSTANCES, &binary()) else {
            return;
        };
        run.arg("run").args(words).start()
    } else {
        sandbox.run(words).start()
    };
    sandbox.await_key("proxy", "Ready");
    (0..3).for_each(|_| instant_life(&sandbox, 1));
    let life = long_life(&sandbox);
    assert_eq!(follower.end().status, 143);
    life.send(KILL);
}

#[test]
fn no_follower_misses_three_instant_lives_before_one_that_stays() {
    const AT_ONCE: u64 = 8;
    let rounds = if is_long_run() { 5_000 } else { 24 };
    for without_inotify in [false, true] {
        let play =
            |first| failed_rounds(first..first + AT_ONCE, |_| four_lives(without_inotify)).len();
        let failed: usize = (0..rounds).step_by(AT_ONCE as usize).map(play).sum();
        assert_eq!(
            failed, 0,
            "of {rounds} rounds, without inotify: {without_inotify}"
        );
    }
}
