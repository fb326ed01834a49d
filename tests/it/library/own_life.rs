//! A program that supervises itself with [`OwnLife`], as other processes see it.

use super::api::name;
use crate::support::library_examples::example;
use crate::support::sandbox::{Running, Sandbox, Start};
use crate::support::signals::KILL;
use exitdir::{Announcement, Error, ExitDir, OwnLife, State, Sweep};
use std::process::{Command, Stdio};
use std::time::Duration;

fn begin(sandbox: &Sandbox, text: &str) -> OwnLife {
    ExitDir::new(sandbox.dir()).begin(&name(text)).unwrap()
}

/// `exitdir-wait` in another process, until the condition holds.
#[track_caller]
fn await_condition(sandbox: &Sandbox, condition: &str) {
    let ended = sandbox.wait([condition, "-t", "120"]).finish();
    assert_eq!(ended.status, 0, "{condition}: {ended:?}");
}

/// `examples/service.rs`, ready.
fn service(sandbox: &Sandbox) -> Running {
    let mut command = sandbox.command(example("service"));
    let running = command.arg("db").stdin(Stdio::piped()).start();
    await_condition(sandbox, "db:ready");
    running
}

#[test]
fn other_processes_see_each_step_of_a_life() {
    let sandbox = Sandbox::new();
    let life = begin(&sandbox, "db");
    assert!(life.is_locked());
    assert_eq!(life.name().as_str(), "db");
    assert!(sandbox.holds("db:born") && !sandbox.holds("db:ready") && !sandbox.holds("db:waiting"));
    assert_eq!(life.life().unwrap().state(), Some(State::Born));
    life.ready().unwrap();
    life.ready().unwrap();
    await_condition(&sandbox, "db:ready");
    assert_eq!(life.life().unwrap().state(), Some(State::Ready));
    assert_eq!(sandbox.tombstone("db").matches("Ready:").count(), 1);
    life.finish(0).unwrap();
    await_condition(&sandbox, "db:ok");
    assert_eq!(sandbox.entries(), ["db"]);
    // Times that are in order.
    assert_eq!(sandbox.key("db", "Waiting"), sandbox.key("db", "Born"));
}

#[test]
fn a_waiting_process_wakes_at_the_end_and_gets_the_exit_code() {
    let sandbox = Sandbox::new();
    let life = begin(&sandbox, "db");
    let waiter = sandbox.wait(["db:exit=3"]).start();
    let run = sandbox.run(["--death-deps", "db", "--", "sleep", "60"]);
    let run = { run }.start();
    life.finish(3).unwrap();
    assert_eq!(waiter.end().status, 0);
    assert_ne!(run.end().status, 0, "the dependency failed");
    assert_eq!(sandbox.key("db", "Reason").as_deref(), Some("exited"));
}

#[test]
fn a_program_that_ends_in_order_has_died_with_0() {
    let sandbox = Sandbox::new();
    // Its standard input is at its end already.
    let ended = sandbox.command(example("service")).arg("db").finish();
    ended.assert_output(0, "[Service] Ready\n[Service] Read 0 bytes\n");
    await_condition(&sandbox, "db:ok");
}

#[test]
fn a_program_that_is_killed_is_lost() {
    let sandbox = Sandbox::new();
    let service = service(&sandbox);
    let waiter = sandbox.wait(["db:lost"]).start();
    service.send(KILL);
    assert_eq!(waiter.end().status, 0);
    assert_eq!(service.end().status, 128 + KILL);
    assert!(sandbox.holds("db:exit=137"));
}

#[test]
fn a_life_that_is_dropped_is_lost() {
    let sandbox = Sandbox::new();
    let life = begin(&sandbox, "db");
    life.ready().unwrap();
    let waiter = sandbox.wait(["db:lost"]).start();
    drop(life);
    assert_eq!(waiter.end().status, 0);
}

#[test]
fn a_life_whose_thread_panics_is_lost() {
    let sandbox = Sandbox::new();
    let life = begin(&sandbox, "db");
    let thread = std::thread::spawn(move || {
        life.ready().unwrap();
        // Without the message and the backtrace of a panic.
        std::panic::resume_unwind(Box::new("the work has failed"));
    });
    assert!(thread.join().is_err());
    assert!(sandbox.holds("db:lost"));
}

#[test]
fn a_child_that_outlives_the_life_does_not_keep_it_alive() {
    let sandbox = Sandbox::new();
    let life = begin(&sandbox, "db");
    let mut child = Command::new("sleep").arg("60").start();
    drop(life);
    assert!(sandbox.holds("db:lost"));
    assert!(child.is_running());
}

#[test]
fn a_name_has_one_life_at_a_time() {
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    let is_taken = || matches!(dir.begin(&name("main")), Err(Error::NameTaken(_)));

    let main = sandbox.run(["-n", "main", "--", "cat"]);
    let main = { main }.stdin(Stdio::piped()).start();
    sandbox.await_key("main", "Born");
    assert!(is_taken(), "by exitdir-run");
    main.send(KILL);
    main.end();

    let life = dir.begin(&name("main")).unwrap();
    assert!(is_taken(), "by this process");
    let refused = sandbox.run(["-n", "main", "--", "true"]).finish();
    assert_eq!(refused.status, 125);
    assert!(
        refused.stderr.contains("a running process holds it"),
        "{}",
        refused.stderr
    );
    assert!(sandbox.holds("main:born"));
    drop(life);

    let service = service(&sandbox);
    let result = dir.begin(&name("db"));
    assert!(matches!(result, Err(Error::NameTaken(_))), "{result:?}");
    drop(service);
    dir.begin(&name("db")).unwrap().finish(0).unwrap();
    await_condition(&sandbox, "db:ok");
}

