//! Bad input: one sentence, the status that the documentation promises, and, where there is a name
//! and a directory, a tombstone that says died, so that nobody waits for ever.

use crate::support::inspect::assert_sentence;
use crate::support::namespaces::{READ_ONLY, with_mounts};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Sandbox, Start, binary, entries};
use crate::support::users::{as_nobody, installed, nobody_is_permitted, set_mode};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, SystemTime};

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Checks that a tombstone says that the life is over, to a follower too, and that nothing else was left.
#[track_caller]
fn assert_recorded_dead(sandbox: &Sandbox, name: &str, code: i32) {
    assert_eq!(
        sandbox.key(name, "ExitCode"),
        Some(code.to_string()),
        "{}",
        sandbox.tombstone(name)
    );
    assert_eq!(
        sandbox.wait(["-x", "-t", "0", name]).finish().status,
        code,
        "{}",
        sandbox.tombstone(name)
    );
    assert_eq!(sandbox.entries(), [name]);
}

#[test]
fn wrong_usage_is_one_sentence_and_125() {
    let long = format!("wait {}", "n".repeat(256));
    let cases = [
        "wait --bogus",
        "wait -z",
        "wait --any=3",
        "wait --timeout",
        "wait -t 1x",
        "wait -t -1s",
        "wait -t 1m30",
        "wait -t 1e3",
        "wait --poll soon",
        "wait .hidden",
        "wait a/b",
        "wait a:b",
        "wait a:exit=256",
        "wait a:exit=-1",
        "wait a:exit=",
        "wait a:",
        "wait n\u{e4}me",
        "wait a --",
        "wait a,b",
        "wait -x a -- true",
        &long,
        "signal --bogus",
        "signal a b",
        "signal a/b",
        "signal .a",
        "signal -c 256 a",
        "signal -c -1 a",
        "signal -c one a",
        "signal -c 1 -r a",
        "signal a --",
        "signal --message",
        "signal -t 1 a",
        "status --bogus",
        "status a",
        "status --json=1",
        "status -d",
        "install",
        "install --bogus",
        "install a b",
        "install --sweep=1",
        "run",
        "run --",
        "run --bogus -- true",
        "run -t 1 -- true",
        "run -n a/b -- true",
        "run -n .a -- true",
        "run -n",
        "run --name",
        "run --exit-only -- true",
        "run --ready-on signal -- true",
        "frobnicate",
        "wait-",
        "Wait",
    ];
    for case in cases {
        let sandbox = Sandbox::new();
        let ended = sandbox.command(binary()).args(words(case)).finish();
        let applet = match case.split(' ').next() {
            Some(name @ ("wait" | "signal" | "status" | "install" | "run")) => {
                format!("exitdir-{name}")
            }
            _ => "exitdir".to_owned(),
        };
        assert_sentence(&ended, &applet, 125);
        assert_eq!(ended.stdout, "", "{case}");
        assert!(
            sandbox.entries().is_empty(),
            "{case}: {:?}",
            sandbox.entries()
        );
    }
}

#[test]
fn words_that_are_empty_or_no_text_are_one_sentence_and_125() {
    let invalid = OsStr::from_bytes(b"a\xff\xfe");
    let empty = OsStr::new("");
    for value in [invalid, empty] {
        for before in [
            "wait -t",
            "wait",
            "wait --poll",
            "signal",
            "signal -c",
            "run -n",
            "run --birth-deps",
            "run -e",
            "",
        ] {
            let sandbox = Sandbox::new();
            let mut command = sandbox.command(binary());
            command.args(words(before)).arg(value);
            if before.starts_with("run") {
                command.args(["--", "true"]);
            }
            let applet = words(before)
                .first()
                .map_or("exitdir".to_owned(), |name| format!("exitdir-{name}"));
            assert_sentence(&command.finish(), &applet, 125);
            assert!(
                sandbox.entries().is_empty(),
                "{before} {value:?}: {:?}",
                sandbox.entries()
            );
        }
    }
}

