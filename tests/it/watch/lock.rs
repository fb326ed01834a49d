//! The lock on a tombstone: which lives are lost, and which only look lost.

use crate::support::inspect::{assert_sentence, await_sleep};
use crate::support::namespaces::{READ_ONLY, with_mounts};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Running, Sandbox, Start, binary, eventually};
use crate::support::signals::{KILL, TERM};
use crate::support::users::{as_nobody, installed, nobody_is_permitted};
use rustix::fs::FlockOperation;

fn start(sandbox: &Sandbox, name: &str) -> Running {
    let life = sandbox.run(["-n", name, "--", "sleep", "60"]).start();
    sandbox.await_key(name, "Ready");
    life
}

fn kill(life: Running) {
    life.send(KILL);
    assert_eq!(life.end().status, 137);
}

#[test]
fn a_copy_of_a_tombstone_is_never_lost() {
    let sandbox = Sandbox::new();
    let main = start(&sandbox, "main");
    let copy =
        |to: &str| std::fs::copy(sandbox.dir().join("main"), sandbox.dir().join(to)).unwrap();
    copy("copy");
    assert!(sandbox.holds("copy:ready") && !sandbox.holds("copy:died"));
    kill(main);
    copy("late");
    assert!(sandbox.holds("main:lost"));
    for name in ["copy", "late"] {
        assert!(
            sandbox.holds(&format!("{name}:ready")) && !sandbox.holds(&format!("{name}:died")),
            "{name}"
        );
    }
}

#[test]
fn a_released_lock_is_a_death_only_where_the_reader_sees_the_same_locks() {
    let sandbox = Sandbox::new();
    kill(start(&sandbox, "main"));
    let text = sandbox.tombstone("main");
    let lock = sandbox.key("main", "Lock").unwrap();
    let [_, boot, device, inode] = lock.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{lock}")
    };
    let other_boot = "00000000-0000-4000-8000-000000000000";
    let elsewhere: u64 = inode.parse::<u64>().unwrap() + 1;
    for (line, lost) in [
        (lock.clone(), true),
        (format!("fcntl {boot} 9999:1 {inode}"), false),
        (format!("fcntl {boot} {device} {elsewhere}"), false),
        // The machine was restarted; on a local file system no process of that boot is alive.
        (format!("fcntl {other_boot} {device} {inode}"), true),
        (format!("fcntl {other_boot} 9999:1 {elsewhere}"), true),
        ("none".to_owned(), false),
        ("flock".to_owned(), false),
        (format!("fcntl {boot} {device}"), false),
        (format!("fcntl {boot} {device} {inode} more"), false),
        (String::new(), false),
    ] {
        // Written in place, so that the inode stays.
        std::fs::write(sandbox.dir().join("main"), text.replace(&lock, &line)).unwrap();
        assert_eq!(sandbox.holds("main:lost"), lost, "Lock: {line}");
        assert_eq!(sandbox.holds("main:died"), lost, "Lock: {line}");
        assert_eq!(sandbox.holds("main:ready"), !lost, "Lock: {line}");
    }
}

#[test]
fn a_held_lock_means_alive_wherever_it_was_taken() {
    let sandbox = Sandbox::new();
    let _main = start(&sandbox, "main");
    let text = sandbox.tombstone("main");
    let lock = sandbox.key("main", "Lock").unwrap();
    for line in ["fcntl 00000000-0000-4000-8000-000000000000 1:1 1", "none"] {
        std::fs::write(sandbox.dir().join("main"), text.replace(&lock, line)).unwrap();
        assert!(
            sandbox.holds("main:ready") && !sandbox.holds("main:died"),
            "Lock: {line}"
        );
    }
}

