//! `exitdir-status --check` as its users see it.

use crate::support::inspect::assert_sentence;
use crate::support::namespaces::{
    NO_INSTANCES, NO_WATCHES, READ_ONLY, with_less_inotify, with_mounts,
};
use crate::support::requirements::{is_permitted, strace_can_inject};
use crate::support::sandbox::{Ended, Running, Sandbox, Start, binary};
use crate::support::users::{as_nobody, installed, nobody_is_permitted, open_to_all, set_mode};

/// The file of a check.
const LEFT: &str = ".exitdir~check.new";

/// A directory with two lives, as `exitdir-run` makes it.
fn shared() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["one", "two"] {
        sandbox.run(["-n", name, "--", "true"]).finish();
    }
    sandbox
}

fn checked(sandbox: &Sandbox) -> Ended {
    sandbox.applet("status").arg("--check").finish()
}

/// Checks that there is one finding, and that it says all of this.
#[track_caller]
fn assert_finding(ended: &Ended, parts: &[&str]) {
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""), "{ended:?}");
    assert_eq!(lines.len(), 1, "{ended:?}");
    for part in parts {
        assert!(lines[0].contains(part), "no {part:?}: {ended:?}");
    }
}

fn start(sandbox: &Sandbox, name: &str, deps: &str) -> Running {
    let words = ["-n", name, "--birth-deps", deps, "--", "true"];
    let life = sandbox.run(words).start();
    sandbox.await_key(name, "WaitingFor");
    life
}

#[test]
fn a_directory_that_is_in_order_is_said_to_be_so_and_is_left_as_it_was() {
    let sandbox = shared();
    let before = sandbox.entries();
    let ended = checked(&sandbox);
    let dir = sandbox.dir();
    ended.assert_output(
        0,
        &format!("no problem found in {}, lives: 2\n", dir.display()),
    );
    assert_eq!(sandbox.entries(), before);
    for words in [
        &["--check", "a"][..],
        &["--check", "--json"],
        &["--check", "--watch"],
    ] {
        let ended = sandbox.applet("status").args(words).finish();
        assert_sentence(&ended, "exitdir-status", 125);
    }
}

#[test]
fn a_missing_directory_is_found_and_not_created() {
    let sandbox = Sandbox::new();
    assert_finding(&checked(&sandbox), &["does not exist", "mount the volume"]);
    assert!(!sandbox.dir().exists());
    sandbox.touch("graveyard-file");
    let mut status = sandbox.applet("status");
    let status = status.env("EXIT_DIR", sandbox.path("graveyard-file"));
    assert_finding(
        &status.arg("--check").finish(),
        &["cannot use", "Not a directory"],
    );
}

#[test]
fn a_read_only_mount_is_found() {
    let sandbox = shared();
    let trial = &mut with_mounts(&sandbox, READ_ONLY, "true");
    if !is_permitted("a read-only mount", trial) {
        return;
    }
    let ended = with_mounts(&sandbox, READ_ONLY, binary())
        .args(["status", "--check"])
        .finish();
    assert_finding(
        &ended,
        &["is not writable", "Read-only", "without readOnly"],
    );
}

#[test]
fn a_directory_that_is_closed_to_this_user_is_found() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = shared();
    let program = installed(&sandbox);
    set_mode(&sandbox.dir(), 0o755);
    let check = |program| {
        as_nobody(&sandbox, program)
            .args(["status", "--check"])
            .finish()
    };
    let ended = check(&program);
    assert_finding(
        &ended,
        &["is not writable for uid 65534: Permission denied", "0777"],
    );
    set_mode(&sandbox.dir(), 0o777);
    assert_eq!(check(&program).status, 0);
}

#[test]
fn what_a_check_of_another_user_left_behind_when_it_was_killed_is_no_finding() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = shared();
    let program = installed(&sandbox);
    set_mode(&sandbox.dir(), 0o777);
    let left = sandbox.dir().join(LEFT);
    // A file that is older than a second is removed at once.
    std::fs::write(&left, "").unwrap();
    set_mode(&left, 0o600);
    let check = ["status", "--check"];
    let ended = as_nobody(&sandbox, &program).args(check).finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{ended:?}");
    assert!(!left.exists());
}

#[test]
fn a_directory_with_the_name_of_the_file_of_the_check_is_named_itself() {
    let sandbox = shared();
    let left = sandbox.dir().join(LEFT);
    std::fs::create_dir(&left).unwrap();
    let ended = checked(&sandbox);
    let path = left.display();
    let expected = format!("cannot replace {path}: it is a directory; remove it\n");
    ended.assert_output(1, &expected);
}

