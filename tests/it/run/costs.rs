//! What a start, a wait and an event cost: instructions of the program, and its system calls.
//!
//! The limits are a twentieth above what the binary of the image needs; the other static binary
//! needs less. All runs have an empty environment and the same short paths, so that the machine
//! does not change the figures.

use crate::support::inspect::{await_sleep_after, await_watch};
use crate::support::requirements::{static_binary_is_given, strace_is_here};
use crate::support::sandbox::{Ended, Running, Sandbox, Start};
use crate::support::signals::TERM;
use crate::support::syscalls::points;
use crate::support::users::{as_user, installed, open_to_all, set_mode};
use crate::support::valgrind::{COUNTER, can_count_instructions, counts, instructions};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

/// It has inotify instances that no other test uses.
const COUNTED_USER: u32 = 64_250;
const EVENTS: usize = 20;
const STRACE: [&str; 3] = ["strace", "-o", "strace.log"];

/// An exit directory with two lives in it.
struct Place {
    sandbox: Sandbox,
    _lives: [Running; 2],
}

impl Place {
    /// `None` if nothing can be counted here, or if the limits are not for this binary.
    fn new() -> Option<Place> {
        let is_known = cfg!(target_arch = "x86_64") && static_binary_is_given();
        if !is_known || !can_count_instructions() || !strace_is_here() {
            return None;
        }
        let sandbox = Sandbox::below(Path::new("/dev/shm"), Path::new("g"));
        installed(&sandbox);
        open_to_all(&sandbox);
        set_mode(&sandbox.path("."), 0o777);
        let lives = ["one", "two"].map(|name| {
            let life = sandbox.run(["-n", name, "--", "sleep", "1000"]).start();
            sandbox.await_key(name, "Ready");
            life
        });
        Some(Place {
            sandbox,
            _lives: lives,
        })
    }

    /// A command line of an applet below another program.
    fn below(&self, program: &[&str], line: &str) -> Command {
        let mut command = self.sandbox.command(program[0]);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir(self.sandbox.path("."));
        as_user(&mut command, COUNTED_USER)
            .args(&program[1..])
            .args(line.split(' '));
        command
    }

    fn counted(&self, line: &str) -> Command {
        self.below(&[&["valgrind"], &COUNTER[..]].concat(), line)
    }

    /// The system calls until the first of this name, or all of them. Those that map memory are
    /// left out: whether the allocator needs another page depends on the lengths of paths.
    fn calls(&self, line: &str, last: &str) -> u64 {
        let _: Ended = self.below(&STRACE, line).finish();
        let points = points(&self.sandbox.read("strace.log"));
        let calls = points.iter().map(|point| point.call.as_str());
        let calls = calls.take_while(|call| *call != last);
        let calls = calls.filter(|call| !["mmap", "munmap"].contains(call));
        calls.count() as u64
    }

    /// The instructions until a child cannot execute its command. The child has spent the fewest:
    /// its parent goes on.
    fn spent_until_start(&self, line: &str) -> u64 {
        let ended = self.counted(line).finish();
        assert_eq!(ended.status, 127, "{}", ended.stderr);
        let counts = counts(&ended.stderr);
        assert_eq!(counts.len(), 2, "{}", ended.stderr);
        counts.into_iter().min().unwrap()
    }

    /// The instructions of a life for so many changes of the tombstone on which it depends, and for
    /// the rest.
    fn spent_with(&self, events: usize) -> u64 {
        let path = self.sandbox.dir().join("one");
        let tombstone = File::options().write(true).open(path).unwrap();
        let mut life = self
            .counted("bin/exitdir-run --poll off --dir g --death-deps one -- sleep 1000")
            .start();
        let mut wakes = await_watch(&life);
        for _ in 0..events {
            // Writes the text that is there already.
            tombstone.write_all_at(b"Waiting", 0).unwrap();
            wakes = await_sleep_after(&life, wakes);
        }
        assert!(life.is_running());
        life.send(TERM);
        instructions(&life.end().stderr)
    }
}

#[track_caller]
fn assert_at_most(what: &str, found: u64, limit: u64) {
    println!("{what}: {found} of {limit}");
    assert!(found <= limit, "{what}: {found}, at most {limit}");
    // Otherwise the limit holds nothing any more.
    assert!(found * 5 >= limit * 4, "{what}: {found}, lower its {limit}");
}

#[test]
fn a_start_costs_few_instructions_and_system_calls() {
    let Some(place) = Place::new() else { return };
    let spent = place.spent_until_start("bin/exitdir-run -- /nonexistent");
    let calls = place.calls("bin/exitdir-run -- /bin/true", "clone");
    assert_at_most("instructions", spent, 47_000);
    assert_at_most("system calls", calls, 26);
}

#[test]
fn a_start_with_two_death_dependencies_costs_few_instructions_and_system_calls() {
    let Some(place) = Place::new() else { return };
    let options = "--dir g --death-deps one,two --name";
    let spent = place.spent_until_start(&format!("bin/exitdir-run {options} ma -- /nonexistent"));
    let calls = place.calls(
        &format!("bin/exitdir-run {options} mb -- /bin/true"),
        "ppoll",
    );
    assert_at_most("instructions", spent, 168_200);
    assert_at_most("system calls", calls, 74);
}

#[test]
fn a_wait_whose_condition_holds_costs_few_instructions_and_system_calls() {
    let Some(place) = Place::new() else { return };
    let line = "bin/exitdir-wait --dir g one:ready";
    let ended = place.counted(line).finish();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_at_most("instructions", instructions(&ended.stderr), 69_800);
    assert_at_most("system calls", place.calls(line, "exit_group"), 18);
}

#[test]
fn a_change_of_a_dependency_costs_few_instructions() {
    let Some(place) = Place::new() else { return };
    let (once, twice) = (place.spent_with(EVENTS), place.spent_with(2 * EVENTS));
    let spent = twice.saturating_sub(once) / EVENTS as u64;
    assert_at_most("instructions", spent, 36_800);
}
