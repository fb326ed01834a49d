//! `--config-check`: which candidate a check gets, what its answer does, and how it ends.

use crate::support::managed_app::{
    ConfiguredApp, DEBOUNCE, ReloadBy, await_rest, make_fifo, replace, write, write_check,
};
use crate::support::parallel::SetOnDrop;
use crate::support::proc::await_gone;
use crate::support::requirements::is_long_run;
use crate::support::sandbox::{CONDITION_TIMEOUT, Sandbox, Start, entries, eventually, wait_until};
use crate::support::signals::{KILL, TERM};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// An application with a check, which is a script that gets the candidate as `$1`.
fn checked(way: ReloadBy, script: &str) -> ConfiguredApp {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    let words = [
        "--config",
        "app.conf=run/app.conf",
        "--config-check",
        "./check",
    ];
    write_check(&sandbox, script);
    let app = ConfiguredApp::start(sandbox, way, "run/app.conf", &words);
    app.await_log(&["started 1"]);
    app
}

/// Records the candidate and the installed content; accepts only numbers.
const STRICT: &str = "echo $(cat \"$1\") in place of $(cat run/app.conf 2>&1) >>asked; \
                      echo to stdout; echo to stderr >&2; grep -q '^[0-9]*$' \"$1\"";

#[test]
fn a_check_runs_once_for_each_candidate_before_it_is_installed() {
    for way in [ReloadBy::Restart, ReloadBy::Hup] {
        let app = checked(way, STRICT);
        replace(&app.sandbox, "app.conf", "bad");
        app.await_words("cannot use");
        app.await_log(&["started 1"]);
        // The same content again.
        replace(&app.sandbox, "app.conf", "bad");
        app.await_log(&["started 1"]);
        app.await_change("2");
        let asked = app.sandbox.lines("asked");
        assert!(asked[0].starts_with("1 in place of "), "{asked:?}");
        assert_eq!(asked[1..], ["bad in place of 1", "2 in place of 1"]);
        let said = app.said();
        let refused = "cannot use app.conf: ./check rejected it; keeping the previous version";
        assert_eq!(said.matches(refused).count(), 1, "{said}");
        assert_eq!(said.matches("cannot use").count(), 1, "{said}");
        for words in ["to stdout\n", "to stderr\n"] {
            assert_eq!(said.matches(words).count(), 3, "{said}");
        }
        assert_eq!(entries(&app.sandbox.path("run")), ["app.conf"]);
    }
}

#[test]
fn a_rejected_content_is_checked_again_after_another_content() {
    let app = checked(ReloadBy::Hup, STRICT);
    for refusals in [1, 2] {
        replace(&app.sandbox, "app.conf", "bad");
        wait_until("it is refused", || {
            app.said().matches("cannot use").count() == refusals
        });
        // The installed content is not checked again, but it ends the rejection of the other.
        replace(&app.sandbox, "app.conf", "1");
        app.await_log(&["started 1"]);
    }
    assert_eq!(app.sandbox.lines("asked").len(), 3);
}

#[test]
fn a_check_gets_the_whole_directory_or_without_a_copy_the_source() {
    for (config, candidate) in [("tree=run/copy", "/copy"), ("tree", "tree")] {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("tree")).unwrap();
        write(&sandbox, "tree/app.conf", "1");
        write_check(&sandbox, "echo \"$1\" $(cat \"$1\"/*) >>asked");
        let words = ["--config", config, "--config-check", "./check"];
        let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "tree/app.conf", &words);
        app.await_log(&["started 1"]);
        let asked = app.sandbox.lines("asked");
        assert!(asked[0].ends_with(&format!("{candidate} 1")), "{asked:?}");
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn the_processes_that_a_check_started_end_with_it() {
    let app = checked(ReloadBy::Hup, "sleep 60 & echo $! >>forked");
    app.await_change("2");
    let forked = app.sandbox.lines("forked");
    assert_eq!(forked.len(), 2);
    for pid in forked {
        await_gone(&pid);
    }
}

