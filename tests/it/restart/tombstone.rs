//! The tombstone of a life is replaced at each restart in place: which announcements of other
//! processes survive that, and what happens when the disk is full, the directory goes away, or
//! another `exitdir-run` asks for the name.

use crate::support::namespaces::{SMALL_DISK, with_mounts};
use crate::support::parallel::{SetOnDrop, WORKERS, for_each};
use crate::support::proc::children;
use crate::support::requirements::{is_permitted, strace_can_inject};
use crate::support::restart_life::{
    SERVE, assert_once, await_down, await_starts, await_up, is_down, kill_command, life, log,
    starts, while_down, with_log, with_variables, without_delays,
};
use crate::support::sandbox::{Running, Sandbox, Start, binary, wait_until};
use crate::support::signals::{KILL, TERM, send_if_there};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

// ---------------------------------------------------------------- announcements of others

#[test]
fn after_exitdir_signal_recorded_a_death_the_file_stays_and_the_command_is_still_restarted() {
    for_each(WORKERS, &[true, false], |while_up| {
        let sandbox = Sandbox::new();
        let run = life(&sandbox, "-q --restart always", SERVE).start();
        await_up(&sandbox, 1);
        let announce = || sandbox.record_death("x", "5");
        if *while_up {
            announce();
        }
        kill_command(&sandbox);
        if !while_up {
            await_down(&sandbox, 1);
            announce();
        }
        let inode = || std::fs::metadata(sandbox.dir().join("x")).unwrap().ino();
        let (text, number) = (sandbox.tombstone("x"), inode());
        await_starts(&sandbox, 2);
        let again = sandbox.signal(["-c", "6", "x"]).finish();
        assert_eq!(again.status, 0);
        assert!(
            again.stderr.contains("already recorded as dead"),
            "{again:?}"
        );
        run.send(TERM);
        assert_eq!(run.end().status, 143);
        assert_eq!(inode(), number);
        assert_eq!(
            sandbox.tombstone("x"),
            text,
            "nothing is written after a death"
        );
        assert_once(&text);
        assert_eq!(sandbox.entries(), ["x"]);
    });
}

#[test]
fn a_restart_takes_back_readiness_and_its_message_and_both_can_be_announced_again() {
    let sandbox = Sandbox::new();
    let options = "-q --restart always --ready-on signal";
    let run = life(&sandbox, options, SERVE).start();
    let announce = |message: &str| {
        let announced = sandbox.signal(["--ready", "-m", message, "x"]).finish();
        assert_eq!((announced.status, announced.stderr.as_str()), (0, ""));
    };
    await_starts(&sandbox, 1);
    sandbox.await_key("x", "Born");
    announce("first");
    kill_command(&sandbox);
    await_down(&sandbox, 1);
    assert_eq!(sandbox.key("x", "Message"), None);
    await_starts(&sandbox, 2);
    assert!(is_down(&sandbox), "its readiness was not announced");
    announce("second");
    assert!(sandbox.holds("x:ready"));
    kill_command(&sandbox);
    await_down(&sandbox, 2);
    // Readiness that is announced during a back-off is about the command that comes.
    announce("third");
    await_starts(&sandbox, 3);
    assert!(sandbox.holds("x:ready"));
    run.send(TERM);
    assert_eq!(run.end().status, 143);
}

/// `exitdir-run`, or another applet, under strace that delays one of its calls.
fn delayed(sandbox: &Sandbox, log: &str, injection: &str) -> Command {
    let mut command = sandbox.command("strace");
    command.arg("-o").arg(sandbox.path(log));
    command.args(["-e", &format!("inject={injection}")]);
    command.arg(binary());
    with_variables(sandbox, &mut command);
    command
}

/// The second rename of a life replaces its tombstone. This makes it take more than a second.
const SLOW_REPLACEMENT: &str = "renameat:delay_enter=1000000:delay_exit=300000:when=2";

#[test]
fn a_death_that_is_announced_at_any_moment_of_a_replacement_is_recorded_exactly_once() {
    if !strace_can_inject() {
        return;
    }
    // Before the rename, across it, and after it.
    let delays = [
        0, 800_000, 950_000, 1_050_000, 1_150_000, 1_250_000, 1_400_000,
    ];
    for_each(WORKERS, &delays, |delay| {
        let mut tries = 0..10;
        tries
            .find_map(|_| announce_during_replacement(*delay))
            .expect("a machine that starts exitdir-signal within a second");
    });
}

