//! inotify taken away, events lost, the watched directory's own fate, and supervisors that stand still.

use crate::support::inspect::{assert_sentence, await_any_sleep, await_sleep, sleeps, stop};
use crate::support::namespaces::{NO_INSTANCES, NO_WATCHES, with_less_inotify};
use crate::support::proc::is_gone;
use crate::support::requirements::{is_permitted, strace_is_here};
use crate::support::sandbox::{
    Ended, Running, Sandbox, Start, binary, entries, eventually, wait_until,
};
use crate::support::signals::{CONT, KILL, TERM};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Far more than 250 ms on a busy machine, and less than the 10 s of a local slow look.
const BEFORE_RESCAN: Duration = Duration::from_secs(5);

/// The lines of stderr that speak of inotify.
fn warnings(ended: &Ended) -> usize {
    let about = |line: &&str| line.contains("inotify");
    ended.stderr.lines().filter(about).count()
}

#[test]
fn without_instances_or_watches_there_is_one_warning_and_an_answer_soon() {
    for script in [NO_INSTANCES, NO_WATCHES] {
        let sandbox = Sandbox::new();
        let Some(mut wait) = with_less_inotify(&sandbox, script, &binary()) else {
            return;
        };
        let mut run = with_less_inotify(&sandbox, script, &binary()).unwrap();
        let wait = wait.args(["wait", "-x", "--print", "main"]).start();
        let words = ["run", "-n", "proxy", "--death-deps", "main", "--"];
        let run = run.args(words).args(["sleep", "60"]).start();
        sandbox.await_key("proxy", "Ready");
        await_any_sleep(&wait);
        let since = Instant::now();
        sandbox.record_death("main", "3");
        let (wait, run) = (wait.end(), run.end());
        assert!(
            since.elapsed() < BEFORE_RESCAN,
            "{script}: {:?}",
            since.elapsed()
        );
        assert_eq!(
            (wait.status, wait.stdout.as_str(), run.status),
            (3, "main failed 3\n", 143),
            "{script}: {wait:?} {run:?}"
        );
        assert_eq!(warnings(&wait), 1, "{script}: {wait:?}");
        assert_eq!(warnings(&run), 1, "{script}: {run:?}");
    }
}

#[test]
fn a_look_that_was_held_up_makes_nobody_deaf() {
    let sandbox = Sandbox::new();
    let strace = PathBuf::from("strace");
    if !strace_is_here() {
        return;
    }
    let Some(mut command) = with_less_inotify(&sandbox, NO_INSTANCES, &strace) else {
        return;
    };
    let trace = sandbox.path("trace");
    let process = command
        .args(["-e", "inject=open,openat:delay_enter=1500000:when=8", "-o"])
        .arg(&trace)
        .arg(binary())
        .args(["wait", "main"])
        .start();
    eventually("a look was held up, and another one came after it", || {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        let (_, after) = text.split_once("(DELAYED)")?;
        after.contains("poll(").then_some(())
    });
    sandbox.record_death("main", "0");
    let since = Instant::now();
    assert_eq!(process.end().status, 0);
    assert!(since.elapsed() < BEFORE_RESCAN, "{:?}", since.elapsed());
}

#[test]
fn without_inotify_nobody_sleeps_longer_than_250_ms() {
    let sandbox = Sandbox::new();
    let strace = PathBuf::from("strace");
    if !strace_is_here() {
        return;
    }
    let trace = sandbox.path("trace");
    for words in [
        &["wait", "main"][..],
        &["wait", "--poll", "1m", "main"],
        &["wait", "--poll", "off", "main"],
        &["run", "--death-deps", "main", "--", "sleep", "60"],
    ] {
        let Some(mut command) = with_less_inotify(&sandbox, NO_INSTANCES, &strace) else {
            return;
        };
        let process = command
            .args(["-e", "trace=ppoll,poll", "-o"])
            .arg(&trace)
            .arg(binary())
            .args(words)
            .start();
        let text = || std::fs::read_to_string(&trace).unwrap_or_default();
        wait_until("it has looked five times", || {
            text().matches("(Timeout)").count() >= 5
        });
        sandbox.record_death("main", "0");
        process.end();
        for line in text().lines().filter(|line| line.contains("tv_sec=")) {
            let nanos: u64 = between(line, "tv_nsec=", "}").parse().unwrap();
            assert_eq!(between(line, "tv_sec=", ","), "0", "{words:?}: {line}");
            assert!(nanos <= 250_000_000, "{words:?}: {line}");
        }
        let endless = text().lines().any(|line| line.contains("NULL, NULL"));
        assert!(!endless, "{words:?}: {}", text());
        std::fs::remove_file(sandbox.dir().join("main")).unwrap();
    }
}

