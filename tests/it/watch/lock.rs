//! The lock on a tombstone: who is lost, and who only looks like it.

use crate::support::inspect::{assert_sentence, await_sleep};
use crate::support::namespaces::{READ_ONLY, with_mounts};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Running, Start, World, binary, eventually};
use crate::support::signals::{KILL, TERM};
use crate::support::users::{as_nobody, installed, nobody_is_permitted};
use rustix::fs::FlockOperation;

fn start(world: &World, name: &str) -> Running {
    let life = world.run(["-n", name, "--", "sleep", "60"]).start();
    world.await_key(name, "Ready");
    life
}

fn kill(life: Running) {
    life.send(KILL);
    assert_eq!(life.end().status, 137);
}

#[test]
fn a_copy_of_a_tombstone_is_never_lost() {
    let world = World::new();
    let main = start(&world, "main");
    let copy = |to: &str| std::fs::copy(world.dir().join("main"), world.dir().join(to)).unwrap();
    copy("copy");
    assert!(world.holds("copy:ready") && !world.holds("copy:died"));
    kill(main);
    copy("late");
    assert!(world.holds("main:lost"));
    for name in ["copy", "late"] {
        assert!(
            world.holds(&format!("{name}:ready")) && !world.holds(&format!("{name}:died")),
            "{name}"
        );
    }
}

#[test]
fn a_free_lock_is_a_death_only_to_a_reader_that_sees_the_same_place() {
    let world = World::new();
    kill(start(&world, "main"));
    let text = world.tombstone("main");
    let lock = world.key("main", "Lock").unwrap();
    let [_, boot, device, inode] = lock.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{lock}")
    };
    let other_boot = "00000000-0000-4000-8000-000000000000";
    let elsewhere: u64 = inode.parse::<u64>().unwrap() + 1;
    for (line, lost) in [
        (lock.clone(), true),
        (format!("fcntl {boot} 9999:1 {inode}"), false),
        (format!("fcntl {boot} {device} {elsewhere}"), false),
        // The machine was restarted; on a local file system nothing of it lives any more.
        (format!("fcntl {other_boot} {device} {inode}"), true),
        (format!("fcntl {other_boot} 9999:1 {elsewhere}"), true),
        ("none".to_owned(), false),
        ("flock".to_owned(), false),
        (format!("fcntl {boot} {device}"), false),
        (format!("fcntl {boot} {device} {inode} more"), false),
        (String::new(), false),
    ] {
        // The same file, so that its inode stays.
        std::fs::write(world.dir().join("main"), text.replace(&lock, &line)).unwrap();
        assert_eq!(world.holds("main:lost"), lost, "Lock: {line}");
        assert_eq!(world.holds("main:died"), lost, "Lock: {line}");
        assert_eq!(world.holds("main:ready"), !lost, "Lock: {line}");
    }
}

#[test]
fn a_held_lock_is_life_wherever_it_was_taken() {
    let world = World::new();
    let _main = start(&world, "main");
    let text = world.tombstone("main");
    let lock = world.key("main", "Lock").unwrap();
    for line in ["fcntl 00000000-0000-4000-8000-000000000000 1:1 1", "none"] {
        std::fs::write(world.dir().join("main"), text.replace(&lock, line)).unwrap();
        assert!(
            world.holds("main:ready") && !world.holds("main:died"),
            "Lock: {line}"
        );
    }
}

#[test]
fn a_killed_supervisor_is_lost_at_once_and_its_command_with_it() {
    for (arguments, key) in [
        (&["--", "sleep", "60"][..], "Ready"),
        (&["--birth-deps", "never", "--", "true"], "Lock"),
        (&["--ready-on", "signal", "--", "sleep", "60"], "Born"),
    ] {
        let world = World::new();
        let main = world.run(["-n", "main"]).args(arguments).start();
        world.await_key("main", key);
        // Without the slow look only the kernel can tell.
        let waiter = world
            .wait(["-x", "--print", "--poll", "off", "main"])
            .start();
        let follower = world
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
        world.await_key("proxy", "Ready");
        let before = world.tombstone("main");
        kill(main);
        let ended = waiter.end();
        ended.assert_output(137, "main lost 137\n");
        assert_eq!(follower.end().status, 143);
        assert_eq!(world.tombstone("main"), before, "nobody writes into it");
    }
}

#[test]
fn the_said_dead_are_dead_but_their_name_is_taken_until_the_lock_is_free() {
    let world = World::new();
    let main = start(&world, "main");
    world.signal(["-c", "3", "main"]).finish();
    assert!(world.holds("main:exit=3") && !world.holds("main:lost"));
    assert_sentence(
        &world.run(["-n", "main", "--", "echo", "started"]).finish(),
        "exitdir-run",
        125,
    );
    assert!(world.holds("main:exit=3"));
    main.send(TERM);
    assert_eq!(main.end().status, 143);
    assert_eq!(world.run(["-n", "main", "--", "true"]).finish().status, 0);
    assert!(world.holds("main:ok"));
    assert_eq!(world.entries(), ["main"]);
}

#[test]
fn a_read_lock_of_anybody_neither_keeps_the_dead_alive_nor_refuses_a_birth() {
    let world = World::new();
    kill(start(&world, "main"));
    let reader = std::fs::File::open(world.dir().join("main")).unwrap();
    rustix::fs::fcntl_lock(&reader, FlockOperation::NonBlockingLockShared).unwrap();
    assert!(world.holds("main:lost"));
    assert_eq!(world.run(["-n", "main", "--", "true"]).finish().status, 0);
}

