//! Configuration that takes long to read, or that another user fills with links and files: the
//! supervisor goes on to answer signals, and does a bounded amount of work.

use crate::support::managed_app::{ConfiguredApp, ReloadBy, await_rest_of, workers, write};
use crate::support::proc::{await_gone, cpu_time, descriptors, state_of, work_before_reading};
use crate::support::requirements::strace_can_inject;
use crate::support::sandbox::{Sandbox, binary, eventually, wait_until};
use crate::support::signals::{CONT, KILL, STOP, TERM, send_if_there};
use crate::support::syscalls::{strace_log, traced};
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

/// Bytes of a file whose reading takes long: just below the limit.
const LARGE: usize = 60 << 20;
/// How long a version is left to be read.
const READ_TIME: Duration = Duration::from_secs(3);
/// How much processor time a supervisor may use before it reads a signal.
const PROMPT: Duration = Duration::from_millis(300);

/// The largest amount of memory that a process has had, in kB.
fn peak_memory(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.unwrap().split_whitespace().next();
    words.unwrap().parse().unwrap()
}

/// Gives the application large new versions of its configuration until there is an answer: the test
/// may look for the worker too late to see it.
fn while_versions_come<T>(
    app: &ConfiguredApp,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> T {
    let mut digits = (b'2'..=b'9').cycle();
    let mut given: Option<Instant> = None;
    eventually(what, || {
        if given.is_none_or(|given| given.elapsed() > READ_TIME) {
            let new = app.sandbox.path("app.conf.new");
            fs::write(&new, vec![digits.next().unwrap(); LARGE]).unwrap();
            fs::rename(new, app.sandbox.path("app.conf")).unwrap();
            given = Some(Instant::now());
        }
        ask()
    })
}

/// A command that has its configuration, and a worker that reads a large new version.
fn app_with_a_worker() -> (ConfiguredApp, i32) {
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    let app = ConfiguredApp::start(
        sandbox,
        ReloadBy::Hup,
        "app.conf",
        &["--config", "app.conf"],
    );
    app.await_log(&["started 1"]);
    let worker = while_versions_come(&app, "a worker reads the source", || {
        workers(app.running.pid()).first().copied()
    });
    (app, worker)
}

/// Starts the supervisor under strace.
fn traced_app(sandbox: Sandbox, options: &[&str], config: &str) -> ConfiguredApp {
    let run = traced(&sandbox, options, &["run"]);
    let conf = if config == "src" { "src/f" } else { config };
    ConfiguredApp::of(sandbox, run, ReloadBy::Hup, conf, &["--config", config])
}

#[test]
fn a_worker_that_is_killed_is_reported_and_the_command_runs_on() {
    let (mut app, _) = app_with_a_worker();
    let pid = app.running.pid();
    let sentence = "cannot read app.conf: the process that reads it was ended by KILL";
    while_versions_come(&app, "the report", || {
        workers(pid)
            .into_iter()
            .for_each(|worker| send_if_there(worker, KILL));
        app.said().contains(sentence).then_some(())
    });
    assert!(app.running.is_running());
    let is_start = |line: &String| line.starts_with("started");
    assert_eq!(app.log().iter().filter(|line| is_start(line)).count(), 1);
}

#[test]
fn a_signal_is_answered_while_a_worker_hangs_and_the_worker_ends_with_the_life() {
    let (app, worker) = app_with_a_worker();
    send_if_there(worker, STOP);
    app.running.send(TERM);
    assert_eq!(app.running.end().status, 143);
    await_gone(worker);
}

#[test]
fn a_worker_holds_nothing_of_its_supervisor_and_does_not_outlive_it() {
    let (app, worker) = app_with_a_worker();
    let exit_dir = fs::canonicalize(app.sandbox.dir()).unwrap();
    // It may be stopped before it has closed what it got from its supervisor.
    wait_until("the worker keeps few descriptors", || {
        send_if_there(worker, STOP);
        wait_until("it is stopped", || {
            state_of(worker).is_none_or(|state| state == 'T')
        });
        let held = descriptors(worker);
        let is_free = held.iter().all(|path| !path.starts_with(&exit_dir)) && held.len() <= 8;
        if !is_free {
            send_if_there(worker, CONT);
        }
        is_free
    });
    app.running.send(KILL);
    await_gone(worker);
}

#[test]
fn a_worker_that_cannot_be_started_is_reported_and_tried_again() {
    if !strace_can_inject() {
        return;
    }
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    // The C libraries make a process by different calls. The command is started by clone(2), and
    // must not be refused.
    let bytes = fs::read(binary()).unwrap();
    let is_musl = !bytes.windows(8).any(|bytes| bytes == b"ld-linux");
    let call = match is_musl && cfg!(target_arch = "x86_64") {
        true => "fork",
        false => "clone",
    };
    let refuse = format!("inject={call}:error=EAGAIN:when=1..2");
    let app = traced_app(sandbox, &["-e", "trace=process", "-e", &refuse], "app.conf");
    app.await_words(
        "cannot start a process that reads configuration: Resource temporarily unavailable",
    );
    wait_until("it is started", || app.log() == ["started 1"]);
}

#[test]
fn a_source_whose_links_take_too_many_steps_is_refused_and_the_command_runs_on() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("src/d")).unwrap();
    write(&sandbox, "src/f", "1");
    let mut app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "src/f", &["--config", "src"]);
    app.await_log(&["started 1"]);
    let way = format!("{}f", "d/../".repeat(790));
    for number in 0..40 {
        symlink(&way, app.sandbox.path(&format!("src/l{number}"))).unwrap();
    }
    app.await_words("cannot use src: it takes more than 20000 steps to follow its links");
    assert!(app.running.is_running());
    assert_eq!(app.log(), ["started 1"]);
}

