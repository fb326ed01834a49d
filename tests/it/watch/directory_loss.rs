//! The watched directory is moved, removed, recreated, unmounted, or becomes read-only.

use crate::support::inspect::{assert_sentence, await_sleep};
use crate::support::proc::is_gone;
use crate::support::requirements::is_permitted;
use crate::support::sandbox::{Running, Sandbox, Start, entries, eventually, wait_until};
use crate::support::signals::TERM;
use std::path::PathBuf;
use std::process::Command;

/// How a watched directory disappears, and how it comes back.
struct DirEvent {
    what: &'static str,
    /// Whether the directory is a mount, and of what.
    mounted: Option<&'static str>,
    go: &'static str,
    come_back: &'static str,
}

/// In the scripts `$EXIT_DIR` is the directory, `$0` something of the test's own.
const DIR_EVENTS: [DirEvent; 8] = [
    DirEvent {
        what: "renamed",
        mounted: None,
        go: "mv \"$EXIT_DIR\" \"$0\"",
        come_back: "mkdir \"$EXIT_DIR\"",
    },
    DirEvent {
        what: "renamed and named back",
        mounted: None,
        go: "mv \"$EXIT_DIR\" \"$0\"",
        come_back: "mv \"$0\" \"$EXIT_DIR\"",
    },
    DirEvent {
        what: "its parent renamed",
        mounted: None,
        go: "mv \"${EXIT_DIR%/*}\" \"$0\"",
        come_back: "mkdir -p \"$EXIT_DIR\"",
    },
    DirEvent {
        what: "deleted",
        mounted: None,
        go: "rm -r \"$EXIT_DIR\"",
        come_back: "mkdir \"$EXIT_DIR\"",
    },
    DirEvent {
        what: "deleted and made again at once",
        mounted: None,
        go: "rm -r \"$EXIT_DIR\" && mkdir \"$EXIT_DIR\"",
        come_back: "true",
    },
    DirEvent {
        what: "a tmpfs unmounted lazily",
        mounted: Some("mount -t tmpfs -o mode=777 tmpfs \"$EXIT_DIR\""),
        go: "umount -l \"$EXIT_DIR\"",
        come_back: "mount -t tmpfs -o mode=777 tmpfs \"$EXIT_DIR\"",
    },
    DirEvent {
        what: "a bind mount unmounted lazily",
        mounted: Some("mkdir \"$0\" && mount --bind \"$0\" \"$EXIT_DIR\""),
        go: "umount -l \"$EXIT_DIR\"",
        come_back: "mount --bind \"$0\" \"$EXIT_DIR\"",
    },
    DirEvent {
        what: "another mount over it",
        mounted: None,
        go: "mount -t tmpfs -o mode=777 tmpfs \"$EXIT_DIR\"",
        come_back: "true",
    },
];

/// An exit directory that may be a mount, which is unmounted on drop.
struct MountableDir {
    sandbox: Sandbox,
    dir: PathBuf,
}

impl MountableDir {
    fn new() -> MountableDir {
        let sandbox = Sandbox::new();
        let dir = sandbox.path("parent").join("graveyard");
        std::fs::create_dir_all(&dir).unwrap();
        MountableDir { sandbox, dir }
    }

    /// The same command, but with this directory.
    fn here<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("EXIT_DIR", &self.dir)
    }

    fn sh(&self, script: &str) {
        let mut command = self.sandbox.command("sh");
        command
            .args(["-ec", script])
            .arg(self.sandbox.path("aside"));
        let ended = self.here(&mut command).finish();
        assert_eq!(ended.status, 0, "{script}: {}", ended.stderr);
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }
}

impl Drop for MountableDir {
    fn drop(&mut self) {
        // Mounts can be stacked: unmount until none is left.
        let unmount = || {
            let mut command = Command::new("umount");
            command.arg("-l").arg(&self.dir);
            command.output().is_ok_and(|done| done.status.success())
        };
        while unmount() {}
    }
}

/// Whether file systems can be mounted here.
fn mounts_are_permitted(place: &MountableDir) -> bool {
    let trial = "mount -t tmpfs tmpfs \"$EXIT_DIR\" && umount \"$EXIT_DIR\"";
    let mut command = place.sandbox.command("sh");
    is_permitted("a mount", place.here(command.args(["-c", trial])))
}

/// A process whose stderr goes to a file, so that a test can wait for what it says.
struct LoggedProcess {
    process: Running,
    stderr: PathBuf,
}

