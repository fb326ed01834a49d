//! Missing inotify, lost events, and stopped supervisors.

use crate::support::inspect::{await_any_sleep, await_sleep, sleeps, stop};
use crate::support::namespaces::{NO_INSTANCES, NO_WATCHES, with_less_inotify};
use crate::support::requirements::strace_is_here;
use crate::support::sandbox::{Ended, Running, Sandbox, Start, binary, eventually, wait_until};
use crate::support::signals::{CONT, KILL};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::fmt::{self, Display, Formatter};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The lines of stderr that speak of inotify.
fn warnings(ended: &Ended) -> usize {
    let about = |line: &&str| line.contains("inotify");
    ended.stderr.lines().filter(about).count()
}

#[test]
fn without_inotify_instances_or_watches_there_is_one_warning_and_polling() {
    for script in [NO_INSTANCES, NO_WATCHES] {
        let sandbox = Sandbox::new();
        let Some(mut wait) = with_less_inotify(&sandbox, script, &binary()) else {
            return;
        };
        let mut run = with_less_inotify(&sandbox, script, &binary()).unwrap();
        // Without periodic rescans, so that nothing but the polling can find the death.
        let wait = wait.args(["wait", "--poll", "off", "-x", "--print", "main"]);
        let wait = wait.start();
        let words = [
            "run",
            "--poll",
            "off",
            "-n",
            "proxy",
            "--death-deps",
            "main",
            "--",
        ];
        let run = run.args(words).args(["sleep", "60"]).start();
        sandbox.await_key("proxy", "Ready");
        await_any_sleep(&wait);
        sandbox.record_death("main", "3");
        let (wait, run) = (wait.end(), run.end());
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
fn a_delayed_scan_does_not_stop_the_polling() {
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
        .args(["-e", "inject=open,openat:delay_enter=7000000:when=8", "-o"])
        .arg(&trace)
        .arg(binary())
        .args(["wait", "main"])
        .start();
    eventually("a scan was delayed, and a poll came after it", || {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        let (_, after) = text.split_once("(DELAYED)")?;
        after.contains("poll(").then_some(())
    });
    sandbox.record_death("main", "0");
    // A pause in proportion to the time that the delayed scan took would be longer than the test's
    // timeout.
    assert_eq!(process.end().status, 0);
}

#[test]
fn without_inotify_no_sleep_is_longer_than_250_ms() {
    let sandbox = Sandbox::new();
    let strace = PathBuf::from("strace");
    if !strace_is_here() {
        return;
    }
    let lists = [
        &["wait", "main"][..],
        &["wait", "--poll", "1m", "main"],
        &["wait", "--poll", "off", "main"],
        &["run", "--death-deps", "main", "--", "sleep", "60"],
    ];
    for (index, words) in lists.into_iter().enumerate() {
        let trace = sandbox.path(&format!("trace-{index}"));
        let Some(mut command) = with_less_inotify(&sandbox, NO_INSTANCES, &strace) else {
            return;
        };
        let mut process = command
            .args(["-e", "trace=ppoll,poll,rt_sigtimedwait", "-o"])
            .arg(&trace)
            .arg(binary())
            .args(words)
            .start();
        let text = || std::fs::read_to_string(&trace).unwrap_or_default();
        let has_polled = eventually(TextOf(&trace), || {
            let timeouts = ["(Timeout)", "EAGAIN"].map(|end| text().matches(end).count());
            let has_polled = timeouts.into_iter().sum::<usize>() >= 5;
            (has_polled || !process.is_running()).then_some(has_polled)
        });
        sandbox.record_death("main", "0");
        let ended = process.end();
        assert!(has_polled, "{words:?} ended too early: {ended:?}");
        for line in text().lines().filter(|line| line.contains("tv_sec=")) {
            let nanos: u64 = between(line, "tv_nsec=", "}").parse().unwrap();
            assert_eq!(between(line, "tv_sec=", ","), "0", "{words:?}: {line}");
            assert!(nanos <= 250_000_000, "{words:?}: {line}");
        }
        let is_endless = |line: &str| {
            let without_timeout = match line.starts_with("rt_sigtimedwait(") {
                true => "NULL, 8)",
                false => "NULL, NULL",
            };
            line.contains(without_timeout)
        };
        let endless = text().lines().any(is_endless);
        assert!(!endless, "{words:?}: {}", text());
        std::fs::remove_file(sandbox.dir().join("main")).unwrap();
    }
}

/// What a file holds at the moment at which a test fails.
struct TextOf<'p>(&'p Path);

impl Display for TextOf<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", std::fs::read_to_string(self.0))
    }
}

