//! Restarts in place: one life goes on while its command ends and is started again. When and how
//! often that happens, what the tombstone says meanwhile, what followers see of it, and a command
//! that cannot be executed any more.

use crate::support::inspect::{await_any_sleep, await_sleep};
use crate::support::namespaces::{NO_INSTANCES, with_less_inotify};
use crate::support::parallel::{WORKERS, for_each};
use crate::support::restart_life::{
    FAIL, SERVE, assert_once, await_down, await_log, await_up, is_down, kill_command, life, log,
    nameless, starts, with_log, with_variables, without_delays,
};
use crate::support::sandbox::{Running, Sandbox, Start, binary, wait_until};
use crate::support::signals::{CONT, KILL, STOP, TERM};
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

// ---------------------------------------------------------------- when, how often, how soon

#[test]
fn a_command_is_restarted_as_restart_and_its_limit_say() {
    struct Case(&'static str, &'static str, i32, usize, &'static str);
    const FAILS_ONCE: &str =
        "echo $$ >>\"$mark\"; [ -e \"$mark.been\" ] && exit 0; : >\"$mark.been\"; exit 3";
    const KILLED_ONCE: &str =
        "echo $$ >>\"$mark\"; [ -e \"$mark.been\" ] && exit 0; : >\"$mark.been\"; kill -KILL $$";
    const SUCCEED: &str = "echo $$ >>\"$mark\"; exit 0";
    const ONCE: &str = "exitdir-run: sh exited with 3: restarting it\n";
    let cases = [
        Case("", FAIL, 3, 1, ""),
        Case("--restart never", FAIL, 3, 1, ""),
        Case("--restart on-failure", SUCCEED, 0, 1, ""),
        Case("--restart on-failure", FAILS_ONCE, 0, 2, ONCE),
        Case(
            "--restart on-failure",
            KILLED_ONCE,
            0,
            2,
            "exitdir-run: sh was ended by KILL: restarting it\n",
        ),
        Case("--restart on-failure -e 3", FAIL, 0, 1, ""),
        // The line says the status itself, which `-e` turns into a success.
        Case("--restart always --restart-limit 1 -e 3", FAIL, 0, 2, ONCE),
        Case("--restart on-failure --restart-limit 0", FAIL, 3, 1, ""),
        Case("--restart always --restart-limit 0", SUCCEED, 0, 1, ""),
        Case(
            "--restart on-failure --restart-limit 2",
            FAIL,
            3,
            3,
            "exitdir-run: sh exited with 3: restarting it\n\
             exitdir-run: sh exited with 3: restarting it\n",
        ),
        Case(
            "--restart always --restart-limit 1",
            SUCCEED,
            0,
            2,
            "exitdir-run: sh exited with 0: restarting it\n",
        ),
        // The limit counts restarts, and the last status remains.
        Case(
            "--restart always --restart-limit 1",
            "echo $$ >>\"$mark\"; exit $(wc -l <\"$mark\")",
            2,
            2,
            "exitdir-run: sh exited with 1: restarting it\n",
        ),
        Case("-q --restart on-failure", FAILS_ONCE, 0, 2, ""),
    ];
    for_each(
        WORKERS,
        &cases,
        |Case(options, script, status, count, said)| {
            for named in [true, false] {
                let sandbox = Sandbox::new();
                let mut command = if named {
                    life(&sandbox, options, script)
                } else {
                    nameless(&sandbox, options, script)
                };
                let ended = command.finish();
                let context = format!("{options:?} {script:?} named {named}: {ended:?}");
                assert_eq!(ended.status, *status, "{context}");
                assert_eq!(without_delays(&ended.stderr), *said, "{context}");
                assert_eq!(starts(&sandbox).len(), *count, "{context}");
                if named {
                    let text = sandbox.tombstone("x");
                    assert_once(&text);
                    assert!(
                        text.contains(&format!("\nExitCode: {status}\nReason: exited\nDied: "))
                    );
                    assert_eq!(sandbox.entries(), ["x"], "{context}");
                } else {
                    assert_eq!(sandbox.entries(), [""; 0], "{context}");
                }
            }
        },
    );
}

#[test]
fn with_exit_only_a_restart_writes_nothing_and_only_the_end_is_recorded() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let script = "echo $$ >>\"$mark\"; ls -A \"$EXIT_DIR\"; echo .; exit 3";
    let options = "--exit-only --restart on-failure --restart-limit 1";
    let ended = life(&sandbox, options, script).finish();
    ended.assert_output(3, ".\n.\n");
    assert_eq!(sandbox.entries(), ["x"]);
    assert_eq!(sandbox.key("x", "ExitCode").as_deref(), Some("3"));
    assert_once(&sandbox.tombstone("x"));
}

