//! File systems without inotify events. A write to the directory behind a bindfs mount causes no
//! event in the mount, and locks do not cross it. The graveyard is the directory behind; `front` is
//! the mount in front of it.

use crate::support::inspect::{await_sleep, sleep_limit};
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, eventually, wait_until};
use crate::support::signals::{KILL, TERM};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Options that make bindfs cache for 3 s.
const LAGGING: [&str; 2] = ["-o", "attr_timeout=3,entry_timeout=3,negative_timeout=3"];
/// Options that make bindfs forward locks. With one thread it would wait for itself.
const FORWARDING: [&str; 2] = ["--enable-lock-forwarding", "--multithreaded"];
/// Between two rescans of a file system that may not report every change.
const RESCAN_INTERVAL: Duration = Duration::from_secs(1);

/// A bindfs mount in front of the graveyard, unmounted on drop.
struct BindfsMount {
    front: PathBuf,
    _bindfs: Running,
}

impl BindfsMount {
    /// Mounts it; `None` where that is not possible, and then the test is skipped by name.
    fn mount(sandbox: &Sandbox, options: &[&str]) -> Option<BindfsMount> {
        let front = sandbox.path("front");
        std::fs::create_dir(sandbox.dir()).unwrap();
        std::fs::create_dir(&front).unwrap();
        let mut trial = sandbox.command("sh");
        trial
            .args(["-c", "bindfs \"$EXIT_DIR\" \"$0\" && umount -l \"$0\""])
            .arg(&front);
        if !is_permitted("a bindfs mount", &mut trial) {
            return None;
        }
        let device = |path: &Path| std::fs::metadata(path).ok().map(|found| found.dev());
        let bare = device(&front);
        let bindfs = sandbox
            .command("bindfs")
            .arg("-f")
            .args(options)
            .args([&sandbox.dir(), &front])
            .start();
        let mount = BindfsMount {
            front,
            _bindfs: bindfs,
        };
        eventually("the mount is there", || {
            device(&mount.front)
                .filter(|now| Some(*now) != bare)
                .map(|_| ())
        });
        Some(mount)
    }

    /// The same command with the mount as its exit directory.
    fn in_front<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("EXIT_DIR", &self.front)
    }
}

impl Drop for BindfsMount {
    fn drop(&mut self) {
        // Before bindfs ends: a mount without its process answers every call with ENOTCONN.
        let unmounted = Command::new("umount").arg("-l").arg(&self.front).status();
        if !std::thread::panicking() {
            assert!(
                unmounted.is_ok_and(|status| status.success()),
                "still mounted: {}",
                self.front.display()
            );
        }
    }
}

/// The side of the mount on which a process runs, which decides about its exit directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Behind,
    Front,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Behind => Side::Front,
            Side::Front => Side::Behind,
        }
    }

    fn of<'c>(self, mount: &BindfsMount, command: &'c mut Command) -> &'c mut Command {
        match self {
            Side::Behind => command,
            Side::Front => mount.in_front(command),
        }
    }
}

/// The STATE that `exitdir-status` shows for a name on this side.
fn state(sandbox: &Sandbox, mount: &BindfsMount, side: Side, name: &str) -> String {
    let ended = side.of(mount, &mut sandbox.applet("status")).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let line = ended
        .stdout
        .lines()
        .find(|line| line.split_whitespace().next() == Some(name))
        .unwrap_or_else(|| panic!("no {name} seen from {side:?}: {}", ended.stdout));
    line.split_whitespace().nth(1).unwrap().to_owned()
}

/// Waits until a process on this side sees the state. A caching mount may delay it.
fn await_state(sandbox: &Sandbox, mount: &BindfsMount, side: Side, name: &str, wanted: &str) {
    wait_until(format!("{name} is {wanted} seen from {side:?}"), || {
        let ended = side
            .of(mount, &mut sandbox.wait(["-t", "0"]))
            .arg(format!("{name}:{wanted}"))
            .finish();
        ended.status == 0
    });
    assert_eq!(state(sandbox, mount, side, name), wanted);
}

fn life(sandbox: &Sandbox, mount: &BindfsMount, side: Side, name: &str) -> Running {
    let run = side
        .of(mount, &mut sandbox.run(["-n", name, "--", "sleep", "60"]))
        .start();
    sandbox.await_key(name, "Ready");
    run
}

fn kill(life: Running) {
    life.send(KILL);
    assert_eq!(life.end().status, 137);
}

/// Waits until a follower sleeps no longer than until the next rescan of a remote file system,
/// which shows that it does not rely on events. A bound on how soon it reacts would need a quiet
/// machine.
fn await_remote_rescans(process: &Running) {
    wait_until("it rescans every second", || {
        sleep_limit(process.pid()).is_some_and(|limit| limit <= RESCAN_INTERVAL)
    });
}

