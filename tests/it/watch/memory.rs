//! The memory of processes that wait: it depends neither on how long they wait nor on what other
//! lives do meanwhile.
//!
//! With `EXITDIR_TEST_LONG` this takes an hour. It runs alone, with the static binary:
//!
//! ```sh
//! scripts/build --small x86_64
//! EXITDIR_TEST_LONG=1 EXITDIR_TEST_BINARY=$PWD/dist/small/x86_64/exitdir \
//!     cargo test --test it watch::memory -- --nocapture
//! ```

use crate::support::inspect::{await_any_sleep, await_sleep_after, await_watch, stop};
use crate::support::proc::{anonymous_memory, sleep_count};
use crate::support::requirements::is_long_run;
use crate::support::sandbox::{Running, Sandbox, Start, binary, words};
use crate::support::signals::CONT;
use std::fs::{File, OpenOptions, remove_file, rename, write};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many events there are in the first minute of the long run, and in its hour.
const EVENTS: [u64; 2] = [6_000, 360_000];
const INTERVAL: Duration = Duration::from_millis(10);
/// Those of the short run, which has no pauses.
const FEW_EVENTS: [u64; 2] = [400, 1_600];
const PAGE: u64 = 4_096;
/// How much the memory of those may grow that remember lives for a while. If they remembered each
/// of 60,000 lives for good, that would take some megabytes.
const WITHOUT_NAMES: u64 = 64 * PAGE;
/// How much two processes may differ: the kernel chooses where in a page the stack begins.
const BETWEEN_PROCESSES: u64 = 2 * PAGE;
const BORN: &str = "Born: 2026-11-20T21:29:27.101220417Z\n";

/// What waits for `main`, or for what does not come.
const NAMED: [&str; 4] = [
    "run --name follower --death-deps main -- sleep 100000",
    "run --name early --birth-deps main:inactive --birth-timeout off -- sleep 1",
    "wait main",
    "wait --any main:exit=3 later:ready+main:inactive",
];
/// These are about all lives. They remember a life that is gone until the next scan of everything,
/// so their memory varies, and only the long run measures them.
const UNNAMED: [&str; 2] = [
    "run --death-deps main,:exit=77 -- sleep 100000",
    "wait :exit=77",
];

/// Processes that wait in one exit directory, and a life that some of them wait for.
struct Waiting {
    sandbox: Sandbox,
    main: File,
    processes: Vec<Running>,
    _life: Running,
}

impl Waiting {
    fn start(lines: &[&str]) -> Waiting {
        Waiting::start_beside(0, lines)
    }

    /// In a directory with so many other tombstones.
    fn start_beside(others: usize, lines: &[&str]) -> Waiting {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.dir()).unwrap();
        add_others(&sandbox, others);
        let life = sandbox.run(words("-n main -- sleep 100000")).start();
        sandbox.await_key("main", "Ready");
        let main = File::options().write(true).open(sandbox.dir().join("main"));
        let processes = lines.iter().map(|line| {
            let process = sandbox.command(binary()).args(words(line)).start();
            await_watch(&process);
            process
        });
        Waiting {
            processes: processes.collect(),
            main: main.unwrap(),
            sandbox,
            _life: life,
        }
    }

    /// One event: of a life that begins, changes, is replaced, dies and is removed, under a name of
    /// its own, or of `main`, of which nothing changes.
    fn cause(&self, event: u64) {
        let life = event / 6;
        let path = self.sandbox.dir().join(format!("life{life}"));
        match event % 6 {
            0 => write(path, BORN).unwrap(),
            1 => append(&path, "Ready: 2026-11-20T21:29:28.101220417Z\n"),
            2 => {
                let staged = self.sandbox.path("staged");
                write(&staged, BORN).unwrap();
                rename(staged, path).unwrap();
            }
            3 => self.main.write_all_at(b"Waiting", 0).unwrap(),
            4 => append(&path, "ExitCode: 0\nDied: 2026-11-20T21:31:27.101220417Z\n"),
            _ => remove_file(path).unwrap(),
        }
    }

    /// The private memory of each process while it sleeps.
    fn memory(&self) -> Vec<u64> {
        let each = self.processes.iter().map(|process| {
            await_any_sleep(process);
            anonymous_memory(process.pid())
        });
        each.collect()
    }
}

fn add_others(sandbox: &Sandbox, count: usize) {
    for at in 0..count {
        write(sandbox.dir().join(format!("other{at}")), BORN).unwrap();
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn an_hour_of_a_hundred_events_a_second_takes_no_memory() {
    let (events, interval, lines) = match is_long_run() {
        true => (EVENTS, INTERVAL, [&NAMED[..], &UNNAMED].concat()),
        false => (FEW_EVENTS, Duration::ZERO, NAMED.to_vec()),
    };
    let mut waiting = Waiting::start(&lines);
    let mut next = Instant::now();
    let mut play = |waiting: &Waiting, events: std::ops::Range<u64>| {
        for event in events {
            next += interval;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            waiting.cause(event);
        }
    };
    play(&waiting, 0..events[0]);
    let early = waiting.memory();
    play(&waiting, events[0]..events[1]);
    for (line, process) in lines.iter().zip(&mut waiting.processes) {
        assert!(process.is_running(), "{line}");
    }
    let late = waiting.memory();
    println!("private memory after {events:?} events: {early:?}, {late:?}");
    for ((line, early), late) in lines.iter().zip(early).zip(late) {
        assert!(early > 0, "{line}: no memory");
        let is_named = NAMED.contains(line);
        let more = if is_named { PAGE } else { WITHOUT_NAMES };
        assert!(late <= early + more, "{line}: {early}, then {late} bytes");
    }
}

/// As many as are tracked where a condition has no name.
const OTHERS: usize = 4_096;

#[test]
fn other_tombstones_take_no_memory_where_each_condition_has_a_name() {
    let alone = Waiting::start(&NAMED);
    let beside = Waiting::start_beside(OTHERS, &NAMED);
    let (without, with) = (alone.memory(), beside.memory());
    println!("private memory alone, and beside {OTHERS} tombstones: {without:?}, {with:?}");
    for process in &alone.processes {
        stop(process);
    }
    add_others(&alone.sandbox, OTHERS);
    // They find the events of all of them in one turn.
    for process in &alone.processes {
        let wakes = sleep_count(process.pid());
        process.send(CONT);
        await_sleep_after(process, wakes);
    }
    let later = alone.memory();
    println!("private memory after {OTHERS} tombstones at once: {later:?}");
    for (at, line) in NAMED.iter().enumerate() {
        assert!(without[at] > 0, "{line}: no memory");
        assert!(with[at] <= without[at] + BETWEEN_PROCESSES, "{line}");
        assert!(later[at] <= without[at] + PAGE, "{line}");
    }
}