/// What stands between the first `from` in a line and the next `to`.
fn between<'l>(line: &'l str, from: &str, to: &str) -> &'l str {
    let (_, rest) = line.split_once(from).unwrap_or_else(|| panic!("{line}"));
    rest.split_once(to).unwrap_or_else(|| panic!("{line}")).0
}

/// What a follower makes of the death of `main` with at most this many descriptors, and of its own start if
/// that fails; `living` if `main` lives before.
fn with_descriptors(limit: u32, living: bool, words: &[&str]) -> Ended {
    let what = format!("{limit} descriptors, living {living}, {words:?}");
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let main = living.then(|| {
        let run = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
        sandbox.await_key("main", "Ready");
        run
    });
    // Other tests have descriptors that a child inherits.
    let script =
        format!("exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; ulimit -n {limit} && exec \"$@\"");
    let mut follower = sandbox
        .command("sh")
        .args(["-c", &script, "sh"])
        .arg(binary())
        .args(words)
        .start();
    let mut asleep = 0;
    wait_until(format!("it sleeps for good or has ended: {what}"), || {
        asleep += u32::from(sleeps(follower.pid()));
        asleep > 50 || !follower.is_running()
    });
    let since = Instant::now();
    match main {
        Some(main) => {
            main.send(KILL);
            main.end();
        }
        None => assert_eq!(sandbox.signal(["-c", "137", "main"]).finish().status, 0),
    }
    let ended = follower.end();
    assert!(
        since.elapsed() < BEFORE_RESCAN,
        "{what}: {:?}",
        since.elapsed()
    );
    ended
}

/// With too few descriptors for a look a follower says so and ends; with too few for a look beside inotify
/// it does without inotify; with more it has both. `from`: the first limit to try; `answer`: its status then.
fn assert_answered_within_any_descriptor_limit(words: &[&str], from: u32, answer: i32) {
    for living in [false, true] {
        // A follower holds the tombstones of the living.
        let from = from + u32::from(living);
        let ends: Vec<(u32, Ended)> = (from..12)
            .map(|limit| (limit, with_descriptors(limit, living, words)))
            .collect();
        let show = || format!("living {living}: {ends:#?}");
        let mut stages: Vec<&str> = ends
            .iter()
            .map(|(limit, ended)| match (ended.status, warnings(ended)) {
                (125, 0) => "cannot",
                (status, 1) if status == answer => "warned",
                (status, 0) if status == answer => "silent",
                _ => panic!("{limit} descriptors, {}", show()),
            })
            .collect();
        stages.dedup();
        assert!(
            stages.ends_with(&["warned", "silent"]) && stages.len() <= 3,
            "{stages:?}: {}",
            show()
        );
    }
}

#[test]
fn a_wait_without_a_descriptor_for_inotify_is_warned_and_answers() {
    assert_answered_within_any_descriptor_limit(&["wait", "-x", "main"], 4, 137);
    assert_answered_within_any_descriptor_limit(&["wait", "-x", ":died"], 4, 137);
}

#[test]
fn a_run_without_a_descriptor_for_inotify_is_warned_and_does_not_start_its_command() {
    // One that starts its command has two descriptors to spare: it needs a pipe for that.
    let words = "run --birth-deps never --death-deps main -- true";
    let words: Vec<&str> = words.split(' ').collect();
    // Three, one for signals, and one to look with.
    assert_answered_within_any_descriptor_limit(&words, 5, 143);
}

/// Raises about this many events in the directory, under names that are no tombstones'.
fn make_events(dir: &Path, events: usize) {
    for at in 0..events {
        // In turns: the kernel merges an event that is the same as the one before it.
        let mut file = std::fs::File::options();
        let file = file.append(true).create(true);
        drop(file.open(dir.join(format!(".noise{}", at % 2))).unwrap());
    }
}

/// A watch of the test's own, to see what the kernel made of the noise.
fn watch_dir(dir: &Path) -> OwnedFd {
    let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&fd, dir, WatchFlags::CREATE | WatchFlags::CLOSE_WRITE).unwrap();
    fd
}

/// Whether events were lost, and whether any told of `name`.
fn events_seen(fd: &OwnedFd, name: &str) -> (bool, bool) {
    let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
    let mut reader = inotify::Reader::new(fd, &mut buffer);
    let (mut lost, mut told) = (false, false);
    while let Ok(event) = reader.next() {
        lost |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
        told |= event
            .file_name()
            .is_some_and(|entry| entry.to_bytes() == name.as_bytes());
    }
    (lost, told)
}

