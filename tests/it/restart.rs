//! Restarts in place: one life goes on while its command comes and goes. What its tombstone says of
//! that, what followers make of it, what ends it, and whose words survive.
//!
//! Each restart takes a second at least, so lives are lived side by side. A file `mark` has a line
//! with the process id for each start of the command.

use crate::crash::{can_inject, for_each};
use crate::permits::{NO_INSTANCES, deprived, is_permitted};
use crate::seen::await_sleep;
use crate::world::{Running, Start, World, binary, eventually};
use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const KILL: i32 = 9;
const TERM: i32 = 15;

/// A command that runs until it is told to end, or killed.
const SERVE: &str = "echo $$ >>\"$mark\"; exec sleep 60";
/// A command that fails at once.
const FAIL: &str = "echo $$ >>\"$mark\"; exit 3";

/// `exitdir-run -n x OPTIONS -- sh -c SCRIPT`. In the script `$mark` is the file of starts and `$exitdir` the binary.
fn life(world: &World, options: &str, script: &str) -> Command {
    nameless(world, &format!("-n x {options}"), script)
}

fn nameless(world: &World, options: &str, script: &str) -> Command {
    let mut command = world.run(options.split_whitespace());
    command.args(["--", "sh", "-c", script]);
    with_variables(world, &mut command);
    command
}

fn with_variables(world: &World, command: &mut Command) {
    command
        .env("mark", world.path("mark"))
        .env("exitdir", binary());
}

/// The process ids of the command so far.
fn starts(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.path("mark")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn await_starts(world: &World, count: usize) {
    eventually(format!("start {count}"), || {
        (starts(world).len() >= count).then_some(())
    });
}

/// Waits until the command was started this often, and the tombstone says that it is ready.
fn await_up(world: &World, count: usize) {
    await_starts(world, count);
    world.await_key("x", "Ready");
}

/// Waits until the command, started this often so far, is down, and the tombstone says so.
fn await_down(world: &World, count: usize) {
    await_starts(world, count);
    eventually("the command is down", || is_down(world).then_some(()));
}

fn is_down(world: &World) -> bool {
    let text = world.tombstone("x");
    text.contains("\nBorn: ") && !text.contains("\nReady: ")
}

/// Kills the command as it runs now.
fn kill_command(world: &World) {
    let pid = starts(world).last().unwrap().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Sends standard error to a file that can be read while the process lives.
fn with_log(world: &World, mut command: Command) -> Running {
    command
        .stderr(File::create(world.path("log")).unwrap())
        .start()
}

fn log(world: &World) -> String {
    std::fs::read_to_string(world.path("log")).unwrap()
}

fn await_log(world: &World, words: &str) {
    eventually(words, || log(world).contains(words).then_some(()));
}

/// Whether a condition holds at this moment.
fn holds(world: &World, condition: &str) -> bool {
    let ended = world.wait([condition, "-t", "0"]).finish();
    assert!([0, 124].contains(&ended.status), "{condition}: {ended:?}");
    ended.status == 0
}

/// No key stands there twice.
#[track_caller]
fn assert_once(text: &str) {
    let mut keys: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .collect();
    let count = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), count, "a key stands there twice:\n{text}");
}

// ---------------------------------------------------------------- when, how often, how soon

