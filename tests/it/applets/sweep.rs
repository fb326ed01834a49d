//! The sweeps of `exitdir-install`.

use crate::support::namespaces::{READ_ONLY, with_mounts};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Ended, Sandbox, Start, binary};
use crate::support::signals::KILL;
use crate::support::users::{as_nobody, installed, nobody_is_permitted, open_to_all, set_mode};
use std::os::unix::fs::PermissionsExt;

const SWEEPS: [&str; 2] = ["--sweep", "--sweep-unfinished"];

fn sweep(sandbox: &Sandbox, option: &str) -> Ended {
    sandbox.applet("install").arg(option).finish()
}

#[test]
fn a_sweep_removes_the_tombstones_without_a_lock() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    let _living = sandbox.run(["-n", "living", "--", "sleep", "60"]).start();
    let _unborn = sandbox
        .run(["-n", "unborn", "--birth-deps", "never", "--", "true"])
        .start();
    let lost = sandbox.run(["-n", "lost", "--", "sleep", "60"]).start();
    for name in ["living", "lost"] {
        sandbox.await_key(name, "Ready");
    }
    sandbox.await_key("unborn", "Lock");
    lost.send(KILL);
    lost.end();
    sandbox.signal(["-c", "3", "said"]).finish();
    sandbox.signal(["-c", "3", "living"]).finish();
    write("exitFile", "");
    write("foreign", "Born: \"2026-11-20T21:29:27Z\"\n");
    write(&"n".repeat(255), "");
    // A half-written tombstone, and entries that are no tombstones.
    write(".main.new", "Waiting:");
    write(".hidden", "");
    write("not a name", "");
    write("-dash", "");
    std::fs::create_dir(dir.join("lost+found")).unwrap();
    std::fs::create_dir(dir.join("directory")).unwrap();
    std::os::unix::fs::symlink("living", dir.join("link")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("fifo"), 0o666.into()).unwrap();

    let ended = sandbox.applet("install").arg("--sweep").finish();
    ended.assert_output(0, "");
    let left = [
        "-dash",
        ".hidden",
        "directory",
        "fifo",
        "link",
        "living",
        "lost+found",
        "not a name",
        "unborn",
    ];
    assert_eq!(sandbox.entries(), left);
    assert_eq!(
        sandbox
            .wait(["-t", "0", "unborn:waiting", "living:exit=3"])
            .finish()
            .status,
        0,
        "they keep their locks"
    );

    assert_eq!(
        sandbox.applet("install").arg("--sweep").finish().status,
        0,
        "again"
    );
    assert_eq!(sandbox.entries(), left);
}

#[test]
fn a_file_with_a_name_that_only_kubexit_accepts_is_swept_if_it_is_a_tombstone() {
    let sandbox = Sandbox::new();
    sandbox.record_death("main", "0");
    for (name, text) in [
        ("photo@2x", "a photo\n"),
        ("notes (1)", ""),
        (
            "web@1",
            "Born: \"2026-11-20T21:29:27Z\"\nDied: d\nExitCode: 3\n",
        ),
    ] {
        std::fs::write(sandbox.dir().join(name), text).unwrap();
    }
    for option in ["--sweep-unfinished", "--sweep"] {
        let swept = sandbox.applet("install").arg(option).finish();
        assert_eq!(swept.status, 0, "{swept:?}");
        let kept = sandbox.dir().join("main").exists();
        assert_eq!(kept, option == "--sweep-unfinished");
    }
    assert_eq!(sandbox.entries(), ["notes (1)", "photo@2x"]);
}

#[test]
fn a_sweep_of_the_unfinished_keeps_what_died_with_0() {
    let sandbox = Sandbox::new();
    let dir = sandbox.dir();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    let _living = sandbox.run(["-n", "living", "--", "sleep", "60"]).start();
    let lost = sandbox.run(["-n", "lost", "--", "sleep", "60"]).start();
    for name in ["living", "lost"] {
        sandbox.await_key(name, "Ready");
    }
    lost.send(KILL);
    lost.end();
    sandbox.run(["-n", "ok", "--", "true"]).finish();
    sandbox.run(["-n", "failed", "--", "false"]).finish();
    sandbox.record_death("said-ok", "0");
    sandbox.record_death("said-failed", "3");
    let born = "Born: \"2026-11-20T21:29:27Z\"\n";
    let died = "Died: \"2026-11-20T21:29:29Z\"\n";
    write("foreign-alive", born);
    write("foreign-ok", &format!("{born}{died}ExitCode: 0\n"));
    write("foreign-failed", &format!("{born}{died}ExitCode: 3\n"));
    // The writers of these three have written them just now and may not have finished.
    write("foreign-without-code", &format!("{born}{died}"));
    write("empty", "");
    write("half", "Born: \"2026");
    write("garbage", "no tombstone\n");
    write(
        "unlocked",
        "Waiting: \"2026-11-20T21:29:27Z\"\nLock: none\n",
    );
    write(".ok.new", "Waiting: \"2026");

    let ended = sweep(&sandbox, "--sweep-unfinished");
    ended.assert_output(0, "");
    let kept = [
        "empty",
        "foreign-ok",
        "garbage",
        "half",
        "living",
        "ok",
        "said-ok",
    ];
    assert_eq!(sandbox.entries(), kept);
    let removed = format!("removed 8 tombstones from {}", dir.display());
    assert!(ended.stderr.contains(&removed), "{}", ended.stderr);

    assert_eq!(sweep(&sandbox, "--sweep").status, 0);
    assert_eq!(sandbox.entries(), ["living"]);
}

