//! What `exitdir-run` writes into its exit directory, and when: the keys and their order, names of
//! every length, and files and directories that are removed.

use crate::support::inspect::{assert_sentence, await_sleep, keys};
use crate::support::recorder::Recorder;
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

#[test]
fn the_keys_are_in_the_order_of_events_and_nothing_goes_to_standard_error() {
    let exits = ["exit 0", "exit 42", "exit 255"];
    let kills = ["kill -KILL $$", "kill -SEGV $$", "kill -64 $$"];
    for (scripts, end, reason) in [
        (exits, "ExitCode Reason Died", "exited"),
        (kills, "ExitCode Signal Reason Died", "signaled"),
    ] {
        for script in scripts {
            let sandbox = Sandbox::new();
            let ended = sandbox
                .run(["-n", "main", "--", "sh", "-c", script])
                .finish();
            assert_eq!(ended.stderr, "", "{script}");
            let expected = format!("Waiting Lock Born Ready {end}");
            assert_eq!(keys(&sandbox, "main"), expected, "{script}");
            let found = sandbox.key("main", "Reason");
            assert_eq!(found.as_deref(), Some(reason), "{script}");
        }
    }
}

#[test]
fn the_tombstone_records_the_reason_of_every_ending() {
    let waits = ["--birth-deps", "never"];
    let cases: [(&[&str], &str, i32, &str); 6] = [
        (
            &["--birth-deps", "never", "--birth-timeout", "0.01"],
            "echo started",
            124,
            "Waiting Lock WaitingFor ExitCode Reason Message Died birth-timeout",
        ),
        (
            &["--death-deps", "dead"],
            "echo started",
            143,
            "Waiting Lock Follows Cause CauseLife ExitCode Reason Died stopped",
        ),
        (
            &["--death-deps", "ok"],
            "echo started",
            0,
            "Waiting Lock Follows Cause CauseLife ExitCode Reason Died stopped",
        ),
        (
            &["--timeout", "0.01"],
            "sleep 60",
            124,
            "Waiting Lock Born Ready ExitCode Signal Reason Died timeout",
        ),
        (
            &["--timeout", "0"],
            "sleep 60",
            124,
            "Waiting Lock Born Ready ExitCode Signal Reason Died timeout",
        ),
        (
            &[
                "--timeout",
                "off",
                "--birth-timeout",
                "off",
                "--grace-period",
                "off",
            ],
            "true",
            0,
            "Waiting Lock Born Ready ExitCode Reason Died exited",
        ),
    ];
    for (options, command, status, expected) in cases {
        let sandbox = Sandbox::new();
        sandbox.record_death("dead", "3");
        sandbox.record_death("ok", "0");
        let ended = sandbox
            .run(["-n", "main"])
            .args(options)
            .arg("--")
            .args(command.split(' '))
            .finish();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (status, ""),
            "{options:?}: {}",
            ended.stderr
        );
        let found = format!(
            "{} {}",
            keys(&sandbox, "main"),
            sandbox.key("main", "Reason").unwrap()
        );
        assert_eq!(found, expected, "{options:?}");
        if status == 124 || expected.contains("stopped") {
            assert_sentence(&ended, "exitdir-run", status);
        }
    }
    for signal in [1, 2, 3, 15] {
        let sandbox = Sandbox::new();
        let waiting = sandbox
            .run(["-n", "main"])
            .args(waits)
            .args(["--", "echo", "started"])
            .start();
        sandbox.await_key("main", "Lock");
        await_sleep(&waiting);
        for dropped in [10, 12, 28] {
            waiting.send(dropped);
        }
        waiting.send(signal);
        let ended = waiting.end();
        assert_sentence(&ended, "exitdir-run", 128 + signal);
        assert_eq!(ended.stdout, "");
        assert_eq!(
            keys(&sandbox, "main"),
            "Waiting Lock WaitingFor ExitCode Reason Died"
        );
        assert_eq!(
            sandbox.key("main", "Reason").as_deref(),
            Some("interrupted")
        );
    }
}