#[test]
fn wrong_usage_of_exitdir_run_leaves_a_tombstone_that_says_died() {
    let cases = [
        "--bogus",
        "-z",
        "--name=main --bogus=3",
        "--grace-period soon",
        "--birth-timeout -1",
        "--timeout 1x",
        "--poll often",
        "--stop-signal FOO",
        "--stop-signal 65",
        "-e 256",
        "-e 1,two",
        "--birth-deps a:b",
        "--birth-deps a,,b",
        "--death-deps a/b",
        "--death-deps .a",
        "--death-deps main",
        "--birth-deps main:ready",
        "--ready-on never",
        "--quiet=1",
    ];
    for case in cases {
        let sandbox = Sandbox::new();
        let ended = sandbox
            .run(["-n", "main"])
            .args(words(case))
            .args(["--", "touch"])
            .arg(sandbox.path("started"))
            .finish();
        assert_sentence(&ended, "exitdir-run", 125);
        assert_recorded_dead(&sandbox, "main", 125);
        assert!(!sandbox.path("started").exists(), "{case}: CMD was started");
        let sentence = sandbox.key("main", "Message").unwrap_or_default();
        assert!(
            sentence.len() > 10,
            "{case}: the tombstone does not say why: {}",
            sandbox.tombstone("main")
        );
    }
    for case in ["", "--"] {
        let sandbox = Sandbox::new();
        assert_sentence(
            &sandbox.run(["-n", "main"]).args(words(case)).finish(),
            "exitdir-run",
            125,
        );
        assert_recorded_dead(&sandbox, "main", 125);
    }
}

#[test]
fn every_bad_variable_is_named_and_the_tombstone_says_died() {
    let cases = [
        ("EXIT_ONLY", "yes"),
        ("BIRTH_DEPS", "a:b"),
        ("BIRTH_TIMEOUT", "x"),
        ("DEATH_DEPS", ","),
        ("GRACE_PERIOD", "-1"),
        ("STOP_SIGNAL", "FOO"),
        ("TIMEOUT", "1x"),
        ("PASS_CODE", "2"),
        ("EXPECT_CODE", "256"),
        ("GROUP", "on"),
        ("READY_ON", "never"),
        ("POLL", "often"),
        ("VERBOSE", "yes"),
        ("QUIET", "TRUE"),
    ];
    for (option, bad) in cases {
        for value in [OsString::from(bad), OsStr::from_bytes(b"\xff").to_owned()] {
            let variable = format!("EXITDIR_{option}");
            let sandbox = Sandbox::new();
            let ended = sandbox
                .run(["-n", "main", "--", "true"])
                .env(&variable, &value)
                .finish();
            assert_sentence(&ended, "exitdir-run", 125);
            assert!(
                ended.stderr.contains(&format!("{variable} is ")),
                "{}",
                ended.stderr
            );
            assert_recorded_dead(&sandbox, "main", 125);
        }
    }
}

#[test]
fn a_bad_name_in_the_environment_is_one_sentence_and_125() {
    for applet in ["run", "wait", "signal"] {
        let sandbox = Sandbox::new();
        let mut command = sandbox.applet(applet);
        if applet == "run" {
            command.arg("true");
        }
        let ended = command.env("EXITDIR_NAME", "bad/name").finish();
        assert_sentence(&ended, &format!("exitdir-{applet}"), 125);
        assert!(ended.stderr.contains("EXITDIR_NAME"), "{}", ended.stderr);
        assert!(sandbox.entries().is_empty());
    }
}

#[test]
fn wrong_usage_does_not_touch_a_life_that_has_the_name() {
    let sandbox = Sandbox::new();
    let mut living = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
    sandbox.await_key("main", "Ready");
    let before = sandbox.tombstone("main");
    assert_sentence(
        &sandbox
            .run(["-n", "main", "--bogus", "--", "true"])
            .finish(),
        "exitdir-run",
        125,
    );
    assert_eq!(sandbox.tombstone("main"), before);
    assert_eq!(sandbox.entries(), ["main"]);
    assert!(living.is_running());
}

#[test]
fn without_an_exit_directory_the_sentence_says_what_to_set() {
    let cases = [
        "wait",
        "wait main",
        "signal",
        "status",
        "install --sweep",
        "run -n main -- true",
        "run --death-deps a -- true",
        "run --birth-deps a -- true",
        "run -n main --exit-only -- true",
    ];
    let sandbox = Sandbox::new();
    for case in cases {
        for value in [None, Some("")] {
            let mut command = sandbox.command(binary());
            command
                .args(words(case))
                .env_remove("EXIT_DIR")
                .envs(value.map(|value| ("EXIT_DIR", value)));
            let ended = command.finish();
            assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
            assert!(
                ended.stderr.contains("EXIT_DIR") && ended.stderr.contains("--dir"),
                "{}",
                ended.stderr
            );
        }
    }
    let ended = sandbox
        .run(["--", "sh", "-c", "exit 4"])
        .env_remove("EXIT_DIR")
        .finish();
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (4, ""),
        "without a directory exitdir-run only supervises"
    );
    assert!(entries(&sandbox.path(".")).is_empty());
}