/// Accepts the first candidate; hangs at the others, and records its process ids.
pub const HANGING: &str = "grep -q 1 \"$1\" && exit; sleep 60 & \
                       echo $$ $! >hanging.new; mv hanging.new hanging; wait";

/// An application whose check hangs at a second configuration, and the check's process ids.
fn hanging(way: ReloadBy) -> (ConfiguredApp, Vec<String>) {
    let app = checked(way, HANGING);
    replace(&app.sandbox, "app.conf", "2");
    let hanging = eventually("the check hangs", || {
        app.sandbox.lines("hanging").first().cloned()
    });
    let pids = hanging.split(' ').map(str::to_owned).collect();
    (app, pids)
}

#[test]
fn a_stop_ends_a_check_and_removes_its_candidate() {
    let (app, pids) = hanging(ReloadBy::Restart);
    assert_eq!(app.log(), ["started 1"]);
    app.running.send(TERM);
    let ConfiguredApp {
        running, sandbox, ..
    } = app;
    assert_eq!(running.end().status, 143);
    for pid in pids {
        await_gone(&pid);
    }
    assert_eq!(entries(&sandbox.path("run")), ["app.conf"]);
    assert_eq!(
        fs::read_to_string(sandbox.path("run/app.conf")).unwrap(),
        "1\n"
    );
}

#[test]
fn a_check_ends_when_exitdir_run_is_killed() {
    let (app, pids) = hanging(ReloadBy::Restart);
    app.running.send(KILL);
    assert_eq!(app.running.end().status, 137);
    // A killed supervisor cannot end the children of its check.
    await_gone(&pids[0]);
    let _ = Command::new("kill").arg(&pids[1]).status();
}

#[test]
fn a_check_without_an_answer_after_30_s_rejects() {
    if !is_long_run() {
        return;
    }
    let (app, pids) = hanging(ReloadBy::Hup);
    let refused =
        "cannot use app.conf: ./check did not answer within 30s; keeping the previous version";
    let began = Instant::now();
    while began.elapsed() < 2 * CONDITION_TIMEOUT && !app.said().contains(refused) {
        std::thread::sleep(DEBOUNCE);
    }
    assert_eq!(app.said(), format!("{refused}\n"));
    for pid in pids {
        await_gone(&pid);
    }
    app.await_change("1.1");
}

#[test]
fn without_an_accepted_configuration_the_command_is_never_started() {
    let cases: [(&str, fn(&Sandbox), &str); 4] = [
        ("refused by its check", |_| {}, "app.conf is not accepted"),
        (
            "a FIFO",
            |sandbox| {
                fs::remove_file(sandbox.path("app.conf")).unwrap();
                make_fifo(&sandbox.path("app.conf"));
            },
            "app.conf is not accepted",
        ),
        (
            "missing",
            |sandbox| fs::remove_file(sandbox.path("app.conf")).unwrap(),
            "app.conf does not exist",
        ),
        (
            "a link that leads nowhere",
            |sandbox| {
                fs::remove_file(sandbox.path("app.conf")).unwrap();
                symlink("nowhere/at/all", sandbox.path("app.conf")).unwrap();
            },
            "app.conf does not exist",
        ),
    ];
    for (what, prepare, because) in cases {
        let sandbox = Sandbox::new();
        write(&sandbox, "app.conf", "bad");
        write_check(&sandbox, STRICT);
        // The copy of an earlier life does not count.
        fs::create_dir(sandbox.path("run")).unwrap();
        write(&sandbox, "run/app.conf", "old");
        prepare(&sandbox);
        let config = "app.conf=run/app.conf";
        let words = [
            "-n",
            "app",
            "--birth-timeout",
            "2s",
            "--config",
            config,
            "--config-check",
            "./check",
        ];
        let ConfiguredApp {
            running, sandbox, ..
        } = ConfiguredApp::start(sandbox, ReloadBy::Restart, "run/app.conf", &words);
        assert_eq!(running.end().status, 124, "{what}");
        assert_eq!(sandbox.lines("log"), [""; 0], "{what}");
        let said = fs::read_to_string(sandbox.path("stderr")).unwrap();
        let gave_up = format!("exitdir-run: gave up after 2s: {because}\n");
        assert!(said.ends_with(&gave_up), "{what}: {said}");
        assert_eq!(
            sandbox.key("app", "Reason").as_deref(),
            Some("birth-timeout"),
            "{what}"
        );
        assert_eq!(entries(&sandbox.path("run")), ["app.conf"], "{what}");
    }
}

