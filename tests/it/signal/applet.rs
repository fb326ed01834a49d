//! `exitdir-signal` as its users see it.

use crate::support::inspect::assert_sentence;
use crate::support::namespaces::{SMALL_DISK, with_mounts};
use crate::support::proc::await_gone;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{KILL, TERM};
use crate::support::users::{as_nobody, installed, nobody_is_permitted};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn the_name_is_the_argument_or_exitdir_name_or_exitfile() {
    let cases: [(&[&str], Option<&str>, &str); 6] = [
        (&["main"], Some("other"), "main"),
        (&["--", "main"], Some("other"), ""),
        (&[], Some("other"), "other"),
        (&[], Some(""), "exitFile"),
        (&[], None, "exitFile"),
        (
            &["-c", "0", "main", "-m", "options may follow"],
            None,
            "main",
        ),
    ];
    for (arguments, own, name) in cases {
        let sandbox = Sandbox::new();
        let ended = sandbox
            .signal(arguments)
            .envs(own.map(|own| ("EXITDIR_NAME", own)))
            .finish();
        if name.is_empty() {
            // After -- comes a probe, and there is no life that it could be for.
            assert_sentence(&ended, "exitdir-signal", 125);
            continue;
        }
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        assert_eq!(sandbox.entries(), [name], "{arguments:?}");
        assert_eq!(sandbox.key(name, "Reason").as_deref(), Some("said"));
    }
}

#[test]
fn a_reader_sees_the_code_or_the_readiness_that_was_recorded() {
    for (arguments, state, code) in [
        (&["main"][..], "ok", "0"),
        (&["-c", "0", "main"], "ok", "0"),
        (&["--code=3", "main"], "failed", "3"),
        (&["-c255", "main"], "failed", "255"),
        (&["--ready", "main"], "ready", "-"),
        (&["-r", "main"], "ready", "-"),
    ] {
        let sandbox = Sandbox::new();
        assert_eq!(
            sandbox.signal(arguments).finish().status,
            0,
            "{arguments:?}"
        );
        let printed = sandbox
            .wait(["--any", "--print", "main", "main:ready"])
            .finish()
            .stdout;
        assert_eq!(
            printed,
            format!("main {state} {code}\n"),
            "{arguments:?}: {}",
            sandbox.tombstone("main")
        );
    }
    let sandbox = Sandbox::new();
    sandbox.signal(["-r", "main"]).finish();
    assert!(sandbox.key("main", "Born").is_some() && sandbox.key("main", "Ready").is_some());
}