/// A command that fails at once, and then only when it is told to.
const FAIL_AT_LEISURE: &str = "echo $$ >>\"$mark\"; \
    test $(wc -l <\"$mark\") = 1 || until test -e \"$mark.go\"; do sleep 0.01; done; exit 3";

/// `None` if the replacement was over before `exitdir-signal` was started.
fn announce_during_replacement(delay: u32) -> Option<()> {
    let sandbox = Sandbox::new();
    let follower = sandbox
        .wait(["x:exit=5", "--keep-waiting", "--print"])
        .start();
    let mut run = delayed(&sandbox, "run.strace", SLOW_REPLACEMENT);
    run.args("run -q -n x --restart always --restart-limit 1 -- sh -c".split(' '));
    // Its second run goes on until the death was announced.
    let run = run.arg(FAIL_AT_LEISURE).start();
    let is_replacing = || starts(&sandbox).len() == 1 && sandbox.entries().len() == 2;
    wait_until("the replacement is under way, or over", || {
        is_replacing() || starts(&sandbox).len() == 2
    });
    let injection = format!("write:delay_enter={delay}:when=1");
    let mut signal = delayed(&sandbox, "signal.strace", &injection);
    let announced = signal.args(["signal", "-c", "5", "x"]).finish();
    sandbox.touch("mark.go");
    if sandbox.read("run.strace").contains("+++ exited") {
        // The life was over: the death that was announced may stand in a tombstone of its own.
        return None;
    }
    let context = format!("announced {delay} us late");
    let found = (announced.status, announced.stderr.as_str());
    assert_eq!(found, (0, ""), "{context}");
    let reader = sandbox.wait(["x:exit=5", "-t", "100s"]).finish();
    assert_eq!(reader.status, 0, "{context}");
    assert_eq!(follower.end().stdout, "x failed 5\n", "{context}");
    assert_eq!(run.end().status, 3);
    assert_eq!(starts(&sandbox).len(), 2, "{context}");
    let text = sandbox.tombstone("x");
    assert_once(&text);
    assert!(
        text.contains("\nExitCode: 5\nReason: said\nDied: "),
        "{context}: {text}"
    );
    let last = text.trim_end().lines().last().unwrap();
    assert!(last.starts_with("Died: "), "{text}");
    assert_eq!(sandbox.entries(), ["x"], "{context}");
    Some(())
}

#[test]
fn readiness_that_is_announced_right_after_a_restart_took_it_back_stays_recorded() {
    if !strace_can_inject() {
        return;
    }
    let delays = [0, 100_000, 400_000];
    for_each(WORKERS, &delays, |delay| {
        let sandbox = Sandbox::new();
        let mut run = delayed(&sandbox, "run.strace", SLOW_REPLACEMENT);
        run.args("run -q -n x --restart always --ready-on signal -- sh -c".split(' '));
        let script = "echo $$ >>\"$mark\"; [ -e \"$mark.been\" ] && exec sleep 60; : >\"$mark.been\"; \
                      until \"$exitdir\" wait -t 0 x:born; do :; done 2>/dev/null; \"$exitdir\" signal --ready x; exit 3";
        let _run = Traced(run.arg(script).start());
        sandbox.await_key("x", "Ready");
        await_down(&sandbox, 1);
        let injection = format!("write:delay_enter={delay}:when=1");
        let mut signal = delayed(&sandbox, "signal.strace", &injection);
        let words = ["signal", "--ready", "-m", "said", "x"];
        assert_eq!(signal.args(words).finish().status, 0);
        await_starts(&sandbox, 2);
        let text = sandbox.tombstone("x");
        assert!(sandbox.holds("x:ready"), "{delay}: {text}");
        assert_once(&text);
        assert_eq!(sandbox.key("x", "Message").as_deref(), Some("\"said\""));
    });
}

/// A process under strace, which would go on if only strace were killed.
struct Traced(Running);

impl Drop for Traced {
    fn drop(&mut self) {
        let pid = self.0.pid();
        for child in children(pid) {
            send_if_there(child, KILL);
        }
    }
}

// ---------------------------------------------------------------- what can go wrong

