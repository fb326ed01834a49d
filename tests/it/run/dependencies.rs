//! Birth and death dependencies of a life, and readiness that other lives wait for. The statuses
//! that follow from dependencies are in `exit_table.rs`.

use crate::support::inspect::{await_sleep, keys};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use crate::support::users::{as_nobody, installed, nobody_is_permitted, open_to_all, set_mode};
use std::io::{BufRead as _, BufReader};

#[test]
fn a_command_is_not_started_after_the_death_of_a_death_dependency() {
    let sandbox = Sandbox::new();
    sandbox.record_death("gone", "0");
    sandbox.record_death("there", "0");
    // Both hold at the first look.
    let ended = sandbox
        .run([
            "-n",
            "a",
            "--birth-deps",
            "there:ok",
            "--death-deps",
            "gone",
            "--",
            "echo",
            "started",
        ])
        .finish();
    ended.assert_output(0, "");
    assert!(
        ended
            .stderr
            .contains("gone died with exit code 0: not starting echo"),
        "{}",
        ended.stderr
    );
    // While it waits.
    let waiting = sandbox
        .run([
            "-n",
            "b",
            "--birth-deps",
            "never",
            "--death-deps",
            "later",
            "--",
            "echo",
            "started",
        ])
        .start();
    sandbox.await_key("b", "Lock");
    sandbox.record_death("later", "3");
    let ended = waiting.end();
    ended.assert_output(143, "");
    assert_eq!(sandbox.key("b", "Cause").as_deref(), Some("later"));
}

#[test]
fn a_condition_without_a_name_that_an_init_container_satisfies_is_no_success() {
    let sandbox = Sandbox::new();
    let init = sandbox.run(["-n", "init", "--", "true"]).finish();
    assert_eq!(init.status, 0, "{}", init.stderr);
    let main = ["-n", "main", "--death-deps", ":died", "--", "echo", "main"];
    let ended = sandbox.run(main).finish();
    ended.assert_output(143, "");
    let message =
        "exitdir-run: init died with exit code 0 before exitdir-run began: not starting echo\n";
    assert_eq!(ended.stderr, message);
    assert_eq!(sandbox.key("main", "Cause").as_deref(), Some("init"));
}

#[test]
fn death_dependencies_are_watched_before_a_command_without_birth_dependencies_starts() {
    let sandbox = Sandbox::new();
    let list = "ls -l /proc/$PPID/fd";
    let ended = sandbox
        .run(["-n", "a", "--death-deps", "peer", "--", "sh", "-c", list])
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(
        ended.stdout.contains("anon_inode:inotify"),
        "{}",
        ended.stdout
    );
}

#[test]
fn an_old_death_does_not_count_for_a_name_that_is_a_birth_and_a_death_dependency() {
    let sandbox = Sandbox::new();
    sandbox.record_death("db", "3");
    let app = sandbox
        .run([
            "-n",
            "app",
            "--birth-deps",
            "db",
            "--death-deps",
            "db",
            "--",
            "sleep",
            "60",
        ])
        .start();
    sandbox.await_key("app", "Lock");
    let db = sandbox.run(["-n", "db", "--", "sleep", "60"]).start();
    sandbox.await_key("app", "Ready");
    db.send(TERM);
    assert_eq!((db.end().status, app.end().status), (143, 143));
}