fn assert_that_followers_in_front_see_what_happens_behind(options: &[&str]) {
    let sandbox = Sandbox::new();
    let Some(mount) = BindfsMount::mount(&sandbox, options) else {
        return;
    };
    let main = life(&sandbox, &mount, Side::Behind, "main");
    // For a new file, an append, any name, a death dependency, and a birth dependency.
    let waiting: Vec<Running> = [
        sandbox.wait(["-x", "--print", "said"]),
        sandbox.wait(["-x", "--print", "main"]),
        sandbox.wait(["--print", ":exit=4"]),
        sandbox.run(["--death-deps", "said", "--", "sleep", "60"]),
        sandbox.run(["--birth-deps", "late:ok", "--", "sh", "-c", "exit 7"]),
    ]
    .into_iter()
    .map(|mut command| mount.in_front(&mut command).start())
    .collect();
    waiting.iter().for_each(await_remote_rescans);
    sandbox.record_death("said", "3");
    sandbox.record_death("other", "4");
    sandbox.record_death("late", "0");
    main.send(TERM);
    assert_eq!(main.end().status, 143);
    let ended: Vec<Ended> = waiting.into_iter().map(Running::end).collect();
    let seen: Vec<(i32, &str)> = ended
        .iter()
        .map(|ended| (ended.status, ended.stdout.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            (3, "said failed 3\n"),
            (143, "main failed 143\n"),
            (0, "other failed 4\n"),
            (143, ""),
            (7, ""),
        ],
        "{ended:?}"
    );
}

#[test]
fn followers_in_front_of_a_mount_without_events_react_at_the_next_rescan() {
    assert_that_followers_in_front_see_what_happens_behind(&[]);
}

#[test]
fn followers_in_front_of_a_caching_mount_react_when_the_cache_expires() {
    assert_that_followers_in_front_see_what_happens_behind(&LAGGING);
}

#[test]
fn followers_in_front_of_a_mount_that_forwards_locks_react_at_the_next_rescan() {
    assert_that_followers_in_front_see_what_happens_behind(&FORWARDING);
}

/// A life on one side, followed from the other, to its orderly end.
fn assert_that_the_living_are_never_lost(options: &[&str], home: Side) {
    let sandbox = Sandbox::new();
    let Some(mount) = BindfsMount::mount(&sandbox, options) else {
        return;
    };
    let main = life(&sandbox, &mount, home, "main");
    let away = home.other();
    await_state(&sandbox, &mount, away, "main", "ready");
    let waiting: Vec<Running> = ["main:lost", "main:died", ":lost"]
        .map(|condition| {
            away.of(&mount, &mut sandbox.wait(["-t", "2s", condition]))
                .start()
        })
        .into();
    let follower = away
        .of(
            &mount,
            &mut sandbox.run(["--death-deps", "main", "--", "sleep", "60"]),
        )
        .start();
    let waits = away
        .of(&mount, &mut sandbox.wait(["-x", "--print", "main"]))
        .start();
    for process in waiting {
        let ended = process.end();
        assert_eq!(ended.status, 124, "{ended:?}");
    }
    if away == Side::Front {
        await_remote_rescans(&follower);
        await_remote_rescans(&waits);
    }
    await_sleep(&follower);
    await_sleep(&waits);
    for side in [home, away] {
        assert_eq!(state(&sandbox, &mount, side, "main"), "ready", "{side:?}");
    }
    main.send(TERM);
    assert_eq!(main.end().status, 143);
    let (run, wait) = (follower.end(), waits.end());
    assert_eq!((run.status, wait.status), (143, 143), "{run:?} {wait:?}");
    assert_eq!(wait.stdout, "main failed 143\n");
}

#[test]
fn a_supervisor_behind_a_mount_without_lock_forwarding_is_not_lost() {
    assert_that_the_living_are_never_lost(&[], Side::Behind);
}

#[test]
fn a_supervisor_in_front_of_a_mount_without_lock_forwarding_is_not_lost() {
    assert_that_the_living_are_never_lost(&[], Side::Front);
}

#[test]
fn a_supervisor_behind_a_caching_mount_is_not_lost() {
    assert_that_the_living_are_never_lost(&LAGGING, Side::Behind);
}

#[test]
fn a_supervisor_in_front_of_a_caching_mount_is_not_lost() {
    assert_that_the_living_are_never_lost(&LAGGING, Side::Front);
}

#[test]
fn a_supervisor_behind_a_mount_that_forwards_locks_is_not_lost() {
    assert_that_the_living_are_never_lost(&FORWARDING, Side::Behind);
}

#[test]
fn a_supervisor_in_front_of_a_mount_that_forwards_locks_is_not_lost() {
    assert_that_the_living_are_never_lost(&FORWARDING, Side::Front);
}

#[test]
fn a_killed_supervisor_is_lost_only_to_readers_that_see_its_lock() {
    for options in [&[][..], &LAGGING, &FORWARDING] {
        for home in [Side::Behind, Side::Front] {
            let sandbox = Sandbox::new();
            let Some(mount) = BindfsMount::mount(&sandbox, options) else {
                return;
            };
            let main = life(&sandbox, &mount, home, "main");
            await_state(&sandbox, &mount, home.other(), "main", "ready");
            kill(main);
            assert_eq!(state(&sandbox, &mount, home, "main"), "lost", "{options:?}");
            assert_eq!(
                state(&sandbox, &mount, home.other(), "main"),
                "ready",
                "{options:?}: a free lock proves nothing there"
            );
        }
    }
}