/// Each link is reached from the source, directory by directory.
#[test]
fn a_signal_is_answered_although_many_links_stand_far_down_and_the_source_is_refused() {
    let sandbox = Sandbox::new();
    let deep = sandbox.path("tree").join("d/".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir(sandbox.path("src")).unwrap();
    write(&sandbox, "src/f", "1");
    for number in 0..9_000 {
        symlink("missing", deep.join(number.to_string())).unwrap();
    }
    assert_prompt_while_refused(sandbox, "tree", "src/tree");
}

/// The kernel walks through the whole path at each step, and each directory on the way is watched.
#[test]
fn a_source_whose_links_lead_far_down_is_refused_and_the_command_runs_on() {
    let sandbox = Sandbox::new();
    let deep = "d/".repeat(1_000);
    fs::create_dir_all(sandbox.path(&deep)).unwrap();
    fs::create_dir(sandbox.path("src")).unwrap();
    write(&sandbox, "src/f", "1");
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "src/f", &["--config", "src"]);
    app.await_log(&["started 1"]);
    let before = peak_memory(app.running.pid());
    for number in 0..20 {
        let way = format!("../{deep}../f");
        symlink(way, app.sandbox.path(&format!("src/l{number}"))).unwrap();
    }
    app.await_words("cannot use src: it takes more than 20000 steps to follow its links");
    assert_eq!(app.log(), ["started 1"]);
    let grown = peak_memory(app.running.pid()).saturating_sub(before);
    assert!(grown < 10 << 10, "{grown} kB");
}

/// Each link reads the directory again, and names that begin with `..` are no entries.
#[test]
fn a_signal_is_answered_although_links_lead_to_many_skipped_names_and_the_source_is_refused() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("skipped")).unwrap();
    fs::create_dir(sandbox.path("src")).unwrap();
    fs::create_dir(sandbox.path("links")).unwrap();
    write(&sandbox, "src/f", "1");
    for number in 0..9_000 {
        fs::write(sandbox.path(&format!("skipped/..{number}")), "").unwrap();
    }
    for number in 0..2_000 {
        let link = sandbox.path(&format!("links/{number}"));
        symlink("../../skipped", link).unwrap();
    }
    assert_prompt_while_refused(sandbox, "links", "src/links");
}