#[test]
fn a_command_is_restarted_as_restart_and_its_limit_say() {
    struct Case(&'static str, &'static str, i32, usize, &'static str);
    const FAILS_ONCE: &str =
        "echo $$ >>\"$mark\"; [ -e \"$mark.been\" ] && exit 0; : >\"$mark.been\"; exit 3";
    const KILLED_ONCE: &str =
        "echo $$ >>\"$mark\"; [ -e \"$mark.been\" ] && exit 0; : >\"$mark.been\"; kill -KILL $$";
    const SUCCEED: &str = "echo $$ >>\"$mark\"; exit 0";
    const ONCE: &str = "exitdir-run: sh exited with 3: restarting it in 1s\n";
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
            "exitdir-run: sh was ended by KILL: restarting it in 1s\n",
        ),
        Case("--restart on-failure -e 3", FAIL, 0, 1, ""),
        // What it exited with, not what that counts as.
        Case("--restart always --restart-limit 1 -e 3", FAIL, 0, 2, ONCE),
        Case("--restart on-failure --restart-limit 0", FAIL, 3, 1, ""),
        Case("--restart always --restart-limit 0", SUCCEED, 0, 1, ""),
        Case(
            "--restart on-failure --restart-limit 2",
            FAIL,
            3,
            3,
            "exitdir-run: sh exited with 3: restarting it in 1s\n\
             exitdir-run: sh exited with 3: restarting it in 2s\n",
        ),
        Case(
            "--restart always --restart-limit 1",
            SUCCEED,
            0,
            2,
            "exitdir-run: sh exited with 0: restarting it in 1s\n",
        ),
        // The limit counts restarts, and the last status is the one that is left.
        Case(
            "--restart always --restart-limit 1",
            "echo $$ >>\"$mark\"; exit $(wc -l <\"$mark\")",
            2,
            2,
            "exitdir-run: sh exited with 1: restarting it in 1s\n",
        ),
        Case("-q --restart on-failure", FAILS_ONCE, 0, 2, ""),
    ];
    for_each(&cases, |Case(options, script, status, count, said)| {
        for named in [true, false] {
            let world = World::new();
            let mut command = if named {
                life(&world, options, script)
            } else {
                nameless(&world, options, script)
            };
            let ended = command.finish();
            let tale = format!("{options:?} {script:?} named {named}: {ended:?}");
            assert_eq!(ended.status, *status, "{tale}");
            assert_eq!(ended.stderr, *said, "{tale}");
            assert_eq!(starts(&world).len(), *count, "{tale}");
            if named {
                let text = world.tombstone("x");
                assert_once(&text);
                assert!(text.contains(&format!("\nExitCode: {status}\nReason: exited\nDied: ")));
                assert_eq!(world.entries(), ["x"], "{tale}");
            } else {
                assert_eq!(world.entries(), [""; 0], "{tale}");
            }
        }
    });
}

#[test]
fn with_exit_only_restarts_leave_nothing_until_the_end() {
    let world = World::new();
    std::fs::create_dir(world.dir()).unwrap();
    let script = "echo $$ >>\"$mark\"; ls -A \"$EXIT_DIR\"; echo .; exit 3";
    let options = "--exit-only --restart on-failure --restart-limit 1";
    let ended = life(&world, options, script).finish();
    assert_eq!((ended.status, ended.stdout.as_str()), (3, ".\n.\n"));
    assert_eq!(world.entries(), ["x"]);
    assert_eq!(world.key("x", "ExitCode").as_deref(), Some("3"));
    assert_once(&world.tombstone("x"));
}

// ---------------------------------------------------------------- one life

#[test]
fn one_life_goes_on_through_restarts_and_is_ready_only_while_its_command_runs() {
    let world = World::new();
    let run = life(&world, "--restart always --ready-on start", SERVE).start();
    await_up(&world, 1);
    let identity = |key: &str| world.key("x", key).unwrap();
    let (waiting, born) = (identity("Waiting"), identity("Born"));
    let assert_one_life = || {
        let text = world.tombstone("x");
        assert_once(&text);
        assert!(text.starts_with(&format!("Waiting: {waiting}\nLock: fcntl ")));
        assert_eq!(identity("Born"), born);
        let found = std::fs::metadata(world.dir().join("x")).unwrap();
        let inode = identity("Lock").rsplit(' ').next().unwrap().to_owned();
        assert_eq!(
            inode,
            found.ino().to_string(),
            "the lock is on another file"
        );
        assert_eq!(found.permissions().mode() & 0o777, 0o666);
        assert_eq!(world.entries(), ["x"]);
        for (condition, expected) in [("x:born", true), ("x", false), ("x:lost", false)] {
            assert_eq!(holds(&world, condition), expected, "{condition}: {text}");
        }
    };
    for count in 1..=2 {
        await_up(&world, count);
        assert_one_life();
        assert!(holds(&world, "x:ready"));
        let inode = || std::fs::metadata(world.dir().join("x")).unwrap().ino();
        let before = inode();
        // A file that somebody holds open is there until he closes it, and its number is nobody else's.
        let held = File::open(world.dir().join("x")).unwrap();
        kill_command(&world);
        await_down(&world, count);
        assert_one_life();
        assert_ne!(inode(), before);
        // On a machine so busy that the delay is over by now there is nothing to be seen.
        let ready = holds(&world, "x:ready");
        let table = world.applet("status").finish().stdout;
        if starts(&world).len() == count {
            assert!(!ready && table.contains(" born "), "{table}");
        }
        drop(held);
    }
    await_up(&world, 3);
    assert!(holds(&world, "x:ready"));
    run.kill(TERM);
    let ended = run.end();
    assert_eq!(ended.status, 143);
    let killed = "exitdir-run: sh was ended by KILL: restarting it in";
    assert_eq!(ended.stderr, format!("{killed} 1s\n{killed} 2s\n"));
    let text = world.tombstone("x");
    assert_once(&text);
    assert!(text.contains("\nExitCode: 143\nSignal: TERM\nReason: exited\nDied: "));
    assert_eq!(world.key("x", "Waiting").unwrap(), waiting);
}