#[test]
fn with_exit_only_nothing_is_written_until_the_life_ends() {
    for (script, key) in [("exit 3", "3"), ("exit 0", "0")] {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        // Everything that happens in the directory is recorded, also a file that is renamed at
        // once.
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(
            &watch,
            sandbox.dir(),
            WatchFlags::CREATE | WatchFlags::MOVED_TO,
        )
        .unwrap();
        let marker = sandbox.path("marker");
        let script = format!("touch \"$0\"; read x; {script}");
        let main = sandbox
            .run([
                "-n",
                "main",
                "--exit-only",
                "--death-deps",
                ":failed",
                "--",
                "sh",
                "-c",
                &script,
            ])
            .arg(&marker)
            .stdin(reader)
            .start();
        wait_until("CMD runs", || marker.exists());
        assert_eq!(
            rustix::io::read(&watch, &mut [0_u8; 512]).unwrap_err(),
            rustix::io::Errno::AGAIN,
            "not even hidden files"
        );
        assert!(sandbox.entries().is_empty());
        drop(writer);
        assert_eq!(main.end().status.to_string(), key);
        assert_eq!(sandbox.entries(), ["main"]);
        assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some(key));
        assert_eq!(sandbox.wait(["-t", "0", "main"]).finish().status, 0);
    }
    let sandbox = Sandbox::new();
    let main = sandbox
        .run([
            "-n",
            "main",
            "--exit-only",
            "--birth-deps",
            "never",
            "--death-deps",
            "x",
            "--",
            "true",
        ])
        .start();
    await_sleep(&main);
    assert!(sandbox.entries().is_empty());
    main.send(TERM);
    assert_eq!(main.end().status, 143);
    assert_eq!(
        sandbox.key("main", "Reason").as_deref(),
        Some("interrupted")
    );
}

#[test]
fn names_of_every_length_work_and_leave_nothing_else_behind() {
    let sandbox = Sandbox::new();
    let mut names: Vec<String> = (249..=255).map(|length| "n".repeat(length)).collect();
    // It differs from another one only in its last byte.
    names.push(format!("{}x", "n".repeat(254)));
    let lives: Vec<Running> = names
        .iter()
        .map(|name| sandbox.run(["-n", name, "--", "sleep", "60"]).start())
        .collect();
    for name in &names {
        sandbox.await_key(name, "Ready");
    }
    names.sort();
    assert_eq!(sandbox.entries(), names);
    let longest = names.iter().find(|name| name.len() == 255).unwrap();
    assert_eq!(
        sandbox.run(["-n", longest, "--", "true"]).finish().status,
        125,
        "the name is taken"
    );
    let follower = sandbox
        .run(["--death-deps", longest, "--", "sleep", "60"])
        .start();
    await_sleep(&follower);
    lives.iter().for_each(|life| life.send(TERM));
    lives
        .into_iter()
        .for_each(|life| assert_eq!(life.end().status, 143));
    assert_eq!(follower.end().status, 143);
    sandbox.record_death(longest, "3");
    assert_eq!(sandbox.wait(["-x", longest]).finish().status, 3);
    assert_eq!(sandbox.entries(), names);
}

#[test]
fn a_directory_that_goes_away_does_not_end_the_command() {
    let recorder = Recorder::start("trap 'echo TERM >> \"$RECORD\"; exit 6' TERM", |sandbox| {
        sandbox.run(["-n", "main", "--poll", "20ms", "--death-deps", "dep"])
    });
    std::fs::rename(recorder.sandbox.dir(), recorder.sandbox.path("old")).unwrap();
    // The new directory is watched again, and the end is recorded in it.
    recorder.sandbox.record_death("other", "0");
    recorder.sandbox.record_death("dep", "3");
    let Recorder { sandbox, running } = recorder;
    let ended = running.end();
    assert_eq!(ended.status, 6, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("was removed, moved or unmounted"),
        "{}",
        ended.stderr
    );
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("6"));
    assert_eq!(sandbox.key("main", "Cause").as_deref(), Some("dep"));
    assert_eq!(sandbox.entries(), ["dep", "main", "other"]);

    // If it does not come back, a message says so, and the status of CMD stays.
    let recorder = Recorder::start(":", |sandbox| {
        sandbox.run(["-n", "main", "--poll", "20ms", "--death-deps", "dep"])
    });
    std::fs::rename(recorder.sandbox.dir(), recorder.sandbox.path("old")).unwrap();
    recorder.let_go();
    let Recorder { sandbox, running } = recorder;
    let ended = running.end();
    assert_eq!(ended.status, 5, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .lines()
            .any(|line| line.contains("No such file or directory")),
        "{}",
        ended.stderr
    );
    assert!(!sandbox.dir().exists());
}

#[test]
fn a_tombstone_that_is_removed_by_hand_is_written_again_at_the_end() {
    let recorder = Recorder::start(":", |sandbox| sandbox.run(["-n", "main"]));
    let waiting = recorder.sandbox.key("main", "Waiting");
    std::fs::remove_file(recorder.sandbox.dir().join("main")).unwrap();
    recorder.let_go();
    let Recorder { sandbox, running } = recorder;
    assert_eq!(running.end().status, 5);
    assert_eq!(sandbox.key("main", "ExitCode").as_deref(), Some("5"));
    assert_eq!(sandbox.key("main", "Waiting"), waiting);
    assert_eq!(sandbox.entries(), ["main"]);
}