#[test]
fn a_term_during_the_first_check_ends_check_and_supervisor() {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "bad");
    write_check(&sandbox, HANGING);
    let words = [
        "-n",
        "app",
        "--config",
        "app.conf=run/app.conf",
        "--config-check",
        "./check",
    ];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Restart, "run/app.conf", &words);
    let hanging = eventually("the check hangs", || {
        app.sandbox.lines("hanging").first().cloned()
    });
    app.running.send(TERM);
    let ConfiguredApp {
        running, sandbox, ..
    } = app;
    assert_eq!(running.end().status, 143);
    assert_eq!(sandbox.lines("log"), [""; 0]);
    assert_eq!(sandbox.key("app", "Reason").as_deref(), Some("interrupted"));
    for pid in hanging.split(' ') {
        await_gone(pid);
    }
    assert_eq!(entries(&sandbox.path("run")), [""; 0]);
}

#[test]
fn the_answer_of_a_check_that_read_another_content_does_not_count() {
    // Without a copy the check reads the source itself: the content that the supervisor read, and
    // the content that the check reads.
    for (asked_about, seen, reloads) in [("2", "bad", 1), ("bad", "2", 0)] {
        let sandbox = Sandbox::new();
        write(&sandbox, "app.conf", "1");
        write_check(
            &sandbox,
            "grep -q 1 \"$1\" && exit; cp \"$1\" asked; until test -e go; do sleep 0.01; done; \
             cat \"$1\" >>saw; mv \"$1.next\" \"$1\" 2>/dev/null; ! grep -q bad saw || { rm saw; exit 1; }; rm saw",
        );
        let words = ["--config", "app.conf", "--config-check", "./check"];
        let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "app.conf", &words);
        app.await_log(&["started 1"]);
        replace(&app.sandbox, "app.conf", asked_about);
        wait_until("the check was asked", || {
            app.sandbox.read("asked") == format!("{asked_about}\n")
        });
        // The check reads the other content, and then the first one is back.
        write(&app.sandbox, "app.conf.next", asked_about);
        replace(&app.sandbox, "app.conf", seen);
        write(&app.sandbox, "go", "");
        let expected = format!("reloaded {asked_about}");
        let outcome = || match reloads {
            1 => app.log().contains(&expected).then_some(()),
            _ => app.said().contains("cannot use").then_some(()),
        };
        eventually(format!("{asked_about} is what counts"), outcome);
        app.await_log(if reloads == 1 {
            &["started 1", "reloaded 2"]
        } else {
            &["started 1"]
        });
    }
}

#[test]
fn a_check_that_a_signal_ends_runs_again() {
    let app = checked(
        ReloadBy::Hup,
        "grep -q 1 \"$1\" && exit; test -e been || { : >been; kill -9 $$; }",
    );
    replace(&app.sandbox, "app.conf", "2");
    app.await_words("./check was ended by KILL");
    wait_until("it is asked again", || {
        app.log().contains(&"reloaded 2".to_owned())
    });
    assert!(!app.said().contains("cannot use"), "{}", app.said());
}

#[test]
fn a_removed_source_without_a_copy_is_waited_for() {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    let words = [
        "-v",
        "-n",
        "x",
        "--birth-deps",
        "dep",
        "--config",
        "app.conf",
    ];
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "app.conf", &words);
    // It was accepted.
    await_rest(&app.running);
    fs::remove_file(app.sandbox.path("app.conf")).unwrap();
    app.await_words("app.conf is gone\n");
    app.sandbox.signal(["--ready", "dep"]).finish();
    await_rest(&app.running);
    assert!(!app.said().contains("started sh"), "{}", app.said());
    write(&app.sandbox, "app.conf", "2");
    app.await_log(&["started 2"]);
}