/// What stands between the first `from` in a line and the next `to`.
fn between<'l>(line: &'l str, from: &str, to: &str) -> &'l str {
    let (_, rest) = line.split_once(from).unwrap_or_else(|| panic!("{line}"));
    rest.split_once(to).unwrap_or_else(|| panic!("{line}")).0
}

/// Runs a follower with at most this many descriptors until it sees the death of `main` or fails.
/// `living` says that `main` runs before.
fn with_descriptors(limit: u32, living: bool, words: &[&str]) -> Ended {
    let what = format!("{limit} descriptors, living {living}, {words:?}");
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.dir()).unwrap();
    let main = living.then(|| {
        let run = sandbox.run(["-n", "main", "--", "sleep", "60"]).start();
        sandbox.await_key("main", "Ready");
        run
    });
    // A child inherits descriptors of other tests.
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
    match main {
        Some(main) => {
            main.send(KILL);
            main.end();
        }
        None => assert_eq!(sandbox.signal(["-c", "137", "main"]).finish().status, 0),
    }
    follower.end()
}

/// With too few descriptors for a scan a follower reports an error and exits. With too few for a
/// scan beside inotify it polls; with more it uses inotify. `from` is the first limit to try,
/// `answer` the exit status of a follower that sees the death.
fn assert_answered_within_any_descriptor_limit(words: &[&str], from: u32, answer: i32) {
    for living in [false, true] {
        // A follower holds the tombstones of running lives open.
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
    for condition in ["main", ":died"] {
        // Without periodic rescans, so that nothing else can find the death.
        let words = ["wait", "--poll", "off", "-x", condition];
        assert_answered_within_any_descriptor_limit(&words, 4, 137);
    }
}

#[test]
fn a_run_without_a_descriptor_for_inotify_is_warned_and_does_not_start_its_command() {
    // A supervisor that starts its command needs two more descriptors, for a pipe.
    let words = "run --poll off --birth-deps never --death-deps main -- true";
    let words: Vec<&str> = words.split(' ').collect();
    // Three standard ones, one for signals, one for the directory, and one for a file of it.
    assert_answered_within_any_descriptor_limit(&words, 6, 143);
}

/// Raises about this many events in the directory, under names that are no names of tombstones.
fn make_events(dir: &Path, events: usize) {
    for at in 0..events {
        // Two names, since the kernel merges an event with an equal one before it.
        let mut file = std::fs::File::options();
        let file = file.append(true).create(true);
        drop(file.open(dir.join(format!(".noise{}", at % 2))).unwrap());
    }
}

/// A watch of the test itself, to see which events the kernel kept.
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
    // Without periodic rescans, so that only the overflow event can help.
    let wait = sandbox.wait(["--poll", "off", "-x", "--print", "main"]);
    let any_name = sandbox.wait(["--poll", "off", "--print", ":exit=3"]);
    let run = sandbox.run(["--poll", "off", "--death-deps", "main", "--", "sleep", "60"]);
    let followers = [wait, any_name, run].map(|mut command| command.start());
    followers.iter().for_each(await_sleep);
    followers.iter().for_each(stop);
    let watcher = watch_dir(&sandbox.dir());
    // A few come late or not at all, when a process that another test starts still holds the file.
    make_events(&sandbox.dir(), queue + queue / 8);
    sandbox.record_death("main", "3");
    make_events(&sandbox.dir(), 100);
    assert_eq!(events_seen(&watcher, "main"), (true, false));
    followers.iter().for_each(|follower| follower.send(CONT));
    let [wait, any_name, run] = followers.map(Running::end);
    wait.assert_output(3, "main failed 3\n");
    any_name.assert_output(0, "main failed 3\n");
    assert_eq!(run.status, 143, "{}", run.stderr);
}

#[test]
fn a_stopped_supervisor_is_alive_and_lost_at_once_when_it_is_killed() {
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