#[test]
fn a_full_disk_leaves_the_old_tombstone_and_one_warning_and_the_life_goes_on() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    if !is_permitted(
        "a small tmpfs",
        &mut with_mounts(&sandbox, SMALL_DISK, "true"),
    ) {
        return;
    }
    let script = "\"$0\" run -n x --restart always --restart-limit 2 -- \
         sh -c 'stat -c %i \"$EXIT_DIR/x\"; head -c 99999 /dev/zero 2>&1 >>\"$EXIT_DIR/.ballast\" | :; exit 3'; \
         echo \"$?\"; ls -A \"$EXIT_DIR\"; cat \"$EXIT_DIR/x\"";
    let ended = with_mounts(&sandbox, SMALL_DISK, "sh")
        .args(["-c", script])
        .arg(binary())
        .finish();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(lines[0] == lines[1] && lines[1] == lines[2], "{ended:?}");
    assert_eq!(&lines[3..6], ["3", ".ballast", "x"], "{ended:?}");
    let complaints: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| !line.contains("restarting it"))
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
fn the_life_goes_on_when_its_directory_goes_away_or_is_emptied_during_a_back_off() {
    let cases = ["removed", "moved", "replaced", "put back", "emptied"];
    for_each(WORKERS, &cases, |what| {
        let sandbox = Sandbox::new();
        let run = with_log(&sandbox, life(&sandbox, "--restart always", SERVE));
        await_up(&sandbox, 1);
        let waiting = sandbox.key("x", "Waiting").unwrap();
        kill_command(&sandbox);
        await_down(&sandbox, 1);
        let away = sandbox.path("away");
        match *what {
            "removed" => std::fs::remove_dir_all(sandbox.dir()).unwrap(),
            "emptied" => std::fs::remove_file(sandbox.dir().join("x")).unwrap(),
            _ => std::fs::rename(sandbox.dir(), &away).unwrap(),
        }
        if *what == "replaced" {
            std::fs::create_dir(sandbox.dir()).unwrap();
        }
        await_starts(&sandbox, 2);
        kill_command(&sandbox);
        wait_until("the second end", || {
            log(&sandbox).matches("restarting it").count() == 2
        });
        while_down(&run, &sandbox, || {
            if *what == "put back" {
                std::fs::rename(&away, sandbox.dir()).unwrap();
            }
            run.send(TERM);
        });
        assert_eq!(run.end().status, 143, "{what}");
        let told = log(&sandbox);
        let unfamiliar = told.lines().filter(|line| {
            let known = [
                "restarting it",
                "was not running",
                "No such file or directory",
            ];
            !known.iter().any(|known| line.contains(known))
        });
        assert_eq!(unfamiliar.count(), 0, "{what}: {told}");
        let text = sandbox.tombstone("x");
        if ["replaced", "put back", "emptied"].contains(what) {
            assert_eq!(sandbox.entries(), ["x"], "{what}");
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
            assert_eq!(sandbox.entries(), [""; 0], "{what}");
        }
    });
}

#[test]
fn a_second_life_of_the_same_name_is_refused_at_any_moment_and_the_first_one_goes_on() {
    let sandbox = Sandbox::new();
    let run = life(&sandbox, "--restart always", SERVE).start();
    await_up(&sandbox, 1);
    let over = AtomicBool::new(false);
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let ended = sandbox.run(["-n", "x", "--", "echo", "born"]).finish();
                    ended.assert_output(125, "");
                    assert!(
                        ended.stderr.contains("a running process holds"),
                        "{ended:?}"
                    );
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _over = SetOnDrop(&over);
        for count in 1..=2 {
            await_up(&sandbox, count);
            kill_command(&sandbox);
            await_down(&sandbox, count);
        }
        await_up(&sandbox, 3);
        wait_until("some were refused", || refused.load(Ordering::Relaxed) >= 2);
    });
    run.send(TERM);
    let ended = run.end();
    assert_eq!(ended.status, 143);
    let said = without_delays(&ended.stderr);
    // On a busy machine one of the others may hold the staging file for long.
    let waits = |line: &&str| line.contains("a running process holds its staging file");
    let said: Vec<&str> = said.lines().filter(|line| !waits(line)).collect();
    let killed = "exitdir-run: sh was ended by KILL: restarting it";
    assert_eq!(said, [killed; 2]);
    assert_once(&sandbox.tombstone("x"));
    assert_eq!(sandbox.entries(), ["x"]);
}
