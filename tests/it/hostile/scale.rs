//! Directories that a neighbour fills: memory and notices.

use crate::support::inspect::await_any_sleep;
use crate::support::proc::{has_inotify, status, work_before_reading};
use crate::support::sandbox::{Running, Sandbox, Start, wait_until};
use crate::support::signals::TERM;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// More files than a condition without a name is about.
const FILES: usize = 6_000;
/// How much processor time a supervisor may use before it reads a signal.
const PROMPT: Duration = Duration::from_millis(300);
/// In kB.
const MEMORY_LIMIT: u64 = 2_048;

/// Fills the directory with living tombstones of 4 KiB.
fn fill(sandbox: &Sandbox) {
    fs::create_dir_all(sandbox.dir()).unwrap();
    let text = format!("Born: \"x\"\nMessage: \"{}\"\n", "m".repeat(4_000));
    for at in 0..FILES {
        fs::write(sandbox.dir().join(format!("t{at}")), &text).unwrap();
    }
}

/// Waits until the process watches and sleeps. Returns its memory in kB, without that of files: how
/// much of the program was read does not matter.
fn memory(process: &Running) -> u64 {
    wait_until("it watches", || has_inotify(process.pid()));
    await_any_sleep(process);
    let resident = status(process.pid(), "RssAnon").unwrap();
    let (number, _) = resident.trim().split_once(' ').unwrap();
    number.parse().unwrap()
}

fn start(sandbox: &Sandbox, applet: &str) -> Running {
    match applet {
        "wait" => sandbox.wait([":failed", "main:ready"]).start(),
        _ => {
            let arguments = ["--death-deps", "zz-main,:failed", "--", "sleep", "600"];
            sandbox.run(arguments).start()
        }
    }
}

#[test]
fn many_large_tombstones_cost_little_memory_and_one_notice() {
    for applet in ["wait", "run"] {
        let sandbox = Sandbox::new();
        let empty = start(&sandbox, applet);
        let before = memory(&empty);
        empty.send(TERM);
        empty.end();
        fill(&sandbox);
        let full = start(&sandbox, applet);
        let grown = memory(&full).saturating_sub(before);
        println!("{applet}: {grown} kB for {FILES} files");
        assert!(grown < MEMORY_LIMIT, "{applet}: {grown} kB");
        full.send(TERM);
        let ended = full.end();
        let notices = ended.stderr.matches("has too many files").count();
        assert_eq!(notices, 1, "{}", ended.stderr);
    }
}

#[test]
fn a_dependency_with_a_name_counts_beside_too_many_others() {
    let sandbox = Sandbox::new();
    fill(&sandbox);
    let life = start(&sandbox, "run");
    memory(&life);
    sandbox.record_death("zz-main", "3");
    let ended = life.end();
    assert!(
        ended.stderr.contains("zz-main died with exit code 3"),
        "{ended:?}"
    );
}

/// Replaces, makes and removes files as fast as it can, until `ends`.
fn storm(dir: &Path, ends: &AtomicBool) {
    let text = "Born: \"x\"\nDied: \"x\"\nExitCode: 0\n";
    for at in (0..20_000).cycle() {
        if ends.load(Ordering::Relaxed) {
            return;
        }
        let new = dir.join(format!("storm{at}"));
        fs::write(&new, text).unwrap();
        fs::rename(new, dir.join("flip")).unwrap();
    }
}

/// Runs `act` while files come and go in a directory of thousands.
fn in_storm(sandbox: &Sandbox, act: impl FnOnce()) {
    let ends = AtomicBool::new(false);
    fs::create_dir_all(sandbox.dir()).unwrap();
    for at in 0..20_000 {
        fs::write(sandbox.dir().join(format!("t{at}")), "Born: \"x\"\n").unwrap();
    }
    thread::scope(|scope| {
        scope.spawn(|| storm(&sandbox.dir(), &ends));
        // The storm ends even if `act` panics.
        let acted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        ends.store(true, Ordering::Relaxed);
        acted.unwrap();
    });
}

#[test]
fn term_and_a_death_are_noticed_while_thousands_of_files_come_and_go() {
    let sandbox = Sandbox::new();
    in_storm(&sandbox, || {
        let life = start(&sandbox, "run");
        wait_until("it watches", || has_inotify(life.pid()));
        let used = work_before_reading(&life, TERM);
        assert!(used < PROMPT, "{used:?} of work before TERM");
        assert_eq!(life.end().status, 143);
        let life = start(&sandbox, "run");
        wait_until("it watches", || has_inotify(life.pid()));
        sandbox.record_death("zz-main", "3");
        let ended = life.end();
        let reason = "zz-main died with exit code 3";
        assert!(ended.stderr.contains(reason), "{ended:?}");
    });
}