#[test]
fn a_death_among_more_events_than_the_kernel_keeps_is_not_lost() {
    let queue = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let queue: usize = queue.trim().parse().unwrap();
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    // Without the slow look, so that nothing but the overflow itself can help.
    let wait = sandbox.wait(["--poll", "off", "-x", "--print", "main"]);
    let anybody = sandbox.wait(["--poll", "off", "--print", ":exit=3"]);
    let run = sandbox.run(["--poll", "off", "--death-deps", "main", "--", "sleep", "60"]);
    let followers = [wait, anybody, run].map(|mut command| command.start());
    followers.iter().for_each(await_sleep);
    followers.iter().for_each(stop);
    let watcher = watch_dir(&sandbox.dir());
    // A few come late or not at all, when a process that another test starts still holds the file.
    make_events(&sandbox.dir(), queue + queue / 8);
    sandbox.record_death("main", "3");
    make_events(&sandbox.dir(), 100);
    assert_eq!(events_seen(&watcher, "main"), (true, false));
    followers.iter().for_each(|follower| follower.send(CONT));
    let [wait, anybody, run] = followers.map(Running::end);
    wait.assert_output(3, "main failed 3\n");
    anybody.assert_output(0, "main failed 3\n");
    assert_eq!(run.status, 143, "{}", run.stderr);
}

#[test]
fn a_supervisor_that_stands_still_is_alive_and_lost_at_once_when_it_is_killed() {
    let sandbox = Sandbox::new();
    let main = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
    sandbox.await_key("main", "Ready");
    let wait = sandbox
        .wait(["--poll", "off", "-x", "--print", "main"])
        .start();
    let words = ["--poll", "off", "--death-deps", "main", "--"];
    let mut run = sandbox.run(words);
    let run = run.args(["sleep", "60"]).start();
    await_sleep(&wait);
    await_sleep(&run);
    stop(&main);
    for condition in ["main:lost", "main:died"] {
        let ended = sandbox.wait(["-t", "1s", "--poll", "50ms", condition]);
        let ended = { ended }.finish();
        assert_eq!(ended.status, 124, "{condition}: {ended:?}");
    }
    assert_eq!(sandbox.wait(["-t", "0", "main:ready"]).finish().status, 0);
    assert_eq!(
        sandbox.run(["-n", "main", "--", "true"]).finish().status,
        125,
        "the name is taken"
    );
    // KILL needs no CONT.
    main.send(KILL);
    assert_eq!(main.end().status, 137);
    let (wait, run) = (wait.end(), run.end());
    assert_eq!(
        (wait.status, wait.stdout.as_str(), run.status),
        (137, "main lost 137\n", 143),
        "{wait:?} {run:?}"
    );
}

/// A way for a watched directory to go, and to come back.
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

/// An exit directory that may be a mount; nothing stays mounted when the value is gone.
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
        // Until there is nothing to unmount: mounts lie upon each other.
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
    // Another name first: what is read is whole.
    let script = format!("echo $$ >\"$0.new\" && mv \"$0.new\" \"$0\" && {script}");
    let mut command = place.sandbox.run(options);
    command.args(["--", "sh", "-c", &script]).arg(&pid);
    let run = LoggedProcess::start(place, &mut command);
    let pid = eventually("its command runs", || std::fs::read_to_string(&pid).ok());
    await_sleep(&run.process);
    (run, pid.trim().parse().unwrap())
}

/// The fates that can be played here, each in a place of its own.
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
        // While it lives and is held open the kernel does not tell that the directory was deleted.
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
fn a_run_warns_keeps_its_command_and_buries_itself_in_the_directory_that_came_back() {
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
fn a_run_ends_as_its_command_did_when_there_is_no_directory_for_its_record() {
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
        // Who still has the old directory can read it there.
        let moved = place.sandbox.path("aside").join("me");
        if let Ok(text) = std::fs::read_to_string(moved) {
            assert!(text.contains("\nExitCode: 7\n"), "{text}");
        }
    }
}

#[test]
fn a_death_in_a_directory_that_was_moved_away_is_seen_by_those_who_follow_that_life() {
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
    // What was watched before is still watched: nothing but the kernel tells them.
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
fn a_file_system_that_is_read_only_for_a_while_loses_no_death() {
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
fn the_death_record_is_written_though_the_directory_is_mounted_read_only_by_then() {
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
