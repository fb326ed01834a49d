//! Entries of the exit directory that are no tombstones, or incomplete ones.

use crate::support::inspect::assert_sentence;
use crate::support::sandbox::{Sandbox, Start, binary, words};
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

/// Puts something that is no regular file under a name.
fn place_oddity(sandbox: &Sandbox, kind: &str, name: &str) {
    let path = sandbox.dir().join(name);
    match kind {
        "fifo" => rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o666.into()).unwrap(),
        "symlink" => std::os::unix::fs::symlink(sandbox.path("target"), &path).unwrap(),
        "dangling" => std::os::unix::fs::symlink("nowhere", &path).unwrap(),
        "directory" => std::fs::create_dir(&path).unwrap(),
        // The file stays when the listener is gone.
        "socket" => drop(UnixListener::bind(&path).unwrap()),
        _ => panic!("{kind}"),
    }
}

const ODDITIES: [&str; 5] = ["fifo", "symlink", "dangling", "directory", "socket"];

#[test]
fn an_entry_that_is_no_regular_file_is_no_tombstone_and_blocks_no_applet() {
    for kind in ODDITIES {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        // The target of the link would be a death.
        std::fs::write(
            sandbox.path("target"),
            "ExitCode: 0\nDied: \"2026-11-20T21:29:27Z\"\n",
        )
        .unwrap();
        place_oddity(&sandbox, kind, "dep");

        let ended = sandbox.wait(["-t", "0", "dep"]).finish();
        let obstacle = format!(
            "{} is no regular file, so it is no tombstone; remove it or use another name\n",
            sandbox.dir().join("dep").display()
        );
        let expected = format!(
            "exitdir-wait: {obstacle}\
             exitdir-wait: timed out after 0s: dep:died does not hold (there is no dep)\n"
        );
        assert_eq!((ended.status, ended.stderr), (124, expected), "{kind}");
        assert_eq!(
            sandbox.wait(["-t", "0"]).finish().status,
            124,
            "{kind} is no tombstone"
        );
        assert_eq!(
            sandbox.applet("status").finish().stdout.lines().count(),
            1,
            "{kind} is in the table"
        );
        assert_eq!(
            sandbox
                .run(["--death-deps", "dep,:died", "--", "true"])
                .finish()
                .status,
            0,
            "{kind}"
        );

        let ended = sandbox
            .run([
                "-n",
                "main",
                "--birth-deps",
                "dep",
                "--birth-timeout",
                "0",
                "--",
                "true",
            ])
            .finish();
        let expected = format!(
            "exitdir-run: {obstacle}\
             exitdir-run: gave up after 0s: dep:ready does not hold (there is no dep)\n"
        );
        assert_eq!((ended.status, ended.stderr), (124, expected), "{kind}");
        assert_eq!(
            sandbox.key("main", "Reason").as_deref(),
            Some("birth-timeout"),
            "{kind}"
        );
    }
}

#[test]
fn an_entry_of_its_own_name_that_is_no_file_is_replaced_or_refused() {
    for kind in ODDITIES {
        for case in ["signal dep", "run -n dep -- true"] {
            let sandbox = Sandbox::new();
            std::fs::create_dir(sandbox.dir()).unwrap();
            std::fs::write(sandbox.path("target"), "precious\n").unwrap();
            place_oddity(&sandbox, kind, "dep");
            let ended = sandbox.command(binary()).args(words(case)).finish();
            if kind == "directory" {
                let expected = format!(
                    "exitdir-{}: cannot replace {}: it is a directory; remove it or use another \
                     name\n",
                    words(case)[0],
                    sandbox.dir().join("dep").display()
                );
                assert_eq!((ended.status, ended.stderr), (125, expected), "{case}");
            } else {
                assert_eq!(
                    (ended.status, ended.stderr.as_str()),
                    (0, ""),
                    "{kind}: {case}"
                );
                assert_eq!(
                    sandbox.key("dep", "ExitCode").as_deref(),
                    Some("0"),
                    "{kind}: {case}"
                );
            }
            assert_eq!(
                std::fs::read_to_string(sandbox.path("target")).unwrap(),
                "precious\n",
                "{kind}: {case}"
            );
            assert_eq!(sandbox.entries(), ["dep"], "{kind}: {case}");
        }
    }
}