#[test]
fn two_lives_of_one_process_do_not_disturb_each_other() {
    let sandbox = Sandbox::new();
    let (one, two) = (begin(&sandbox, "one"), begin(&sandbox, "two"));
    one.ready().unwrap();
    one.finish(0).unwrap();
    assert!(sandbox.holds("one:ok") && sandbox.holds("two:born"));
    drop(two);
    assert!(sandbox.holds("two:lost"));
}

#[test]
fn no_other_use_of_the_library_in_the_same_process_drops_the_lock() {
    let sandbox = Sandbox::new();
    let life = begin(&sandbox, "db");
    let other = ExitDir::new(sandbox.dir());
    other
        .signal(&name("old"), Announcement::Died(0), None)
        .unwrap();
    let mut watch = other.watch(&["db:died".parse().unwrap()]).unwrap();
    watch.wait(Some(Duration::from_millis(20))).unwrap();
    assert!(other.life(&name("db")).unwrap().is_none());
    let listed = other.tombstones().unwrap().map(|entry| entry.unwrap().0);
    assert_eq!(listed.collect::<Vec<_>>(), [name("old")]);
    assert_eq!(other.sweep(Sweep::Unlocked).unwrap().removed, 1);
    let said = other.signal(&name("db"), Announcement::Ready, None);
    assert!(matches!(said, Err(Error::NameTaken(_))), "{said:?}");
    assert!(other.find_live(&name("db")).is_err());
    drop((watch, other));
    assert!(sandbox.holds("db:born") && !sandbox.holds("db:lost"));
    life.ready().unwrap();
    assert!(sandbox.holds("db:ready"));
    life.finish(0).unwrap();
    let after = ExitDir::new(sandbox.dir()).life(&name("db")).unwrap();
    assert_eq!(after.unwrap().state(), Some(State::Ok));
}

#[test]
fn a_watch_in_the_same_process_learns_of_the_end() {
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    for code in 0..20 {
        let life = dir.begin(&name("db")).unwrap();
        let condition = format!("db:exit={code}").parse().unwrap();
        let mut watch = dir.watch(&[condition]).unwrap();
        let thread = std::thread::spawn(move || watch.wait(Some(Duration::from_secs(9))));
        life.finish(code).unwrap();
        let verdict = thread.join().unwrap().unwrap();
        assert!(matches!(verdict, exitdir::Verdict::Holds(_)), "{verdict:?}");
    }
}

/// What other threads open and close for a moment must never be the file of a life that begins.
#[test]
fn threads_that_read_and_sweep_do_not_take_a_life_from_another_thread() {
    const ROUNDS: usize = 60;
    let sandbox = Sandbox::new();
    let dir = ExitDir::new(sandbox.dir());
    std::thread::scope(|scope| {
        let lives = scope.spawn(|| {
            for round in 0..ROUNDS {
                let life = dir.begin(&name("db")).unwrap();
                assert!(sandbox.holds("db:born"), "round {round} has lost its lock");
                life.ready().unwrap();
                assert!(sandbox.holds("db:ready"), "round {round} has lost its lock");
                life.finish(0).unwrap();
            }
        });
        while !lives.is_finished() {
            let _ = dir.sweep(Sweep::Unlocked);
            let _ = dir.sweep(Sweep::Unfinished);
            let _ = dir.tombstones().map(Iterator::count);
            let _ = dir.life(&name("db"));
        }
    });
}

#[test]
fn a_death_that_another_process_has_recorded_counts_and_the_name_stays_taken() {
    let sandbox = Sandbox::new();
    let life = begin(&sandbox, "db");
    sandbox.record_ready("db");
    assert_eq!(life.life().unwrap().state(), Some(State::Ready));
    sandbox.record_death("db", "4");
    life.ready().unwrap();
    let refused = sandbox.run(["-n", "db", "--", "true"]).finish();
    assert_eq!(refused.status, 125, "the process is alive");
    life.finish(0).unwrap();
    assert!(sandbox.holds("db:exit=4"));
}

#[test]
fn a_death_is_recorded_where_the_tombstone_was_removed() {
    let sandbox = Sandbox::new();
    let life = begin(&sandbox, "db");
    std::fs::remove_file(sandbox.dir().join("db")).unwrap();
    life.finish(3).unwrap();
    assert!(sandbox.holds("db:exit=3"));
}

#[test]
fn a_life_that_cannot_begin_says_why() {
    let sandbox = Sandbox::new();
    sandbox.touch("file");
    let error = ExitDir::new(sandbox.path("file"))
        .begin(&name("db"))
        .unwrap_err();
    assert!(error.to_string().ends_with("Not a directory"), "{error}");
}
