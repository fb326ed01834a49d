//! The Go library: its follower ends at any entry of the directory, whatever its name and kind; its
//! leader creates `exitFile` and never closes it. Both are imitated here, beside lives of
//! exitdir-run.

use crate::support::sandbox::{Running, Sandbox, Start, entries};
use crate::support::signals::TERM;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

/// The library's follower. The kernel queues every name that ever entered the directory, so no
/// short-lived entry is missed.
struct GoFollower {
    watch: OwnedFd,
    entered: Vec<String>,
}

impl GoFollower {
    /// Begins to watch, and then lists the entries that exist.
    fn of(sandbox: &Sandbox) -> GoFollower {
        std::fs::create_dir_all(sandbox.dir()).unwrap();
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let entering = WatchFlags::CREATE | WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, sandbox.dir(), entering).unwrap();
        let entered = entries(&sandbox.dir());
        GoFollower { watch, entered }
    }

    /// The names that have entered so far, in their order. One is enough for the follower to exit.
    fn entered(&mut self) -> &[String] {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(&self.watch, &mut buffer);
        while let Ok(event) = reader.next() {
            assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW));
            let name = event.file_name().expect("an entry has a name");
            self.entered.push(name.to_string_lossy().into_owned());
        }
        &self.entered
    }

    fn exits(&mut self) -> bool {
        !self.entered().is_empty()
    }
}

/// Creates the exit file as the library's leader does, which keeps it open until it ends.
fn leader_exits(sandbox: &Sandbox) -> File {
    File::create(sandbox.dir().join("exitFile")).unwrap()
}

/// `exitdir-run --exit-only -n x OPTIONS -- sh -c SCRIPT`. In the script `$up` is a file outside of
/// the directory, and `$last` one inside, created when there is nothing more for CMD to do.
fn exit_only(sandbox: &Sandbox, options: &str, script: &str) -> Running {
    sandbox
        .run(["--exit-only", "-n", "x"])
        .args(options.split_whitespace())
        .args(["--", "sh", "-c", script])
        .env("up", sandbox.path("up"))
        .env("last", sandbox.dir().join("last"))
        .start()
}

fn await_up(sandbox: &Sandbox) {
    sandbox.await_file("up");
}

/// Runs until it gets TERM, and stops slowly.
const SERVE: &str =
    "trap 'kill $!; sleep 0.1; : >\"$last\"; exit 0' TERM; sleep 60 & : >\"$up\"; wait";

/// What enters at the end of a life: the tombstone in the making, and the tombstone.
const END: [&str; 2] = [".x.new", "x"];

#[test]
fn the_librarys_follower_exits_at_an_entry_of_any_kind() {
    let kinds = [
        ("a file", ": >\"$EXIT_DIR/f\""),
        ("a hidden file", ": >\"$EXIT_DIR/.f\""),
        ("a directory", "mkdir \"$EXIT_DIR/d\""),
        ("a FIFO", "mkfifo \"$EXIT_DIR/p\""),
        ("a link to nowhere", "ln -s nowhere \"$EXIT_DIR/l\""),
        (
            "a file that is gone again",
            "f=\"$EXIT_DIR/f\"; : >\"$f\"; rm \"$f\"",
        ),
        (
            "a file from elsewhere",
            ": >\"$EXIT_DIR.f\"; mv \"$EXIT_DIR.f\" \"$EXIT_DIR/f\"",
        ),
    ];
    for (what, script) in kinds {
        let sandbox = Sandbox::new();
        let mut follower = GoFollower::of(&sandbox);
        assert!(!follower.exits(), "{what}");
        assert_eq!(
            sandbox.command("sh").args(["-c", script]).finish().status,
            0
        );
        assert!(follower.exits(), "{what}");
    }
}

#[test]
fn without_exit_only_the_follower_exits_when_a_life_begins() {
    let sandbox = Sandbox::new();
    let mut follower = GoFollower::of(&sandbox);
    let _x = sandbox.run(["-n", "x", "--", "sleep", "60"]).start();
    sandbox.await_key("x", "Born");
    assert!(follower.exits());
}

#[test]
fn an_exit_only_life_creates_nothing_before_its_command_has_ended() {
    let ends = ": >\"$up\"; : >\"$last\"; exit 3";
    let twice = "[ -e \"$up\" ] && { : >\"$last\"; exit 3; }; : >\"$up\"; exit 1";
    let cases = [
        ("", ends, 3),
        ("--ready-on file:/", ends, 3),
        ("--ready-on notify", ends, 3),
        ("--ready-on fd -s -g -v", ends, 3),
        ("--death-deps other,:failed", ends, 3),
        ("--timeout 300ms", SERVE, 124),
        ("--restart on-failure --restart-limit 1", twice, 3),
    ];
    for (options, script, status) in cases {
        let sandbox = Sandbox::new();
        let mut follower = GoFollower::of(&sandbox);
        let ended = exit_only(&sandbox, options, script).end();
        assert_eq!(ended.status, status, "{options}: {ended:?}");
        assert_eq!(follower.entered(), ["last", END[0], END[1]], "{options}");
        assert_eq!(sandbox.entries(), ["last", "x"], "{options}");
        assert!(sandbox.key("x", "Died").is_some(), "{options}");
    }
}