/// One call of each applet that uses the directory; `run` would tell by its output that CMD was started.
const USES: [&str; 4] = [
    "wait -t 0 main",
    "signal main",
    "status",
    "run -n main -- echo started",
];

#[track_caller]
fn assert_refused(command: &mut Command, case: &str, why: &str) {
    let ended = command.finish();
    assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
    assert!(ended.stderr.contains(why), "{case}: {}", ended.stderr);
    assert_eq!(ended.stdout, "", "{case}");
}

#[test]
fn something_else_in_the_place_of_the_directory_is_one_sentence_and_125() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("file"), "precious\n").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, sandbox.path("fifo"), 0o666.into()).unwrap();
    std::os::unix::fs::symlink("loop", sandbox.path("loop")).unwrap();
    let long = "d".repeat(300);
    let places = [
        ("file", "Not a directory"),
        ("file/below", "Not a directory"),
        ("fifo", "Not a directory"),
        // What glibc's words and musl's have in common.
        ("loop", "ymbolic link"),
        (&long, "too long"),
    ];
    for case in USES {
        for (place, why) in places {
            assert_refused(
                sandbox
                    .command(binary())
                    .args(words(case))
                    .env("EXIT_DIR", sandbox.path(place)),
                case,
                why,
            );
        }
    }
    assert_eq!(
        std::fs::read_to_string(sandbox.path("file")).unwrap(),
        "precious\n"
    );
}

#[test]
fn a_link_to_nowhere_in_the_place_of_the_directory_is_one_sentence_and_125() {
    let sandbox = Sandbox::new();
    std::os::unix::fs::symlink("nowhere", sandbox.dir()).unwrap();
    for case in USES {
        let ended = sandbox.command(binary()).args(words(case)).finish();
        assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
        assert_eq!(ended.stdout, "", "{case}");
    }
}

#[test]
fn a_directory_without_permission_is_one_sentence_and_125() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    for (place, mode) in [("locked", 0o700), ("readable", 0o755)] {
        std::fs::create_dir(sandbox.path(place)).unwrap();
        std::fs::create_dir(sandbox.path(place).join("inner")).unwrap();
        set_mode(&sandbox.path(place), mode);
    }
    std::fs::write(
        sandbox.path("readable").join("secret"),
        "Born: \"2026-11-20T21:29:27Z\"\n",
    )
    .unwrap();
    set_mode(&sandbox.path("readable").join("secret"), 0o600);
    let nobody = |case: &str, place: &str| {
        let mut command = as_nobody(&sandbox, &binary);
        command
            .args(words(case))
            .env("EXIT_DIR", sandbox.path(place));
        command
    };
    for case in USES {
        assert_refused(&mut nobody(case, "locked/inner"), case, "Permission denied");
    }
    assert_refused(
        &mut nobody("wait -t 0 main", "locked"),
        "wait",
        "Permission denied",
    );
    for case in ["signal main", "run -n main -- echo started"] {
        assert_refused(&mut nobody(case, "locked"), case, "Permission denied");
        assert_refused(&mut nobody(case, "readable"), case, "Permission denied");
    }
    assert_refused(
        &mut nobody("wait -t 0 secret", "readable"),
        "wait",
        "Permission denied",
    );
    assert_eq!(
        nobody("wait -t 0 main", "readable").finish().status,
        124,
        "who only reads needs no more"
    );
    assert_refused(
        &mut nobody("wait main", "readable/new"),
        "wait",
        "Permission denied",
    );
}