#[test]
fn a_tombstone_of_garbage_is_a_death_with_code_0_whatever_its_size() {
    let megabytes = 10 << 20;
    let garbage: [(&str, Vec<u8>); 8] = [
        ("nothing", Vec::new()),
        ("one line", b"hello\n".to_vec()),
        ("binary", (0..=255).cycle().take(3000).collect()),
        (
            "NUL and invalid UTF-8",
            b"\0\xff\xfe: \0\nExitCode: \0\nMessage: \xff\xc0\x80\x1b[2J\x07\n".to_vec(),
        ),
        ("10 MB without a line", vec![b'x'; megabytes]),
        ("10 MB of NUL", vec![0; megabytes]),
        ("10 MB of lines", b"Garbage: x\n".repeat(megabytes / 11)),
        ("5000 identical lines", b"Message: \"again\"\n".repeat(5000)),
    ];
    for (what, bytes) in garbage {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        std::fs::write(sandbox.dir().join("dep"), &bytes).unwrap();
        age(&sandbox, "dep");
        let ended = sandbox.wait(["--print", "-x", "-t", "0", "dep"]).finish();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, "dep ok 0\n"),
            "{what}: {}",
            ended.stderr
        );
        for arguments in [&[][..], &["--json"]] {
            let ended = sandbox.applet("status").args(arguments).finish();
            assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{what}");
            assert!(
                !ended.stdout.contains(|c: char| c.is_control() && c != '\n'),
                "{what}: {:?}",
                ended.stdout
            );
            assert_eq!(
                ended.stdout.lines().count(),
                2 - arguments.len(),
                "{what}: {:?}",
                ended.stdout
            );
        }
        let ended = sandbox
            .run(["-n", "main", "--death-deps", "dep", "--", "echo", "started"])
            .finish();
        assert_eq!(
            (ended.status, ended.stdout.as_str()),
            (0, ""),
            "{what}: never started, for a clean death"
        );
        // The entry may also have the supervisor's own name.
        assert_eq!(
            sandbox.run(["-n", "dep", "--", "true"]).finish().status,
            0,
            "{what}"
        );
        assert_eq!(
            sandbox.key("dep", "Reason").as_deref(),
            Some("exited"),
            "{what}"
        );
        assert_eq!(sandbox.entries(), ["dep", "main"], "{what}");
    }
}

/// Sets the modification time back, so that the file counts as completely written.
fn age(sandbox: &Sandbox, name: &str) {
    let file = std::fs::File::options()
        .write(true)
        .open(sandbox.dir().join(name))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
}

#[test]
fn only_4_kib_of_a_foreign_tombstone_are_read() {
    let born = "Born: \"2026-11-20T21:29:27Z\"\n";
    let death = "ExitCode: 3\nDied: \"2026-11-20T21:30:27Z\"\n";
    let padding = |length: usize| format!("X: {}\n", "x".repeat(length - 4));
    let inside = format!("{born}{}{death}", padding(4096 - born.len() - death.len()));
    assert_eq!(inside.len(), 4096);
    for (text, expected) in [
        (inside.clone(), "dep failed 3\n"),
        (
            format!("{inside}{}", "x".repeat(10 << 20)),
            "dep failed 3\n",
        ),
        (format!("{born}{}{death}", padding(4096)), "dep ready -\n"),
        (
            format!("{born}{death}{}", "Died: \"again\"\n".repeat(5000)),
            "dep failed 3\n",
        ),
        (format!("{}{death}", born.repeat(5000)), "dep ready -\n"),
    ] {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        std::fs::write(sandbox.dir().join("dep"), &text).unwrap();
        age(&sandbox, "dep");
        let ended = sandbox
            .wait(["--any", "--print", "-t", "0", "dep", "dep:ready"])
            .finish();
        assert_eq!(ended.stdout, expected, "{}: {}", &text[..60], ended.stderr);
    }
}

#[test]
fn bytes_from_the_directory_are_printed_escaped() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let nasty = "Born: \"a\u{1b}b\"\nReady: \"\u{7}\"\nMessage: \"\\u001b[2J\\u0007\\nsecond\u{9b}31m\"\nExitCode: 2\nDied: \"\u{1b}]0;x\u{7}\"\n";
    std::fs::write(sandbox.dir().join("dep"), nasty).unwrap();
    for arguments in [&[][..], &["--json"]] {
        let ended = sandbox.applet("status").args(arguments).finish();
        assert_eq!(ended.status, 0, "{ended:?}");
        assert!(ended.stdout.contains("second"), "{ended:?}");
        assert!(
            !ended.stdout.contains(|c: char| c.is_control() && c != '\n'),
            "{:?}",
            ended.stdout
        );
        assert_eq!(
            ended.stdout.lines().count(),
            2 - arguments.len(),
            "{:?}",
            ended.stdout
        );
    }
    assert_sentence(
        &sandbox.wait(["-t", "0", "dep:ok"]).finish(),
        "exitdir-wait",
        1,
    );
    let ended = sandbox
        .wait(["-d", "/dev/null/\u{1b}[31m\nsecond", "a"])
        .finish();
    assert_sentence(&ended, "exitdir-wait", 125);
}