// ---------------------------------------------------------------- one life

#[test]
fn one_life_goes_on_through_restarts_and_is_ready_only_while_its_command_runs() {
    let sandbox = Sandbox::new();
    let run = life(&sandbox, "--restart always --ready-on start", SERVE).start();
    await_up(&sandbox, 1);
    let identity = |key: &str| sandbox.key("x", key).unwrap();
    let (waiting, born) = (identity("Waiting"), identity("Born"));
    let assert_one_life = || {
        let text = sandbox.tombstone("x");
        assert_once(&text);
        assert!(text.starts_with(&format!("Waiting: {waiting}\nLock: fcntl ")));
        assert_eq!(identity("Born"), born);
        let found = std::fs::metadata(sandbox.dir().join("x")).unwrap();
        let inode = identity("Lock").rsplit(' ').next().unwrap().to_owned();
        assert_eq!(
            inode,
            found.ino().to_string(),
            "the lock is on another file"
        );
        assert_eq!(found.permissions().mode() & 0o777, 0o666);
        assert_eq!(sandbox.entries(), ["x"]);
        for (condition, expected) in [("x:born", true), ("x", false), ("x:lost", false)] {
            assert_eq!(sandbox.holds(condition), expected, "{condition}: {text}");
        }
    };
    for count in 1..=2 {
        await_up(&sandbox, count);
        assert_one_life();
        assert!(sandbox.holds("x:ready"));
        let inode = || std::fs::metadata(sandbox.dir().join("x")).unwrap().ino();
        let before = inode();
        // As long as the old file is held open, no other file can have its inode number.
        let held = File::open(sandbox.dir().join("x")).unwrap();
        kill_command(&sandbox);
        await_down(&sandbox, count);
        assert_one_life();
        assert_ne!(inode(), before);
        // On a busy machine the back-off can be over by now, and the command runs again.
        let ready = sandbox.holds("x:ready");
        let table = sandbox.applet("status").finish().stdout;
        if starts(&sandbox).len() == count {
            assert!(!ready && table.contains(" born "), "{table}");
        }
        drop(held);
    }
    await_up(&sandbox, 3);
    assert!(sandbox.holds("x:ready"));
    run.send(TERM);
    let ended = run.end();
    assert_eq!(ended.status, 143);
    let killed = "exitdir-run: sh was ended by KILL: restarting it\n";
    assert_eq!(without_delays(&ended.stderr), killed.repeat(2));
    let text = sandbox.tombstone("x");
    assert_once(&text);
    assert!(text.contains("\nExitCode: 143\nSignal: TERM\nReason: exited\nDied: "));
    assert_eq!(sandbox.key("x", "Waiting").unwrap(), waiting);
}

#[test]
fn a_dependent_is_started_when_the_command_has_been_restarted() {
    let sandbox = Sandbox::new();
    let _run = life(&sandbox, "--restart always", SERVE).start();
    await_up(&sandbox, 1);
    kill_command(&sandbox);
    await_down(&sandbox, 1);
    // The life can be ready before its command has left the mark.
    let note = "\"$exitdir\" wait x:ready -t 0 || exit; until test $(wc -l <\"$mark\") -eq 2; do sleep 0.01; done";
    let mut dependent = sandbox.run(["--birth-deps", "x", "--", "sh", "-c", note]);
    with_variables(&sandbox, &mut dependent);
    let ended = dependent.finish();
    assert_eq!(ended.status, 0, "{ended:?}");
}

// ---------------------------------------------------------------- followers

/// Lives that are restarted side by side: dozens of restarts in three seconds.
const FOLLOWED: usize = 16;

/// The conditions about all of these lives.
fn followed(state: &str) -> Vec<String> {
    (0..FOLLOWED).map(|at| format!("x{at}{state}")).collect()
}