#[test]
fn a_killed_supervisor_is_lost_at_once_and_its_command_is_killed() {
    for (arguments, key) in [
        (&["--", "sleep", "60"][..], "Ready"),
        (&["--birth-deps", "never", "--", "true"], "Lock"),
        (&["--ready-on", "signal", "--", "sleep", "60"], "Born"),
    ] {
        let sandbox = Sandbox::new();
        let main = sandbox.run(["-n", "main"]).args(arguments).start();
        sandbox.await_key("main", key);
        // Without periodic rescans only an event can tell.
        let waiter = sandbox
            .wait(["-x", "--print", "--poll", "off", "main"])
            .start();
        let follower = sandbox
            .run([
                "-n",
                "proxy",
                "--poll",
                "off",
                "--death-deps",
                "main",
                "--",
                "sleep",
                "60",
            ])
            .start();
        await_sleep(&waiter);
        sandbox.await_key("proxy", "Ready");
        let before = sandbox.tombstone("main");
        kill(main);
        let ended = waiter.end();
        ended.assert_output(137, "main lost 137\n");
        assert_eq!(follower.end().status, 143);
        assert_eq!(sandbox.tombstone("main"), before, "no reader writes to it");
    }
}

#[test]
fn a_recorded_death_counts_but_the_name_is_taken_until_the_lock_is_released() {
    let sandbox = Sandbox::new();
    let main = start(&sandbox, "main");
    sandbox.signal(["-c", "3", "main"]).finish();
    assert!(sandbox.holds("main:exit=3") && !sandbox.holds("main:lost"));
    assert_sentence(
        &sandbox
            .run(["-n", "main", "--", "echo", "started"])
            .finish(),
        "exitdir-run",
        125,
    );
    assert!(sandbox.holds("main:exit=3"));
    main.send(TERM);
    assert_eq!(main.end().status, 143);
    assert_eq!(sandbox.run(["-n", "main", "--", "true"]).finish().status, 0);
    assert!(sandbox.holds("main:ok"));
    assert_eq!(sandbox.entries(), ["main"]);
}

#[test]
fn a_read_lock_of_another_process_neither_means_alive_nor_takes_the_name() {
    let sandbox = Sandbox::new();
    kill(start(&sandbox, "main"));
    let reader = std::fs::File::open(sandbox.dir().join("main")).unwrap();
    rustix::fs::fcntl_lock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
    assert!(sandbox.holds("main:lost"));
    assert_eq!(sandbox.run(["-n", "main", "--", "true"]).finish().status, 0);
}

#[test]
fn a_follower_with_a_read_only_mount_sees_the_same() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let inside = |arguments: &[&str]| {
        let mut command = with_mounts(&sandbox, READ_ONLY, binary());
        command.args(arguments);
        command
    };
    if !is_permitted("a mount", &mut inside(&["--version"])) {
        return;
    }
    let main = start(&sandbox, "main");
    assert_eq!(
        inside(&["wait", "-t", "0", "main:ready"]).finish().status,
        0
    );
    let waiter = inside(&["wait", "-x", "--poll", "off", "main"]).start();
    let follower = inside(&[
        "run",
        "--poll",
        "off",
        "--death-deps",
        "main",
        "--",
        "sleep",
        "60",
    ])
    .start();
    await_sleep(&waiter);
    await_sleep(&follower);
    kill(main);
    assert_eq!((waiter.end().status, follower.end().status), (137, 143));
}

#[test]
fn a_follower_of_another_user_sees_the_same() {
    if !nobody_is_permitted() {
        return;
    }
    let sandbox = Sandbox::new();
    let binary = installed(&sandbox);
    let main = start(&sandbox, "main");
    assert_eq!(
        as_nobody(&sandbox, &binary)
            .args(["wait", "-t", "0", "main:ready"])
            .finish()
            .status,
        0
    );
    let waiter = as_nobody(&sandbox, &binary)
        .args(["wait", "-x", "--poll", "off", "main"])
        .start();
    let follower = as_nobody(&sandbox, &binary)
        .args([
            "run",
            "-n",
            "proxy",
            "--poll",
            "off",
            "--death-deps",
            "main",
            "--",
            "sleep",
            "60",
        ])
        .start();
    await_sleep(&waiter);
    sandbox.await_key("proxy", "Ready");
    assert_eq!(
        as_nobody(&sandbox, &binary)
            .args(["run", "-n", "main", "--", "true"])
            .finish()
            .status,
        125,
        "the name is taken"
    );
    kill(main);
    assert_eq!((waiter.end().status, follower.end().status), (137, 143));
    assert_eq!(
        as_nobody(&sandbox, &binary)
            .args(["run", "-n", "main", "--", "true"])
            .finish()
            .status,
        0,
        "another user's tombstone"
    );
}