#[test]
fn a_read_only_directory_is_one_sentence_and_125_for_those_who_write() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let inside = |case: &str| {
        let mut command = with_mounts(&sandbox, READ_ONLY, binary());
        command.args(words(case));
        command
    };
    if !is_permitted("a mount", &mut inside("--version")) {
        return;
    }
    for case in ["signal main", "run -n main -- echo started"] {
        assert_refused(&mut inside(case), case, "Read-only file system");
    }
    assert_eq!(
        inside("wait -t 0 main").finish().status,
        124,
        "who only reads needs no more"
    );
    assert!(sandbox.entries().is_empty());
}

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
fn what_is_no_regular_file_is_nobodys_tombstone_and_makes_nothing_hang() {
    for kind in ODDITIES {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        // Through the link this would be a death.
        std::fs::write(
            sandbox.path("target"),
            "ExitCode: 0\nDied: \"2026-11-20T21:29:27Z\"\n",
        )
        .unwrap();
        place_oddity(&sandbox, kind, "dep");

        let ended = sandbox.wait(["-t", "0", "dep"]).finish();
        assert_sentence(&ended, "exitdir-wait", 124);
        assert!(
            ended.stderr.contains("there is no dep"),
            "{kind}: {}",
            ended.stderr
        );
        assert_eq!(
            sandbox.wait(["-t", "0"]).finish().status,
            124,
            "{kind} is not anybody"
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
        assert_sentence(&ended, "exitdir-run", 124);
        assert_eq!(
            sandbox.key("main", "Reason").as_deref(),
            Some("birth-timeout"),
            "{kind}"
        );
    }
}

#[test]
fn what_stands_under_the_own_name_and_is_no_file_is_replaced_or_refused_in_one_sentence() {
    for kind in ODDITIES {
        for case in ["signal dep", "run -n dep -- true"] {
            let sandbox = Sandbox::new();
            std::fs::create_dir(sandbox.dir()).unwrap();
            std::fs::write(sandbox.path("target"), "precious\n").unwrap();
            place_oddity(&sandbox, kind, "dep");
            let ended = sandbox.command(binary()).args(words(case)).finish();
            if kind == "directory" {
                assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
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
        // Its own tombstone may lie under such a thing too.
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

/// Sets the modification time back: nobody can be in the middle of writing the file.
fn age(sandbox: &Sandbox, name: &str) {
    let file = std::fs::File::options()
        .write(true)
        .open(sandbox.dir().join(name))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60))
        .unwrap();
}

#[test]
fn of_a_foreign_tombstone_4_kib_are_read() {
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

/// Commands that cannot be executed, with the status that a shell would give.
fn commands(sandbox: &Sandbox) -> [(OsString, i32); 7] {
    let file = |name: &str, text: &str, mode: u32| {
        let path = sandbox.program(name, text);
        set_mode(&path, mode);
        path.into_os_string()
    };
    [
        ("/nonexistent/program".into(), 127),
        ("exitdir-no-such-program".into(), 127),
        ("".into(), 127),
        (sandbox.path("plain").join("below").into_os_string(), 127),
        (
            file("no-interpreter", "#!/nonexistent/interpreter\n", 0o755),
            127,
        ),
        (file("plain", "#!/bin/sh\n", 0o644), 126),
        (sandbox.path(".").into_os_string(), 126),
    ]
}

#[test]
fn a_command_that_cannot_be_executed_is_126_or_127_and_its_tombstone_says_died() {
    // Without directories that this user may not enter, where the program could be for all we know.
    let path = "/usr/bin:/bin";
    for at in 0..7 {
        let sandbox = Sandbox::new();
        let (command, status) = commands(&sandbox)[at].clone();
        let ended = sandbox
            .run(["-n", "main", "--"])
            .arg(&command)
            .env("PATH", path)
            .finish();
        assert_sentence(&ended, "exitdir-run", status);
        assert_recorded_dead(&sandbox, "main", status);
        assert_eq!(
            sandbox.key("main", "Reason").as_deref(),
            Some("exec-failed"),
            "{command:?}"
        );
        assert_eq!(
            sandbox.key("main", "Born"),
            None,
            "{command:?} was never born"
        );

        assert_sentence(
            &sandbox
                .wait(["main", "--"])
                .arg(&command)
                .env("PATH", path)
                .finish(),
            "exitdir-wait",
            status,
        );

        let _living = sandbox
            .run(["-n", "db", "--ready-on", "signal", "--", "sleep", "60"])
            .start();
        sandbox.await_key("db", "Born");
        assert_sentence(
            &sandbox
                .signal(["--ready", "db", "--"])
                .arg(&command)
                .env("PATH", path)
                .finish(),
            "exitdir-signal",
            status,
        );
        assert_eq!(
            sandbox.key("db", "Ready"),
            None,
            "{command:?}: a probe that did not run says nothing"
        );
    }
}

#[test]
fn a_directory_in_which_nothing_can_be_created_is_one_sentence_and_125() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    for case in [
        "signal main",
        "signal -r main",
        "run -n main -- echo started",
    ] {
        // The working directory is there and has been removed; nobody can create anything in it, or in proc.
        let removed = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
        let mut inside = sandbox.command("sh");
        inside
            .args(["-c", removed, "sh"])
            .arg(binary())
            .args(words(case))
            .env("EXIT_DIR", ".")
            .current_dir(sandbox.dir());
        for command in [
            &mut inside,
            sandbox
                .command(binary())
                .args(words(case))
                .env("EXIT_DIR", "/proc"),
        ] {
            let ended = command.finish();
            assert_sentence(&ended, &format!("exitdir-{}", words(case)[0]), 125);
            assert_eq!(ended.stdout, "", "CMD was started");
        }
    }
}