#[test]
fn a_long_exit_only_life_is_not_visible_before_it_stops() {
    let sandbox = Sandbox::new();
    let mut follower = GoFollower::of(&sandbox);
    let mut main = exit_only(&sandbox, "", SERVE);
    await_up(&sandbox);
    assert!(main.is_running() && !follower.exits());
    main.send(TERM);
    assert_eq!(main.end().status, 0);
    assert_eq!(follower.entered(), ["last", END[0], END[1]]);
}

#[test]
fn an_exit_only_life_that_follows_the_leader_is_visible_only_at_its_end() {
    let sandbox = Sandbox::new();
    let mut follower = GoFollower::of(&sandbox);
    let x = exit_only(&sandbox, "--death-deps exitFile", SERVE);
    await_up(&sandbox);
    assert!(!follower.exits());
    let _open = leader_exits(&sandbox);
    let ended = x.end();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(follower.entered(), ["exitFile", "last", END[0], END[1]]);
}

#[test]
fn an_exit_only_life_is_not_visible_while_it_waits_for_its_birth() {
    let sandbox = Sandbox::new();
    let mut follower = GoFollower::of(&sandbox);
    let x = exit_only(&sandbox, "--birth-deps exitFile:died", ": >\"$last\"");
    crate::support::inspect::await_sleep(&x);
    assert!(!follower.exits());
    drop(leader_exits(&sandbox));
    let ended = x.end();
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(follower.entered(), ["exitFile", "last", END[0], END[1]]);
}

#[test]
fn an_exit_only_life_ends_when_its_descendants_are_gone() {
    let left = "trap ': >\"$last\"; exit' TERM; : >\"$up\"; while :; do sleep 0.05; done";
    let script = "sh -c \"$left\" & while [ ! -e \"$up\" ]; do sleep 0.01; done; exit 3";
    let sandbox = Sandbox::new();
    let mut follower = GoFollower::of(&sandbox);
    let ended = sandbox
        .run(["--exit-only", "-n", "x", "--wait-descendants"])
        .args(["--", "sh", "-c", script])
        .env("left", left)
        .env("up", sandbox.path("up"))
        .env("last", sandbox.dir().join("last"))
        .finish();
    assert_eq!(ended.status, 3, "{ended:?}");
    assert_eq!(follower.entered(), ["last", END[0], END[1]]);
}

#[test]
fn an_exit_only_life_that_never_began_ends_the_follower_too() {
    for (options, command, status) in [
        ("", "no-such-command", 127),
        ("--birth-deps y --birth-timeout 50ms", "true", 124),
    ] {
        let sandbox = Sandbox::new();
        let mut follower = GoFollower::of(&sandbox);
        let mut x = sandbox.run(["--exit-only", "-n", "x"]);
        let ended = x
            .args(options.split_whitespace())
            .args(["--", command])
            .finish();
        assert_eq!(ended.status, status, "{options}: {ended:?}");
        assert_eq!(follower.entered(), END, "{options}");
    }
}

#[test]
fn exitdir_signal_without_a_name_acts_as_the_leader() {
    let sandbox = Sandbox::new();
    let mut follower = GoFollower::of(&sandbox);
    assert_eq!(sandbox.signal([""; 0]).finish().status, 0);
    assert!(follower.exits());
    assert_eq!(sandbox.entries(), ["exitFile"]);
    let mut late = GoFollower::of(&sandbox);
    assert_eq!(late.entered(), ["exitFile"], "also if it comes later");
}

#[test]
fn the_leaders_open_exit_file_is_a_death_once_it_has_settled() {
    let sandbox = Sandbox::new();
    // With rescans an hour apart, only the settle time can end these.
    let start = |words: &[&str]| sandbox.wait(["--poll", "1h"]).args(words).start();
    let waits = [
        start(&["--print", "exitFile"]),
        start(&["-x"]),
        start(&["exitFile:ok"]),
    ];
    let death = exit_only(&sandbox, "--poll 1h --death-deps exitFile", SERVE);
    let birth = sandbox
        .run([
            "--poll",
            "1h",
            "--birth-deps",
            "exitFile:ok",
            "--",
            "echo",
            "born",
        ])
        .start();
    await_up(&sandbox);
    for process in waits.iter().chain([&birth]) {
        crate::support::inspect::await_sleep(process);
    }
    let open = leader_exits(&sandbox);
    let printed = waits.map(|wait| {
        let ended = wait.end();
        assert_eq!(ended.status, 0, "{ended:?}");
        ended.stdout
    });
    assert_eq!(printed, ["exitFile ok 0\n", "", ""]);
    let (death, birth) = (death.end(), birth.end());
    assert_eq!(death.status, 0, "{death:?}");
    birth.assert_output(0, "born\n");
    drop(open);
}

#[test]
fn the_leaders_open_exit_file_counts_at_once_only_if_it_is_old() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let open = leader_exits(&sandbox);
    let now = SystemTime::now();
    for (modified, status) in [
        (now + Duration::from_secs(3600), 124),
        (now - Duration::from_secs(10), 0),
    ] {
        open.set_modified(modified).unwrap();
        assert_eq!(
            sandbox.wait(["-t", "0", "exitFile"]).finish().status,
            status
        );
    }
    let never = sandbox
        .run(["--death-deps", "exitFile", "--", "echo", "started"])
        .finish();
    never.assert_output(0, "");
}