#[test]
fn a_dependent_is_born_when_the_command_is_back() {
    let world = World::new();
    let _run = life(&world, "--restart always", SERVE).start();
    await_up(&world, 1);
    kill_command(&world);
    await_down(&world, 1);
    let note = "wc -l <\"$mark\"; \"$exitdir\" wait x:ready -t 0";
    let mut dependent = world.run(["--birth-deps", "x", "--", "sh", "-c", note]);
    with_variables(&world, &mut dependent);
    let ended = dependent.finish();
    assert_eq!((ended.status, ended.stdout.trim()), (0, "2"), "{ended:?}");
}

// ---------------------------------------------------------------- followers

/// Lives that are restarted side by side: dozens of restarts in three seconds.
const CROWD: usize = 16;

/// The conditions of the crowd.
fn crowd(state: &str) -> Vec<String> {
    (0..CROWD).map(|at| format!("x{at}{state}")).collect()
}

/// Follows the crowd in one way, and ends when it is told of a death.
struct CrowdFollower {
    what: String,
    process: Running,
    /// What it says and exits with when the first of the crowd was killed.
    hears: (i32, &'static str),
}

fn crowd_follower(
    world: &World,
    sees: bool,
    words: &[&str],
    conditions: &[String],
) -> CrowdFollower {
    let mut command = if sees {
        world.command(binary())
    } else {
        deprived(world, NO_INSTANCES, &binary()).unwrap()
    };
    command.args(words).args(["--poll", "20ms"]);
    let hears = if words[0] == "run" {
        command.args(["-q", "--death-deps", &conditions.join(",")]);
        command.args(["--", "sleep", "60"]);
        (143, "")
    } else {
        command.arg("--print").args(conditions);
        (0, "x0 lost 137\n")
    };
    CrowdFollower {
        what: format!("{command:?}"),
        process: command.start(),
        hears,
    }
}

fn crowd_followers(world: &World) -> Vec<CrowdFollower> {
    let blind = deprived(world, NO_INSTANCES, &binary()).is_some();
    let any = [":died".to_owned()];
    let kinds = [true, false];
    let kinds = kinds.into_iter().filter(|sees| *sees || blind);
    kinds
        .flat_map(|sees| {
            [
                crowd_follower(world, sees, &["wait", "--any"], &crowd("")),
                crowd_follower(world, sees, &["wait", "--any"], &crowd(":lost")),
                crowd_follower(world, sees, &["wait"], &any),
                crowd_follower(world, sees, &["run"], &crowd("")),
                crowd_follower(world, sees, &["run"], &any),
            ]
        })
        .collect()
}

#[test]
fn followers_are_not_told_of_restarts_in_place_and_are_told_at_once_when_the_supervisor_is_killed()
{
    let world = World::new();
    let mark = |at: usize| world.path(&format!("mark{at}"));
    let count = |at: usize| {
        std::fs::read_to_string(mark(at))
            .unwrap_or_default()
            .lines()
            .count()
    };
    let mut lives: Vec<Running> = (0..CROWD)
        .map(|at| {
            let options = format!("-q -n x{at} --restart always");
            let mut command =
                nameless(&world, &options, &format!("sleep 0.{:02}; {FAIL}", at + 10));
            command.env("mark", mark(at)).start()
        })
        .collect();
    (0..CROWD).for_each(|at| drop(world.await_key(&format!("x{at}"), "Waiting")));
    let followers = crowd_followers(&world);
    followers
        .iter()
        .for_each(|one| await_sleep_or_poll(&one.process));
    // One that looks late: it holds files that are not there any more.
    let late = crowd_follower(&world, true, &["wait", "--any"], &crowd(""));
    await_sleep(&late.process);
    late.process.kill(19);
    (0..CROWD).for_each(|at| {
        eventually("two restarts", || (count(at) >= 3).then_some(()));
        eventually("it is down", || {
            (!world.tombstone(&format!("x{at}")).contains("\nReady: ")).then_some(())
        });
    });
    late.process.kill(18);
    let mut followers = followers;
    for one in &mut followers {
        assert!(one.process.is_running(), "told of a restart: {}", one.what);
    }
    lives[0].kill(KILL);
    for CrowdFollower {
        what,
        process,
        hears,
    } in followers.into_iter().chain([late])
    {
        let ended = process.end();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            hears,
            "{what}: {}",
            ended.stderr
        );
    }
    for life in lives.drain(1..) {
        life.kill(TERM);
        assert_eq!(life.end().status, 143);
    }
}