/// A process that follows these lives in one way, and ends when it sees a death.
struct FollowerCase {
    what: String,
    process: Running,
    /// Its status and output after the supervisor of the first life was killed.
    expected: (i32, &'static str),
}

fn follower(
    sandbox: &Sandbox,
    has_inotify: bool,
    words: &[&str],
    conditions: &[String],
) -> FollowerCase {
    let mut command = if has_inotify {
        sandbox.command(binary())
    } else {
        with_less_inotify(sandbox, NO_INSTANCES, &binary()).unwrap()
    };
    command.args(words).args(["--poll", "20ms"]);
    let expected = if words[0] == "run" {
        command.args(["-q", "--death-deps", &conditions.join(",")]);
        command.args(["--", "sleep", "60"]);
        (143, "")
    } else {
        command.arg("--print").args(conditions);
        (0, "x0 lost 137\n")
    };
    FollowerCase {
        what: format!("{command:?}"),
        process: command.start(),
        expected,
    }
}

fn all_followers(sandbox: &Sandbox) -> Vec<FollowerCase> {
    let can_lose_inotify = with_less_inotify(sandbox, NO_INSTANCES, &binary()).is_some();
    let any = [":died".to_owned()];
    let kinds = [true, false];
    let kinds = kinds
        .into_iter()
        .filter(|has_inotify| *has_inotify || can_lose_inotify);
    kinds
        .flat_map(|has_inotify| {
            [
                follower(sandbox, has_inotify, &["wait", "--any"], &followed("")),
                follower(sandbox, has_inotify, &["wait", "--any"], &followed(":lost")),
                follower(sandbox, has_inotify, &["wait"], &any),
                follower(sandbox, has_inotify, &["run"], &followed("")),
                follower(sandbox, has_inotify, &["run"], &any),
            ]
        })
        .collect()
}

#[test]
fn a_restart_in_place_is_no_death_for_followers_and_a_killed_supervisor_is_one() {
    let sandbox = Sandbox::new();
    let mark = |at: usize| sandbox.path(&format!("mark{at}"));
    let count = |at: usize| {
        std::fs::read_to_string(mark(at))
            .unwrap_or_default()
            .lines()
            .count()
    };
    let mut lives: Vec<Running> = (0..FOLLOWED)
        .map(|at| {
            let options = format!("-q -n x{at} --restart always");
            let mut command = nameless(
                &sandbox,
                &options,
                &format!("sleep 0.{:02}; {FAIL}", at + 10),
            );
            command.env("mark", mark(at)).start()
        })
        .collect();
    (0..FOLLOWED).for_each(|at| drop(sandbox.await_key(&format!("x{at}"), "Waiting")));
    let followers = all_followers(&sandbox);
    followers
        .iter()
        .for_each(|one| await_any_sleep(&one.process));
    // A follower that is stopped meanwhile: it holds files open that have been replaced.
    let late = follower(&sandbox, true, &["wait", "--any"], &followed(""));
    await_sleep(&late.process);
    late.process.send(STOP);
    (0..FOLLOWED).for_each(|at| {
        wait_until("two restarts", || count(at) >= 3);
        wait_until("it is down", || {
            !sandbox.tombstone(&format!("x{at}")).contains("\nReady: ")
        });
    });
    late.process.send(CONT);
    let mut followers = followers;
    for one in &mut followers {
        assert!(one.process.is_running(), "ended by a restart: {}", one.what);
    }
    lives[0].send(KILL);
    for FollowerCase {
        what,
        process,
        expected,
    } in followers.into_iter().chain([late])
    {
        let ended = process.end();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            expected,
            "{what}: {}",
            ended.stderr
        );
    }
    for life in lives.drain(1..) {
        life.send(TERM);
        let status = life.end().status;
        // 3 if the command had just ended by itself when the TERM came.
        assert!([143, 3].contains(&status), "{status}");
    }
}

// ---------------------------------------------------------------- a command that cannot be
// executed

/// A program that marks its start, removes itself or its permissions, and fails.
fn vanishing_program(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.program(
        "program",
        "#!/bin/sh\necho $$ >>\"$mark\"\n[ -e \"$0.away\" ] && exit 0\n\
         if [ -n \"$closes\" ]; then : >\"$0.away\"; chmod 644 \"$0\"; else mv \"$0\" \"$0.away\"; fi\nexit 3\n",
    )
}

fn run_vanishing(sandbox: &Sandbox, options: &[&str]) -> Command {
    let program = vanishing_program(sandbox);
    let mut command = sandbox.run(["-n", "x", "--restart", "on-failure"]);
    command.args(options).arg("--").arg(&program);
    with_variables(sandbox, &mut command);
    command
}