/// A command that is started once its source passes the check; the test fails if it never is.
fn assert_started_after_check(sandbox: &Sandbox) {
    let mut run = sandbox.run(["-q", "--birth-timeout", "100s", "--config", "app.conf"]);
    run.args(["--config-check", "./check", "--", "echo", "started"]);
    let ended = run.current_dir(sandbox.path(".")).finish();
    let all = (ended.status, ended.stdout.as_str(), ended.stderr.as_str());
    assert_eq!(all, (0, "started\n", ""));
}

#[test]
fn a_check_that_touches_its_source_runs_at_most_twice() {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "0");
    write_check(&sandbox, "echo >>asked; touch \"$1\"");
    assert_started_after_check(&sandbox);
    let runs = sandbox.lines("asked").len();
    assert!(runs <= 2, "the check ran {runs} times");
}

#[test]
fn a_source_that_is_written_during_every_check_is_accepted_in_the_end() {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "0");
    // The check itself waits for a change, so that no pause of the writer can end before it.
    write_check(
        &sandbox,
        "before=$(cat \"$1\"); while test \"$before\" = \"$(cat \"$1\")\"; do sleep 0.01; done",
    );
    // The writer keeps the file open, so that no pause of it counts as the end of its changes.
    let mut source = fs::File::options()
        .append(true)
        .open(sandbox.path("app.conf"))
        .unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let at_end = SetOnDrop(&is_over);
        let is_over = &is_over;
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                source.write_all(b"1\n").unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        assert_started_after_check(&sandbox);
        drop(at_end);
    });
}

/// Puts everything off but numbers below 10, and records what it was asked about.
const PATIENT: &str = "echo $(cat \"$1\") >>asked; test $(cat \"$1\") -lt 10 || exit 75";

#[test]
fn a_check_that_puts_a_version_off_is_asked_at_once_about_a_newer_one() {
    for way in [ReloadBy::Restart, ReloadBy::Hup] {
        let app = checked(way, PATIENT);
        for text in ["10", "11"] {
            replace(&app.sandbox, "app.conf", text);
            wait_until("it is asked", || {
                app.sandbox.lines("asked").last().map(String::as_str) == Some(text)
            });
        }
        app.await_words("./check puts app.conf off: asking again in 10s");
        assert_eq!(app.sandbox.read("run/app.conf"), "1\n");
        app.await_change("2");
        assert_eq!(app.sandbox.lines("asked").last().unwrap(), "2");
        // Only the newest candidate exists.
        assert_eq!(entries(&app.sandbox.path("run")), ["app.conf"]);
    }
}

#[test]
fn a_check_that_puts_a_version_off_is_asked_again_about_the_same_one() {
    let script = "echo $(cat \"$1\") >>asked; test $(cat \"$1\") = 1 || test -e now || exit 75";
    let app = checked(ReloadBy::Hup, script);
    let began = Instant::now();
    replace(&app.sandbox, "app.conf", "2");
    app.await_words("puts app.conf off");
    app.sandbox.touch("now");
    wait_until("it is taken", || app.log().len() == 2);
    assert!(began.elapsed() >= Duration::from_secs(9));
    assert_eq!(app.log(), ["started 1", "reloaded 2"]);
    assert_eq!(app.sandbox.lines("asked"), ["1", "2", "2"]);
    let said = app.said();
    assert_eq!(said.matches("puts app.conf off").count(), 1, "{said}");
}

#[test]
fn a_first_version_that_is_put_off_counts_against_the_birth_timeout() {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    write_check(&sandbox, "exit 75");
    let ended = sandbox
        .run(["--birth-timeout", "300ms", "--config-check", "./check"])
        .args(["--config", "app.conf", "--", "true"])
        .current_dir(sandbox.path("."))
        .finish();
    assert_eq!(ended.status, 124, "{ended:?}");
    let sentence = "gave up after 300ms: app.conf is put off by its check\n";
    assert!(ended.stderr.ends_with(sentence), "{ended:?}");
}