#[test]
fn a_directory_of_a_file_system_without_such_files_is_said_to_hold_none() {
    let sandbox = Sandbox::new();
    let mut status = sandbox.applet("status");
    let ended = status.args(["--check", "-d", "/proc"]).finish();
    let first = ended.stdout.lines().next().unwrap();
    let expected = "/proc cannot hold files: use a directory of another file system";
    assert!(first.starts_with(expected), "{ended:?}");
    assert_eq!(ended.status, 1);
}

#[test]
fn a_directory_without_another_life_is_found_to_be_not_shared() {
    let sandbox = Sandbox::new();
    sandbox.run(["-n", "alone", "--", "true"]).finish();
    assert_finding(&checked(&sandbox), &["holds no other life", "same volume"]);
    // From inside of the life, one other is enough.
    let check = |own: &str| {
        let mut status = sandbox.applet("status");
        status.arg("--check").env("EXITDIR_NAME", own).finish()
    };
    assert_finding(&check("alone"), &["holds no other life"]);
    assert_eq!(check("second").status, 0);
}

#[test]
fn a_sticky_directory_with_tombstones_of_two_users_is_found() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let program = installed(&sandbox);
    open_to_all(&sandbox);
    set_mode(&sandbox.dir(), 0o1777);
    sandbox.record_death("one", "0");
    sandbox.record_death("two", "0");
    assert_eq!(checked(&sandbox).status, 0);
    let life = ["run", "-n", "theirs", "--", "true"];
    assert_eq!(as_nobody(&sandbox, &program).args(life).finish().status, 0);
    let own = rustix::process::geteuid().as_raw();
    let users = format!("uid {own}, 65534");
    let parts = [users.as_str(), "is sticky", "graveyard/tombstones"];
    assert_finding(&checked(&sandbox), &parts[..2]);
}

#[test]
fn exhausted_inotify_instances_and_watches_are_found_with_their_sysctl() {
    for (script, sysctl) in [
        (NO_INSTANCES, "fs.inotify.max_user_instances"),
        (NO_WATCHES, "fs.inotify.max_user_watches"),
    ] {
        let sandbox = shared();
        let Some(mut command) = with_less_inotify(&sandbox, script, &binary()) else {
            return;
        };
        let ended = command.args(["status", "--check"]).finish();
        assert_finding(&ended, &["cannot watch", sysctl]);
    }
}

#[test]
fn a_lack_of_descriptors_is_not_taken_for_a_lack_of_inotify_instances() {
    let sandbox = shared();
    for limit in [4, 5] {
        let script = format!("ulimit -n {limit}; exec \"$0\" status --check");
        let mut check = sandbox.command("sh");
        let ended = check.args(["-c", &script]).arg(binary()).finish();
        assert_finding(&ended, &["cannot check", "ulimit -n"]);
    }
}

#[test]
fn a_file_system_without_locks_is_found() {
    if !strace_can_inject() {
        return;
    }
    let sandbox = shared();
    let trace = sandbox.path("trace");
    let ended = sandbox
        .command("strace")
        .args(["-e", "inject=fcntl:error=ENOLCK", "-o"])
        .arg(trace)
        .arg(binary())
        .args(["status", "--check"])
        .finish();
    assert_finding(&ended, &["cannot lock files", "emptyDir"]);
}

#[test]
fn tombstones_of_an_earlier_boot_are_found() {
    let sandbox = shared();
    let text = sandbox.tombstone("one");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let old = text.replace(boot.trim(), "00000000-0000-0000-0000-000000000000");
    assert_ne!(old, text);
    std::fs::write(sandbox.dir().join("one"), old).unwrap();
    assert_finding(&checked(&sandbox), &["an earlier boot (one)", "--sweep"]);
}

#[test]
fn dependencies_that_can_not_hold_are_found() {
    let sandbox = Sandbox::new();
    sandbox.record_death("job", "3");
    let lives = [
        start(&sandbox, "app", "nobody"),
        start(&sandbox, "web", "job"),
        start(&sandbox, "a", "b"),
        start(&sandbox, "b", "a"),
        start(&sandbox, "fine", "job:failed,app"),
    ];
    let proxy = ["-n", "proxy", "--death-deps", "main", "--", "sleep", "60"];
    let proxy = sandbox.run(proxy).start();
    sandbox.await_key("proxy", "Ready");
    let ended = checked(&sandbox);
    assert_eq!((ended.status, ended.stderr.as_str()), (1, ""));
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let expected = [
        "app waits for nobody:ready, but no life has the name nobody: ",
        "proxy follows main:died, but no life has the name main: ",
        "web waits for job:ready, but job has ended with 3: ",
        "a, b wait for each other, so none of them starts: ",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, begin) in lines.iter().zip(expected) {
        assert!(line.starts_with(begin), "{line} is not {begin}");
    }
    drop((lives, proxy));
}