#[test]
fn a_message_is_one_quoted_line_of_at_most_1_kib() {
    let long = "m".repeat(5000);
    let wide = "\"\u{e4}\n".repeat(1000);
    for (text, recorded) in [
        ("plain", "\"plain\""),
        ("", "\"\""),
        ("say \"hi\" \\ back", r#""say \"hi\" \\ back""#),
        ("two\nlines\tand\rmore", r#""two\nlines\tand\rmore""#),
        ("\u{1b}[31mred\u{7f}", r#""\u001b[31mred\u007f""#),
        ("Died: \"fake\"", r#""Died: \"fake\"""#),
        ("gr\u{fc}n", "\"gr\u{fc}n\""),
    ] {
        let sandbox = Sandbox::new();
        assert_eq!(sandbox.signal(["-m", text, "main"]).finish().status, 0);
        assert_eq!(
            sandbox.key("main", "Message").as_deref(),
            Some(recorded),
            "{}",
            sandbox.tombstone("main")
        );
        assert_eq!(
            sandbox.tombstone("main").lines().count(),
            5,
            "{}",
            sandbox.tombstone("main")
        );
    }
    for text in [&long, &wide] {
        let sandbox = Sandbox::new();
        assert_eq!(sandbox.signal(["-m", text, "main"]).finish().status, 0);
        let message = sandbox.key("main", "Message").unwrap();
        assert!(
            (1000..=1024).contains(&message.len()),
            "{} bytes",
            message.len()
        );
        assert!(
            message.ends_with('"') && !message.ends_with("\\\""),
            "cut within an escape: {message}"
        );
        assert_eq!(sandbox.wait(["main:ok", "-t", "0"]).finish().status, 0);
    }
}

#[test]
fn a_death_is_appended_to_a_living_tombstone_and_later_ones_are_not_recorded() {
    let sandbox = Sandbox::new();
    let mut main = sandbox.run([
        "-n",
        "main",
        "--ready-on",
        "signal",
        "--",
        "sh",
        "-c",
        "echo up; read x; exit 7",
    ]);
    let (reader, writer) = std::io::pipe().unwrap();
    let mut main = main.stdin(reader).start();
    sandbox.await_key("main", "Born");
    let head = sandbox.tombstone("main");
    let inode = std::fs::metadata(sandbox.dir().join("main")).unwrap().ino();

    assert_eq!(
        sandbox
            .signal(["--ready", "main", "-m", "warm"])
            .finish()
            .status,
        0
    );
    assert_eq!(sandbox.wait(["main:ready", "-t", "0"]).finish().status, 0);
    sandbox.record_ready("main");
    assert_eq!(
        sandbox.tombstone("main").matches("Ready: ").count(),
        1,
        "recorded before"
    );

    assert_eq!(
        sandbox
            .signal(["-c", "3", "main", "-m", "first"])
            .finish()
            .status,
        0
    );
    assert_eq!(sandbox.wait(["-x", "main", "-t", "0"]).finish().status, 3);
    let said = sandbox.tombstone("main");
    assert!(said.starts_with(&head), "appended, not rewritten");

    let again = sandbox.signal(["-c", "3", "main"]).finish();
    assert_eq!(
        (again.status, again.stderr.as_str()),
        (0, ""),
        "it says the same"
    );
    for arguments in [["-c", "4", "main"], ["-c", "0", "main"]] {
        assert_sentence(&sandbox.signal(arguments).finish(), "exitdir-signal", 0);
    }
    assert_sentence(
        &sandbox.signal(["--ready", "main"]).finish(),
        "exitdir-signal",
        0,
    );
    assert_eq!(
        sandbox.tombstone("main"),
        said,
        "the second death is not recorded"
    );

    assert!(main.is_running(), "CMD is not stopped");
    drop(writer);
    assert_eq!(main.end().status, 7, "the supervisor ends as CMD does");
    assert_eq!(
        sandbox.tombstone("main"),
        said,
        "and writes no death of its own"
    );
    assert_eq!(
        std::fs::metadata(sandbox.dir().join("main")).unwrap().ino(),
        inode
    );
}

#[test]
fn a_death_is_appended_to_a_living_tombstone_of_another_program_also_if_it_has_no_last_newline() {
    for text in [
        "Born: \"2026-11-20T21:29:27Z\"\n",
        "Born: \"2026-11-20T21:29:27Z\"\nReady: \"2026",
    ] {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        std::fs::write(sandbox.dir().join("main"), text).unwrap();
        sandbox.record_death("main", "3");
        assert!(sandbox.tombstone("main").starts_with(text));
        assert_eq!(
            sandbox.wait(["-x", "main", "-t", "0"]).finish().status,
            3,
            "{}",
            sandbox.tombstone("main")
        );
    }
}

#[test]
fn a_dead_tombstone_is_replaced_unless_it_records_the_same_death() {
    let corpses = [
        (
            "exited 3",
            "Waiting: \"2026-11-20T21:29:27Z\"\nExitCode: 3\nReason: exited\nDied: \"2026-11-20T21:29:28Z\"\n",
        ),
        ("foreign", "somebody was here\n"),
    ];
    for (what, text) in corpses {
        for (arguments, code, same) in [
            (&["-c", "3", "main"][..], 3, what == "exited 3"),
            (&["-c", "0", "main"], 0, what == "foreign"),
            (&["-c", "5", "main"], 5, false),
        ] {
            let sandbox = Sandbox::new();
            std::fs::create_dir(sandbox.dir()).unwrap();
            std::fs::write(sandbox.dir().join("main"), text).unwrap();
            let ended = sandbox.signal(arguments).finish();
            assert_eq!(
                (ended.status, ended.stderr.as_str()),
                (0, ""),
                "{what} {arguments:?}"
            );
            assert_eq!(
                sandbox.tombstone("main") == text,
                same,
                "{what} {arguments:?}: {}",
                sandbox.tombstone("main")
            );
            assert_eq!(
                sandbox.wait(["-x", "main", "-t", "0"]).finish().status,
                code
            );
            assert_eq!(sandbox.entries(), ["main"]);
        }
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        std::fs::write(sandbox.dir().join("main"), text).unwrap();
        sandbox.record_ready("main");
        assert_eq!(
            sandbox.wait(["main:ready", "-t", "0"]).finish().status,
            0,
            "{}",
            sandbox.tombstone("main")
        );
    }
}

#[test]
fn with_any_umask_all_users_may_use_the_directory_and_its_tombstones() {
    for applet in [
        "signal main",
        "run -n main -- true",
        "run --exit-only -n main -- true",
        "wait -t 0 main",
    ] {
        let sandbox = Sandbox::new();
        let script = format!("umask 077; exec \"$0\" {applet}");
        let dir = sandbox.path("parent/graveyard");
        let ended = sandbox
            .command("sh")
            .args(["-c", &script])
            .arg(binary())
            .env("EXIT_DIR", &dir)
            .finish();
        assert!(
            [0, 124].contains(&ended.status),
            "{applet}: {}",
            ended.stderr
        );
        let mode =
            |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&dir), 0o777, "{applet}");
        assert_eq!(
            mode(&sandbox.path("parent")),
            0o755,
            "{applet}: all users may search the parents"
        );
        if !applet.starts_with("wait") {
            assert_eq!(mode(&dir.join("main")), 0o666, "{applet}");
        }
    }
    // A directory that is there keeps its mode.
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    std::fs::set_permissions(sandbox.dir(), std::fs::Permissions::from_mode(0o750)).unwrap();
    sandbox.signal(["main"]).finish();
    assert_eq!(
        std::fs::metadata(sandbox.dir())
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o750
    );
}

#[test]
fn another_user_can_signal_a_life_and_replace_a_corpse() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    let _main = sandbox
        .run(["-n", "main", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    sandbox.signal(["-c", "1", "dead"]).finish();
    sandbox.await_key("main", "Born");
    for (arguments, name, key) in [
        (["signal", "-r", "main"], "main", "Ready"),
        (["signal", "-c2", "main"], "main", "Died"),
        (["signal", "-c2", "dead"], "dead", "Died"),
    ] {
        let ended = as_nobody(&sandbox, &binary).args(arguments).finish();
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        assert!(sandbox.key(name, key).is_some(), "{arguments:?}");
    }
    assert_eq!(sandbox.wait(["-x", "dead", "-t", "0"]).finish().status, 2);
}

#[test]
fn on_a_full_disk_a_clean_death_is_an_empty_file_and_everything_else_fails() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    // The first page of the disk is taken, so no tombstone can be filled.
    let disk = SMALL_DISK.replace("16k", "4k");
    let script = "cd \"$EXIT_DIR\"; head -c 4096 /dev/zero > .ballast || exit 99\n\
                  \"$0\" signal clean; echo \"$?\"; test -s clean || echo empty\n\
                  \"$0\" signal -c 3 failed; echo \"$?\"\n\
                  \"$0\" signal -r ready; echo \"$?\"\n\
                  \"$0\" run -n main -- echo started; echo \"$?\"\n\
                  \"$0\" run -n late --exit-only -- sh -c 'exit 4'; echo \"$?\"\n\
                  \"$0\" wait -x -t 0 clean; echo \"$?\"\n\
                  ls -A";
    if !is_permitted("a small tmpfs", &mut with_mounts(&sandbox, &disk, "true")) {
        return;
    }
    let mut inside = with_mounts(&sandbox, &disk, "sh");
    let ended = inside.args(["-c", script]).arg(binary()).finish();
    // An empty file is a death after a second without a change. The first look may come before.
    let (said, rest) = ended
        .stdout
        .split_once("4\n")
        .unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!(said, "0\nempty\n125\n125\n125\n", "{ended:?}");
    assert!(
        ["0\n.ballast\nclean\n", "124\n.ballast\nclean\n"].contains(&rest),
        "nothing else is left behind: {ended:?}"
    );
    let full = ended
        .stderr
        .lines()
        .filter(|line| line.contains("No space left on device"))
        .count();
    assert_eq!(full, 5, "clean, failed, ready, main and late: {ended:?}");
}

#[test]
fn a_tombstone_reserves_the_space_for_its_end_before_the_disk_is_full() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    if !is_permitted(
        "a small tmpfs",
        &mut with_mounts(&sandbox, SMALL_DISK, "true"),
    ) {
        return;
    }
    // CMD fills the disk, and tries to write another file.
    let script = "\"$0\" run -n main --ready-on signal -- sh -c 'cd \"$EXIT_DIR\"; stat -c %b main; head -c 99999 /dev/zero > ballast; echo x > more; \
         \"$0\" signal -r main -m \"$(printf %01000d 7)\"; exit 3' \"$0\"; echo \"$?\"; tail -n 3 \"$EXIT_DIR/main\"";
    let ended = with_mounts(&sandbox, SMALL_DISK, "sh")
        .args(["-c", script])
        .arg(binary())
        .finish();
    let lines: Vec<&str> = ended.stdout.lines().collect();
    // 8 KiB, in blocks of 512 bytes.
    assert_eq!(
        &lines[..4],
        ["16", "3", "ExitCode: 3", "Reason: exited"],
        "{ended:?}"
    );
    assert!(
        lines[4].starts_with("Died: \"") && lines[4].ends_with("Z\""),
        "{ended:?}"
    );
}

#[test]
fn status_and_output_of_a_probe_are_passed_on_and_only_its_success_is_recorded() {
    let sandbox = Sandbox::new();
    let _main = sandbox
        .run(["-n", "main", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    sandbox.await_key("main", "Born");
    for (script, status) in [
        ("echo out; echo err >&2; exit 9", 9),
        ("kill -TERM $$", 143),
        ("exit 1", 1),
    ] {
        let ended = sandbox
            .signal(["--ready", "main", "--", "sh", "-c", script])
            .finish();
        assert_eq!(ended.status, status, "{ended:?}");
        if status == 9 {
            assert_eq!(
                (ended.stdout.as_str(), ended.stderr.as_str()),
                ("out\n", "err\n")
            );
        }
        assert_eq!(sandbox.key("main", "Ready"), None, "{script}");
    }
    let ended = sandbox
        .signal(["--ready", "main", "--", "sh", "-c", "echo fine"])
        .env("EXITDIR_NAME", "other")
        .finish();
    assert_eq!(
        (ended.status, ended.stdout.as_str(), ended.stderr.as_str()),
        (0, "fine\n", "")
    );
    assert!(sandbox.key("main", "Ready").is_some());
    // Also without a name of its own, and for a death.
    let ended = sandbox
        .signal(["-c", "5", "--", "true"])
        .env("EXITDIR_NAME", "main")
        .finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(sandbox.wait(["-x", "main", "-t", "0"]).finish().status, 5);
}

#[test]
fn a_probe_is_not_run_if_no_exitdir_run_has_the_name() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    sandbox.signal(["-c", "1", "dead"]).finish();
    std::fs::write(
        sandbox.dir().join("foreign"),
        "Born: \"2026-11-20T21:29:27Z\"\n",
    )
    .unwrap();
    let main = sandbox.run(["-n", "lost", "--", "sleep", "60"]).start();
    sandbox.await_key("lost", "Born");
    main.send(KILL);
    main.end();
    for name in ["absent", "dead", "foreign", "lost"] {
        let before = sandbox.tombstone(name);
        let ended = sandbox
            .signal(["--ready", name, "--", "echo", "ran"])
            .finish();
        assert_sentence(&ended, "exitdir-signal", 125);
        assert_eq!(ended.stdout, "", "{name}: the probe ran");
        assert_eq!(sandbox.tombstone(name), before, "{name}");
    }
    assert_eq!(sandbox.entries(), ["dead", "foreign", "lost"]);
}

#[test]
fn a_probe_that_succeeds_after_its_life_has_ended_is_not_recorded() {
    let sandbox = Sandbox::new();
    let main = sandbox
        .run(["-n", "main", "--ready-on", "signal", "--", "sleep", "60"])
        .start();
    sandbox.await_key("main", "Born");
    let (reader, writer) = std::io::pipe().unwrap();
    let marker = sandbox.path("marker");
    let probe = sandbox
        .signal(["-r", "main", "--", "sh", "-c", "touch \"$0\"; read x; true"])
        .arg(&marker)
        .stdin(reader)
        .start();
    wait_until("the probe runs", || marker.exists());
    main.send(TERM);
    assert_eq!(main.end().status, 143);
    let record = sandbox.tombstone("main");
    drop(writer);
    assert_sentence(&probe.end(), "exitdir-signal", 125);
    assert_eq!(sandbox.tombstone("main"), record);
}

#[test]
fn a_probe_dies_with_exitdir_signal() {
    let sandbox = Sandbox::new();
    let _main = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
    sandbox.await_key("main", "Born");
    for signal in [9, 15] {
        let marker = sandbox.path(&format!("pid-{signal}"));
        let probe = sandbox
            .signal([
                "-r",
                "main",
                "--",
                "sh",
                "-c",
                "echo $$ > \"$0\".new; mv \"$0\".new \"$0\"; exec sleep 60",
            ])
            .arg(&marker)
            .start();
        let pid = eventually("the probe runs", || std::fs::read_to_string(&marker).ok());
        probe.send(signal);
        assert_eq!(probe.end().status, 128 + signal);
        await_gone(&pid);
    }
}
