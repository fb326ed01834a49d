//! `exitdir-wait` as its users see it, also beside programs that write their tombstones in other ways.

use crate::support::inspect::{assert_sentence, await_sleep, sleeps, sleeps_in_its_watch};
use crate::support::namespaces::{
    NO_INSTANCES, in_pid_namespace, pid_namespace_is_permitted, with_less_inotify,
};
use crate::support::proc::{children, descriptors};
use crate::support::sandbox::{Running, Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{CONT, KILL, STOP, TERM};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::time::{Duration, SystemTime};

const TIME: &str = "\"2026-11-20T21:29:27.101220417Z\"";

/// Writes a tombstone by hand, complete and long ago; `T` stands for a time.
fn write(sandbox: &Sandbox, name: &str, text: &str) {
    std::fs::create_dir_all(sandbox.dir()).unwrap();
    let mut file = File::create(sandbox.dir().join(name)).unwrap();
    file.write_all(text.replace(": T", &format!(": {TIME}")).as_bytes())
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
}

/// Starts a wait, and lets it look around before anything else happens.
fn start_wait(sandbox: &Sandbox, arguments: &[&str]) -> Running {
    let waiter = sandbox.wait(arguments).start();
    await_sleep(&waiter);
    waiter
}

const WORDS: [&str; 9] = [
    "waiting", "born", "ready", "inactive", "ok", "failed", "lost", "died", "exit=3",
];

/// Checks that of all states exactly these hold for a name.
#[track_caller]
fn assert_states(sandbox: &Sandbox, name: &str, expected: &str) {
    let found: Vec<&str> = WORDS
        .into_iter()
        .filter(|word| sandbox.holds(&format!("{name}:{word}")))
        .collect();
    assert_eq!(
        found.join(" "),
        expected,
        "{name}: {}",
        sandbox.tombstone(name)
    );
}

#[test]
fn every_state_holds_for_the_lives_that_it_describes() {
    let sandbox = Sandbox::new();
    let _waiting = sandbox
        .run(["-n", "w", "--birth-deps", "never", "--", "true"])
        .start();
    let _born = sandbox
        .run(["-n", "b", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    let _ready = sandbox.run(["-n", "r", "--", "sleep", "60"]).start();
    let lost = sandbox.run(["-n", "l", "--", "sleep", "60"]).start();
    for (name, key) in [
        ("w", "Waiting"),
        ("b", "Born"),
        ("r", "Ready"),
        ("l", "Ready"),
    ] {
        sandbox.await_key(name, key);
    }
    lost.send(KILL);
    lost.end();
    assert_eq!(sandbox.run(["-n", "o", "--", "true"]).finish().status, 0);
    assert_eq!(
        sandbox
            .run(["-n", "f", "--", "sh", "-c", "exit 3"])
            .finish()
            .status,
        3
    );
    for (name, expected) in [
        ("w", "waiting"),
        ("b", "born"),
        ("r", "born ready"),
        ("l", "failed lost died"),
        ("o", "ok died"),
        ("f", "failed died exit=3"),
        ("absent", ""),
    ] {
        assert_states(&sandbox, name, expected);
    }
}

#[test]
fn every_state_holds_for_the_texts_that_it_describes() {
    let sandbox = Sandbox::new();
    for (text, expected) in [
        ("Waiting: T\nLock: none\n", "waiting"),
        ("Waiting: T\nLock: none\nReady: T\n", "waiting"),
        ("Waiting: T\nLock: none\nBorn: T\n", "born"),
        ("Waiting: T\nLock: none\nBorn: T\nReady: T\n", "born ready"),
        (
            "Waiting: T\nLock: none\nBorn: T\nReady: T\nCause: x\n",
            "born",
        ),
        (
            "Waiting: T\nLock: none\nBorn: T\nInactive: T\n",
            "born inactive",
        ),
        ("Waiting: T\nLock: none\nBorn: T\nExitCode: 3\n", "born"),
        (
            "Waiting: T\nLock: none\nBorn: T\nExitCode: 3\nDied: T\n",
            "failed died exit=3",
        ),
        (
            "Waiting: T\nLock: none\nBorn: T\nExitCode: 3\nDied: T",
            "born",
        ),
        (
            "Waiting: T\nLock: none\nBorn: T\nExitCode: 3\nDied: T\nExitCode: 0\nDied: T\n",
            "failed died exit=3",
        ),
        (
            "Waiting: T\nLock: none\nBorn: T\nExitCode: 3\nExitCode: 0\nDied: T\n",
            "failed died exit=3",
        ),
        ("Unknown: x\nnonsense\n\nBorn: T\nLock: none\n", "born"),
        // kubexit's, and those of others.
        ("Born: T\n", "born ready"),
        ("Born: T\nDied: T\nExitCode: 0\n", "ok died"),
        ("Born: T\nDied: T\nExitCode: 3\n", "failed died exit=3"),
        ("Born: T\nDied: T\nExitCode: -1\n", "failed died"),
        ("Born: T\nDied: T\n", "failed died"),
        ("", "ok died"),
        ("exit", "ok died"),
        ("exit\n", "ok died"),
        ("ExitCode: 3\n", "failed died exit=3"),
    ] {
        write(&sandbox, "x", text);
        assert_states(&sandbox, "x", expected);
    }
    write(&sandbox, "x", "Born: T\nDied: T\nExitCode: -1\n");
    assert_eq!(sandbox.wait(["-x", "x"]).finish().status, 255);
}

#[test]
fn conditions_without_state_or_name_mean_died_and_anybody_else() {
    let sandbox = Sandbox::new();
    write(&sandbox, "main", "Born: T\nExitCode: 3\nDied: T\n");
    write(&sandbox, "db", "Born: T\n");
    for (arguments, own, status) in [
        (&["main"][..], None, 0),
        (&["db"], None, 124),
        (&[], None, 0),
        (&[":died"], None, 0),
        (&[":exit=3"], None, 0),
        (&[":ok"], None, 124),
        (&[":ready"], None, 0),
        (&[":waiting"], None, 124),
        (&[":ready"], Some("db"), 124),
        (&[":ready"], Some("main"), 0),
        (&[], Some("main"), 124),
        (&["main"], Some("main"), 0),
        (&["main", ":ready"], Some("main"), 0),
    ] {
        let ended = sandbox
            .wait(["-t", "0"])
            .args(arguments)
            .envs(own.map(|own| ("EXITDIR_NAME", own)))
            .finish();
        assert_eq!(
            ended.status, status,
            "{arguments:?} as {own:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn all_conditions_must_hold_or_with_any_one_of_them() {
    let sandbox = Sandbox::new();
    write(&sandbox, "a", "Born: T\nExitCode: 3\nDied: T\n");
    write(&sandbox, "b", "Born: T\n");
    for (conditions, all, any) in [
        (&["a", "b:born"][..], 0, 0),
        (&["a", "b"], 124, 0),
        (&["b", "c"], 124, 124),
        (&["a:ok", "b"], 1, 124),
        (&["a:ok", "a:exit=4"], 1, 1),
        (&["a:ok", "b:ready"], 1, 0),
    ] {
        assert_eq!(
            sandbox.wait(["-t", "0"]).args(conditions).finish().status,
            all,
            "all of {conditions:?}"
        );
        assert_eq!(
            sandbox
                .wait(["-t", "0", "--any"])
                .args(conditions)
                .finish()
                .status,
            any,
            "any of {conditions:?}"
        );
        assert_eq!(
            sandbox.wait(["-t0", "-a"]).args(conditions).finish().status,
            any,
            "any of {conditions:?}"
        );
    }
}

#[test]
fn one_line_says_what_does_not_hold_and_what_is_there_instead() {
    let sandbox = Sandbox::new();
    let _db = sandbox
        .run(["-n", "db", "--birth-deps", "never", "--", "true"])
        .start();
    sandbox.await_key("db", "Lock");
    write(&sandbox, "main", "Born: T\nExitCode: 3\nDied: T\n");
    for (arguments, status, line) in [
        (
            &["-t", "0.01", "db:ready"][..],
            124,
            "timed out after 10ms: db:ready does not hold (db is waiting)",
        ),
        (
            &["-t", "0.01s", "db:ready", "main", "x:ok"],
            124,
            "timed out after 10ms: db:ready does not hold (db is waiting), x:ok does not hold (there is no x)",
        ),
        (
            &["main:ok"],
            1,
            "the conditions can no longer hold: main:ok does not hold (main died with exit code 3)",
        ),
        (
            &["main:exit=4", "db"],
            1,
            "the conditions can no longer hold: main:exit=4 does not hold (main died with exit code 3), db:died does not hold (db is waiting)",
        ),
    ] {
        let ended = sandbox.wait(arguments).finish();
        assert_sentence(&ended, "exitdir-wait", status);
        assert_eq!(ended.stderr, format!("exitdir-wait: {line}\n"));
    }
    let ended = sandbox.wait(["-t", "0", "db"]).finish();
    assert_eq!(
        ended.stderr,
        "exitdir-wait: timed out after 0s: db:died does not hold (db is waiting)\n"
    );
}

#[test]
fn a_condition_that_can_no_longer_hold_is_1_unless_told_to_keep_waiting() {
    let sandbox = Sandbox::new();
    write(&sandbox, "main", "Born: T\nExitCode: 3\nDied: T\n");
    for condition in ["main:ok", "main:exit=4", "main:lost"] {
        assert_eq!(
            sandbox.wait(["-t", "0", condition]).finish().status,
            1,
            "{condition}"
        );
        assert_eq!(
            sandbox
                .wait(["-t", "0", "--keep-waiting", condition])
                .finish()
                .status,
            124,
            "{condition}"
        );
    }
    // An older corpse may come back.
    for condition in ["main:ready", "main:born", "main:waiting"] {
        assert_eq!(
            sandbox.wait(["-t", "0", condition]).finish().status,
            124,
            "{condition}"
        );
    }
    let patient = start_wait(&sandbox, &["--keep-waiting", "main:ok"]);
    let for_ready = start_wait(&sandbox, &["main:ready"]);
    let dying = start_wait(&sandbox, &["db:ready"]);
    let keeping = start_wait(&sandbox, &["db:ready", "--keep-waiting"]);

    let db = sandbox
        .run(["-n", "db", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    sandbox.await_key("db", "Born");
    await_states(&dying, &sandbox);
    db.send(TERM);
    assert_eq!(db.end().status, 143);
    assert_sentence(&dying.end(), "exitdir-wait", 1);

    let _db = sandbox.run(["-n", "db", "--", "sleep", "60"]).start();
    assert_eq!(keeping.end().status, 0);
    assert_eq!(sandbox.run(["-n", "main", "--", "true"]).finish().status, 0);
    assert_eq!(patient.end().status, 0);
    drop(for_ready);
}

/// Waits until a waiter has seen all that has happened so far: it has nothing to read and sleeps.
fn await_states(waiter: &Running, sandbox: &Sandbox) {
    let held = sandbox.dir().join("db");
    wait_until("the waiter holds the tombstone open", || {
        descriptors(waiter.pid()).contains(&held)
    });
    await_sleep(waiter);
}

#[test]
fn the_exit_code_is_that_of_the_tombstone_that_decided_last() {
    let sandbox = Sandbox::new();
    write(&sandbox, "a", "Born: T\nExitCode: 3\nDied: T\n");
    write(&sandbox, "b", "Born: T\nExitCode: 4\nDied: T\n");
    write(&sandbox, "r", "Born: T\n");
    let lost = sandbox.run(["-n", "l", "--", "sleep", "60"]).start();
    sandbox.await_key("l", "Ready");
    lost.send(KILL);
    lost.end();
    for (arguments, status) in [
        (&["a"][..], 3),
        (&["a", "b"], 4),
        (&["b", "a"], 3),
        (&["--any", "b", "a"], 4),
        (&["r:ready"], 0),
        (&["a", "r:ready"], 0),
        (&["r:ready", "a"], 3),
        (&["l"], 137),
        (&["a", "l"], 137),
        (&["l:lost", "a"], 3),
    ] {
        assert_eq!(
            sandbox
                .wait(["-x", "-t", "0"])
                .args(arguments)
                .finish()
                .status,
            status,
            "{arguments:?}"
        );
    }
    let waiter = start_wait(&sandbox, &["--exit-code", "later", "a"]);
    sandbox.signal(["-c", "7", "later"]).finish();
    assert_eq!(waiter.end().status, 7, "later came last");
}

#[test]
fn print_names_state_and_code_of_those_that_decided() {
    let sandbox = Sandbox::new();
    write(&sandbox, "a", "Born: T\nExitCode: 3\nDied: T\n");
    write(&sandbox, "b", "");
    write(&sandbox, "r", "Born: T\n");
    for (arguments, printed) in [
        (&["a"][..], "a failed 3\n"),
        (&["r:born", "b", "a"], "r ready -\nb ok 0\na failed 3\n"),
        (&["--any", "x", "b", "a"], "b ok 0\n"),
        (&[":ready"], "r ready -\n"),
        (&["a:ok"], ""),
        (&["x"], ""),
    ] {
        assert_eq!(
            sandbox
                .wait(["--print", "-t", "0"])
                .args(arguments)
                .finish()
                .stdout,
            printed,
            "{arguments:?}"
        );
    }
    let ended = sandbox
        .wait(["--print", "a", "--", "echo", "then"])
        .finish();
    ended.assert_output(0, "a failed 3\nthen\n");
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_sentence(
        &sandbox.wait(["--print", "a"]).stdout(full).finish(),
        "exitdir-wait",
        125,
    );
}

#[test]
fn the_command_replaces_the_process() {
    let sandbox = Sandbox::new();
    write(&sandbox, "a", "");
    let script = "echo $$; exec \"$0\" wait a -- sh -c 'echo $$; echo \"$1\"; echo \"$EXIT_DIR\"; cat; exit 6' sh 'two  words'";
    let mut shell = sandbox.command("sh");
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"from stdin\n").unwrap();
    drop(writer);
    let ended = shell
        .args(["-c", script])
        .arg(binary())
        .stdin(reader)
        .finish();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(ended.status, 6, "{ended:?}");
    assert_eq!(lines[0], lines[1], "the same process");
    assert_eq!(
        &lines[2..],
        ["two  words", &sandbox.dir().to_string_lossy(), "from stdin"]
    );

    // In one process, which may have inherited more.
    let script = "ls /proc/self/fd; echo and; exec \"$0\" wait a -- ls /proc/self/fd";
    let ended = sandbox
        .command("sh")
        .args(["-c", script])
        .arg(binary())
        .finish();
    let (plain, ours) = ended.stdout.split_once("and\n").unwrap();
    assert_eq!(ours, plain, "no descriptor of ours is left open");
    let ended = sandbox.wait(["a:failed", "--", "echo", "started"]).finish();
    assert_eq!(
        (ended.status, ended.stdout.as_str()),
        (1, ""),
        "a wait that fails starts nothing"
    );
    let ended = sandbox
        .wait(["-t", "0", "x", "--", "echo", "started"])
        .finish();
    ended.assert_output(124, "");
}

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
                write(&sandbox, "main", "Born: T\n");
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

/// A tombstone that its writer has opened and not finished; never older than this moment.
fn open_fresh(sandbox: &Sandbox, name: &str, text: &str) -> File {
    std::fs::create_dir_all(sandbox.dir()).unwrap();
    let mut file = File::create(sandbox.dir().join(name)).unwrap();
    file.write_all(text.replace(": T", &format!(": {TIME}")).as_bytes())
        .unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(3600))
        .unwrap();
    file
}

#[test]
fn a_file_that_is_empty_for_a_moment_is_not_a_death() {
    let sandbox = Sandbox::new();
    for text in ["", "Bor", "Born: \"2026"] {
        let mut file = open_fresh(&sandbox, "kubexit", text);
        assert_states(&sandbox, "kubexit", "");
        let ended = sandbox.wait(["-t", "0", ":died"]).finish();
        assert_sentence(&ended, "exitdir-wait", 124);
        file.rewind().unwrap();
        file.write_all(format!("Born: {TIME}\n").as_bytes())
            .unwrap();
        assert_states(&sandbox, "kubexit", "born ready");
    }
}

#[test]
fn a_follower_takes_tombstones_that_are_created_empty_and_filled_at_once_for_births() {
    let sandbox = Sandbox::new();
    let waiter = start_wait(&sandbox, &["--print", ":died"]);
    let follower = sandbox
        .run(["-n", "proxy", "--death-deps", ":died", "--", "sleep", "60"])
        .start();
    sandbox.await_key("proxy", "Ready");
    for round in 0..50 {
        let mut file = File::create(sandbox.dir().join(format!("peer-{round}"))).unwrap();
        file.write_all(format!("Born: {TIME}\n").as_bytes())
            .unwrap();
    }
    // As kubexit does it: emptied, and written anew with the death.
    std::fs::write(
        sandbox.dir().join("peer-7"),
        format!("Born: {TIME}\nDied: {TIME}\nExitCode: 3\n"),
    )
    .unwrap();
    let ended = waiter.end();
    ended.assert_output(0, "peer-7 failed 3\n");
    let ended = follower.end();
    assert_eq!(ended.status, 143, "{}", ended.stderr);
    assert_eq!(sandbox.key("proxy", "Cause").as_deref(), Some("peer-7"));
}

#[test]
fn a_tombstone_that_is_being_rewritten_is_what_it_was() {
    let sandbox = Sandbox::new();
    let path = sandbox.dir().join("peer");
    write(&sandbox, "peer", "Born: T\n");
    let waiter = start_wait(&sandbox, &["-x", "--print", "--poll", "20ms", "peer"]);
    let living = start_wait(&sandbox, &["--keep-waiting", "peer:died", "peer:exit=3"]);
    let mut file = File::create(&path).unwrap();
    // Longer than the second after which an empty file that nobody finished is a death.
    let began = std::time::Instant::now();
    wait_until("a good second has passed", || {
        began.elapsed() > Duration::from_millis(1200)
    });
    file.write_all(format!("Born: {TIME}\nDied: {TIME}\nExitCode: 3\n").as_bytes())
        .unwrap();
    drop(file);
    let ended = waiter.end();
    ended.assert_output(3, "peer failed 3\n");
    assert_eq!(living.end().status, 0);
}

#[test]
fn died_without_a_code_is_a_death_whose_code_comes_with_the_end_of_the_writing() {
    let sandbox = Sandbox::new();
    let mut file = open_fresh(&sandbox, "peer", "Born: T\nDied: T\n");
    assert_states(&sandbox, "peer", "died");
    let coded = start_wait(&sandbox, &["-x", "peer"]);
    file.write_all(b"ExitCode: 3\n").unwrap();
    drop(file);
    assert_eq!(coded.end().status, 3);

    let file = open_fresh(&sandbox, "other", "Born: T\nDied: T\n");
    let coded = start_wait(&sandbox, &["-x", "--poll", "off", "other"]);
    drop(file);
    assert_eq!(coded.end().status, 255, "closed without a code");

    let _open = open_fresh(&sandbox, "third", "Born: T\nDied: T\n");
    let ended = sandbox.wait(["-x", "--poll", "off", "third"]).finish();
    assert_eq!(ended.status, 255, "left alone for a second");
}

#[test]
fn an_exit_file_that_is_touched_is_a_death_when_it_is_closed_or_left_alone() {
    let sandbox = Sandbox::new();
    // Created and closed: the close is seen, nothing needs to time out.
    for name in ["exitFile", "other"] {
        let waiter = start_wait(&sandbox, &["--print", "--poll", "off", name]);
        drop(open_fresh(&sandbox, name, ""));
        let ended = waiter.end();
        ended.assert_output(0, &format!("{name} ok 0\n"));
    }
    // Created and never closed, as the Go library's leader does: left alone for a second.
    for name in ["early", "late"] {
        let early = (name == "early").then(|| open_fresh(&sandbox, name, ""));
        let waiter = start_wait(&sandbox, &["-x", "--poll", "off", name]);
        let _leader = early.unwrap_or_else(|| open_fresh(&sandbox, name, ""));
        assert_eq!(waiter.end().status, 0, "{name}");
    }
    // Touched long ago: at the first look.
    write(&sandbox, "old", "");
    assert!(sandbox.holds("old:ok"));
}