#[test]
fn a_follower_with_a_read_only_mount_sees_the_same() {
    let world = World::new();
    std::fs::create_dir(world.dir()).unwrap();
    let inside = |arguments: &[&str]| {
        let mut command = with_mounts(&world, READ_ONLY, binary());
        command.args(arguments);
        command
    };
    if !is_permitted("a mount", &mut inside(&["--version"])) {
        return;
    }
    let main = start(&world, "main");
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
    let world = World::new();
    let binary = installed(&world);
    let main = start(&world, "main");
    assert_eq!(
        as_nobody(&world, &binary)
            .args(["wait", "-t", "0", "main:ready"])
            .finish()
            .status,
        0
    );
    let waiter = as_nobody(&world, &binary)
        .args(["wait", "-x", "--poll", "off", "main"])
        .start();
    let follower = as_nobody(&world, &binary)
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
    world.await_key("proxy", "Ready");
    assert_eq!(
        as_nobody(&world, &binary)
            .args(["run", "-n", "main", "--", "true"])
            .finish()
            .status,
        125,
        "the name is taken"
    );
    kill(main);
    assert_eq!((waiter.end().status, follower.end().status), (137, 143));
    assert_eq!(
        as_nobody(&world, &binary)
            .args(["run", "-n", "main", "--", "true"])
            .finish()
            .status,
        0,
        "another user's corpse"
    );
}

#[test]
fn a_supervisor_keeps_its_lock_although_it_follows_everybody_and_other_names_of_its_own_file() {
    let world = World::new();
    // It stays when it is told to stop, until its standard input ends.
    let (reader, writer) = std::io::pipe().unwrap();
    let script = "trap '' TERM; echo up; read x";
    let mut main = world
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
    world.await_key("main", "Ready");
    std::fs::hard_link(world.dir().join("main"), world.dir().join("alias")).unwrap();
    std::os::unix::fs::symlink("main", world.dir().join("link")).unwrap();
    for _ in 0..20 {
        // Opening and closing for writing raises an event under this name.
        drop(
            std::fs::File::options()
                .append(true)
                .open(world.dir().join("alias"))
                .unwrap(),
        );
        assert!(!world.holds("main:lost"));
    }
    // When it has seen this, it has seen all that was before.
    world.signal(["-c", "9", "peer"]).finish();
    world.await_key("main", "Cause");
    assert!(world.holds("main:born") && !world.holds("main:died"));
    assert!(main.is_running());
    drop(writer);
    main.end();
    assert!(world.holds("main:died") && !world.holds("main:lost"));
}

#[test]
fn of_many_supervisors_of_one_name_exactly_one_lives() {
    for round in 0..5 {
        let world = World::new();
        let mut crowd: Vec<Running> = (0..8)
            .map(|_| world.run(["-n", "main", "--", "sleep", "60"]).start())
            .collect();
        let living = eventually("one is left", || {
            let living: Vec<usize> = (0..crowd.len())
                .filter(|at| crowd[*at].is_running())
                .collect();
            (living.len() <= 1).then_some(living)
        });
        assert_eq!(living.len(), 1, "round {round}: nobody lives");
        let winner = crowd.remove(living[0]);
        world.await_key("main", "Ready");
        for loser in crowd {
            assert_sentence(&loser.end(), "exitdir-run", 125);
        }
        assert_eq!(world.entries(), ["main"], "nothing is left behind");
        assert!(world.holds("main:ready"));
        winner.send(TERM);
        assert_eq!(winner.end().status, 143);
        assert_eq!(
            world.key("main", "ExitCode").as_deref(),
            Some("143"),
            "{}",
            world.tombstone("main")
        );
    }
}

#[test]
fn what_a_crash_left_half_born_is_adopted() {
    for what in ["garbage", "unreadable", "fifo", "symlink", "socket"] {
        let world = World::new();
        std::fs::create_dir(world.dir()).unwrap();
        let nursery = world.dir().join(".main.new");
        std::fs::write(world.path("target"), "precious\n").unwrap();
        match what {
            "fifo" => rustix::fs::mkfifoat(rustix::fs::CWD, &nursery, 0o666.into()).unwrap(),
            "symlink" => std::os::unix::fs::symlink(world.path("target"), &nursery).unwrap(),
            "socket" => drop(std::os::unix::net::UnixListener::bind(&nursery).unwrap()),
            _ => std::fs::write(&nursery, "Died: \"half\"\n".repeat(5000)).unwrap(),
        }
        if what == "unreadable" {
            std::fs::set_permissions(
                &nursery,
                std::os::unix::fs::PermissionsExt::from_mode(0o000),
            )
            .unwrap();
        }
        let ended = world.run(["-n", "main", "--", "true"]).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{what}");
        assert!(
            world.holds("main:ok"),
            "{what}: {}",
            world.tombstone("main")
        );
        assert_eq!(
            world.tombstone("main").lines().count(),
            7,
            "{what}: {}",
            world.tombstone("main")
        );
        assert_eq!(world.entries(), ["main"], "{what}");
        assert_eq!(
            std::fs::read_to_string(world.path("target")).unwrap(),
            "precious\n",
            "{what}"
        );
    }
}