#[test]
fn a_supervisor_that_follows_other_names_of_its_own_file_keeps_its_lock() {
    let sandbox = Sandbox::new();
    // It ignores TERM and runs until its standard input ends.
    let (reader, writer) = std::io::pipe().unwrap();
    let script = "trap '' TERM; echo up; read x";
    let mut main = sandbox
        .run([
            "-n",
            "main",
            "--poll",
            "10ms",
            "--death-deps",
            ":exit=9,alias:exit=9,peer:exit=9",
            "--",
            "sh",
            "-c",
            script,
        ])
        .stdin(reader)
        .start();
    sandbox.await_key("main", "Ready");
    std::fs::hard_link(sandbox.dir().join("main"), sandbox.dir().join("alias")).unwrap();
    std::os::unix::fs::symlink("main", sandbox.dir().join("link")).unwrap();
    for _ in 0..20 {
        // Opening and closing for writing raises an event under this name.
        drop(
            std::fs::File::options()
                .append(true)
                .open(sandbox.dir().join("alias"))
                .unwrap(),
        );
        assert!(!sandbox.holds("main:lost"));
    }
    // A supervisor that has seen this death has seen all earlier events.
    sandbox.signal(["-c", "9", "peer"]).finish();
    sandbox.await_key("main", "Cause");
    assert!(sandbox.holds("main:born") && !sandbox.holds("main:died"));
    assert!(main.is_running());
    drop(writer);
    main.end();
    assert!(sandbox.holds("main:died") && !sandbox.holds("main:lost"));
}

#[test]
fn exactly_one_of_many_supervisors_of_one_name_runs() {
    for round in 0..5 {
        let sandbox = Sandbox::new();
        let mut crowd: Vec<Running> = (0..8)
            .map(|_| sandbox.run(["-n", "main", "--", "sleep", "60"]).start())
            .collect();
        let living = eventually("one is left", || {
            let living: Vec<usize> = (0..crowd.len())
                .filter(|at| crowd[*at].is_running())
                .collect();
            (living.len() <= 1).then_some(living)
        });
        assert_eq!(living.len(), 1, "round {round}: none runs");
        let winner = crowd.remove(living[0]);
        sandbox.await_key("main", "Ready");
        for loser in crowd {
            assert_sentence(&loser.end(), "exitdir-run", 125);
        }
        assert_eq!(sandbox.entries(), ["main"], "nothing is left behind");
        assert!(sandbox.holds("main:ready"));
        winner.send(TERM);
        assert_eq!(winner.end().status, 143);
        assert_eq!(
            sandbox.key("main", "ExitCode").as_deref(),
            Some("143"),
            "{}",
            sandbox.tombstone("main")
        );
    }
}

#[test]
fn a_half_written_tombstone_of_a_crash_is_adopted() {
    for what in ["garbage", "unreadable", "fifo", "symlink", "socket"] {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        let staging = sandbox.dir().join(".main.new");
        std::fs::write(sandbox.path("target"), "precious\n").unwrap();
        match what {
            "fifo" => rustix::fs::mkfifoat(rustix::fs::CWD, &staging, 0o666.into()).unwrap(),
            "symlink" => std::os::unix::fs::symlink(sandbox.path("target"), &staging).unwrap(),
            "socket" => drop(std::os::unix::net::UnixListener::bind(&staging).unwrap()),
            _ => std::fs::write(&staging, "Died: \"half\"\n".repeat(5000)).unwrap(),
        }
        if what == "unreadable" {
            std::fs::set_permissions(
                &staging,
                std::os::unix::fs::PermissionsExt::from_mode(0o000),
            )
            .unwrap();
        }
        let ended = sandbox.run(["-n", "main", "--", "true"]).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{what}");
        assert!(
            sandbox.holds("main:ok"),
            "{what}: {}",
            sandbox.tombstone("main")
        );
        assert_eq!(
            sandbox.tombstone("main").lines().count(),
            7,
            "{what}: {}",
            sandbox.tombstone("main")
        );
        assert_eq!(sandbox.entries(), ["main"], "{what}");
        assert_eq!(
            std::fs::read_to_string(sandbox.path("target")).unwrap(),
            "precious\n",
            "{what}"
        );
    }
}