impl LoggedProcess {
    fn start(place: &MountableDir, command: &mut Command) -> LoggedProcess {
        let stderr = place.sandbox.path("stderr");
        let file = std::fs::File::create(&stderr).unwrap();
        let process = place.here(command).stderr(file).start();
        LoggedProcess { process, stderr }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    fn await_words(&self, words: &str) {
        wait_until(format!("it says {words:?}"), || self.said().contains(words));
    }
}

const GONE: &str = "removed, moved or unmounted";
const BACK: &str = "is back and watched again";

/// A life in the place, once it is ready.
fn life(place: &MountableDir, name: &str) -> Running {
    let mut command = place.sandbox.run(["-n", name, "--", "sleep", "60"]);
    let run = place.here(&mut command).start();
    wait_until("it is ready", || place.text(name).contains("Ready"));
    run
}

/// `exitdir-run OPTIONS -- CMD` in the place, once its command runs, and its command's process id.
fn supervisor(place: &MountableDir, options: &[&str], script: &str) -> (LoggedProcess, i32) {
    let pid = place.sandbox.path("pid");
    // Written under another name first, so that a reader sees it complete.
    let script = format!("echo $$ >\"$0.new\" && mv \"$0.new\" \"$0\" && {script}");
    let mut command = place.sandbox.run(options);
    command.args(["--", "sh", "-c", &script]).arg(&pid);
    let run = LoggedProcess::start(place, &mut command);
    let pid = eventually("its command runs", || std::fs::read_to_string(&pid).ok());
    await_sleep(&run.process);
    (run, pid.trim().parse().unwrap())
}

/// The cases that are possible here, each in a place of its own.
fn possible_events() -> impl Iterator<Item = (&'static DirEvent, MountableDir)> {
    DIR_EVENTS.iter().filter_map(|event| {
        let place = MountableDir::new();
        let mounts = event.mounted.is_some() || event.go.starts_with("mount");
        if mounts && !mounts_are_permitted(&place) {
            return None;
        }
        event.mounted.into_iter().for_each(|mount| place.sh(mount));
        Some((event, place))
    })
}

#[test]
fn a_wait_ends_with_125_when_its_directory_is_gone() {
    for (event, place) in possible_events() {
        // The kernel does not report a deleted directory while a process holds it open.
        let _x = life(&place, "x");
        let waiting = [&["x"][..], &["y"], &[":failed"], &["-t", "60s", "y:ready"]].map(|words| {
            let mut command = place.sandbox.wait(["--poll", "200ms"]);
            place.here(command.args(words)).start()
        });
        waiting.iter().for_each(await_sleep);
        place.sh(event.go);
        for process in waiting {
            let ended = process.end();
            assert_sentence(&ended, "exitdir-wait", 125);
            let path = place.dir.display().to_string();
            assert!(
                ended.stderr.contains(&path) && ended.stderr.contains(GONE),
                "{}: {ended:?}",
                event.what
            );
        }
    }
}

#[test]
fn a_run_records_its_death_in_a_directory_that_came_back() {
    for (event, place) in possible_events() {
        let what = event.what;
        let options = ["-n", "me", "--poll", "200ms", "--death-deps", "y"];
        let (mut run, command) = supervisor(&place, &options, "exec sleep 60");
        place.sh(event.go);
        run.await_words(GONE);
        place.sh(event.come_back);
        run.await_words(BACK);
        assert!(run.process.is_running() && !is_gone(command), "{what}");
        let mut signal = place.sandbox.signal(["-c", "1", "y"]);
        assert_eq!(place.here(&mut signal).finish().status, 0, "{what}");
        let stderr = run.stderr.clone();
        assert_eq!(run.process.end().status, 143, "{what}");
        let text = place.text("me");
        for line in ["\nCause: \"y\"\n", "\nExitCode: 143\n", "\nDied: "] {
            assert_eq!(text.matches(line).count(), 1, "{what}: {text}");
        }
        assert_eq!(entries(&place.dir), ["me", "y"], "{what}");
        let said = std::fs::read_to_string(stderr).unwrap();
        for words in [GONE, BACK, "stopping sh"] {
            assert_eq!(said.matches(words).count(), 1, "{what}: {said}");
        }
        assert_eq!(said.lines().count(), 3, "{what}: {said}");
    }
}

#[test]
fn a_run_without_a_directory_for_its_death_exits_as_its_command() {
    for (go, why) in [
        ("mv \"$EXIT_DIR\" \"$0\"", "No such file or directory"),
        ("rm -r \"$EXIT_DIR\"", "No such file or directory"),
        (
            "mount -t tmpfs -o ro tmpfs \"$EXIT_DIR\"",
            "Read-only file system",
        ),
    ] {
        let place = MountableDir::new();
        if go.starts_with("mount") && !mounts_are_permitted(&place) {
            return;
        }
        let end = place.sandbox.path("end");
        rustix::fs::mkfifoat(rustix::fs::CWD, &end, 0o666.into()).unwrap();
        let script = format!("read x <'{}'; exit 7", end.display());
        let options = ["-n", "me", "--poll", "200ms", "--death-deps", "y"];
        let (run, _) = supervisor(&place, &options, &script);
        place.sh(go);
        run.await_words(GONE);
        std::fs::write(&end, "now\n").unwrap();
        let stderr = run.stderr.clone();
        assert_eq!(run.process.end().status, 7, "{go}");
        let said = std::fs::read_to_string(stderr).unwrap();
        let last = said.lines().last().unwrap();
        assert!(
            last.contains("cannot") && last.contains(why),
            "{go}: {said}"
        );
        // A process that has the old directory open can read it there.
        let moved = place.sandbox.path("aside").join("me");
        if let Ok(text) = std::fs::read_to_string(moved) {
            assert!(text.contains("\nExitCode: 7\n"), "{text}");
        }
    }
}

#[test]
fn a_death_in_a_moved_directory_is_seen_by_followers_of_that_life() {
    for (how, code) in [(9, None), (15, Some("ExitCode: 143"))] {
        let place = MountableDir::new();
        let x = life(&place, "x");
        let options = ["--poll", "200ms", "--death-deps", "x"];
        let (run, _) = supervisor(&place, &options, "exec sleep 60");
        place.sh("mv \"$EXIT_DIR\" \"$0\"");
        run.await_words(GONE);
        x.send(how);
        x.end();
        let text = std::fs::read_to_string(place.sandbox.path("aside").join("x")).unwrap();
        assert!(code.is_none_or(|code| text.contains(code)), "{text}");
        assert_eq!(run.process.end().status, 143);
    }
}

#[test]
fn followers_of_a_directory_that_becomes_read_only_see_the_same() {
    let place = MountableDir::new();
    if !mounts_are_permitted(&place) {
        return;
    }
    place.sh("mkdir \"$0\" && mount --bind \"$0\" \"$EXIT_DIR\"");
    let aside = place.sandbox.path("aside");
    let mut command = place.sandbox.run(["-n", "x", "--", "sleep", "60"]);
    let x = command.env("EXIT_DIR", &aside).start();
    wait_until("x is ready", || place.text("x").contains("Ready"));
    // The old watch still works: the followers learn of it only by an event.
    let mut wait = place.sandbox.wait(["--poll", "off", "-x", "x"]);
    let wait = place.here(&mut wait).start();
    let mut slow = place.sandbox.wait(["--poll", "50ms", "-x", "x"]);
    let slow = place.here(&mut slow).start();
    let options = ["--poll", "off", "--death-deps", "x"];
    let (run, command) = supervisor(&place, &options, "exec sleep 60");
    await_sleep(&wait);
    await_sleep(&slow);
    place.sh("mount -o remount,bind,ro \"$EXIT_DIR\"");
    assert!(std::fs::write(place.dir.join("z"), "").is_err());
    assert!(!is_gone(command));
    x.send(TERM);
    assert_eq!(x.end().status, 143);
    let ends = [wait.end(), slow.end()];
    for ended in &ends {
        assert_eq!((ended.status, ended.stderr.as_str()), (143, ""));
    }
    assert_eq!(run.process.end().status, 143);
}

#[test]
fn a_temporarily_read_only_file_system_loses_no_death() {
    let place = MountableDir::new();
    if !mounts_are_permitted(&place) {
        return;
    }
    place.sh("mount -t tmpfs -o mode=777 tmpfs \"$EXIT_DIR\"");
    let mut wait = place.sandbox.wait(["--poll", "off", "-x", "x"]);
    let wait = place.here(&mut wait).start();
    let options = ["--poll", "off", "--death-deps", "x"];
    let (run, _) = supervisor(&place, &options, "exec sleep 60");
    await_sleep(&wait);
    place.sh("mount -o remount,ro \"$EXIT_DIR\"");
    let mut signal = place.sandbox.signal(["-c", "3", "x"]);
    assert_sentence(&place.here(&mut signal).finish(), "exitdir-signal", 125);
    place.sh("mount -o remount,rw \"$EXIT_DIR\"");
    assert_eq!(place.here(&mut signal).finish().status, 0);
    assert_eq!((wait.end().status, run.process.end().status), (3, 143));
}

#[test]
fn the_death_record_is_written_even_if_the_directory_became_read_only() {
    let place = MountableDir::new();
    if !mounts_are_permitted(&place) {
        return;
    }
    let options = ["-n", "me", "--poll", "200ms", "--death-deps", "y"];
    let (run, _) = supervisor(&place, &options, "exec sleep 60");
    place.sh("mount --bind \"$EXIT_DIR\" \"$EXIT_DIR\" && mount -o remount,bind,ro \"$EXIT_DIR\"");
    assert!(std::fs::write(place.dir.join("z"), "").is_err());
    run.process.send(TERM);
    let stderr = run.stderr.clone();
    assert_eq!(run.process.end().status, 143);
    let text = place.text("me");
    assert!(
        text.contains("\nExitCode: 143\n") && text.contains("\nDied: "),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(stderr).unwrap(), "");
}