#[test]
fn a_command_whose_file_is_missing_at_a_restart_is_tried_again_until_it_is_there() {
    let sandbox = Sandbox::new();
    let run = with_log(&sandbox, run_vanishing(&sandbox, &[]));
    let program = sandbox.path("program");
    let message = format!(
        "exitdir-run: {0} exited with 3: restarting it\n\
         exitdir-run: cannot run {0}: No such file or directory: restarting it\n",
        program.display()
    );
    await_log(&sandbox, "No such file");
    assert!(is_down(&sandbox) && sandbox.holds("x:born"));
    let mut copy = Command::new("cp");
    copy.arg("-p")
        .arg(sandbox.path("program.away"))
        .arg(&program);
    assert!(copy.status().unwrap().success());
    assert_eq!(run.end().status, 0);
    let log = without_delays(&log(&sandbox));
    let later = log.strip_prefix(&message);
    let later = later.unwrap_or_else(|| panic!("{log}"));
    // On a busy machine it is tried more than once before the file is there.
    let cannot = format!(
        "exitdir-run: cannot run {}: No such file",
        program.display()
    );
    assert!(later.lines().all(|line| line.starts_with(&cannot)), "{log}");
    assert_eq!(starts(&sandbox).len(), 2);
    assert_once(&sandbox.tombstone("x"));
}

#[test]
fn failed_tries_to_execute_the_command_count_towards_the_limit_and_the_last_one_sets_the_status() {
    let cases = [
        ("", 127, "No such file or directory"),
        ("yes", 126, "Permission denied"),
    ];
    for_each(WORKERS, &cases, |(closes, status, because)| {
        let sandbox = Sandbox::new();
        let mut command = run_vanishing(&sandbox, &["--restart-limit", "2"]);
        let ended = command.env("closes", closes).finish();
        let program = sandbox.path("program");
        let cannot = format!("exitdir-run: cannot run {}: {because}", program.display());
        let message = format!(
            "exitdir-run: {} exited with 3: restarting it\n{cannot}: restarting it\n{cannot}\n",
            program.display()
        );
        let said = without_delays(&ended.stderr);
        assert_eq!((ended.status, said), (*status, message));
        assert_eq!(starts(&sandbox).len(), 1);
        let text = sandbox.tombstone("x");
        assert!(
            text.contains(&format!("\nExitCode: {status}\nReason: exec-failed\n")),
            "{text}"
        );
        assert_once(&text);
    });
}

#[test]
fn a_command_that_cannot_be_executed_at_the_first_start_is_not_tried_again() {
    let sandbox = Sandbox::new();
    let words = [
        "-n",
        "x",
        "--restart",
        "always",
        "--",
        "/nonexistent/command",
    ];
    let ended = sandbox.run(words).finish();
    assert_eq!(ended.status, 127);
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(!ended.stderr.contains("restarting"), "{ended:?}");
    assert_eq!(sandbox.key("x", "Reason").as_deref(), Some("exec-failed"));
}

#[test]
fn the_next_start_comes_no_sooner_than_the_delay_after_the_start_before_it() {
    let sandbox = Sandbox::new();
    let script = "date +%s%N >>\"$mark\"; exit 3";
    let options = "--restart on-failure --restart-limit 2";
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ended = life(&sandbox, options, script).finish();
    assert_eq!(ended.status, 3, "{ended:?}");
    let starts = starts(&sandbox);
    assert_eq!(starts.len(), 3, "{ended:?}");
    // 1 s after the first start, and 2 s after the second one.
    let third = Duration::from_nanos(starts[2].parse().unwrap());
    assert!(third - before >= Duration::from_secs(3), "{ended:?}");
}

#[test]
fn a_run_that_outlasts_the_delay_is_followed_by_a_restart_at_once() {
    let sandbox = Sandbox::new();
    let script = "echo $$ >>\"$mark\"; sleep 1.2; exit 3";
    let options = "--restart on-failure --restart-limit 1";
    let ended = life(&sandbox, options, script).finish();
    let again = "exitdir-run: sh exited with 3: restarting it\n";
    assert_eq!((ended.status, ended.stderr.as_str()), (3, again));
    assert_eq!(starts(&sandbox).len(), 2);
}