#[test]
fn a_sweep_creates_the_directory_for_all_users() {
    for option in SWEEPS {
        let sandbox = Sandbox::new();
        let mut command = sandbox.command("sh");
        command.args(["-c", "umask 077; exec \"$@\"", "sh"]);
        let ended = command.arg(binary()).args(["install", option]).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        let mode = std::fs::metadata(sandbox.dir())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o777, "{option}");
    }
}

#[test]
fn both_sweeps_at_once_are_wrong_usage() {
    let sandbox = Sandbox::new();
    let ended = sandbox.applet("install").args(SWEEPS).finish();
    assert_eq!(ended.status, 125);
    let sentence = "exitdir-install: --sweep and --sweep-unfinished exclude each other";
    assert!(ended.stderr.starts_with(sentence), "{}", ended.stderr);
    assert!(!sandbox.dir().exists());
}

/// One line for each of these tombstones, and nothing else that failed.
#[track_caller]
fn assert_reported(ended: &Ended, sandbox: &Sandbox, names: &[&str]) {
    assert_eq!(ended.status, 0, "{ended:?}");
    let mut lines: Vec<&str> = ended.stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), names.len(), "{ended:?}");
    for (line, name) in lines.iter().zip(names) {
        let path = sandbox.dir().join(name);
        let begin = format!("exitdir-install: cannot remove {}: ", path.display());
        assert!(line.starts_with(&begin), "{line}");
    }
}

#[test]
fn a_tombstone_that_cannot_be_removed_is_reported_and_is_no_failure() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let program = installed(&sandbox);
    open_to_all(&sandbox);
    set_mode(&sandbox.dir(), 0o1777);
    for name in ["cache", "main"] {
        sandbox.record_death(name, "3");
    }
    let mut own = as_nobody(&sandbox, &program);
    own.args(["signal", "--code", "3", "own"]).finish();
    for option in SWEEPS {
        let mut command = as_nobody(&sandbox, &program);
        let ended = command.args(["install", option]).finish();
        let mut lines = ended.stderr.lines().collect::<Vec<_>>();
        lines.retain(|line| !line.contains("removed 1 tombstone"));
        let stderr = lines.join("\n");
        assert_reported(&Ended { stderr, ..ended }, &sandbox, &["cache", "main"]);
        assert_eq!(
            sandbox.entries(),
            ["cache", "main"],
            "the others are removed"
        );
    }
}

#[test]
fn a_read_only_directory_is_reported_file_by_file() {
    let sandbox = Sandbox::new();
    let mut trial = with_mounts(&sandbox, READ_ONLY, binary());
    sandbox.record_death("main", "3");
    sandbox.record_death("proxy", "0");
    if !is_permitted("a mount", trial.arg("--version")) {
        return;
    }
    for (option, names) in SWEEPS.iter().zip([&["main", "proxy"][..], &["main"]]) {
        let mut command = with_mounts(&sandbox, READ_ONLY, binary());
        let ended = command.args(["install", option]).finish();
        assert_reported(&ended, &sandbox, names);
    }
    assert_eq!(sandbox.entries(), ["main", "proxy"]);
}

#[test]
fn a_file_that_cannot_be_read_is_swept_like_an_empty_one() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let program = installed(&sandbox);
    open_to_all(&sandbox);
    let main = sandbox.dir().join("main");
    std::fs::write(&main, "").unwrap();
    set_mode(&main, 0o600);
    for (option, left) in [("--sweep-unfinished", &["main"][..]), ("--sweep", &[])] {
        let mut command = as_nobody(&sandbox, &program);
        let ended = command.args(["install", option]).finish();
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert_eq!(sandbox.entries(), left, "{option}");
    }
}