/// A tree that takes too many steps is moved into the source `src`. The supervisor answers a
/// signal, and the next one refuses the source.
#[track_caller]
fn assert_prompt_while_refused(sandbox: Sandbox, tree: &str, place: &str) {
    let start =
        |sandbox| ConfiguredApp::start(sandbox, ReloadBy::Hup, "src/f", &["--config", "src"]);
    let app = start(sandbox);
    app.await_log(&["started 1"]);
    let pid = app.running.pid();
    let begun = cpu_time(pid) + Duration::from_millis(10);
    fs::rename(app.sandbox.path(tree), app.sandbox.path(place)).unwrap();
    let sentence = "cannot use src: it takes more than 20000 steps to follow its links";
    wait_until("it is scanned", || {
        cpu_time(pid) > begun || app.said().contains(sentence)
    });
    let used = work_before_reading(&app.running, TERM);
    assert!(used < PROMPT, "{used:?} of work before TERM");
    assert_eq!(app.running.end().status, 143);
    start(app.sandbox).await_words(sentence);
}

/// One directory that many links lead to is one watch, which many paths lead to.
#[test]
fn a_signal_is_answered_although_many_links_lead_to_a_directory_where_much_happens() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("src/d")).unwrap();
    write(&sandbox, "src/f", "1");
    for number in 0..2_000 {
        symlink("d", sandbox.path(&format!("src/l{number}"))).unwrap();
    }
    let app = ConfiguredApp::start(sandbox, ReloadBy::Hup, "src/f", &["--config", "src"]);
    app.await_log(&["started 1"]);
    let pid = app.running.pid();
    await_rest_of(pid);
    app.running.send(STOP);
    wait_until("it is stopped", || state_of(pid) == Some('T'));
    let [old, new] = ["src/d/old", "src/d/new"].map(|path| app.sandbox.path(path));
    for _ in 0..1_500 {
        fs::hard_link(app.sandbox.path("src/f"), &old).unwrap();
        fs::rename(&old, &new).unwrap();
        fs::remove_file(&new).unwrap();
    }
    let begun = cpu_time(pid) + Duration::from_millis(10);
    app.running.send(CONT);
    wait_until("it reads the events", || cpu_time(pid) > begun);
    let used = work_before_reading(&app.running, TERM);
    assert!(used < PROMPT, "{used:?} of work before TERM");
    assert_eq!(app.running.end().status, 143);
}

#[test]
fn what_others_make_beside_a_source_is_not_looked_at() {
    if !strace_can_inject() {
        return;
    }
    let sandbox = Sandbox::new();
    write(&sandbox, "app.conf", "1");
    let app = traced_app(sandbox, &["-e", "trace=file"], "app.conf");
    wait_until("it is started", || app.log() == ["started 1"]);
    let mut file = File::options()
        .write(true)
        .open(app.sandbox.path("app.conf"))
        .unwrap();
    for number in 0..100 {
        symlink("nowhere", app.sandbox.path(&format!("stranger{number}"))).unwrap();
    }
    std::io::Write::write_all(&mut file, b"2").unwrap();
    drop(file);
    wait_until("the change is seen", || app.log().len() == 2);
    assert!(!strace_log(&app.sandbox).contains("stranger"));
}

#[test]
fn a_refused_watch_is_reported_once_and_changes_are_seen() {
    if !strace_can_inject() {
        return;
    }
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("src")).unwrap();
    write(&sandbox, "src/f", "1");
    let refuse = "inject=inotify_add_watch:error=EPERM";
    let options = ["-e", "trace=inotify_add_watch", "-e", refuse];
    let app = traced_app(sandbox, &options, "src");
    wait_until("it is started", || app.log() == ["started 1"]);
    for text in ["2", "3"] {
        write(&app.sandbox, "src/f", text);
        let line = format!("reloaded {text}");
        wait_until(format!("{line:?}: {}", app.said()), || {
            app.log().last() == Some(&line)
        });
    }
    let said = app.said();
    assert_eq!(said.matches("cannot watch ").count(), 1, "{said}");
    assert!(said.contains("looking for changes every second"), "{said}");
}