/// Waits until a follower has looked around. One without inotify wakes up fifty times a second.
fn await_sleep_or_poll(process: &Running) {
    eventually("it sleeps", || {
        crate::seen::sleeps(process.pid()).then_some(())
    });
}

// ---------------------------------------------------------------- ends

#[test]
fn a_stop_during_the_back_off_ends_it_and_nothing_is_started_again() {
    struct Case(&'static str, &'static str, i32, &'static str);
    let cases = [
        Case("", "kill -TERM", 143, "interrupted"),
        Case("", "kill -INT", 130, "interrupted"),
        Case("", "kill -QUIT", 131, "interrupted"),
        Case("", "kill -HUP", 129, "interrupted"),
        // What the command would get for it is another matter.
        Case("--rewrite TERM:0", "kill -TERM", 143, "interrupted"),
        Case("--death-deps y", "y 0", 0, "stopped"),
        Case("--death-deps y", "y 4", 143, "stopped"),
        Case("--death-deps y --stop-signal INT", "y 4", 130, "stopped"),
        Case("--death-deps y --birth-deps y:born", "y 0", 143, "stopped"),
        Case("--death-deps y --pass-code", "y 0", 3, "stopped"),
    ];
    for_each(&cases, |Case(options, deed, status, reason)| {
        let world = World::new();
        let mut y = world.run(["-n", "y", "--", "sleep", "60"]).start();
        world.await_key("y", "Ready");
        let mut run = life(&world, &format!("--restart always {options}"), FAIL).start();
        await_down(&world, 1);
        match deed.strip_prefix("kill -") {
            Some(name) => send(&run, name),
            None => assert_eq!(
                world
                    .signal(["-c", deed.strip_prefix("y ").unwrap(), "y"])
                    .finish()
                    .status,
                0
            ),
        }
        let tale = format!("{options:?} {deed:?}");
        eventually("the end", || (!run.is_running()).then_some(()));
        let text = world.tombstone("x");
        let ended = run.end();
        assert_eq!(ended.status, *status, "{tale}: {ended:?}");
        assert_eq!(starts(&world).len(), 1, "{tale}: {ended:?}");
        assert_once(&text);
        let record = format!("\nExitCode: {status}\nReason: {reason}\nDied: ");
        assert!(text.contains(&record), "{tale}: {text}");
        assert_eq!(
            text.contains("\nCause: \"y\"\n"),
            *reason == "stopped",
            "{text}"
        );
        assert!(y.is_running());
    });
}

fn send(process: &Running, name: &str) {
    let signal = match name {
        "TERM" => TERM,
        "INT" => 2,
        "QUIT" => 3,
        "HUP" => 1,
        "USR1" => 10,
        other => panic!("{other}"),
    };
    process.kill(signal);
}

#[test]
fn any_other_signal_during_the_back_off_is_dropped_and_the_command_comes_back() {
    let world = World::new();
    let run = with_log(&world, life(&world, "-v --restart always", SERVE));
    await_up(&world, 1);
    kill_command(&world);
    await_log(&world, "restarting it in 1s");
    for name in ["USR1", "USR1"] {
        send(&run, name);
    }
    await_log(&world, "dropped USR1");
    await_up(&world, 2);
    run.kill(TERM);
    assert_eq!(run.end().status, 143);
}

#[test]
fn a_stop_while_the_command_runs_is_not_followed_by_a_restart() {
    const OBEYS: &str =
        "trap 'exit 0' TERM INT QUIT USR1; echo $$ >>\"$mark\"; while :; do sleep 0.02; done";
    struct Case(&'static str, &'static str, &'static str, i32);
    let cases = [
        Case("", SERVE, "TERM", 143),
        Case("", SERVE, "INT", 130),
        Case("", SERVE, "QUIT", 131),
        Case("", OBEYS, "TERM", 0),
        Case("", OBEYS, "INT", 0),
        Case("", OBEYS, "QUIT", 0),
        Case("--rewrite TERM:USR1", OBEYS, "TERM", 0),
        Case("--stop-signal USR1", OBEYS, "TERM", 0),
        Case("--stop-delay 20ms", SERVE, "TERM", 143),
        Case("--timeout 100ms", OBEYS, "", 124),
        Case("--death-deps y", OBEYS, "y", 0),
        Case("--death-deps y:exit=0", SERVE, "y", 0),
        Case("--death-deps y --birth-deps y:born", OBEYS, "y", 143),
    ];
    for_each(&cases, |Case(options, script, deed, status)| {
        let world = World::new();
        let _y = world.run(["-n", "y", "--", "sleep", "60"]).start();
        world.await_key("y", "Ready");
        let run = life(&world, &format!("--restart always {options}"), script).start();
        await_up(&world, 1);
        match *deed {
            "" => {}
            "y" => assert_eq!(world.signal(["y"]).finish().status, 0),
            name => send(&run, name),
        }
        let ended = run.end();
        let tale = format!("{options:?} {deed:?} {script:?}: {ended:?}");
        assert_eq!(ended.status, *status, "{tale}");
        assert_eq!(starts(&world).len(), 1, "{tale}");
        assert!(!ended.stderr.contains("restarting"), "{tale}");
        assert_once(&world.tombstone("x"));
    });
}

#[test]
fn a_command_that_did_not_get_the_stop_is_not_restarted_when_it_ends() {
    let world = World::new();
    let options = "-v --restart always --rewrite TERM:0";
    let run = with_log(&world, life(&world, options, SERVE));
    await_up(&world, 1);
    run.kill(TERM);
    await_log(&world, "dropped TERM");
    kill_command(&world);
    assert_eq!(run.end().status, 137);
    assert_eq!(starts(&world).len(), 1);
    assert!(!log(&world).contains("restarting"), "{}", log(&world));
}

#[test]
fn hup_is_followed_by_a_restart_and_so_is_a_stop_that_did_not_come_through_us() {
    let cases = [("HUP", "sh was ended by HUP"), ("", "sh was ended by TERM")];
    for_each(&cases, |(name, said)| {
        let world = World::new();
        let run = with_log(&world, life(&world, "--restart on-failure", SERVE));
        await_up(&world, 1);
        if name.is_empty() {
            let pid = rustix::process::Pid::from_raw(starts(&world)[0].parse().unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        } else {
            send(&run, name);
        }
        await_log(&world, &format!("{said}: restarting it in 1s"));
        await_up(&world, 2);
        run.kill(TERM);
        assert_eq!(run.end().status, 143);
    });
}

// ---------------------------------------------------------------- a command that cannot be executed

/// A program that marks its start, takes itself away, and fails.
fn fickle(world: &World) -> std::path::PathBuf {
    world.program(
        "program",
        "#!/bin/sh\necho $$ >>\"$mark\"\n[ -e \"$0.away\" ] && exit 0\n\
         if [ -n \"$closes\" ]; then : >\"$0.away\"; chmod 644 \"$0\"; else mv \"$0\" \"$0.away\"; fi\nexit 3\n",
    )
}

fn run_fickle(world: &World, options: &[&str]) -> Command {
    let program = fickle(world);
    let mut command = world.run(["-n", "x", "--restart", "on-failure"]);
    command.args(options).arg("--").arg(&program);
    with_variables(world, &mut command);
    command
}

#[test]
fn a_command_that_is_away_at_a_restart_is_tried_again_until_it_is_back() {
    let world = World::new();
    let run = with_log(&world, run_fickle(&world, &[]));
    let program = world.path("program");
    let message = format!(
        "exitdir-run: {0} exited with 3: restarting it in 1s\n\
         exitdir-run: cannot run {0}: No such file or directory: restarting it in 2s\n",
        program.display()
    );
    await_log(&world, "restarting it in 2s");
    assert!(is_down(&world) && holds(&world, "x:born"));
    let mut copy = Command::new("cp");
    copy.arg("-p").arg(world.path("program.away")).arg(&program);
    assert!(copy.status().unwrap().success());
    assert_eq!(run.end().status, 0);
    assert_eq!(log(&world), message);
    assert_eq!(starts(&world).len(), 2);
    assert_once(&world.tombstone("x"));
}

#[test]
fn a_command_that_stays_away_uses_up_the_limit_and_its_status_is_that_of_the_last_try() {
    let cases = [
        ("", 127, "No such file or directory"),
        ("yes", 126, "Permission denied"),
    ];
    for_each(&cases, |(closes, status, because)| {
        let world = World::new();
        let mut command = run_fickle(&world, &["--restart-limit", "2"]);
        let ended = command.env("closes", closes).finish();
        let program = world.path("program");
        let cannot = format!("exitdir-run: cannot run {}: {because}", program.display());
        let message = format!(
            "exitdir-run: {} exited with 3: restarting it in 1s\n{cannot}: restarting it in 2s\n{cannot}\n",
            program.display()
        );
        assert_eq!((ended.status, ended.stderr), (*status, message));
        assert_eq!(starts(&world).len(), 1);
        let text = world.tombstone("x");
        assert!(
            text.contains(&format!("\nExitCode: {status}\nReason: exec-failed\n")),
            "{text}"
        );
        assert_once(&text);
    });
}

#[test]
fn a_command_that_cannot_be_executed_at_the_first_start_is_not_tried_again() {
    let world = World::new();
    let words = [
        "-n",
        "x",
        "--restart",
        "always",
        "--",
        "/nonexistent/command",
    ];
    let ended = world.run(words).finish();
    assert_eq!(ended.status, 127);
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(!ended.stderr.contains("restarting"), "{ended:?}");
    assert_eq!(world.key("x", "Reason").as_deref(), Some("exec-failed"));
}

// ---------------------------------------------------------------- words of others

#[test]
fn a_life_that_was_said_dead_keeps_its_file_and_its_command_goes_on_being_restarted() {
    for_each(&[true, false], |while_up| {
        let world = World::new();
        let run = life(&world, "-q --restart always", SERVE).start();
        await_up(&world, 1);
        let say = || assert_eq!(world.signal(["-c", "5", "x"]).finish().status, 0);
        if *while_up {
            say();
        }
        kill_command(&world);
        if !while_up {
            await_down(&world, 1);
            say();
        }
        let inode = || std::fs::metadata(world.dir().join("x")).unwrap().ino();
        let (text, number) = (world.tombstone("x"), inode());
        await_starts(&world, 2);
        let again = world.signal(["-c", "6", "x"]).finish();
        assert_eq!(again.status, 0);
        assert!(again.stderr.contains("said dead before"), "{again:?}");
        run.kill(TERM);
        assert_eq!(run.end().status, 143);
        assert_eq!(inode(), number);
        assert_eq!(
            world.tombstone("x"),
            text,
            "nothing is written after a death"
        );
        assert_once(&text);
        assert_eq!(world.entries(), ["x"]);
    });
}

#[test]
fn a_message_goes_with_the_readiness_it_came_with_and_both_have_to_be_said_again() {
    let world = World::new();
    let options = "-q --restart always --ready-on signal";
    let run = life(&world, options, SERVE).start();
    let say = |message: &str| {
        let said = world.signal(["--ready", "-m", message, "x"]).finish();
        assert_eq!((said.status, said.stderr.as_str()), (0, ""));
    };
    await_starts(&world, 1);
    world.await_key("x", "Born");
    say("first");
    kill_command(&world);
    await_down(&world, 1);
    assert_eq!(world.key("x", "Message"), None);
    await_starts(&world, 2);
    assert!(is_down(&world), "nobody has said that it is ready");
    say("second");
    assert!(holds(&world, "x:ready"));
    kill_command(&world);
    await_down(&world, 2);
    // Said while the command is down: whoever said it meant the one that comes.
    say("third");
    await_starts(&world, 3);
    assert!(holds(&world, "x:ready"));
    run.kill(TERM);
    assert_eq!(run.end().status, 143);
}

/// `exitdir-run`, or another applet, under strace that delays one of its calls.
fn delayed(world: &World, log: &str, injection: &str) -> Command {
    let mut command = world.command("strace");
    command.arg("-o").arg(world.path(log));
    command.args(["-e", &format!("inject={injection}")]);
    command.arg(binary());
    with_variables(world, &mut command);
    command
}

/// The tombstone is replaced with the second rename of a life.
const SLOW_REPLACEMENT: &str = "renameat:delay_enter=200000:delay_exit=300000:when=2";

#[test]
fn a_death_that_is_said_at_any_moment_of_a_replacement_stands_there_once() {
    if !can_inject() {
        return;
    }
    // Before the rename, across it, and after it.
    let delays = [0, 50_000, 150_000, 250_000, 350_000, 450_000, 600_000];
    for_each(&delays, |delay| {
        let world = World::new();
        let follower = world
            .wait(["x:exit=5", "--keep-waiting", "--print"])
            .start();
        let mut run = delayed(&world, "run.strace", SLOW_REPLACEMENT);
        run.args("run -q -n x --restart always --restart-limit 1 -- sh -c".split(' '));
        let run = run.arg(FAIL).start();
        eventually("the replacement is under way", || {
            (starts(&world).len() == 1 && world.entries().len() == 2).then_some(())
        });
        let injection = format!("write:delay_enter={delay}:when=1");
        let mut signal = delayed(&world, "signal.strace", &injection);
        let said = signal.args(["signal", "-c", "5", "x"]).finish();
        let tale = format!("said {delay} us late");
        assert_eq!((said.status, said.stderr.as_str()), (0, ""), "{tale}");
        assert_eq!(world.wait(["x:exit=5", "-t", "10s"]).finish().status, 0);
        assert_eq!(follower.end().stdout, "x failed 5\n", "{tale}");
        assert_eq!(run.end().status, 3);
        assert_eq!(starts(&world).len(), 2, "{tale}");
        let text = world.tombstone("x");
        assert_once(&text);
        assert!(
            text.contains("\nExitCode: 5\nReason: said\nDied: "),
            "{tale}: {text}"
        );
        assert!(
            text.trim_end()
                .lines()
                .last()
                .unwrap()
                .starts_with("Died: "),
            "{text}"
        );
        assert_eq!(world.entries(), ["x"], "{tale}");
    });
}

#[test]
fn readiness_that_is_said_as_soon_as_it_was_taken_back_stands_there_afterwards() {
    if !can_inject() {
        return;
    }
    let delays = [0, 100_000, 400_000];
    for_each(&delays, |delay| {
        let world = World::new();
        let mut run = delayed(&world, "run.strace", SLOW_REPLACEMENT);
        run.args("run -q -n x --restart always --ready-on signal -- sh -c".split(' '));
        let script = "echo $$ >>\"$mark\"; [ -e \"$mark.been\" ] && exec sleep 60; : >\"$mark.been\"; \
                      until \"$exitdir\" wait -t 0 x:born; do :; done 2>/dev/null; \"$exitdir\" signal --ready x; exit 3";
        let _run = Traced(run.arg(script).start());
        world.await_key("x", "Ready");
        await_down(&world, 1);
        let injection = format!("write:delay_enter={delay}:when=1");
        let mut signal = delayed(&world, "signal.strace", &injection);
        let words = ["signal", "--ready", "-m", "said", "x"];
        assert_eq!(signal.args(words).finish().status, 0);
        await_starts(&world, 2);
        let text = world.tombstone("x");
        assert!(holds(&world, "x:ready"), "{delay}: {text}");
        assert_once(&text);
        assert_eq!(world.key("x", "Message").as_deref(), Some("\"said\""));
    });
}

/// A process under strace, which would go on if strace alone were killed.
struct Traced(Running);

impl Drop for Traced {
    fn drop(&mut self) {
        let pid = self.0.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(pid) = child.parse().ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

// ---------------------------------------------------------------- what can go wrong

#[test]
fn a_full_disk_leaves_the_old_tombstone_and_one_complaint_and_the_life_goes_on() {
    let world = World::new();
    std::fs::create_dir(world.dir()).unwrap();
    let trial = "mount -t tmpfs -o size=16k tmpfs \"$EXIT_DIR\"";
    if !is_permitted(
        "a small tmpfs",
        world.command("unshare").args(["-m", "sh", "-c", trial]),
    ) {
        return;
    }
    let script = format!(
        "{trial}; \"$0\" run -n x --restart always --restart-limit 2 -- \
         sh -c 'stat -c %i \"$EXIT_DIR/x\"; head -c 99999 /dev/zero 2>&1 >\"$EXIT_DIR/.ballast\" | :; exit 3'; \
         echo \"$?\"; ls -A \"$EXIT_DIR\"; cat \"$EXIT_DIR/x\""
    );
    let ended = world
        .command("unshare")
        .args(["-m", "sh", "-c", &script])
        .arg(binary())
        .finish();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0] == lines[1] && lines[1] == lines[2], "{ended:?}");
    assert_eq!(&lines[3..6], ["3", ".ballast", "x"], "{ended:?}");
    let complaints: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.contains("restarting it in"))
        .collect();
    assert_eq!(complaints.len(), 1, "{ended:?}");
    assert!(
        complaints[0].contains("No space left on device"),
        "{ended:?}"
    );
    let text = lines[6..].join("\n");
    assert!(
        text.contains("\nExitCode: 3\nReason: exited\nDied: "),
        "{ended:?}"
    );
    assert_once(&text);
}

#[test]
fn whatever_happens_to_the_directory_while_the_command_is_down_the_life_goes_on() {
    let cases = ["removed", "moved", "replaced", "put back", "emptied"];
    for_each(&cases, |what| {
        let world = World::new();
        let run = with_log(&world, life(&world, "--restart always", SERVE));
        await_up(&world, 1);
        let waiting = world.key("x", "Waiting").unwrap();
        kill_command(&world);
        await_down(&world, 1);
        let away = world.path("away");
        match *what {
            "removed" => std::fs::remove_dir_all(world.dir()).unwrap(),
            "emptied" => std::fs::remove_file(world.dir().join("x")).unwrap(),
            _ => std::fs::rename(world.dir(), &away).unwrap(),
        }
        if *what == "replaced" {
            std::fs::create_dir(world.dir()).unwrap();
        }
        await_starts(&world, 2);
        kill_command(&world);
        await_log(&world, "restarting it in 2s");
        if *what == "put back" {
            std::fs::rename(&away, world.dir()).unwrap();
        }
        run.kill(TERM);
        assert_eq!(run.end().status, 143, "{what}");
        let told = log(&world);
        let unfamiliar = told.lines().filter(|line| {
            let known = [
                "restarting it in",
                "was not running",
                "No such file or directory",
            ];
            !known.iter().any(|known| line.contains(known))
        });
        assert_eq!(unfamiliar.count(), 0, "{what}: {told}");
        let text = world.tombstone("x");
        if ["replaced", "put back", "emptied"].contains(what) {
            assert_eq!(world.entries(), ["x"], "{what}");
            assert!(
                text.starts_with(&format!("Waiting: {waiting}\n")),
                "{what}: {text}"
            );
            assert!(
                text.contains("\nExitCode: 143\nReason: interrupted\nDied: "),
                "{what}: {text}"
            );
            assert_once(&text);
        } else {
            assert_eq!(world.entries(), [""; 0], "{what}");
        }
    });
}

#[test]
fn a_second_life_of_the_same_name_is_refused_at_any_moment_and_disturbs_nobody() {
    let world = World::new();
    let run = life(&world, "--restart always", SERVE).start();
    await_up(&world, 1);
    let over = AtomicBool::new(false);
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let ended = world.run(["-n", "x", "--", "echo", "born"]).finish();
                    assert_eq!(
                        (ended.status, ended.stdout.as_str()),
                        (125, ""),
                        "{ended:?}"
                    );
                    assert!(
                        ended.stderr.contains("another exitdir-run lives"),
                        "{ended:?}"
                    );
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _over = Over(&over);
        for count in 1..=2 {
            await_up(&world, count);
            kill_command(&world);
            await_down(&world, count);
        }
        await_up(&world, 3);
    });
    let refused = refused.into_inner();
    println!("{refused} were refused");
    assert!(refused >= 2);
    run.kill(TERM);
    let ended = run.end();
    assert_eq!(ended.status, 143);
    let killed = "exitdir-run: sh was ended by KILL: restarting it in";
    assert_eq!(ended.stderr, format!("{killed} 1s\n{killed} 2s\n"));
    assert_once(&world.tombstone("x"));
    assert_eq!(world.entries(), ["x"]);
}

/// Tells the others that it is over, also when a test panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