#[test]
fn with_ready_on_signal_a_life_is_ready_when_exitdir_signal_says_so() {
    let sandbox = Sandbox::new();
    let _main = sandbox
        .run(["-n", "main", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    let waiting = sandbox
        .run(["-n", "app", "--birth-deps", "main", "--", "echo", "started"])
        .start();
    let born = sandbox
        .run(["--birth-deps", "main:born", "--", "echo", "started"])
        .finish();
    assert_eq!(born.stdout, "started\n");
    sandbox.await_key("app", "Lock");
    assert_eq!(keys(&sandbox, "main"), "Waiting Lock Born");
    sandbox.signal(["--ready", "main"]).finish();
    assert_eq!(waiting.end().stdout, "started\n");
    assert_eq!(keys(&sandbox, "main"), "Waiting Lock Born Ready");
}

/// Its command fails if it is started before there is a file called `enough`.
fn waits_for(sandbox: &Sandbox, conditions: &str) -> Running {
    let app = sandbox
        .run(["-n", "app", "--birth-deps", conditions, "--", "cat"])
        .arg(sandbox.path("enough"))
        .start();
    sandbox.await_key("app", "Lock");
    await_sleep(&app);
    app
}

/// Does what the command still waits for, and checks that it starts then.
#[track_caller]
fn starts_with(sandbox: &Sandbox, app: Running, words: &str) {
    assert_eq!(
        keys(sandbox, "app"),
        "Waiting Lock WaitingFor",
        "before {words}"
    );
    std::fs::write(sandbox.path("enough"), "enough").unwrap();
    assert_eq!(sandbox.signal(words.split(' ')).finish().status, 0);
    let ended = app.end();
    let all = (ended.status, &*ended.stdout, &*ended.stderr);
    assert_eq!(all, (0, "enough", ""), "{words}");
}

#[test]
fn a_command_starts_when_the_last_of_its_birth_dependencies_holds() {
    // The birth dependencies, what is not enough for them, and what is.
    let cases: [(&str, &[&str], &str); 6] = [
        ("db", &["--ready other", "-c 0 db"], "--ready db"),
        ("db:born", &["--ready other"], "--ready db"),
        (
            "migrate:ok",
            &["--ready migrate", "-c 3 migrate"],
            "-c 0 migrate",
        ),
        (":ready", &["-c 0 db"], "--ready other"),
        (":died", &["--ready db"], "-c 7 db"),
        (
            "db,cache:born,migrate:ok",
            &["--ready db", "-c 0 migrate"],
            "--ready cache",
        ),
    ];
    for (conditions, not_enough, enough) in cases {
        let sandbox = Sandbox::new();
        let app = waits_for(&sandbox, conditions);
        for words in not_enough {
            assert_eq!(sandbox.signal(words.split(' ')).finish().status, 0);
            await_sleep(&app);
        }
        starts_with(&sandbox, app, enough);
    }
}

#[test]
fn a_birth_dependency_that_dies_before_it_is_ready_is_waited_for_again() {
    let sandbox = Sandbox::new();
    let app = waits_for(&sandbox, "db");
    let db = || {
        let db = sandbox
            .run(["-n", "db", "--ready-on", "signal", "--", "sleep", "60"])
            .start();
        // The tombstone of the life before may still be there.
        let born = sandbox.wait(["--keep-waiting", "db:born"]).finish();
        assert_eq!(born.status, 0, "{born:?}");
        db
    };
    for signal in [15, 9, 15] {
        let db = db();
        db.send(signal);
        assert_eq!(db.end().status, 128 + signal);
        await_sleep(&app);
    }
    let _db = db();
    starts_with(&sandbox, app, "--ready db");
}

#[test]
fn after_ten_seconds_one_line_says_which_birth_dependencies_do_not_hold_and_why() {
    let sandbox = Sandbox::new();
    sandbox.record_death("migrate", "3");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let app = sandbox
        .run(["-n", "app", "--birth-deps", "db,migrate:ok"])
        .args(["--birth-timeout", "100s", "--", "true"])
        .stderr(writer)
        .start();
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).expect("a line");
    assert_eq!(
        line,
        "exitdir-run: still waiting: db:ready does not hold (there is no db), migrate:ok does not hold (migrate died with exit code 3)\n"
    );
    let table = sandbox.applet("status").finish().stdout;
    let row = table.lines().find(|row| row.starts_with("app "));
    assert!(row.is_some_and(|row| row.contains(" waiting ")), "{table}");
    app.send(TERM);
    assert_eq!(app.end().status, 143);
}

#[test]
fn a_birth_dependency_whose_tombstone_became_unreadable_does_not_hold_any_more() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    open_to_all(&sandbox);
    let said = |words: &[&str]| assert_eq!(sandbox.signal(words).finish().status, 0);
    said(&["--ready", "a"]);
    // The command says whether it holds.
    let stderr = std::fs::File::create(sandbox.path("stderr")).unwrap();
    let run = as_nobody(&sandbox, &binary)
        .args(["run", "--birth-deps", "a,b", "--", "sh", "-c"])
        .args(["exec \"$0\" wait -t 0 a:ready"])
        .arg(&binary)
        .stderr(stderr)
        .start();
    await_sleep(&run);
    set_mode(&sandbox.dir().join("a"), 0);
    said(&["-c", "1", "a"]);
    wait_until("it cannot be read", || {
        let text = std::fs::read_to_string(sandbox.path("stderr")).unwrap();
        text.contains("cannot read")
    });
    said(&["--ready", "b"]);
    await_sleep(&run);
    set_mode(&sandbox.dir().join("a"), 0o666);
    std::fs::remove_file(sandbox.dir().join("a")).unwrap();
    said(&["--ready", "a"]);
    let ended = run.end();
    assert_eq!(ended.status, 0, "{ended:?}");
}