#[test]
fn a_name_behind_a_mount_that_forwards_locks_is_taken_in_front_of_it_too() {
    // Not the other way round: bindfs 1.14 lets go of the lock behind with whatever is closed in
    // front.
    let sandbox = Sandbox::new();
    let Some(mount) = BindfsMount::mount(&sandbox, &FORWARDING) else {
        return;
    };
    let birth = |side: Side| {
        side.of(&mount, &mut sandbox.run(["-n", "main", "--", "true"]))
            .finish()
    };
    let main = life(&sandbox, &mount, Side::Behind, "main");
    for side in [Side::Behind, Side::Front] {
        let ended = birth(side);
        assert_eq!(ended.status, 125, "{side:?}: {}", ended.stderr);
    }
    assert_eq!(state(&sandbox, &mount, Side::Behind, "main"), "ready");
    kill(main);
    let ended = birth(Side::Front);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}

#[test]
fn copies_and_tombstones_of_other_boots_are_lost_only_as_specified() {
    let sandbox = Sandbox::new();
    let Some(mount) = BindfsMount::mount(&sandbox, &[]) else {
        return;
    };
    let main = life(&sandbox, &mount, Side::Behind, "main");
    let at = |name: &str| sandbox.dir().join(name);
    let copy = |to: &str| {
        let status = Command::new("cp")
            .arg("-p")
            .args([at("main"), at(to)])
            .status();
        assert!(status.unwrap().success());
    };
    copy("copy");
    copy("restored");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let edit = |name: &str| {
        // In place, so that the inode stays.
        let text = std::fs::read_to_string(at(name)).unwrap();
        assert!(text.contains(boot.trim()), "{text}");
        let other = "00000000-0000-4000-8000-000000000000";
        std::fs::write(at(name), text.replace(boot.trim(), other)).unwrap();
    };
    edit("restored");
    let expect = |name: &str, behind: &str, front: &str| {
        for (side, wanted) in [(Side::Behind, behind), (Side::Front, front)] {
            // Freshly written files may lag in front.
            await_state(&sandbox, &mount, side, name, wanted);
        }
    };
    expect("main", "ready", "ready");
    expect("copy", "ready", "ready");
    expect("restored", "lost", "ready");
    kill(main);
    expect("main", "lost", "ready");
    expect("copy", "ready", "ready");
    copy("late");
    expect("late", "ready", "ready");
    edit("main");
    expect("main", "lost", "ready");
    // A backup that is written back to the same file is that file.
    let text = std::fs::read_to_string(at("copy")).unwrap();
    std::fs::write(at("main"), text).unwrap();
    expect("main", "lost", "ready");
}

#[test]
fn the_next_life_in_front_of_a_mount_means_that_the_last_one_is_over() {
    for options in [&[][..], &LAGGING] {
        let sandbox = Sandbox::new();
        let Some(mount) = BindfsMount::mount(&sandbox, options) else {
            return;
        };
        let first = life(&sandbox, &mount, Side::Behind, "main");
        await_state(&sandbox, &mount, Side::Front, "main", "ready");
        let waits = mount
            .in_front(&mut sandbox.wait(["--print", "main"]))
            .start();
        let follower = mount
            .in_front(&mut sandbox.run(["--death-deps", "main", "--", "sleep", "60"]))
            .start();
        await_remote_rescans(&waits);
        await_remote_rescans(&follower);
        first.send(TERM);
        assert_eq!(first.end().status, 143);
        let _second = life(&sandbox, &mount, Side::Behind, "main");
        let (wait, run) = (waits.end(), follower.end());
        assert_eq!((wait.status, run.status), (0, 143), "{wait:?} {run:?}");
        // The cache may have hidden the death record of a file that has lost its name meanwhile.
        assert!(
            ["main failed 143\n", "main lost 137\n"].contains(&wait.stdout.as_str()),
            "{wait:?}"
        );
    }
}

#[test]
fn a_check_finds_a_living_supervisor_whose_lock_does_not_cross_the_mount() {
    let sandbox = Sandbox::new();
    let Some(mount) = BindfsMount::mount(&sandbox, &[]) else {
        return;
    };
    let lives = ["one", "two"].map(|name| life(&sandbox, &mount, Side::Behind, name));
    for (side, status) in [(Side::Behind, 0), (Side::Front, 1)] {
        let mut command = sandbox.applet("status");
        let ended = side.of(&mount, command.arg("--check")).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (status, ""));
        let finding = "the locks of one, two cannot be seen";
        assert_eq!(
            ended.stdout.starts_with(finding),
            side == Side::Front,
            "{ended:?}"
        );
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    }
    drop(lives);
}
